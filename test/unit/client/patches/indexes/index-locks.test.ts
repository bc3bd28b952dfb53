import fs from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { syncBuiltinESMExports } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { AceBase } from 'acebase';
import { afterEach, beforeEach, expect, it } from 'vitest';
import type { Index, Storage } from '../../../../../src/client/acebase.js';
import { releaseIndexesAfterFailures } from '../../../../../src/client/patches/indexes/index-locks.js';

type Method = (...details: unknown[]) => unknown;

/** An index as its users see it. */
interface UsedIndex extends Index {
  query(operator: string, value: unknown): Promise<readonly unknown[]>;
  count(operator: string, value: unknown): Promise<number>;
  delete(): Promise<void>;
  handleRecordUpdate(path: string, oldValue: unknown, newValue: unknown): Promise<unknown>;
  readonly _cache: Map<unknown, unknown>;
}

const { open, read, unlink, write } = fs;
let folder: string;
let database: AceBase;
let undo: () => void;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'index-locks-'));
  database = new AceBase('people', { logLevel: 'error', storage: { path: folder } });
  await database.ready();
  await database.ref('people').set({ ann: { age: 5 }, bob: { age: 6 } });
  await database.indexes.create('people', 'age');
  undo = releaseIndexesAfterFailures(classOf(index()));
});

afterEach(async () => {
  replace({ open, read, unlink, write });
  await database.close();
  undo();
  await rm(folder, { recursive: true });
});

function index(): UsedIndex {
  const [found] = (Reflect.get(database.api, 'storage') as unknown as Storage).indexes.list();
  return found as UsedIndex;
}

function classOf(its: object): object {
  return Object.hasOwn(its, '_getTree') ? its : classOf(Object.getPrototypeOf(its));
}

function replace(functions: object): void {
  Object.assign(fs, functions);
  syncBuiltinESMExports();
}

/** One of Node's functions for files fails, wherever it is called with these words. */
function failing(name: 'open' | 'read' | 'unlink' | 'write', isIt: (...details: unknown[]) => boolean) {
  const original = Reflect.get(fs, name) as Method;
  replace({
    [name]: (...details: unknown[]) =>
      isIt(...details)
        ? process.nextTick(details.at(-1) as Method, Object.assign(new Error('EMFILE'), { code: 'EMFILE' }))
        : original(...details),
  });
  return () => replace({ [name]: original });
}

// Without the repair, each of these waits until the lock of AceBase has timed out.

it('an index whose file could not be opened is used by the next one at once', async () => {
  const heal = failing('open', (path) => String(path).endsWith('.idx'));
  await expect(index().query('==', 5)).rejects.toThrow('EMFILE');
  await expect(index().count('==', 5)).rejects.toThrow('EMFILE');
  heal();
  expect(await index().query('==', 5)).toHaveLength(1);
  expect(await index().count('==', 5)).toBe(1);
});

it('so is one that could not be read, and one that could not be removed', async () => {
  await index().query('==', 5);
  const heal = failing('read', () => true);
  await expect(index().query('==', 6)).rejects.toThrow('EMFILE');
  heal();
  expect(await index().query('==', 6)).toHaveLength(1);
  const healRemoving = failing('unlink', (path) => String(path).endsWith('.idx'));
  await expect(index().delete()).rejects.toThrow('EMFILE');
  healRemoving();
  expect(await index().query('==', 6)).toHaveLength(1);
});

it('so is one that could be neither written nor made anew', async () => {
  await index().query('==', 5);
  const heal = [failing('write', () => true), failing('open', (path) => String(path).endsWith('.idx.tmp'))];
  const update = () => index().handleRecordUpdate('people/cid', null, { age: 7 });
  await expect(update()).rejects.toThrow('EMFILE');
  for (const each of heal.reverse()) each();
  index()._cache.clear();
  expect(await index().query('==', 5)).toHaveLength(1);
  await update();
  expect(await index().query('==', 7)).toHaveLength(1);
});
