import { mkdir, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, expect, it } from 'vitest';
import { Cluster } from '../support/cluster.js';

let cluster: Cluster | undefined;

afterEach(async () => {
  await cluster?.end();
});

it('a worker that waits for the file to appear survives, and knows, the moves of the root that it missed', async () => {
  cluster = await Cluster.start();
  // The worker looks for the file once a second. Until then it is connected, and its file is not open. A stock worker that
  // looks while the master makes the file dies (docs/OPERATIONS.md, "Making the file"), so here the file appears at once.
  const folder = join(cluster.path, 'master');
  const link = join(cluster.path, 'worker');
  await mkdir(folder);
  const worker = cluster.worker({ path: link });
  await worker.untilReceived('welcome');
  const master = cluster.master({ path: folder });
  await master.ready();
  const keys = Array.from({ length: 30 }, (_, n) => `key${n}`);
  for (const key of keys) await master.set(key, { name: key, text: key.repeat(20) });
  const { sent } = await master.counts();
  expect(sent['root.update'] ?? 0).toBeGreaterThan(0);
  await symlink(folder, link);
  await worker.ready();
  for (const key of keys) expect(await worker.get(`${key}/name`)).toBe(key);
  await worker.set('key30', { name: 'key30' });
  expect(await master.get('key30/name')).toBe('key30');
});
