import { mkdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { chromium, type Page } from 'playwright-core';
import type { AceBaseProcess } from '../support/acebase-process.js';
import { chromiumPath } from '../support/chromium-path.js';
import { Cluster } from '../support/cluster.js';

const images = fileURLToPath(new URL('../../docs/images', import.meta.url));

const SIZES = { desktop: { width: 1_120, height: 820 }, phone: { width: 375, height: 760 } } as const;

/** What the documents show: state, theme and size. */
const SHOWN = new Set(['healthy-light-desktop', 'broken-dark-desktop', 'broken-light-phone']);

/** Takes the pictures of one state. */
type Photographer = (state: 'empty' | 'healthy' | 'broken') => Promise<void>;

/**
 * Runs a cluster, breaks it, and takes pictures of its dashboard.
 *
 * @param seconds how long it works before the first picture of it
 * @param folder where all of them go; without it, those that the documents show go to docs/images
 * @returns the files, with their sizes
 */
export async function takePictures(seconds: number, folder?: string): Promise<string[]> {
  if (chromiumPath === undefined) throw new Error('No Chromium was found: set CHROMIUM_PATH to the program.');
  const files: string[] = [];
  const cluster = await Cluster.start({ reconnectGrace: '60s' });
  const browser = await chromium.launch({
    executablePath: chromiumPath,
    args: ['--headless', '--no-sandbox'],
  });
  try {
    const page = await browser.newPage({ reducedMotion: 'reduce' });
    await page.goto(`http://localhost:${cluster.server.port}/`);
    const photograph: Photographer = async (state) => {
      files.push(...(await pictures(page, state, folder)));
    };
    await page.getByText('No process is connected yet').waitFor();
    await photograph('empty');
    await work(cluster, seconds, photograph);
  } finally {
    await browser.close();
    await cluster.end();
  }
  return files;
}

async function work(cluster: Cluster, seconds: number, photograph: Photographer): Promise<void> {
  const master = cluster.master({ client: true });
  await master.ready();
  const workers = [{ client: true }, { client: true }, {}].map((options) => cluster.worker(options));
  await Promise.all(workers.map((worker) => worker.ready()));
  await Promise.all(workers.map((worker) => worker.untilPeers(workers.length)));
  const [holder, waiter, other] = workers;
  if (holder === undefined || waiter === undefined || other === undefined)
    throw new Error('There is no worker');
  await master.set('stock', { apples: 0, pears: 0 });

  const end = performance.now() + seconds * 1_000;
  await Promise.all([
    load(holder, 'apples', 40, end),
    load(waiter, 'apples', 25, end),
    load(other, 'pears', 55, end),
  ]);
  await photograph('healthy');

  // What a developer may meet: a worker that is killed in the middle of a transaction, and a master that is gone.
  await holder.hold('stock/apples');
  for (const worker of [waiter, other]) {
    worker.transaction('stock/apples', { increment: 1 }).catch(() => undefined);
    await worker.untilSent('lock-request');
  }
  await delay(6_000);
  await holder.kill();
  await master.kill();
  await delay(14_000);
  await photograph('broken');
}

/** Writes in waves that take this many seconds. */
async function load(worker: AceBaseProcess, name: string, wave: number, end: number): Promise<void> {
  for (let number = 0; performance.now() < end; number++) {
    await worker.transaction(`stock/${name}`, { increment: 1 });
    await worker.set(`orders/${name}${number % 50}`, { number, paid: number % 2 === 0 });
    const phase = (performance.now() / 1_000 / wave) * 2 * Math.PI;
    await delay(60 + 50 * Math.sin(phase) + 30 * Math.random());
  }
}

async function pictures(page: Page, state: string, folder: string | undefined): Promise<string[]> {
  const files: string[] = [];
  for (const [size, viewport] of Object.entries(SIZES)) {
    for (const colorScheme of ['light', 'dark'] as const) {
      const name = `${state}-${colorScheme}-${size}`;
      if (folder === undefined && !SHOWN.has(name)) continue;
      await page.setViewportSize(viewport);
      await page.emulateMedia({ colorScheme });
      // The plots are drawn anew in the frame after next.
      await page.evaluate('new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))');
      const path = join(folder ?? images, `dashboard-${name}.png`);
      await mkdir(folder ?? images, { recursive: true });
      await page.screenshot({ path, fullPage: folder !== undefined });
      files.push(`${path} (${Math.round((await stat(path)).size / 1_000)} kB)`);
    }
  }
  return files;
}
