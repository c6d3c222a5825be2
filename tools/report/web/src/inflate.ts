// The page's JSON out of its slot: base64 of gzip, which the browser itself unpacks.
import type { Page } from './page';

export async function readPage(): Promise<Page> {
  const packed = atob(document.getElementById('data')!.textContent!.trim());
  const bytes = Uint8Array.from(packed, c => c.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream('gzip'));
  return JSON.parse(await new Response(stream).text());
}
