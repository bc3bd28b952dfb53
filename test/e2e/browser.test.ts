import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, expect, it, onTestFinished } from 'vitest';
import { openChromium } from '../support/chromium.js';
import { chromiumPath } from '../support/chromium-path.js';
import { connectPath, rawPeer } from '../support/raw-socket.js';
import { serve, unnoticed } from '../support/served.js';

/** A web site that has nothing to do with the IPC server but the machine. Gives its origin. */
async function webSite(): Promise<string> {
  const site = createServer((_request, response) => {
    response.setHeader('Content-Type', 'text/html');
    response.end('<!doctype html><title>A page of somebody else</title>');
  }).listen(0, '127.0.0.1');
  onTestFinished(() => {
    site.closeAllConnections();
    site.close();
  });
  await once(site, 'listening');
  return `http://localhost:${(site.address() as AddressInfo).port}`;
}

/** A page, as far as it is asked to do something: in JavaScript of its own, which knows nothing of this process. */
interface Page {
  evaluate(script: string): Promise<unknown>;
}

/** What becomes of a WebSocket that the page opens: its first message, or that it was closed. */
const openSocket = (page: Page, url: string) =>
  page.evaluate(`new Promise((resolve) => {
    const socket = new WebSocket(${JSON.stringify(url)});
    socket.onmessage = ({ data }) => resolve(data);
    socket.onclose = ({ code }) => resolve('closed with ' + code);
  })`);

/** What the page can read of an address, or the name of the error. */
const read = (page: Page, url: string, headers: Readonly<Record<string, string>> = {}) =>
  page.evaluate(`fetch(${JSON.stringify(url)}, { headers: ${JSON.stringify(headers)} }).then(
    async (response) => response.status + ' ' + (await response.text()),
    (error) => error.name,
  )`);

/** With the token in a header, for which the browser asks beforehand whether it may send it. */
const readWithHeader = (page: Page, url: string) => read(page, url, { Authorization: 'Bearer sesame' });

describe.runIf(chromiumPath !== undefined)('in a real browser', () => {
  it('a page of another origin can neither connect nor read', async () => {
    await unnoticed({}, async ({ port, log, conversation }) => {
      const context = await openChromium();
      const page = await context.newPage();
      await page.goto(await webSite());
      for (const host of ['localhost', '127.0.0.1']) {
        expect(await openSocket(page, `ws://${host}:${port}${connectPath()}`)).toBe('closed with 1006');
        expect(await read(page, `http://${host}:${port}/mydb_data/clients`)).toBe('TypeError');
        expect(await readWithHeader(page, `http://${host}:${port}/mydb_data/clients`)).toBe('TypeError');
        expect(await read(page, `http://${host}:${port}/health`)).toBe('TypeError');
      }
      const codes = log.refusals.map(({ code }) => code);
      expect(new Set(codes)).toEqual(new Set(['IPC_REFUSED_ORIGIN']));
      expect(conversation.overheard).toEqual([]);
    });
  });

  it('a page of another origin cannot pick up a message by an image or a link', async () => {
    await unnoticed({ largeMessages: 'http', maxPayload: 1_024 }, async ({ port }) => {
      const peer = await rawPeer({ port }, { database: 'other' });
      const data = 'a'.repeat(2_000);
      await rawPeer({ port }, { database: 'other', id: 'sender01' });
      await fetch(`http://127.0.0.1:${port}/other/send?id=sender01`, {
        method: 'POST',
        body: JSON.stringify({ type: 'test', from: 'sender01', data }),
      });
      let text = '';
      while (!text.startsWith('get:')) text = await peer.text();
      const url = `http://localhost:${port}/other/receive?id=mallory1&msg=${text.slice('get:'.length)}`;
      const context = await openChromium();
      const page = await context.newPage();
      await page.goto(await webSite());
      const loaded = `new Promise((resolve) => {
        const image = new Image();
        image.onload = image.onerror = () => resolve('done');
        image.src = ${JSON.stringify(url)};
      })`;
      expect(await page.evaluate(loaded)).toBe('done');
      const followed = page.waitForResponse(url);
      await page.evaluate(`void (location.href = ${JSON.stringify(url)})`);
      expect((await followed).status()).toBe(403);
      expect(await (await fetch(url)).json()).toMatchObject({ data });
    });
  });

  it('a page of an allowed origin can, where it has the token', async () => {
    const origin = await webSite();
    await unnoticed({ allowedOrigins: [origin], token: 'sesame' }, async ({ port }) => {
      const context = await openChromium();
      const page = await context.newPage();
      await page.goto(origin);
      const address = `localhost:${port}`;
      expect(await openSocket(page, `ws://${address}${connectPath()}`)).toBe('closed with 1006');
      expect(await openSocket(page, `ws://${address}${connectPath({ token: 'sesame' })}`)).toMatch(
        /^welcome:/,
      );
      expect(await read(page, `http://${address}/mydb_data/clients`)).toMatch(/^401 /);
      expect(await read(page, `http://${address}/mydb_data/clients?t=sesame`)).toMatch(/^200 .*asking00/);
      expect(await readWithHeader(page, `http://${address}/mydb_data/clients`)).toMatch(/^200 .*asking00/);
    });
  });

  it('a page whose name was pointed at this machine is refused', async () => {
    await unnoticed({}, async ({ port, log, conversation }) => {
      const context = await openChromium();
      const page = await context.newPage();
      // For the browser all of this is of one origin, so that it stops nothing itself.
      const answer = await page.goto(`http://evil.example:${port}/health`);
      expect(answer?.status()).toBe(421);
      expect(await page.evaluate('location.origin')).toBe(`http://evil.example:${port}`);
      expect(await openSocket(page, `ws://evil.example:${port}${connectPath()}`)).toBe('closed with 1006');
      expect(await read(page, '/mydb_data/clients')).toMatch(/^421 .*IPC_REFUSED_HOST/);
      expect(log.refusals).toMatchObject([{ code: 'IPC_REFUSED_HOST', path: '/health' }]);
      expect(conversation.overheard).toEqual([]);
    });
  });

  it('a page whose name was pointed at this machine gets nothing without the token', async () => {
    const { port } = await serve({ token: 'sesame' });
    const context = await openChromium();
    const page = await context.newPage();
    await page.goto(`http://evil.example:${port}/health`);
    expect(await openSocket(page, `ws://evil.example:${port}${connectPath()}`)).toBe('closed with 1006');
    expect(await read(page, '/mydb_data/clients')).toMatch(/^401 /);
  });
});
