import { afterEach, expect, it } from 'vitest';
import type { AceBaseProcess } from '../support/acebase-process.js';
import { Cluster } from '../support/cluster.js';
import { isInFull } from '../support/in-full.js';
import { knownOptions } from '../support/known-options.js';
import { eventually } from '../support/waiting.js';

let cluster: Cluster | undefined;

afterEach(async () => {
  await cluster?.end();
});

const [WORKERS, ROUNDS] = isInFull ? [3, 4] : [2, 1];

/** Writes numbers of its own, and counts together with the others, until it is told to stop. */
class Writer {
  readonly finished: Promise<void>;
  /** Rounds whose writes were all acknowledged. */
  rounds = 0;
  /** What the shared counter was when increments of this writer were acknowledged. */
  readonly counts: number[] = [];
  #isStopping = false;

  constructor(worker: AceBaseProcess, path: string) {
    this.finished = this.#write(worker, path);
    this.finished.catch(() => undefined);
  }

  stop(): Promise<void> {
    this.#isStopping = true;
    return this.finished;
  }

  async #write(worker: AceBaseProcess, path: string): Promise<void> {
    for (let n = 1; !this.#isStopping; n++) {
      // The longer the number of the round, the larger the record: it moves now and then.
      await worker.set(`${path}/r${n % 7}`, { n, text: `${n} `.repeat(n % 50) });
      this.counts.push(await worker.transaction('count', { increment: 1 }));
      await worker.set(`${path}/last`, n);
      this.rounds = n;
    }
  }
}

it('workers go on as if nothing had been when the master is killed and started again under load', async () => {
  cluster = await Cluster.start(await knownOptions({ masterSettle: '200ms', reconnectGrace: '2s' }));
  const formed = await cluster.form<number>(WORKERS);
  const workers = formed.slice(1);
  let [master] = formed;
  const writers = workers.map((worker, n) => new Writer(worker, `load/worker${n}`));
  for (let round = 1; round <= ROUNDS; round++) {
    await master.kill();
    master = cluster.master({ name: `master ${round}` });
    await master.ready();
    const before = writers.map(({ rounds }) => rounds);
    for (const [n, writer] of writers.entries()) {
      const goesOn = eventually(() => writer.rounds > (before[n] ?? 0) + 2);
      // A write that failed fails the test, with the reason.
      await Promise.race([goesOn, writer.finished]);
    }
  }
  await Promise.all(writers.map((writer) => writer.stop()));
  expect(workers.filter(({ complaints }) => complaints !== '').map((it) => it.describe())).toEqual([]);

  const counts = writers.flatMap((writer) => writer.counts).sort((a, b) => a - b);
  expect(counts).toEqual(counts.map((_, index) => index + 1));

  for (const process of [...workers, master]) await process.closeAndEnd();
  const { load: file, count } = await cluster.reopened((database) => database.get<File>(''));
  expect(count).toBe(counts.length);
  for (const [index, { rounds }] of writers.entries()) {
    const expected: Record<string, unknown> = { last: rounds };
    for (let n = Math.max(1, rounds - 6); n <= rounds; n++) {
      expected[`r${n % 7}`] = { n, text: `${n} `.repeat(n % 50) };
    }
    expect(file[`worker${index}`]).toEqual(expected);
  }
});

interface File {
  readonly load: Readonly<Record<string, unknown>>;
  readonly count: number;
}
