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

/** Reads and changes, removes and adds, until it is told to stop. */
async function edit(worker: AceBaseProcess, name: string, isOver: () => boolean): Promise<void> {
  for (let n = 1; !isOver(); n++) {
    await worker.get(`books/old${n % 100}`);
    await worker.set(`books/${name}${n}`, { year: 1900 + (n % 100), pages: n, title: `${name} no. ${n}` });
    await worker.set(`books/old${(7 * n) % 100}/year`, 1000 + n);
    if (n % 3 === 0) await worker.remove(`books/${name}${n - 2}`);
  }
}

it('an index that a master with our client makes of its own accord, while others read and write, is as the data is', async () => {
  cluster = await Cluster.start();
  const formed = await cluster.form<number>(3, { client: true });
  const [master, ...workers] = formed as [AceBaseProcess, ...AceBaseProcess[]];
  const first = Array.from({ length: 100 }, (_, n) => [
    `old${n}`,
    { year: 1800 + n, pages: n, title: `old ${n}` },
  ]);
  await master.set('books', Object.fromEntries(first));
  let isOver = false;
  const edited = Promise.all(workers.map((worker, n) => edit(worker, `author${n}-`, () => isOver)));
  for (const key of ['year', 'pages', 'title']) await master.createIndex('books', key);
  await Promise.all(workers.map((it) => it.untilReceived('index.created')));
  isOver = true;
  await edited;
  const books = await master.get<Record<string, { year: number; pages: number }>>('books');
  for (const process of formed) {
    for (const key of ['year', 'pages'] as const) {
      for (const limit of [5, 1_000, 1_850]) {
        const expected = Object.keys(books).filter((name) => (books[name]?.[key] ?? -1) >= limit);
        const found = await process.query('books', [[key, '>=', limit]]);
        expect(found.map((it) => it.key).sort(), `${process.name}: ${key} >= ${limit}`).toEqual(
          expected.sort(),
        );
      }
    }
  }
});
