import { fileURLToPath } from 'node:url';
import { afterEach, expect, it } from 'vitest';
import { Cluster } from '../../support/cluster.js';
import { someOf } from '../../support/in-full.js';

const HOUR_MS = 3_600_000;
const shiftClock = fileURLToPath(new URL('../../support/shift-clock.cjs', import.meta.url));

let cluster: Cluster | undefined;

afterEach(async () => {
  await cluster?.end();
  cluster = undefined;
});

/** A process with our client whose clock is ahead of that of the server by so many hours. */
const ahead = (hours: number) => ({
  client: true,
  env: { NODE_OPTIONS: `--require ${shiftClock}`, CLOCK_AHEAD_MS: String(hours * HOUR_MS) },
});

it.each(
  someOf([
    ['a master behind', { master: -3, workers: [0, 1] }],
    ['workers ahead and behind', { master: 0, workers: [1, -1] }],
  ] as const),
)('a cluster works whose clocks are hours apart: %s', async (_, { master: masterAhead, workers: aheads }) => {
  cluster = await Cluster.start();
  const master = cluster.master(ahead(masterAhead));
  await master.ready();
  const workers = [];
  for (const hours of aheads) {
    const worker = cluster.worker(ahead(hours));
    await worker.ready();
    workers.push(worker);
  }
  const all = [master, ...workers];
  for (const [n, each] of all.entries()) await each.set(`written/by${n}`, n);
  for (const each of all) expect(await each.get('written')).toEqual({ by0: 0, by1: 1, by2: 2 });
});
