import fs, { readdirSync, writeFileSync } from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { join } from 'node:path';
import { AceBase } from 'acebase';
import { afterEach, beforeEach, expect, it } from 'vitest';
import type { Storage } from '../../../../src/client/acebase.js';
import { install, uninstall } from '../../../../src/client/install.js';
import { SharedJournal } from '../../../../src/client/journal/keep-whole.js';
import type { ClientStatus } from '../../../../src/client/status.js';
import { removeDirectory, temporaryDirectory } from '../../../support/temporary-directory.js';

const { accessSync, rmSync } = fs;
let path: string;
let folder: string;
let statuses: ClientStatus[];
/** What is not writable; tests may run as a user to whom nothing is forbidden. */
let forbidden: string | undefined;

const open = async (): Promise<AceBase> => {
  const database = new AceBase('mydb', { logLevel: 'error', sponsor: true, storage: { path } });
  await database.ready();
  return database;
};

beforeEach(async () => {
  path = await temporaryDirectory('forbidden');
  folder = join(path, 'mydb.acebase');
  forbidden = undefined;
  statuses = [];
  const unlessForbidden =
    <Details extends unknown[]>(act: (name: string, ...details: Details) => void) =>
    (name: string, ...details: Details): void => {
      if (name !== forbidden) act(name, ...details);
      else throw Object.assign(new Error(`EROFS: read-only file system, '${name}'`), { code: 'EROFS' });
    };
  Object.assign(fs, { accessSync: unlessForbidden(accessSync), rmSync: unlessForbidden(rmSync) });
  syncBuiltinESMExports();
  install({ onStatus: (status) => void statuses.push(status) });
});

afterEach(async () => {
  uninstall();
  Object.assign(fs, { accessSync, rmSync });
  syncBuiltinESMExports();
  await removeDirectory(path);
});

it('a database whose folder is not writable keeps no journal, says so, and works', async () => {
  const before = await open();
  await before.ref('texts/one').set('x'.repeat(60));
  await before.close();
  for (const name of readdirSync(folder)) if (name.includes('.redo')) fs.rmSync(join(folder, name));
  expect(statuses).toEqual([]);
  forbidden = folder;
  const database = await open();
  expect(statuses).toMatchObject([{ kind: 'no-journal', database: 'mydb_data' }]);
  const [status] = statuses;
  const reason = status?.kind === 'no-journal' ? status.reason : '';
  for (const part of ['IPC_CLIENT_NO_JOURNAL', folder, 'EROFS', "journal: 'off'"])
    expect(reason).toContain(part);
  await database.ref('texts').update({ two: 'y'.repeat(60) });
  expect((await database.ref('texts').get()).val()).toEqual({ one: 'x'.repeat(60), two: 'y'.repeat(60) });
  await database.close();
  expect(readdirSync(folder).filter((name) => name.includes('.redo'))).toEqual([]);
});

it('so it is in a cluster, whose server hears that this process keeps none', async () => {
  await (await open()).close();
  const use = join(folder, 'data.use.redo');
  writeFileSync(use, JSON.stringify({ run: null, indexes: [] }));
  const log = join(folder, 'data.redo');
  writeFileSync(log, '');
  const storage = { name: 'mydb', settings: { path, type: 'data' } } as unknown as Storage;
  const reasons: string[] = [];
  const isKept = (): boolean =>
    new SharedJournal(storage, 'process', ({ message }) => reasons.push(message)).isKept;
  expect([isKept(), reasons]).toEqual([true, []]);
  forbidden = log;
  expect([isKept(), reasons.length, reasons[0]?.includes(log)]).toEqual([false, 1, true]);
  // What another boot has left there cannot be removed.
  forbidden = use;
  new SharedJournal(storage, 'process', () => undefined).prepare();
  expect(fs.existsSync(use)).toBe(true);
});
