import { afterEach, expect, it } from 'vitest';
import type { AceBaseProcess } from '../support/acebase-process.js';
import { Cluster } from '../support/cluster.js';
import { eventually } from '../support/waiting.js';

let cluster: Cluster | undefined;

afterEach(async () => {
  await cluster?.end();
});

const [WORKERS, ROUNDS] = [4, 5];

/** Writes numbers one after another, until it is told to stop. */
class Writer {
  readonly finished: Promise<void>;
  acknowledged = 0;
  #isStopping = false;

  constructor(worker: AceBaseProcess, path: string) {
    this.finished = this.#write(worker, path);
  }

  stop(): Promise<void> {
    this.#isStopping = true;
    return this.finished;
  }

  async #write(worker: AceBaseProcess, path: string): Promise<void> {
    for (let n = 1; !this.#isStopping; n++) {
      try {
        await worker.set(path, n);
        this.acknowledged = n;
      } catch (error) {
        // A master that closes denies new locks, and says so.
        if (!String(error).includes('exiting')) throw error;
      }
    }
  }
}

it('lets no worker wait for ever, and loses nothing, when masters that close follow each other under load', async () => {
  cluster = await Cluster.start({ masterSettle: '200ms' });
  const formed = await cluster.form<number>(WORKERS);
  const workers = formed.slice(1);
  let [master] = formed;
  const writers = workers.map((worker, n) => new Writer(worker, `load/worker${n}`));
  for (let round = 1; round <= ROUNDS; round++) {
    await master.closeAndEnd();
    const before = writers.map(({ acknowledged }) => acknowledged);
    master = cluster.master({ name: `master ${round}` });
    await master.ready();
    await master.untilPeers(workers.length);
    // Each of them gets through again; one whose answer was lost would never.
    for (const [n, writer] of writers.entries())
      await eventually(() => writer.acknowledged > (before[n] ?? 0));
  }
  await Promise.all(writers.map((writer) => writer.stop()));
  const expected = Object.fromEntries(writers.map(({ acknowledged }, n) => [`worker${n}`, acknowledged]));
  for (const process of [...workers, master]) await process.closeAndEnd();
  expect(await cluster.reopened((database) => database.get('load'))).toEqual(expected);
});
