import { expect, it, onTestFinished } from 'vitest';
import type { AceBaseProcess } from '../support/acebase-process.js';
import { Cluster } from '../support/cluster.js';

const keysPerWriter = 40;

/** Of those whose event loop is late. */
const LATE = 2;

type Peer = AceBaseProcess;

/**
 * Each new top-level key moves the root record. Stock clients repeat every `root.update` they receive, and a process
 * that reads its mail late repeats an address that is long out of date: on a server that passes that on, most of
 * these keys are lost (stock-clients.md, row 15).
 */
it('keeps every top-level key that two workers add beside others whose event loop is late', async () => {
  const cluster = await Cluster.start();
  onTestFinished(() => cluster.end());
  const peers = await cluster.form<number>(2 + LATE);
  const [, first, second, ...late] = peers as [Peer, Peer, Peer, ...Peer[]];
  await Promise.all(late.map((worker) => worker.block(25, 30)));

  const expected: Record<string, unknown> = {};
  const writeAll = async (worker: Peer, name: string) => {
    for (let number = 0; number < keysPerWriter; number++) {
      const value = { writer: name, number };
      expected[`${name}_${number}`] = value;
      await worker.set(`${name}_${number}`, value);
    }
  };
  await Promise.all([writeAll(first, 'north'), writeAll(second, 'south')]);

  // The late ones must see it all too, and not only the file.
  const number = keysPerWriter - 1;
  for (const worker of late) {
    expect(await worker.get(`south_${number}`)).toEqual({ writer: 'south', number });
  }
  const counts = await Promise.all(peers.map((peer) => peer.counts()));
  const total = (kind: 'received' | 'sent', name: string) =>
    counts.reduce((sum, count) => sum + (count[kind][name] ?? 0), 0);
  const updates = total('sent', 'root.update');
  expect(updates, 'the root moved').toBeGreaterThan(0);
  expect(total('received', 'root.update')).toBeLessThanOrEqual(updates * peers.length);

  await cluster.close();
  expect(await cluster.reopened((file) => file.get(''))).toEqual(expected);
});
