import fs, { rmSync } from 'node:fs';
import { join } from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import { PathReference } from 'acebase';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { install, uninstall } from '../../../../src/client/install.js';
import { MutationLog } from '../../../../src/client/journal/mutation-log.js';
import type { InnerStorage } from '../../../../src/client/journal/storage.js';
import { Transaction } from '../../../../src/client/journal/transaction.js';
import { RECORDS_AT } from '../../../../src/client/patches/file-layout.js';
import { type Database, openDatabase, perform } from '../../../crash/database.js';
import type { Change } from '../../../crash/disk.js';
import { lengthIn, RefusedChange, watchChanges } from '../../../crash/recorder.js';
import { removeDirectory, temporaryDirectory } from '../../../support/temporary-directory.js';

let path: string;
let database: Database;
/** Whether the disk has no room for that. */
let isRefused: (change: Change) => boolean;

beforeEach(async () => {
  path = await temporaryDirectory('mutations');
  isRefused = () => false;
  watchChanges(path, {
    isAtOnce: false,
    lengthOf: lengthIn(path),
    changing(change) {
      if (isRefused(change)) throw new RefusedChange();
    },
  });
  install({ journal: 'process' });
  database = openDatabase(path, true);
  await database.ready();
  await set('before', 0);
});

afterEach(async () => {
  isRefused = () => false;
  await database.close();
  uninstall();
  await removeDirectory(path);
});

/** Of the log of transactions. */
const isRecord = (change: Change): boolean =>
  change.kind === 'write' && change.file.endsWith('transaction.db') && change.position > RECORDS_AT;

const set = (name: string, number: number): Promise<void> =>
  perform(database, { kind: 'set', path: `notes/${name}`, value: `${name}${'x'.repeat(60)}` }, number);

/** What is in the data, and the numbers of what is in the log of transactions. */
async function state(): Promise<[string[], number[]]> {
  const data = (await database.ref('notes').get()).val() as object;
  const history = await database.api.storage.txStorage?.getNode('history');
  const contexts = Object.values(history?.value as object).map(({ context }) => String(context));
  const numbers = contexts.flatMap((context) => /"number":(\d+)/.exec(context)?.slice(1).map(Number) ?? []);
  return [Object.keys(data).sort(), numbers.sort()];
}

it.each([
  ['a record of it', (change: Change) => isRecord(change)],
  ['what commits it', ({ file }: Change) => file.endsWith('transaction.redo')],
])(
  'a mutation is in the log of transactions before anything else is written: there was no room for %s',
  async (_what, refuse) => {
    isRefused = refuse;
    await set('first', 1);
    await expect(set('second', 2)).rejects.toThrow('ENOSPC');
    expect(await state()).toEqual([['before', 'first'], [0]]);
    isRefused = () => false;
    await set('third', 3);
    expect(await state()).toEqual([
      ['before', 'first', 'third'],
      [0, 1, 3],
    ]);
  },
);

it('it is there when the database is opened next, also if nothing else is written', async () => {
  isRefused = isRecord;
  await set('first', 1);
  await database.close();
  isRefused = () => false;
  database = openDatabase(path, true);
  await database.ready();
  await set('second', 2);
  expect(await state()).toEqual([
    ['before', 'first', 'second'],
    [0, 1, 2],
  ]);
});

it('a process without a log of transactions does not write over a mutation that one has missed', async () => {
  isRefused = isRecord;
  await set('first', 1);
  await database.close();
  isRefused = () => false;
  database = openDatabase(path, false);
  await database.ready();
  for (const number of [2, 3])
    await expect(set('second', number)).rejects.toMatchObject({ code: 'IPC_CLIENT_NO_TRANSACTION_LOG' });
  const found = (await database.ref('notes').get()).val() as object;
  expect(Object.keys(found)).toEqual(['before', 'first']);
  await database.close();
  database = openDatabase(path, true);
  await database.ready();
  await set('third', 4);
  expect(await state()).toEqual([
    ['before', 'first', 'third'],
    [0, 1, 4],
  ]);
});

it('where that log was removed, nobody waits for it', async () => {
  isRefused = isRecord;
  await set('first', 1);
  await database.close();
  isRefused = () => false;
  rmSync(join(path, 'mydb.acebase', 'transaction.db'));
  database = openDatabase(path, false);
  await database.ready();
  await set('second', 2);
  expect(Object.keys((await database.ref('notes').get()).val() as object)).toHaveLength(3);
});

it('that it was added and could not be noted ends neither the process nor what it writes', async () => {
  isRefused = isRecord;
  await set('first', 1);
  await database.close();
  let isTried = false;
  isRefused = ({ file }) => {
    const isIt = file.endsWith('data.redo');
    isTried ||= isIt;
    return isIt;
  };
  database = openDatabase(path, true);
  await database.ready();
  while (!isTried) await turn();
  isRefused = () => false;
  await set('second', 2);
  expect(await state()).toEqual([
    ['before', 'first', 'second'],
    [0, 1, 2],
  ]);
});

it('a write from before the log of transactions is open is in it when it is committed, and not before', async () => {
  await set('first', 1);
  await database.close();
  const { open } = fs;
  let opened = (): void => undefined;
  const isToOpen = new Promise<void>((resolve) => {
    opened = resolve;
  });
  const late = (file: string, ...details: unknown[]): unknown => {
    const act = (): unknown => Reflect.apply(open, fs, [file, ...details]);
    return String(file).endsWith('transaction.db') ? isToOpen.then(act) : act();
  };
  Object.assign(fs, { open: late });
  try {
    database = openDatabase(path, true);
    await database.ready();
    isRefused = ({ file }) => /data\.redo2?$/.test(file);
    const refused = expect(set('second', 2)).rejects.toThrow('ENOSPC');
    for (let n = 0; n < 10; n++) await turn();
    opened();
    await refused;
    isRefused = () => false;
    await set('third', 3);
  } finally {
    Object.assign(fs, { open });
  }
  expect(await state()).toEqual([
    ['before', 'first', 'third'],
    [0, 1, 3],
  ]);
});

// Before acebase 1.29.13, these are no text.
it('is the same when it was in the journal, also with values that JSON does not know', async () => {
  const item = { value: new Date(5), mutations: [{ prev: 2n ** 70n, val: new Uint8Array([1, 2]).buffer }] };
  const added: unknown[] = [];
  const storage = {
    logMutation() {
      void this.txStorage._updateNode('history', { cursor1: item });
    },
    txStorage: {
      // A getter, in AceBase.
      __proto__: { isReady: true },
      ipc: { isMaster: true, removePeer: () => undefined },
      async _updateNode(...details: unknown[]) {
        added.push(details[1]);
      },
    },
  };
  const transaction = new Transaction(() => undefined);
  const log = new MutationLog(storage as unknown as InnerStorage, { PathReference });
  log.hold(() => transaction);
  (storage.logMutation as (...details: unknown[]) => void)('set', 'a', 1, { acebase_cursor: 'cursor1' });
  const kept = JSON.parse(JSON.stringify(transaction.mutation)) as NonNullable<Transaction['mutation']>;
  expect([await log.add(kept), added]).toEqual([true, [{ cursor1: item }]]);
});
