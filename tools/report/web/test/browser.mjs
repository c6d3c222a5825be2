// node browser.mjs PICTURES PAGE.html…: each page in both themes and two widths, by mouse, by keys
// and printed; with axe-core beside it (npm ci, or AXE=FILE) its rules too. Exit codes: 1 something
// is wrong, 77 there is no browser.
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gunzipSync } from 'node:zlib';
import { Browser } from './cdp.mjs';

const program = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'].find(existsSync);
if (!program) {
  console.log('SKIPPED: no browser: apt-get install chromium');
  process.exit(77);
}
const here = dirname(fileURLToPath(import.meta.url));
const axe = [process.env.AXE, join(here, '../node_modules/axe-core/axe.min.js')].find(file => file && existsSync(file));
if (!axe) console.log('axe-core is not there (npm ci in tools/report/web): its rules are not tried');
const kReady = 5000; // ms
const [pictures, ...files] = process.argv.slice(2);
mkdirSync(pictures, { recursive: true });

// What the program put into the page.
function dataOf(file) {
  const packed = /id="data">([^<]*)</.exec(readFileSync(file, 'utf8'))[1];
  return JSON.parse(gunzipSync(Buffer.from(packed, 'base64')));
}

// Each chart has something on it: elements of an SVG, or dots of a canvas, of more than one colour.
const blank = `[...document.querySelectorAll('.chart')].filter(box => {
  const svg = box.querySelector('svg');
  if (svg) return svg.querySelectorAll('path, rect, text').length < 4;
  return ![...box.querySelectorAll('canvas')].some(canvas => {
    const dots = new Uint32Array(canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data.buffer);
    return new Set(dots).size > 2;
  });
}).map(box => box.getAttribute('aria-label'))`;

const tipText = `[...document.querySelectorAll('.chart > div')].map(box => box.innerText).filter(text => text).join('|')`;

async function tryPage(browser, file, { width, dark }) {
  const data = dataOf(file);
  const where = `${basename(file, '.html')}-${width}-${dark ? 'dark' : 'light'}`;
  const tab = await browser.open({ width, height: 900, dark, reduced: dark, mobile: width < 500 });
  // What else the machine does is no fault of the page: the best of three.
  let took = await Browser.load(tab, file);
  for (let again = 0; took >= kReady && again < 2; ++again) took = Math.min(took, await Browser.load(tab, file));
  assert.ok(took < kReady, `${where}: ready after ${took.toFixed(0)} ms`);
  assert.equal(await tab.run('document.documentElement.dataset.theme'), dark ? 'dark' : 'light');
  assert.equal(await tab.run('document.querySelector("#answer").textContent'), data.answer);
  assert.equal(await tab.run('document.querySelector("h1").textContent'), data.title);
  assert.equal(await tab.run('document.title'), data.title);
  assert.deepEqual(await tab.run(blank), [], `${where}: charts with nothing on them`);
  const charts = data.sections.flatMap(section => section.figures).filter(figure => figure.chart).length;
  assert.equal(await tab.run('document.querySelectorAll(".chart").length'), charts);
  assert.equal(await tab.run('document.documentElement.scrollWidth <= innerWidth'), true, `${where}: wider than the screen`);
  assert.equal(await tab.run(`getComputedStyle(document.documentElement).scrollBehavior`), dark ? 'auto' : 'smooth');
  writeFileSync(join(pictures, `${where}.png`), await tab.picture(true));

  if (axe) {
    await tab.run(readFileSync(axe, 'utf8'));
    const found = await tab.run(`axe.run(document, { resultTypes: ['violations'] }).then(result => result.violations
      .filter(one => ['serious', 'critical'].includes(one.impact))
      .map(one => one.id + ': ' + one.nodes.slice(0, 3).map(node => node.html.slice(0, 120)).join(' | ')))`);
    assert.deepEqual(found, [], `${where}: axe`);
  }

  // Every chart by keys: a tooltip comes, and Escape takes it away.
  for (let chart = 0; chart < charts; ++chart) {
    await tab.run(`document.querySelectorAll('.chart')[${chart}].focus()`);
    await tab.key('ArrowRight');
    const shown = await tab.run(tipText);
    assert.ok(shown.length > 0, `${where}: no tooltip by keys on chart ${chart}`);
    await tab.key('Escape');
  }
  // Tab goes to the skip link first, then through the sections.
  await tab.run('document.activeElement.blur(); scrollTo(0, 0)');
  await Browser.load(tab, file);
  const order = [];
  for (let i = 0; i < 2 + data.sections.length; ++i) {
    await tab.key('Tab');
    order.push(await tab.run('document.activeElement.textContent'));
  }
  assert.deepEqual(order.slice(0, -1), ['To the answer', ...data.sections.map(section => section.title)]);
  assert.equal(order.at(-1), dark ? 'Light' : 'Dark');
  // The switch changes the theme, and the charts stay.
  await tab.run('document.querySelector("#theme").click()');
  assert.equal(await tab.run('document.documentElement.dataset.theme'), dark ? 'light' : 'dark');
  assert.deepEqual(await tab.run(blank), []);
  await tab.run('document.querySelector("#theme").click()');
  // Every table opens and has its rows.
  await tab.run(`for (const one of document.querySelectorAll('details')) one.open = true`);
  await tab.run('new Promise(done => setTimeout(done, 50))');
  const rows = await tab.run(`[...document.querySelectorAll('figure')].map(one => one.querySelectorAll('tbody tr').length)`);
  const expected = data.sections.flatMap(section => section.figures)
    .map(figure => figure.table ? figure.table.rows.length : figure.chart.rows.length);
  assert.deepEqual(rows, expected, `${where}: rows of tables`);
  const printed = Buffer.from((await tab.send('Page.printToPDF', { preferCSSPageSize: true })).data, 'base64');
  assert.ok(printed.subarray(0, 5).toString() === '%PDF-' && printed.length > 10_000, `${where}: print`);
  if (width > 500 && dark) writeFileSync(join(pictures, `${basename(file, '.html')}.pdf`), printed);
  assert.equal(await tab.run('document.documentElement.dataset.theme'), dark ? 'dark' : 'light');

  const foreign = tab.requests.filter(url => !/^(file|data|blob):/.test(url));
  assert.deepEqual(foreign, [], `${where}: requests beyond the file`);
  assert.deepEqual(tab.complaints, [], `${where}: the console`);
  await tab.close();
  console.log(`${where}: ready in ${took.toFixed(0)} ms`);
}

const browser = new Browser(program);
let wrong = 0;
try {
  for (const file of files.map(name => resolve(name))) {
    for (const width of [1440, 375]) {
      for (const dark of [false, true]) {
        await tryPage(browser, file, { width, dark }).catch(error => {
          wrong += 1;
          console.log(error.message);
        });
      }
    }
  }
} finally {
  await browser.close();
}
process.exit(wrong > 0 ? 1 : 0);
