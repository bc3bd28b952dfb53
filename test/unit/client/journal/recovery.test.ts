import fs, {
  closeSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Storage } from '../../../../src/client/acebase.js';
import type { ValueClasses } from '../../../../src/client/core/codec.js';
import { marksIn, setMark } from '../../../../src/client/journal/index-marks.js';
import { Journal, OPEN_GATE } from '../../../../src/client/journal/journal.js';
import { SharedJournal } from '../../../../src/client/journal/keep-whole.js';
import { Logs } from '../../../../src/client/journal/logs.js';
import { recoverDatabase } from '../../../../src/client/journal/recovery.js';
import type { InnerStorage } from '../../../../src/client/journal/storage.js';
import { aloneWhile } from '../../../../src/client/journal/surroundings.js';
import { UseRecord } from '../../../../src/client/journal/use-record.js';
import { DESCRIPTOR, logPathsOf, MARKS, RECORDS_AT } from '../../../../src/client/patches/file-layout.js';
import { removeDirectory, temporaryDirectory } from '../../../support/temporary-directory.js';

let home: string;
let folder: string;
let path: string;

beforeEach(async () => {
  home = await temporaryDirectory('recovery');
  folder = join(home, 'mydb.acebase');
  mkdirSync(folder);
  path = join(folder, 'data.db');
  writeFileSync(path, Buffer.alloc(1_000, 'a').fill(0, 40, 64));
});
afterEach(() => removeDirectory(home));

const storage = () => ({ name: 'mydb', settings: { path: home, type: 'data' } }) as unknown as Storage;
const cannotKeep = (error: Error): never => {
  throw error;
};
const content = (): string => readFileSync(path).subarray(100, 104).toString();
const index = { file: 'people-age.idx', path: 'people', key: 'age', options: {} };

/** A process has committed that `aaaa` becomes `bbbb`, and was killed before it wrote that. */
async function killed(kind: 'data' | 'tables', isLone: boolean, notes?: unknown): Promise<void> {
  const before = readFileSync(path);
  const file = openSync(path, 'r+');
  const logPaths = logPathsOf(folder, 'data')[kind];
  const settings = { file, logPaths, mark: MARKS[kind], isSynced: false, isLone };
  const journal = new Journal<unknown>(settings);
  const change = { position: 100, before: Buffer.from('aaaa'), after: Buffer.from('bbbb') };
  await journal.commit({ changes: [change], notes }, OPEN_GATE);
  closeSync(file);
  writeFileSync(path, before);
}

/** What a process has committed: that `aaaa` becomes `cccc`. */
async function carriedOut(kind: 'data' | 'tables'): Promise<void> {
  const file = openSync(path, 'r+');
  const logPaths = logPathsOf(folder, 'data')[kind];
  const settings = { file, logPaths, mark: MARKS[kind], isSynced: true, isLone: false };
  const change = { position: 100, before: Buffer.from('aaaa'), after: Buffer.from('cccc') };
  await new Journal<never>(settings).commit({ changes: [change] }, OPEN_GATE);
  closeSync(file);
}

/** Past the log. */
function written(text: string): void {
  const file = openSync(path, 'r+');
  writeSync(file, text, 100);
  closeSync(file);
}

/** A process has the file open. */
function inUse(act: (record: UseRecord, file: number) => void): void {
  const file = openSync(path, 'r+');
  try {
    act(new UseRecord(folder, 'data'), file);
  } finally {
    closeSync(file);
  }
}

function bootAgain(): void {
  const use = join(folder, 'data.use.redo');
  writeFileSync(use, readFileSync(use, 'utf8').replace(/"run":"[^"]*"/, '"run":"another boot"'));
}

it("a master completes what a process alone has left, also one that keeps no journal; not what is a cluster's", async () => {
  for (const durability of ['off', 'process'] as const) {
    for (const isLone of [true, false]) {
      writeFileSync(path, Buffer.alloc(1_000, 'a').fill(0, 40, 64));
      await killed('data', isLone);
      new SharedJournal(storage(), durability, cannotKeep).prepare();
      expect([durability, isLone, content()]).toEqual([durability, isLone, isLone ? 'bbbb' : 'aaaa']);
    }
  }
});

it('completes all, and tells of what is noted', async () => {
  await killed('data', false, { indexes: [index] });
  const noted: unknown[] = [];
  const recovery = { folder, type: 'data', noted: (notes: unknown) => noted.push(notes) > 0 };
  expect(recoverDatabase(recovery)).toBe(true);
  expect([content(), noted]).toEqual(['bbbb', [{ indexes: [index] }]]);
  expect(marksIn(folder).map(({ file }) => file)).toEqual([index.file]);
  expect([recoverDatabase(recovery), noted.length]).toEqual([false, 1]);
});

it('knows of a power cut also where the journal is not to outlive the next one', async () => {
  await killed('data', false);
  inUse((record, file) => record.begin(file, []));
  bootAgain();
  new SharedJournal(storage(), 'process', cannotKeep).prepare();
  expect(content()).toBe('bbbb');
  expect(new UseRecord(folder, 'data').afterPowerCut()).toBeUndefined();
});

it('a record of use that was cut short is taken for one that a power cut has left', async () => {
  await killed('data', false);
  writeFileSync(join(folder, 'data.use.redo'), '{"run":"some bo');
  const record = new UseRecord(folder, 'data');
  const inDoubt = { data: true, tables: true };
  expect([record.isUnreadable, record.afterPowerCut()]).toEqual([true, { indexes: [], inDoubt }]);
  // As after a power cut, whoever wrote it is gone.
  expect(recoverDatabase({ folder, type: 'data', isToBeApplied: () => false, noted: () => true })).toBe(true);
  inUse((used, file) => used.begin(file, [index]));
  expect([record.isUnreadable, record.afterPowerCut()]).toEqual([false, undefined]);
});

describe.each(['data', 'tables'] as const)('a record of the %s that was carried out', (kind) => {
  it.each([
    ['before the database was opened last', 'aacc'],
    ['while it was open: not all of it was on the disk', 'cccc'],
  ])('%s', async (when, expected) => {
    const isBefore = when.startsWith('before');
    if (isBefore) await carriedOut(kind);
    inUse((record, file) => record.begin(file, [index]));
    if (!isBefore) await carriedOut(kind);
    // Another process knows nothing of the log; or it is what the power cut has left.
    written('aacc');
    bootAgain();
    expect(recoverDatabase({ folder, type: 'data', noted: () => true })).toBe(!isBefore);
    expect(content()).toBe(expected);
  });

  it.each([
    ['a worker, where the master went before', false],
    ['not in another boot: what that has lost is not known', true],
  ])('is on the disk when the last one leaves: %s', async (_who, isOther) => {
    inUse((record, file) => record.begin(file, [index]));
    await carriedOut(kind);
    if (isOther) bootAgain();
    inUse((record, file) => record.close(file, []));
    written('aacc');
    bootAgain();
    expect(recoverDatabase({ folder, type: 'data', noted: () => true })).toBe(isOther);
    expect(content()).toBe(isOther ? 'cccc' : 'aacc');
  });

  it('is in doubt also if who had it open after the last one had left has noted nothing', async () => {
    inUse((record, file) => record.begin(file, [index]));
    inUse((record, file) => record.close(file, []));
    expect(new UseRecord(folder, 'data').afterPowerCut()).toBeUndefined();
    await carriedOut(kind);
    written('aacc');
    expect(recoverDatabase({ folder, type: 'data', noted: () => true })).toBe(true);
    expect(content()).toBe('cccc');
  });
});

it('a record of use, and a mark, are written as a whole, or not at all', () => {
  const { writeSync } = fs;
  /** How many bytes there is room for: no more at one time, and then none. */
  const giveRoom = (least: number, left: number): void => {
    let room = left;
    const write = (file: number, bytes: Uint8Array, ...[offset = 0, length, position]: number[]): number => {
      const count = Math.min(length ?? bytes.length, least, room);
      if (count === 0) throw Object.assign(new Error('ENOSPC: no space left'), { code: 'ENOSPC' });
      room -= count;
      return writeSync(file, bytes, offset, count, position);
    };
    Object.assign(fs, { writeSync: write });
    syncBuiltinESMExports();
  };
  const record = new UseRecord(folder, 'data');
  let id: string | undefined;
  try {
    giveRoom(7, 9);
    expect(() => inUse((_used, file) => record.begin(file, [index]))).toThrow('ENOSPC');
    expect(() => setMark(folder, index, false)).toThrow('ENOSPC');
    expect(readdirSync(folder)).toEqual(['data.db']);
    giveRoom(7, 10_000);
    record.note([index]);
    id = setMark(folder, index, false);
    expect(id).toBeDefined();
  } finally {
    Object.assign(fs, { writeSync });
    syncBuiltinESMExports();
  }
  expect(marksIn(folder)).toEqual([{ file: index.file, mark: { ...index, isNew: false, id } }]);
  expect(new UseRecord(folder, 'data').isUnreadable).toBe(false);
  expect(readdirSync(folder).sort()).toEqual(['data.db', 'data.use.redo', `${index.file}.redo`]);
});

it('with no master there, a worker completes also what a master was writing, and leaves the logs empty', async () => {
  await killed('tables', false);
  const file = openSync(path, 'r+');
  const logs = new Logs({ ...storage(), file } as unknown as InnerStorage, 'process', {
    ...aloneWhile(() => true, {} as ValueClasses),
    isLone: false,
  });
  expect(logs.look(false)).toBeUndefined();
  await logs.empty(false);
  logs.retire();
  closeSync(file);
  expect(content()).toBe('bbbb');
});

it('a worker beside a master that knows nothing of the log leaves what a lone process has logged: its tables are in it', async () => {
  await killed('data', true);
  const file = openSync(path, 'r+');
  const surroundings = { ...aloneWhile(() => true, {} as ValueClasses), isLone: false };
  const logs = new Logs({ ...storage(), file } as unknown as InnerStorage, 'process', surroundings);
  expect([logs.look(true), content()]).toEqual([undefined, 'aaaa']);
  expect([logs.look(false)?.isRecovered, content()]).toEqual([true, 'bbbb']);
  logs.retire();
  closeSync(file);
});

it.each([
  ['has nothing where records are, is removed', '', []],
  [
    'has something there, is kept by another name: what it lacks may be its table of space',
    'a record',
    ['data.db.unfinished'],
  ],
])('a file whose making was cut short, and which %s', (_what, records, left) => {
  const file = Buffer.alloc(RECORDS_AT + 1_000);
  DESCRIPTOR.copy(file);
  file.write(records, RECORDS_AT);
  writeFileSync(path, file);
  writeFileSync(join(folder, 'data.redo'), 'of another one');
  recoverDatabase({ folder, type: 'data', noted: () => true });
  expect(readdirSync(folder)).toEqual(left);
  if (records !== '') expect(readFileSync(`${path}.unfinished`).equals(file)).toBe(true);
});

// With them beside it, one whose making was cut short would be taken for one that has lost its end.
it('logs and indexes of a file that is gone make way for those of the next one, and those of other data stay', () => {
  rmSync(path);
  const names = ['data.redo', 'data.tables.redo', 'items-n.idx', 'items-text.fulltext.idx'];
  for (const name of [...names, '[auth]-accounts-name.idx'])
    writeFileSync(join(folder, name), 'of the former one');
  recoverDatabase({ folder, type: 'data', noted: () => true });
  expect(readdirSync(folder)).toEqual(['[auth]-accounts-name.idx']);
  writeFileSync(path, '');
  recoverDatabase({ folder, type: 'data', noted: () => true });
  expect(readdirSync(folder)).toEqual(['[auth]-accounts-name.idx']);
});

it('and what was kept so stays when the next one is cut short as well', () => {
  const file = Buffer.alloc(RECORDS_AT + 1_000, DESCRIPTOR.toString('latin1'), 'latin1').fill(
    0,
    DESCRIPTOR.length,
  );
  for (const records of ['first', 'second']) {
    file.write(records, RECORDS_AT);
    writeFileSync(path, file);
    recoverDatabase({ folder, type: 'data', noted: () => true });
  }
  expect(readdirSync(folder).sort()).toEqual(['data.db.unfinished', 'data.db.unfinished-2']);
  expect(readFileSync(`${path}.unfinished`).toString('utf8', RECORDS_AT, RECORDS_AT + 5)).toBe('first');
});

it('that a database was made outlives a loss of power, with the folders that AceBase has made for it', () => {
  const { openSync: openFile, fsyncSync } = fs;
  const opened = new Map<number, string>();
  const synced: string[] = [];
  Object.assign(fs, {
    openSync: (name: string, ...rest: unknown[]) => {
      const file = (openFile as (...details: unknown[]) => number)(name, ...rest);
      opened.set(file, name);
      return file;
    },
    fsyncSync: (file: number) => {
      synced.push(String(opened.get(file)));
      fsyncSync(file);
    },
  });
  syncBuiltinESMExports();
  const file = openSync(path, 'r+');
  try {
    new UseRecord(folder, 'data').begin(file, []);
  } finally {
    closeSync(file);
    Object.assign(fs, { openSync: openFile, fsyncSync });
    syncBuiltinESMExports();
  }
  expect(synced.slice(-3)).toEqual([folder, home, dirname(home)]);
});
