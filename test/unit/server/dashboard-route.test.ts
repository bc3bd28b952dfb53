import { existsSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { gunzipSync, gzipSync } from 'node:zlib';
import { Hono } from 'hono';
import { describe, expect, test } from 'vitest';
import type { RouteEnvironment } from '../../../src/server/routes/context.js';
import { addDashboardRoutes, DASHBOARD_PATHS } from '../../../src/server/routes/dashboard.js';

const built = fileURLToPath(new URL('../../../dist/dashboard/', import.meta.url));

/** Asks for a file of the page, without a port. */
async function ask(path: string, headers: Readonly<Record<string, string>> = {}): Promise<Response> {
  const app = new Hono<RouteEnvironment>();
  addDashboardRoutes(app);
  return app.request(path, { headers });
}

// `npm run test:unit` needs no build; `npm test`, which CI runs, makes one.
describe.runIf(existsSync(built))('the page that was built', () => {
  test('is served, and nothing of it is left out', async () => {
    expect(await readdir(built)).toHaveLength(DASHBOARD_PATHS.length);
    for (const path of DASHBOARD_PATHS) {
      const answer = await ask(path);
      expect(answer.status, path).toBe(200);
      const file = path === '/' ? 'index.html' : path.slice(1);
      expect(Buffer.from(await answer.arrayBuffer()).equals(await readFile(built + file)), path).toBe(true);
    }
  });

  test('may load from its own server only, and runs no text as code', async () => {
    for (const path of DASHBOARD_PATHS) {
      const policy = (await ask(path)).headers.get('Content-Security-Policy') ?? '';
      expect(policy).toContain("default-src 'none'");
      expect(policy).toContain("frame-ancestors 'none'");
      expect(policy).not.toMatch(/unsafe|https?:|data:|\*/);
    }
  });

  test('is compressed for who takes that', async () => {
    for (const accepted of ['gzip', 'br, gzip', 'gzip;q=0.5, br']) {
      const answer = await ask('/dashboard.js', { 'Accept-Encoding': accepted });
      expect(answer.headers.get('Content-Encoding')).toBe('gzip');
      const text = gunzipSync(Buffer.from(await answer.arrayBuffer()));
      expect(text.equals(await readFile(`${built}dashboard.js`))).toBe(true);
    }
    for (const accepted of ['identity', 'gzip;q=0', 'br, gzip;q=0.0']) {
      const { headers } = await ask('/dashboard.js', { 'Accept-Encoding': accepted });
      expect(headers.get('Content-Encoding'), accepted).toBeNull();
    }
  });

  test('takes less than 60 kB, compressed', async () => {
    const files = await Promise.all((await readdir(built)).map((name) => readFile(built + name)));
    const sizes = files.map((file) => gzipSync(file).length);
    expect(sizes.reduce((sum, size) => sum + size, 0)).toBeLessThan(60_000);
  });

  test('names no other host, and has no script or style in the page itself', async () => {
    const page = await readFile(`${built}index.html`, 'utf8');
    expect(page).not.toMatch(/https?:\/\/|<style|style=|<script(?![^>]* src=)|\son\w+=/);
    const script = await readFile(`${built}dashboard.js`, 'utf8');
    // Names of markup languages, which nobody fetches.
    expect(script.replaceAll(/http:\/\/www\.w3\.org\/[\w/]+/g, '')).not.toMatch(/https?:\/\//);
  });
});
