import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { AceBase } from 'acebase';
import { afterEach, beforeEach, expect, it } from 'vitest';
import type { Storage } from '../../../src/client/acebase.js';
import { repairIndexBuilds } from '../../../src/client/index-builds.js';

/** What a storage reads with. */
interface Reading {
  getNode(path: string, options?: object): Promise<unknown>;
  getChildren(path: string, options?: object): { next(...details: unknown[]): Promise<unknown> };
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
