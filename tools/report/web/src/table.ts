// A figure's numbers as a table, behind a summary where it is long; made when it is opened.
import { el } from './dom';
import type { Chart, Figure, Table } from './page';

const kOpen = 16; // rows that are shown at once
const kFilter = 24; // rows from which on one wants to search

// A chart whose cells are the table.
function ownTable(chart: Chart | null): Table {
  if (chart?.type !== 'heat') return { columns: [], rows: [] };
  const width = chart.columns.length;
  return {
    columns: [`${chart.y} \\ ${chart.x}`, ...chart.columns],
    rows: chart.rows.map((name, row) =>
      [name, ...chart.values.slice(row * width, (row + 1) * width).map(String)]),
  };
}

const isNumber = (text: string) => /^[-+<]?[\d.]/.test(text) || text === '-' || text === '';

function body(table: Table, label: string): HTMLElement {
  const numeric = table.columns.map((_, c) => c > 0 && table.rows.every(row => isNumber(row[c])));
  const align = (c: number) => (numeric[c] ? { class: 'number' } : {}) as Record<string, string>;
  const rows = table.rows.map(row =>
    el('tr', {}, ...row.map((cell, c) =>
      c === 0 ? el('th', { scope: 'row' }, cell) : el('td', align(c), cell))));
  const head = el('tr', {}, ...table.columns.map((name, c) =>
    el('th', { scope: 'col', ...align(c) }, name)));
  const scroll = el('div', { class: 'scroll', tabindex: '0', role: 'region', 'aria-label': label },
    el('table', {}, el('thead', {}, head), el('tbody', {}, ...rows)));
  if (rows.length < kFilter) return scroll;
  const search = el('input',
    { type: 'search', placeholder: 'Filter rows', 'aria-label': `Filter rows: ${label}` });
  search.addEventListener('input', () => {
    const wanted = search.value.toLowerCase();
    rows.forEach((row, r) =>
      row.hidden = !table.rows[r].some(cell => cell.toLowerCase().includes(wanted)));
  });
  return el('div', {}, search, scroll);
}

export function tableOf(figure: Figure): HTMLElement | null {
  const table = figure.table ?? ownTable(figure.chart);
  if (table.rows.length === 0) return null;
  const label = `Table: ${figure.title}`;
  if (figure.table && table.rows.length <= kOpen && !figure.chart) return body(table, label);
  const details = el('details', {}, el('summary', {}, `Table (${table.rows.length} rows)`));
  details.addEventListener('toggle', () => {
    if (details.open && details.childElementCount === 1) details.append(body(table, label));
  });
  return details;
}
