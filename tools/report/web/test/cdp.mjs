// Chromium without a window, spoken to over a pipe (the DevTools protocol): no library needed.
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export class Browser {
  #process; #next = 1; #waiting = new Map(); #listeners = new Set(); #folder; #rest = '';

  constructor(program) {
    this.#folder = mkdtempSync(join(tmpdir(), 'moesim-browser-'));
    this.#process = spawn(program, [
      '--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run',
      '--disable-background-networking', '--disable-component-update', '--disable-sync',
      '--disable-dev-shm-usage', '--hide-scrollbars', `--user-data-dir=${this.#folder}`,
      '--remote-debugging-pipe',
    ], { stdio: ['ignore', 'ignore', 'ignore', 'pipe', 'pipe'] });
    this.#process.stdio[4].setEncoding('utf8').on('data', text => {
      const messages = (this.#rest + text).split('\0');
      this.#rest = messages.pop();
      for (const message of messages) this.#receive(JSON.parse(message));
    });
    this.#process.on('exit', code => {
      for (const { reject } of this.#waiting.values()) reject(new Error(`the browser ended: ${code}`));
    });
  }

  #receive(message) {
    if (message.id) {
      const { resolve, reject } = this.#waiting.get(message.id);
      this.#waiting.delete(message.id);
      if (message.error) reject(new Error(message.error.message)); else resolve(message.result);
    } else {
      for (const listener of this.#listeners) listener(message);
    }
  }

  send(method, params = {}, sessionId = undefined) {
    const id = this.#next++;
    this.#process.stdio[3].write(JSON.stringify({ id, method, params, sessionId }) + '\0');
    return new Promise((resolve, reject) => this.#waiting.set(id, { resolve, reject }));
  }

  // A tab that notes what it asks for and what it complains of.
  async open({ width, height, dark, reduced = false, mobile = false }) {
    const { targetId } = await this.send('Target.createTarget', { url: 'about:blank' });
    const { sessionId } = await this.send('Target.attachToTarget', { targetId, flatten: true });
    const tab = { requests: [], complaints: [] };
    this.#listeners.add(message => {
      if (message.sessionId !== sessionId) return;
      const { method, params } = message;
      if (method === 'Network.requestWillBeSent') tab.requests.push(params.request.url);
      if (method === 'Runtime.exceptionThrown')
        tab.complaints.push(params.exceptionDetails.exception?.description ?? params.exceptionDetails.text);
      if (method === 'Runtime.consoleAPICalled')
        tab.complaints.push(params.args.map(arg => arg.value ?? arg.description).join(' '));
      if (method === 'Log.entryAdded') tab.complaints.push(params.entry.text);
    });
    tab.send = (method, params) => this.send(method, params, sessionId);
    tab.run = async text => {
      const { result, exceptionDetails } = await tab.send('Runtime.evaluate',
        { expression: text, awaitPromise: true, returnByValue: true });
      if (exceptionDetails) throw new Error(exceptionDetails.exception?.description ?? exceptionDetails.text);
      return result.value;
    };
    tab.key = async (key, code = key) => {
      for (const type of ['keyDown', 'keyUp']) {
        await tab.send('Input.dispatchKeyEvent', {
          type, key, code,
          windowsVirtualKeyCode: { Tab: 9, Escape: 27, ArrowRight: 39, ArrowDown: 40 }[key] ?? 0,
        });
      }
    };
    tab.picture = async full => {
      const options = { format: 'png', captureBeyondViewport: full };
      if (full) {
        const { cssContentSize } = await tab.send('Page.getLayoutMetrics');
        options.clip = { x: 0, y: 0, width: cssContentSize.width, height: cssContentSize.height, scale: 1 };
      }
      return Buffer.from((await tab.send('Page.captureScreenshot', options)).data, 'base64');
    };
    tab.close = () => this.send('Target.closeTarget', { targetId });
    for (const domain of ['Page', 'Runtime', 'Network', 'Log']) await tab.send(`${domain}.enable`);
    await tab.send('Emulation.setDeviceMetricsOverride', { width, height, deviceScaleFactor: 1, mobile });
    await tab.send('Emulation.setEmulatedMedia', { features: [
      { name: 'prefers-color-scheme', value: dark ? 'dark' : 'light' },
      { name: 'prefers-reduced-motion', value: reduced ? 'reduce' : 'no-preference' },
    ] });
    return tab;
  }

  // Goes to a file and waits until the page says that it is built. Returns the milliseconds.
  static async load(tab, file) {
    const start = performance.now();
    await tab.send('Page.navigate', { url: `file://${file}` });
    for (;;) {
      const ready = await tab.run('document.documentElement.dataset.ready ?? ""').catch(() => '');
      if (ready === 'true') return performance.now() - start;
      if (ready === 'failed') throw new Error(await tab.run('document.body.innerText'));
      if (performance.now() - start > 30_000) throw new Error('not ready within 30 s');
      await new Promise(resolve => setTimeout(resolve, 20));
    }
  }

  async close() {
    const ended = new Promise(resolve => this.#process.once('exit', resolve));
    this.send('Browser.close').catch(() => {});
    await Promise.race([ended, new Promise(resolve => setTimeout(resolve, 5000))]);
    this.#process.kill('SIGKILL');
    // Its helpers may write for a moment longer.
    rmSync(this.#folder, { recursive: true, force: true, maxRetries: 20, retryDelay: 200 });
  }
}
