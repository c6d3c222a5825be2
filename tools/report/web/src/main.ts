// Builds the page: the answer first, then a figure with its table after another.
import { draw, type Drawn } from './chart';
import { el } from './dom';
import { readPage } from './inflate';
import type { Figure, Page, Section } from './page';
import { tableOf } from './table';
import { watchTheme } from './theme';

const drawn: Drawn[] = [];
// A section's own, where two are called alike too.
const idOf = (title: string, place: number) => `${title.toLowerCase().replace(/[^a-z0-9]+/g, '-')}-${place}`;

function figureOf(figure: Figure): HTMLElement {
  const caption = el('figcaption', {}, el('h3', {}, figure.title), el('p', {}, figure.sentence));
  const element = el('figure', {}, caption);
  if (figure.chart) {
    const box = el('div', { class: 'chart', role: 'img', tabindex: '0', 'aria-label': figure.sentence });
    element.append(box);
    drawn.push(draw(box, figure.chart));
  }
  if (figure.note) element.append(el('p', { class: 'note' }, figure.note));
  const table = tableOf(figure);
  if (table) element.append(table);
  return element;
}

function sectionOf(section: Section, place: number): HTMLElement {
  return el('section', { id: idOf(section.title, place), 'aria-label': section.title },
    el('h2', {}, section.title), ...section.text.map(text => el('p', {}, text)),
    ...section.figures.map(figureOf));
}

// The report itself, for who wants to go on with it.
function download(page: Page): HTMLElement {
  const button = el('button', { type: 'button' }, 'Save as JSON');
  button.addEventListener('click', () => {
    const url = URL.createObjectURL(
      new Blob([JSON.stringify(page.report, null, 2)], { type: 'application/json' }));
    el('a', { href: url, download: 'report.json' }).click();
    URL.revokeObjectURL(url);
  });
  return button;
}

function build(page: Page) {
  document.title = page.title;
  const button = el('button', { type: 'button', id: 'theme' });
  const links = page.sections.map((section, place) =>
    el('li', {}, el('a', { href: '#' + idOf(section.title, place) }, section.title)));
  document.body.append(
    el('a', { class: 'skip', href: '#answer' }, 'To the answer'),
    el('header', {}, el('nav', { 'aria-label': 'Sections' }, el('ul', {}, ...links)), button),
    el('main', {},
      el('h1', {}, page.title), el('p', { class: 'what' }, page.what),
      el('p', { id: 'answer' }, page.answer),
      ...page.warnings.map(text => el('p', { class: 'warning', role: 'note' }, text)),
      ...page.sections.map(sectionOf)),
    el('footer', {}, el('p', {}, 'Made by moesim. This file needs nothing else. '), download(page)));
  watchTheme(button, printing => {
    for (const chart of drawn) chart.redraw(printing);
  });
  addEventListener('resize', () => {
    for (const chart of drawn) chart.resize();
  });
}

async function start() {
  const root = document.documentElement;
  try {
    build(await readPage());
    root.dataset.ready = 'true';
  } catch (error) {
    document.body.append(el('p', { class: 'warning' },
      `This page could not be built: ${error}. It needs a browser of 2023 or later.`));
    root.dataset.ready = 'failed';
  }
}

start();
