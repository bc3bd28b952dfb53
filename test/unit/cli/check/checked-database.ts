/** Databases of real AceBase that are checked, and what is broken in them. */

import { createHash } from 'node:crypto';
import fs, { closeSync, cpSync, openSync, readdirSync, readFileSync, writeSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach } from 'vitest';
import { type AceBaseModules, findAceBase } from '../../../../src/cli/check/acebase-modules.js';
import { type CheckResult, type CheckWords, check } from '../../../../src/cli/check/check.js';
import { DatabaseView, freeSpaceTable } from '../../../../src/cli/check/database-view.js';
import type { FreeRange, RecordAddress } from '../../../../src/cli/check/walk.js';
import { FREE_SPACE_AT } from '../../../../src/client/patches/file-layout.js';
import { usersOf } from '../../../../src/platform/file-users.js';
import { type Database, openDatabase } from '../../../crash/database.js';
import { removeDirectory, temporaryDirectory } from '../../../support/temporary-directory.js';
import { eventually } from '../../../support/waiting.js';

export const modules: AceBaseModules = findAceBase(process.cwd());

const COUNT = 40;

/** An item; the text is long enough to have records of its own. */
const itemOf = (number: number): object => ({
  n: number % 7,
  name: `Item ${number}`,
  tags: number % 3 === 0 ? ['red', 'green'] : ['blue'],
  text: number % 2 === 0 ? 'the quick brown fox jumps over it' : 'a lazy dog sleeps under the old tree',
  place: { lat: 50 + number, long: 4 },
  body: 'x'.repeat(200 + number),
});

/** Makes a database with an index of each kind, and closes it. @param folder that its folder is to be in */
export async function makeDatabase(folder: string): Promise<void> {
  await inDatabase(folder, async (database) => {
    const items = Array.from({ length: COUNT }, (_, number) => [`item${number}`, itemOf(number)]);
    await database.ref('items').set(Object.fromEntries(items));
    await database.ref('many').set(Object.fromEntries(Array.from({ length: 300 }, (_, n) => [`key${n}`, n])));
    await database.indexes.create('items', 'n', {});
    await database.indexes.create('items', 'tags', { type: 'array' });
    await database.indexes.create('items', 'text', { type: 'fulltext' });
    await database.indexes.create('items', 'place', { type: 'geo' });
    await database.indexes.create('items', '{key}', { include: ['n'] });
    // So that they have entries of their own, and of what has changed since.
    for (let number = 0; number < 12; number++) await database.ref(`items/new${number}`).set(itemOf(number));
    await database.ref('items/item3').update({ n: 5, tags: ['yellow'], text: 'some new words' });
    await database.ref('items/item4').remove();
    await database.ref('items/item5/n').remove();
  });
}

/** Opens a database for a moment. */
export async function inDatabase(
  folder: string,
  act: (database: Database) => Promise<unknown>,
): Promise<void> {
  const { isDone, undo } = countWrites();
  try {
    const database = openDatabase(folder, true);
    await database.ready();
    await act(database);
    await eventually(isDone);
    await database.close();
  } finally {
    undo();
  }
}

/** AceBase writes a new key into its table and waits for nothing: the file must not be closed before. */
function countWrites(): { isDone(): boolean; undo(): void } {
  const { write } = fs;
  let underWay = 0;
  const counted = (...details: unknown[]): void => {
    const callback = details.pop() as (...results: unknown[]) => void;
    underWay++;
    const done = (...results: unknown[]): void => {
      underWay--;
      callback(...results);
    };
    Reflect.apply(write, fs, [...details, done]);
  };
  Object.assign(fs, { write: counted });
  return { isDone: () => underWay === 0, undo: () => void Object.assign(fs, { write }) };
}

/** Checks it as the command does. */
export function checked(
  path: string,
  words: Partial<CheckWords> = {},
  say: (line: string) => void = () => undefined,
): Promise<CheckResult> {
  const surroundings = {
    folder: process.cwd(),
    // Processes of other users are none that a test has to do with.
    usersOf: (paths: readonly string[]) => ({ ...usersOf(paths), unseen: 0 }),
    now: () => '2026-01-02T03:04:05.678Z',
    say,
  };
  return check({ database: 'mydb', path, repair: false, json: false, ...words }, surroundings);
}

/** What is wrong, a line each. */
export function wrongIn({ findings }: Pick<CheckResult, 'findings'>): string[] {
  return findings
    .filter(({ status }) => status === 'error' || status === 'warning')
    .map(({ subject, status, message }) => `${status} ${subject} ${message}`);
}

/** The contents of all files of a database, as checksums. */
export function checksums(folder: string): Record<string, string> {
  const files = join(folder, 'mydb.acebase');
  return Object.fromEntries(
    readdirSync(files)
      .sort()
      .map((name) => [
        name,
        createHash('sha1')
          .update(readFileSync(join(files, name)))
          .digest('hex'),
      ]),
  );
}

/** Looks into a database file. */
export async function viewOf<T>(path: string, look: (view: DatabaseView) => T | Promise<T>): Promise<T> {
  const view = new DatabaseView({ modules, path, name: 'mydb', type: 'data', changes: [] });
  try {
    return await look(view);
  } finally {
    view.close();
  }
}

/** The first place of some bytes in the file, from a place on. */
export async function positionOf(folder: string, bytes: Uint8Array, from: number): Promise<number> {
  return (await readFile(join(folder, 'mydb.acebase/data.db'))).indexOf(bytes, from);
}

/** An address, as the parent of a node has it. */
export function pointerTo({ pageNr, recordNr }: RecordAddress): Buffer {
  const bytes = Buffer.alloc(6);
  bytes.writeUInt32BE(pageNr);
  bytes.writeUInt16BE(recordNr, 4);
  return bytes;
}

/** Changes the table of free space. */
export async function changeFreeSpace(
  folder: string,
  change: (ranges: FreeRange[], pages: number) => FreeRange[],
): Promise<void> {
  const { pages, ranges } = await viewOf(folder, ({ FST }) => FST);
  overwrite(folder, 'data.db', FREE_SPACE_AT, freeSpaceTable(pages, change([...ranges], pages)));
}

/** Where a node is in the file, and its first record. */
export function placeOf(path: string, node: string): Promise<{ address: RecordAddress; position: number }> {
  return viewOf(path, async (view) => {
    let address: RecordAddress = view.rootRecord.address;
    for (const key of node.split('/'))
      address = (await view.nodeAt(address).getChildInfo(key)).address as RecordAddress;
    return { address, position: view.getRecordFileIndex(address.pageNr, address.recordNr) };
  });
}

export function overwrite(folder: string, name: string, position: number, bytes: Uint8Array): void {
  const file = openSync(join(folder, 'mydb.acebase', name), 'r+');
  writeSync(file, bytes, 0, bytes.length, position);
  closeSync(file);
}

/** An index of AceBase, as it is told what was written. */
interface ToldIndex {
  readonly key: string;
  readonly fileName: string;
  handleRecordUpdate(path: string, before: unknown, after: unknown): Promise<unknown>;
  take(skip: number, take: number): Promise<unknown>;
  query(operator: string, value: unknown): Promise<readonly { readonly path: string }[]>;
}

export function indexesOf(database: Database, path = 'items'): readonly ToldIndex[] {
  return database.api.storage.indexes.get(path) as unknown as readonly ToldIndex[];
}

/** Gives each test of a file a copy of one database. @param given is called with the folder that its folder is in */
export function copyForEachTest(given: (copy: string) => void): void {
  let made = '';
  let copy = '';
  beforeAll(async () => {
    made = await temporaryDirectory('made');
    await makeDatabase(made);
  });
  afterAll(() => removeDirectory(made));
  beforeEach(async () => {
    copy = await temporaryDirectory('check');
    cpSync(join(made, 'mydb.acebase'), join(copy, 'mydb.acebase'), { recursive: true });
    given(copy);
  });
  afterEach(() => removeDirectory(copy));
}
