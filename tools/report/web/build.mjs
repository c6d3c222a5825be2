// Builds the template: node build.mjs [FILE]. The same bytes on every machine.
import { build } from 'esbuild';
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const here = dirname(fileURLToPath(import.meta.url));
const target = process.argv[2] ?? join(here, '..', 'template', 'report.html');

// As tests/architecture/report_template.cmake does it: a line a file, by name.
function fingerprint() {
  const sources = readdirSync(join(here, 'src'), { recursive: true, withFileTypes: true })
    .filter(entry => entry.isFile())
    .map(entry => join(entry.parentPath ?? entry.path, entry.name).slice(here.length + 1));
  const files = ['build.mjs', 'package-lock.json', 'package.json', 'tsconfig.json', ...sources].sort();
  const sha256 = bytes => createHash('sha256').update(bytes).digest('hex');
  return sha256(files.map(file => `${sha256(readFileSync(join(here, file)))}  ${file}\n`).join(''));
}

const text = file => readFileSync(join(here, file), 'utf8');
const bundle = async (entry, more) => (await build({
  absWorkingDir: here, entryPoints: [entry], bundle: true, minify: true, write: false, target: 'es2022',
  charset: 'ascii', legalComments: 'none', ...more,
})).outputFiles[0].text.trim();

const script = (await bundle('src/main.ts', { format: 'iife' })).replaceAll('</script', '<\\/script');
const style = await bundle('src/style.css', {});
const licence = name => text(`node_modules/${name}`).trim().replaceAll('--', '- -');
const licences = [
  'Apache ECharts 6.1.0, Apache License 2.0', licence('echarts/NOTICE'), licence('echarts/LICENSE'),
  'zrender, BSD 3-Clause License', licence('zrender/LICENSE'),
  'tslib, Zero-Clause BSD', licence('tslib/LICENSE.txt'),
].join('\n\n');

// A function as replacement: "$" in a script means nothing.
const page = text('src/page.html').replace('@STYLE@', () => style).replace('@SCRIPT@', () => script);
writeFileSync(target, page.replace('<html', () => `<!-- moesim report template, sources ${fingerprint()} -->\n<html`) +
  `<!--\n${licences}\n-->\n`);
