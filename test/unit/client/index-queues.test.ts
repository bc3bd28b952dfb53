import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { install, uninstall } from '../../../src/client/install.js';
import { type Database, openDatabase } from '../../crash/database.js';
import { lengthIn, RefusedChange, watchChanges } from '../../crash/recorder.js';
import { removeDirectory, temporaryDirectory } from '../../support/temporary-directory.js';

let path: string;
let database: Database;
/** Whether there is no room for what is written to indexes. */
let isFull: boolean;
/** What is left of making an index is gone: what comes now was queued. */
let isMade: () => void;

beforeEach(async () => {
  path = await temporaryDirectory('queues');
  isFull = false;
  isMade = () => undefined;
  watchChanges(path, {
    isAtOnce: false,
    lengthOf: lengthIn(path),
    changing({ kind, file }) {
      if (kind === 'remove' && file.endsWith('.build.merge')) isMade();
      if (isFull && kind === 'write' && /\.idx(\.tmp)?$/.test(file)) throw new RefusedChange();
    },
  });
  install({ journal: 'process' });
  await open();
  await database.ref('people/before').set({ age: 1, note: 'x'.repeat(60) });
});

afterEach(async () => {
  isFull = false;
  await database.close();
  uninstall();
  await removeDirectory(path);
});

async function open(): Promise<void> {
  database = openDatabase(path, false);
  await database.ready();
}

/** Makes an index, and writes to what it indexes meanwhile. @param then called when it is made, with what was written by then */
async function made(
  then: (names: readonly string[]) => void = () => undefined,
): Promise<{ error: unknown; names: string[] }> {
  let isOver = false;
  const names = ['before'];
  const over = (error?: unknown): unknown => {
    isOver = true;
    return error;
  };
  const making = database.indexes.create('people', 'age', {}).then(() => {
    then(names);
    return over();
  }, over);
  const { indexes } = database.api.storage;
  while (indexes.get('people').length === 0) await turn();
  while (!isOver && Reflect.get(indexes.get('people')[0] ?? {}, 'state') === 'build') {
    const name = `person${names.length}`;
    await database.ref(`people/${name}`).set({ age: 2, note: 'y'.repeat(60) });
    names.push(name);
  }
  return { error: await making, names: names.sort() };
}

/** What the index finds. */
async function found(): Promise<string[]> {
  const [index] = database.api.storage.indexes.get('people');
  const results = await index?.query('>', 0);
  return [...(results ?? [])].map((of) => of.path.slice('people/'.length)).sort();
}

it('an index is made when what was written meanwhile is in it', async () => {
  const file = join(path, 'mydb.acebase', 'people-age.idx');
  let then: { index: Buffer; names: readonly string[] } | undefined;
  const { error } = await made((names) => {
    then = { index: readFileSync(file), names: [...names] };
  });
  expect(error).toBeUndefined();
  await database.close();
  // If the process had ended then.
  writeFileSync(file, then?.index ?? '');
  await open();
  expect(then?.names.length).toBeGreaterThan(1);
  expect(await found()).toEqual(expect.arrayContaining([...(then?.names ?? [])]));
});

it('an index that has no room for that is none', async () => {
  isMade = () => {
    isFull = true;
  };
  const { error, names } = await made();
  expect(error).toMatchObject({ code: 'add-key-failed' });
  isFull = false;
  isMade = () => undefined;
  await database.close();
  await open();
  // A part of one would be taken for it.
  await database.indexes.create('people', 'age', {});
  expect(await found()).toEqual(names);
});
