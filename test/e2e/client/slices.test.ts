import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { Cluster } from '../../support/cluster.js';
import { itInFull } from '../../support/in-full.js';

let cluster: Cluster | undefined;

afterEach(async () => {
  await cluster?.end();
  cluster = undefined;
});

/** A master and two workers, with a database that has something in it. */
async function begin() {
  cluster = await Cluster.start();
  const master = cluster.master({ client: true });
  await master.ready();
  await master.set('items', { a: 0, b: 0, total: 0 });
  const workers = [cluster.worker({ client: true }), cluster.worker({ client: true })] as const;
  for (const worker of workers) await worker.ready();
  return { cluster, master, workers };
}

describe('workers that write in slices [PROTOCOL-14.8]', () => {
  itInFull('make nobody wait for code of the user that runs behind a write', async () => {
    const { cluster, workers } = await begin();
    const [busy, other] = workers;
    const until = join(cluster.path, 'others-have-written');
    const standing = busy.setAndStandStill('items/a', 1, until, 30_000);
    // Its lock has left before it stands still, and what others are to know of the write.
    await other.set('items/b', 1);
    await writeFile(until, '');
    await standing;
    expect(await other.get('items')).toEqual({ a: 1, b: 1, total: 0 });
  });

  it('lose no update of one another, eight at one time each, while both read', async () => {
    const { master, workers } = await begin();
    const rounds = Array.from({ length: 8 }, (_, index) => index);
    await Promise.all(
      workers.flatMap((worker) =>
        rounds.map(async () => {
          for (let round = 0; round < 12; round++) {
            await worker.transaction('items/total', { increment: 1 });
            await worker.get('items/total');
          }
        }),
      ),
    );
    expect(await master.get('items/total')).toBe(2 * 8 * 12);
  });
});
