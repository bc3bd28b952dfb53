import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { AceBase } from 'acebase';
import { afterEach, beforeEach, expect, it } from 'vitest';
import type { Storage } from '../../../../../src/client/acebase.js';
import { repairIndexBuilds } from '../../../../../src/client/patches/indexes/index-builds.js';

/** What a storage reads with. */
interface Reading {
  getNode(path: string, options?: object): Promise<{ readonly value: unknown }>;
  getChildren(path: string, options?: object): { next(...details: unknown[]): Promise<unknown> };
}

/** An index of AceBase, as far as a test looks into it. */
interface Entries {
  query(comparison: string, value: unknown): Promise<readonly { readonly key: string }[]>;
}

let path: string;
let database: AceBase;
let storage: Storage;

beforeEach(async () => {
  path = await mkdtemp(join(tmpdir(), 'index-reads-'));
  database = new AceBase('people', { logLevel: 'error', storage: { path } });
  await database.ready();
  storage = Reflect.get(database.api, 'storage') as unknown as Storage;
  const note = 'x'.repeat(60);
  await database.ref('people').set({ ann: { age: 5, note }, bob: { age: 4, note } });
});

afterEach(async () => {
  await database.close();
  await rm(path, { recursive: true });
});

async function isRefused(): Promise<void> {
  await expect(database.indexes.create('people', 'age')).rejects.toThrow('the disk fails');
  expect(storage.indexes.list()).toEqual([]);
}

it('an index is not made if one of its nodes cannot be read; it can be made later, and others go on', async () => {
  const reading = storage as unknown as Reading;
  const { getNode } = reading;
  reading.getNode = async (place, options) => {
    if (place === 'people/bob') throw new Error('the disk fails');
    return await getNode.call(reading, place, options);
  };
  repairIndexBuilds(storage, false);
  await isRefused();
  await database.ref('people/cleo').set({ age: 6 });
  reading.getNode = getNode;
  await database.indexes.create('people', 'age');
  expect(storage.indexes.list()).toHaveLength(1);
});

it('an index is not made if the children of a node cannot be read', async () => {
  const reading = storage as unknown as Reading;
  const { getChildren } = reading;
  reading.getChildren = (...details) => {
    const found = getChildren.apply(reading, details);
    found.next = () => Promise.reject(new Error('the disk fails'));
    return found;
  };
  repairIndexBuilds(storage, false);
  await isRefused();
});

it('an index of nothing is made', async () => {
  repairIndexBuilds(storage, false);
  await database.indexes.create('nobody/here', 'age');
  expect(storage.indexes.list()).toHaveLength(1);
});

it.each([
  ['normal', 'about/age', '==', 5],
  ['fulltext', 'text', 'fulltext:contains', 'dog'],
  ['geo', 'place', 'geo:nearby', { lat: 52, long: 5, radius: 100 }],
  ['array', 'list', 'contains', 'a'],
] as const)(
  'an index of type "%s" lacks a node that is not there any more',
  async (type, key, comparison, value) => {
    const its = {
      about: { age: 5 },
      text: 'a dog',
      place: { lat: 52, long: 5 },
      list: ['a', 'b'],
      note: 'x'.repeat(60),
    };
    await database.ref('people').update({ ann: its, bob: its });
    const reading = storage as unknown as Reading;
    const { getNode } = reading;
    reading.getNode = async (place, ...details) => {
      const node = await getNode.call(reading, place, ...details);
      return place === 'people/bob' ? { ...node, value: null } : node;
    };
    repairIndexBuilds(storage, false);
    const index: unknown = await database.indexes.create('people', key, { type });
    const entries = await (index as Entries).query(comparison, value);
    expect(Array.from(entries, (entry) => entry.key)).toEqual(['ann']);
  },
);
