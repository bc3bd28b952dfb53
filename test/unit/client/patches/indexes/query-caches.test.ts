import { AceBase } from 'acebase';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Index, Storage } from '../../../../../src/client/acebase.js';
import {
  forgetQueries,
  type IndexMethods,
  repairQueryCaches,
} from '../../../../../src/client/patches/indexes/query-caches.js';
import { removeDirectory, temporaryDirectory } from '../../../../support/temporary-directory.js';

interface QueriedIndex extends Index {
  readonly storage: Storage;
  query(operator: string, value: unknown): Promise<readonly { readonly key: string }[]>;
  cache(operator: string, value: unknown): unknown;
}

let folder: string;
let database: AceBase;
let undo: () => void;
let isCurrent: boolean;

/** The class that all kinds of indexes go by. */
function methodsOf(index: object): IndexMethods {
  let methods = index;
  while (!Object.hasOwn(methods, '_getTree')) methods = Object.getPrototypeOf(methods) as object;
  return methods as IndexMethods;
}

const repair = (index: object) =>
  repairQueryCaches(methodsOf(index), {
    changed: () => undefined,
    whole: async (it, run) => run(it),
    isCurrent: () => isCurrent,
  });

beforeEach(async () => {
  isCurrent = true;
  folder = await temporaryDirectory('query-caches');
  database = new AceBase('mydb', { logLevel: 'error', storage: { path: folder } });
  await database.ready();
  const place = { lat: 52.3, long: 4.9 };
  await database.ref('people').set({ ann: { age: 5, text: 'one two', tags: ['x', 'y'], place } });
  undo = repair(await database.indexes.create('people', 'age'));
});

afterEach(async () => {
  undo();
  await database.close();
  await removeDirectory(folder);
});

const queries = [
  ['normal', 'age', '==', 5],
  ['fulltext', 'text', 'fulltext:contains', 'one'],
  ['array', 'tags', 'contains', ['x', 'y']],
  ['geo', 'place', 'geo:nearby', { lat: 52.3, long: 4.9, radius: 100 }],
] as const;

describe.each(queries)('an index of kind %s', (type, key, operator, value) => {
  const created = async (): Promise<QueriedIndex> =>
    (await database.indexes.create('people', key, { type })) as unknown as QueriedIndex;

  it('keeps what a query has found, unless the index was changed meanwhile', async () => {
    const index = await created();
    const [, file] = /([^/]+)$/.exec(index.fileName) ?? [];
    const asking = index.query(operator, value);
    forgetQueries(index.storage, [String(file)]);
    expect(Array.from(await asking, (found) => found.key)).toEqual(['ann']);
    expect(index.cache(operator, value)).toBeNull();
    await index.query(operator, value);
    expect(index.cache(operator, value)).toHaveLength(1);
  });

  it('uses nothing of what it has kept when others do not wait for this process any more', async () => {
    const index = await created();
    await index.query(operator, value);
    isCurrent = false;
    expect(index.cache(operator, value)).toBeNull();
    isCurrent = true;
    expect(index.cache(operator, value)).toHaveLength(1);
  });

  it('is left as it was', async () => {
    const index = await created();
    const kind = Object.getPrototypeOf(index) as IndexMethods;
    undo();
    const { query, cache } = kind;
    undo = repair(index);
    await index.query(operator, value);
    expect(kind.query).not.toBe(query);
    undo();
    expect([kind.query, kind.cache]).toEqual([query, cache]);
    undo = () => undefined;
  });
});
