import { afterEach, expect, it } from 'vitest';
import type { AceBaseProcess } from '../support/acebase-process.js';
import { Cluster } from '../support/cluster.js';
import { eventually } from '../support/waiting.js';

let cluster: Cluster | undefined;

afterEach(async () => {
  await cluster?.end();
});

/** Adds records, one after the other, until it is told to stop. */
class Author {
  readonly finished: Promise<void>;
  readonly keys: string[] = [];
  #isStopping = false;

  constructor(worker: AceBaseProcess, name: string) {
    this.finished = this.#write(worker, name);
    this.finished.catch(() => undefined);
  }

  stop(): Promise<void> {
    this.#isStopping = true;
    return this.finished;
  }

  async #write(worker: AceBaseProcess, name: string): Promise<void> {
    for (let n = 1; !this.#isStopping; n++) {
      await worker.set(`books/${name}${n}`, { year: 1900 + (n % 100), title: `${name} no. ${n}` });
      this.keys.push(`${name}${n}`);
    }
  }
}

async function indexed(database: AceBaseProcess): Promise<string[]> {
  const found = await database.query('books', [['year', '>=', 0]]);
  return found.map(({ key }) => key).sort();
}

it('an index that a worker creates while others add records misses none of them, in any process', async () => {
  cluster = await Cluster.start();
  const formed = await cluster.form<number>(3);
  const [master, creator, ...writers] = formed as [AceBaseProcess, AceBaseProcess, ...AceBaseProcess[]];
  const first = Array.from({ length: 100 }, (_, n) => [`old${n}`, { year: 1800 + n, title: `old ${n}` }]);
  await master.set('books', Object.fromEntries(first));

  const authors = writers.map((worker, n) => new Author(worker, `author${n}-`));
  const wrote = (count: number) => eventually(() => authors.every(({ keys }) => keys.length >= count));
  await wrote(5);
  const created = creator.createIndex('books', 'year');
  await created;
  await Promise.all([creator, ...writers].map((it) => it.untilReceived('index.created')));
  const during = authors.map(({ keys }) => keys.length);
  await wrote(Math.max(...during) + 5);
  await Promise.all(authors.map((author) => author.stop()));

  const expected = [...first.map(([key]) => key), ...authors.flatMap(({ keys }) => keys)].sort();
  for (const process of formed) expect(await indexed(process)).toEqual(expected);
  await cluster.close();
  expect(await cluster.reopened(indexed)).toEqual(expected);
});
