import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { install, uninstall } from '../../../../src/client/install.js';
import { type Database, openDatabase } from '../../../crash/database.js';
import { lengthIn, RefusedChange, watchChanges } from '../../../crash/recorder.js';

import { removeDirectory, temporaryDirectory } from '../../../support/temporary-directory.js';
import { eventually } from '../../../support/waiting.js';

/** AceBase's storage, as far as a test takes part in it. */
interface Insides {
  getNode(path: string, ...details: unknown[]): Promise<unknown>;
  readonly ipc: {
    readonly _nodeLocker: { list(): readonly { readonly state: string; readonly path: string }[] };
  };
}

let path: string;
let database: Database;
/** Which files there is no room for. */
let full: RegExp | undefined;
/** Hears of each change. */
let seen: ((file: string) => void) | undefined;

/** An index, and its mark. */
const BOTH = /\.idx(\.|$)/;

beforeEach(async () => {
  path = await temporaryDirectory('unmarked');
  full = undefined;
  watchChanges(path, {
    isAtOnce: false,
    lengthOf: lengthIn(path),
    changing({ kind, file }) {
      seen?.(file);
      // What is made smaller needs none: the mark is there then, and empty.
      if (kind === 'write' && full?.test(file) === true) throw new RefusedChange();
    },
  });
  install({ journal: 'process' });
  await open();
  await set('before', 1);
  await database.indexes.create('people', 'age', {});
});

afterEach(async () => {
  full = undefined;
  await database.close();
  uninstall();
  await removeDirectory(path);
});

async function open(): Promise<void> {
  database = openDatabase(path, false);
  await database.ready();
}

const set = (name: string, age: number): Promise<unknown> =>
  database.ref(`people/${name}`).set({ age, note: 'x'.repeat(60) });

/** What the index finds. */
async function found(): Promise<string[]> {
  const index = database.api.storage.indexes.get('people').find(({ key }) => key === 'age');
  const results = await index?.query('>', 0);
  return [...(results ?? [])].map(({ path: of }) => of.slice('people/'.length)).sort();
}

it('nothing else is written before an index is marked that could not be told of a write: there was no room for either', async () => {
  full = BOTH;
  await set('first', 2);
  await expect(set('second', 3)).rejects.toThrow('ENOSPC');
  await expect(set('other', 4)).rejects.toThrow('ENOSPC');
  full = undefined;
  await database.ref('notes/third').set('not in the index'.repeat(4));
  expect(existsSync(join(path, 'mydb.acebase', 'people-age.idx.redo'))).toBe(true);
  await database.close();
  await open();
  expect(await found()).toEqual(['before', 'first']);
});

it('if nothing else is written, the journal has it when the database is opened next', async () => {
  full = BOTH;
  await set('first', 2);
  await database.close();
  full = undefined;
  await open();
  await database.ref('notes/third').set('not in the index'.repeat(4));
  await database.close();
  await open();
  expect(await found()).toEqual(['before', 'first']);
});

it('an index that cannot be made again keeps its mark, and keeps nobody from the data, nor from another index', async () => {
  await database.indexes.create('people', 'note', {});
  await database.close();
  const markOf = (key: string): string => join(path, 'mydb.acebase', `people-${key}.idx.redo`);
  for (const key of ['age', 'note']) {
    const mark = { file: `people-${key}.idx`, path: 'people', key, options: {}, isNew: false };
    writeFileSync(markOf(key), JSON.stringify(mark));
  }
  full = /people-age\.idx$/;
  await open();
  expect(database.api.storage.indexes.get('people').map(({ key }) => key)).toEqual(['note']);
  expect(['age', 'note'].map((key) => existsSync(markOf(key)))).toEqual([true, false]);
  full = undefined;
  await set('first', 2);
  await database.close();
  await open();
  expect(await found()).toEqual(['before', 'first']);
});

describe('a geographical index, which AceBase does not wait for', () => {
  const near = async (): Promise<string[]> => {
    const index = database.api.storage.indexes.get('places').find(({ key }) => key === 'at');
    const results = await index?.query('geo:nearby', { lat: 52, long: 4, radius: 1_000 });
    return [...(results ?? [])].map(({ path: of }) => of.slice('places/'.length)).sort();
  };
  const setPlace = (name: string): Promise<unknown> =>
    database.ref(`places/${name}`).set({ at: { lat: 52, long: 4 }, note: 'x'.repeat(60) });

  beforeEach(async () => {
    await setPlace('before');
    await database.indexes.create('places', 'at', { type: 'geo' });
  });

  it('is made anew if it could not be told of a write', async () => {
    full = BOTH;
    await setPlace('first');
    full = undefined;
    await database.close();
    await open();
    expect(await near()).toEqual(['before', 'first']);
  });

  it('has written when it says so to the process that does this for another one', async () => {
    const indexes = database.api.storage.indexes as unknown as {
      list(): readonly { readonly path: string }[];
    };
    const index = indexes.list().find((each) => each.path === 'places');
    const tell = Reflect.get(index ?? {}, 'handleRecordUpdate') as (
      ...details: unknown[]
    ) => Promise<unknown>;
    full = BOTH;
    const there = { at: { lat: 52, long: 4 } };
    await expect(tell.call(index, 'places/first', null, there)).rejects.toThrow('ENOSPC');
  });
});

describe('a full-text index whose settings no file has', () => {
  const settings = {
    type: 'fulltext',
    config: { transform: (word: string): string => word.replace(/s$/, '') },
  };
  const markFile = (): string => join(path, 'mydb.acebase', 'people-note.fulltext.idx.redo');
  const make = (): Promise<unknown> => database.indexes.create('people', 'note', settings);
  const matches = async (text: string): Promise<string[]> => {
    const index = database.api.storage.indexes.get('people').find(({ key }) => key === 'note');
    const results = await index?.query('fulltext:contains', text);
    return [...(results ?? [])].map(({ path: of }) => of.slice('people/'.length)).sort();
  };
  const both = async (): Promise<string[][]> => [await matches('cats'), await matches('cat')];

  beforeEach(async () => {
    await make();
    await database
      .ref('people/one')
      .set({ note: 'many cats here, in a note that is long enough to have a record' });
    await database
      .ref('people/two')
      .set({ note: 'one cat there, in a note that is long enough to have a record' });
    expect(await both()).toEqual([
      ['one', 'two'],
      ['one', 'two'],
    ]);
  });

  it('is made again as it was, where they are known', async () => {
    full = /fulltext\.idx$/;
    await database
      .ref('people/three')
      .set({ note: 'no dogs, in a note that is long enough to have a record' });
    full = undefined;
    await database
      .ref('people/four')
      .set({ note: 'some cats, in a note that is long enough to have a record' });
    await eventually(async () =>
      expect(await both()).toEqual([
        ['four', 'one', 'two'],
        ['four', 'one', 'two'],
      ]),
    );
    expect(await matches('dog')).toEqual(['three']);
  });

  it('is made again without them after a crash, and with them as soon as the program has told them; once', async () => {
    await database.close();
    const mark = {
      file: 'people-note.fulltext.idx',
      path: 'people',
      key: 'note',
      options: { type: 'fulltext' },
    };
    writeFileSync(markFile(), JSON.stringify({ ...mark, isNew: false }));
    // In this run, nobody tells them.
    await open();
    expect(await both()).toEqual([['one'], ['two']]);
    await database.close();
    for (const builds of [1, 0]) {
      await open();
      let marks = 0;
      const setsMark = (file: string): boolean => file.endsWith('people-note.fulltext.idx.redo');
      seen = (file) => {
        if (setsMark(file)) marks += 1;
      };
      await make();
      seen = undefined;
      expect([marks > 0 ? 1 : 0, await both()]).toEqual([
        builds,
        [
          ['one', 'two'],
          ['one', 'two'],
        ],
      ]);
      await database.close();
    }
    await open();
  });

  it('that was being made with them when all ended is made without', async () => {
    const { create } = database.indexes;
    full = /fulltext\.idx(?!\.redo)/;
    await expect(
      create.call(database.indexes, 'people', 'note', { ...settings, rebuild: true }),
    ).rejects.toThrow();
    full = undefined;
    await database.close();
    await open();
    expect(await both()).toEqual([['one'], ['two']]);
    await make();
    expect(await both()).toEqual([
      ['one', 'two'],
      ['one', 'two'],
    ]);
  });
});

it('all indexes are made again if the record of those in use cannot be read', async () => {
  const folder = join(path, 'mydb.acebase');
  const former = readFileSync(join(folder, 'people-age.idx'));
  await set('first', 2);
  await database.close();
  // What the index was told of that was not on the disk when the power was cut.
  writeFileSync(join(folder, 'people-age.idx'), former);
  writeFileSync(join(folder, 'data.use.redo'), '{"run":');
  uninstall();
  install({ journal: 'power' });
  await open();
  await database.close();
  await open();
  expect(await found()).toEqual(['before', 'first']);
});

it('an index that is made while a node is removed keeps another one with the same value', async () => {
  await set('twin', 1);
  const storage = database.api.storage as unknown as Insides;
  const { getNode } = storage;
  let removing: Promise<unknown> | undefined;
  storage.getNode = async (place, ...details) => {
    if (place === 'people/twin') {
      storage.getNode = getNode;
      let isOver = false;
      removing = database
        .ref(place)
        .remove()
        .finally(() => {
          isOver = true;
        });
      // It is done before this node is read, or waits for the lock under which the index is made.
      const isWaiting = (): boolean =>
        storage.ipc._nodeLocker.list().every(({ state, path: of }) => state === 'pending' || of === '');
      while (!isOver && !isWaiting()) await turn();
    }
    return await getNode.call(storage, place, ...details);
  };
  await database.indexes.create('people', 'age', { rebuild: true });
  expect(removing).toBeDefined();
  await removing;
  await database.close();
  await open();
  expect(await found()).toEqual(['before']);
});

it('one that was told something while its tree was made anew, and could not write it then, is made anew from the data', async () => {
  const index = database.api.storage.indexes.get('people')[0] as unknown as {
    state: string;
    _updateTree: unknown;
    _processUpdateQueue(): Promise<void>;
  };
  const update = index._updateTree;
  index.state = 'rebuild';
  await set('later', 2);
  index.state = 'ready';
  index._updateTree = () => Promise.reject(new Error('EIO'));
  await index._processUpdateQueue();
  index._updateTree = update;
  await eventually(() => database.api.storage.indexes.get('people').length > 0);
  expect(await found()).toEqual(['before', 'later']);
});
