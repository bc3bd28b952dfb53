import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { AceBase } from 'acebase';
import { expect, it } from 'vitest';
import type { Storage } from '../../../../../src/client/acebase.js';
import {
  type IndexFileMethods,
  readIndexesAgain,
  repairIndexFiles,
} from '../../../../../src/client/patches/indexes/index-files.js';

it('an index that could not be read is read again by who wants it next', async () => {
  const path = await mkdtemp(join(tmpdir(), 'index-files-'));
  const database = new AceBase('people', { logLevel: 'error', storage: { path } });
  try {
    await database.ready();
    await database.ref('people').set({ ann: { age: 5, note: 'x'.repeat(60) } });
    await database.indexes.create('people', 'age');
    const storage = Reflect.get(database.api, 'storage') as unknown as Storage;
    readIndexesAgain(storage);
    const [index] = storage.indexes.list();
    const fileName = index?.fileName ?? '';
    await storage.indexes.remove(fileName);
    expect(await storage.indexes.add(`${fileName}.missing.idx`)).toBeNull();
    // AceBase waits for what has failed.
    expect(await storage.indexes.add(`${fileName}.missing.idx`)).toBeNull();
    expect(await storage.indexes.add(fileName)).toMatchObject({ path: 'people' });
  } finally {
    await database.close();
    await rm(path, { recursive: true });
  }
});

it('a worker reads an index under a lock, which goes with the tree, or with the failure; unless it writes itself', async () => {
  const done: string[] = [];
  const state: { isMember: boolean; writer?: string | undefined; isBroken: boolean } = {
    isMember: true,
    isBroken: false,
  };
  const tree = { release: () => void done.push('tree released'), close: async () => undefined };
  const methods = {
    async _getTree(mode?: string) {
      done.push(`tree, ${mode}`);
      if (state.isBroken) throw new Error('EIO');
      return tree;
    },
  } as unknown as IndexFileMethods;
  const readFromFile = async () => ({ trees: {} });
  const lock = { release: async () => void done.push('lock released') };
  const { whole, undo } = repairIndexFiles(methods, readFromFile, {
    isMember: () => state.isMember,
    writer: () => state.writer,
    readLock: async (_storage, tid) => {
      done.push(tid === undefined ? 'lock' : `lock of ${tid}`);
      return lock;
    },
  });
  const ipc = { isMaster: false };
  const index = { storage: { ipc }, fileName: 'none', _idx: { fd: -1 } };
  const read = async (mode: string): Promise<string[]> => {
    done.length = 0;
    const read = await methods._getTree.call(index as never, mode).catch((error: Error) => error);
    if (read instanceof Error) done.push(read.message);
    else read.release();
    return [...done];
  };
  expect(await read('shared')).toEqual(['lock', 'tree, shared', 'tree released', 'lock released']);
  expect(await read('exclusive')).toEqual(['tree, exclusive', 'tree released']);
  // That transaction may be over before the index was read.
  state.writer = 'writer';
  expect(await read('shared')).toEqual(['lock of writer', 'tree, shared', 'tree released', 'lock released']);
  Object.assign(state, { writer: undefined, isBroken: true });
  expect(await read('shared')).toEqual(['lock', 'tree, shared', 'lock released', 'EIO']);
  // Those that wait for an index do so without a lock: all would have one in common.
  Object.assign(state, { isBroken: false });
  done.length = 0;
  const [first, second] = [
    methods._getTree.call(index as never, 'shared'),
    methods._getTree.call(index as never, 'shared'),
  ];
  const reading = await first;
  await new Promise((resolve) => setImmediate(resolve));
  expect(done).toEqual(['lock', 'tree, shared']);
  reading.release();
  (await second).release();
  expect(done).toEqual([
    ...['lock', 'tree, shared', 'tree released', 'lock released'],
    ...['lock', 'tree, shared', 'tree released', 'lock released'],
  ]);
  // A query that looks into the index several times is made of others, some of which are cached.
  done.length = 0;
  const found = await whole(index as never, (all: object) =>
    whole(all as never, async (inner: object) => {
      for (let times = 0; times < 2; times++)
        (
          await (Reflect.get(inner, '_getTree') as (mode: string) => Promise<typeof tree>)('shared')
        ).release();
      return Reflect.get(inner, 'fileName');
    }),
  );
  expect([found, done]).toEqual([
    'none',
    ['lock', 'tree, shared', 'tree released', 'tree, shared', 'tree released', 'lock released'],
  ]);
  done.length = 0;
  await whole(index as never, () => 'from the cache');
  expect(done).toEqual([]);
  // A master looks into an index for whoever writes; its own queries are whole as well.
  ipc.isMaster = true;
  expect(await read('shared')).toEqual(['tree, shared', 'tree released']);
  done.length = 0;
  await whole(index as never, async (all: object) =>
    (await (Reflect.get(all, '_getTree') as (mode: string) => Promise<typeof tree>)('shared')).release(),
  );
  expect(done).toEqual(['lock', 'tree, shared', 'tree released', 'lock released']);
  Object.assign(state, { isMember: false });
  expect(await read('shared')).toEqual(['tree, shared', 'tree released']);
  undo();
});
