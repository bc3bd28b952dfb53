import { afterEach, describe, expect, it } from 'vitest';
import { Pm2Example } from '../../support/pm2-example.js';

const orders = [
  ['ipc-server', 'db-server', 'db-master'],
  ['db-server', 'db-master', 'ipc-server'],
  ['ipc-server', 'db-master', 'db-server'],
  ['db-master', 'ipc-server', 'db-server'],
  ['db-master', 'db-server', 'ipc-server'],
  ['db-server', 'ipc-server', 'db-master'],
] as const;

const running = new Set<Pm2Example>();

afterEach(async () => {
  await Promise.all(Array.from(running, (example) => example.end()));
  running.clear();
});

/** From nothing: there is no database yet. */
async function startInOrder(apps: readonly string[]): Promise<void> {
  const example = await Pm2Example.create('pm2-dedicated-master', 2);
  running.add(example);
  await example.startInOrder(apps);
  const client = example.client();
  await client.set('order', apps.join(' '));
  expect(await client.get('order')).toBe(apps.join(' '));
  expect(await example.pm2.processes()).toHaveLength(4);

  running.delete(example);
  await example.end();
}

describe('examples/pm2-dedicated-master, started in any order', () => {
  // Two at a time: most of it is waiting for one process or another to come back.
  it.each([orders.slice(0, 2), orders.slice(2, 4), orders.slice(4)])('%j and %j', async (...both) => {
    await Promise.all(both.map(startInOrder));
  });
});
