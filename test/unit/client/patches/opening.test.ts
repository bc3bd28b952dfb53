import fs from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import type { RemoteIPCPeer, Storage } from '../../../../src/client/acebase.js';
import { Acceptance } from '../../../../src/client/core/acceptance.js';
import { type EarlyMethods, failEarlyOperations } from '../../../../src/client/patches/early-operations.js';
import { HeldFiles } from '../../../../src/client/patches/opening.js';
import { IPCError } from '../../../../src/errors.js';
import { removeDirectory, temporaryDirectory } from '../../../support/temporary-directory.js';

const settle = () => new Promise((resolve) => setImmediate(resolve));
const refusal = new IPCError('IPC_REFUSED_SECOND_MASTER');

/** Files that only say what is done to them. */
function lab() {
  const calls: string[] = [];
  const files = {
    open: async (path: string) => void calls.push(`open ${path}`),
    mkdir: async (path: string) => void calls.push(`mkdir ${path}`),
  };
  const original = { ...files };
  const held = new HeldFiles();
  const undo = held.patch(files);
  const storage = (type: string, path = '/srv') =>
    ({ name: 'mydb', settings: { path, type } }) as unknown as Storage;
  return { files, calls, held, undo, original, storage };
}

it('holds the first opening of the file of each storage until it is accepted, and no other', async () => {
  const { files, calls, held, storage } = lab();
  const [data, log] = [new Acceptance(), new Acceptance()];
  held.hold(storage('data'), data.accepted(), data.refused);
  held.hold(storage('transaction'), log.accepted(), log.refused);
  for (const name of ['transaction', 'data', 'data', 'other'])
    void files.open(`/srv/mydb.acebase/${name}.db`);
  await settle();
  expect(calls).toEqual(['open /srv/mydb.acebase/data.db', 'open /srv/mydb.acebase/other.db']);
  calls.length = 0;
  log.accept();
  await settle();
  expect(calls).toEqual(['open /srv/mydb.acebase/transaction.db']);
  data.refuse(refusal);
  await settle();
  expect(calls).toHaveLength(1);
});

it('holds each making of the folder, also that for a log that is no part of the cluster', async () => {
  const { files, calls, held, storage } = lab();
  const data = new Acceptance();
  held.hold(storage('data'), data.accepted(), data.refused);
  // acebase 1.18 makes both in the constructor of the data.
  for (let n = 0; n < 2; n++) void files.mkdir('/srv/mydb.acebase');
  void files.mkdir('/srv/other.acebase');
  await settle();
  expect(calls).toEqual(['mkdir /srv/other.acebase']);
  data.accept();
  await settle();
  expect(calls).toHaveLength(3);
  void files.mkdir('/srv/mydb.acebase');
  await settle();
  expect(calls).toHaveLength(4);
});

it('lets the next storage have the file of one that was refused, or closed, before it had opened it', async () => {
  const { files, calls, held, storage } = lab();
  const [first, next] = [new Acceptance(), new Acceptance()];
  held.hold(storage('data'), first.accepted(), first.refused);
  void files.mkdir('/srv/mydb.acebase');
  first.refuse(refusal);
  await settle();
  held.hold(storage('data'), next.accepted(), next.refused);
  void files.mkdir('/srv/mydb.acebase');
  next.accept();
  await settle();
  expect(calls).toEqual(['mkdir /srv/mydb.acebase']);
  void files.open('/srv/mydb.acebase/data.db');
  await settle();
  expect(calls).toHaveLength(2);
});

it('knows a file that was made while it was to be created', async () => {
  const { files, held, storage } = lab();
  const path = await temporaryDirectory('opening');
  onTestFinished(() => removeDirectory(path));
  const folder = join(path, 'mydb.acebase');
  const acceptance = new Acceptance();
  const file = held.hold(storage('data', path), acceptance.accepted(), acceptance.refused);
  void files.mkdir(folder);
  expect(file.hasAppeared).toBe(false);
  await mkdir(folder);
  await writeFile(join(folder, 'data.db'), '');
  // Its making was cut short, or is under way.
  expect(file.hasAppeared).toBe(false);
  await writeFile(join(folder, 'data.db'), 'a whole one');
  expect(file.hasAppeared).toBe(true);
});

it('leaves nothing behind when it is undone', () => {
  const { files, original, undo } = lab();
  undo();
  expect(files).toEqual(original);
});

it('acceptance stands until a refusal, which is final', async () => {
  const acceptance = new Acceptance();
  const waiting = acceptance.wait();
  acceptance.accept();
  await waiting;
  acceptance.refuse(refusal);
  acceptance.refuse(new IPCError('IPC_CLIENT_CLOSED'));
  acceptance.accept();
  expect(acceptance.isAccepted).toBe(false);
  await expect(acceptance.wait()).rejects.toBe(refusal);
});

it('ready(), and what waits for it or for the transaction log, fails when the process is refused, be it before or after it was accepted', async () => {
  class Base {
    readonly api = { storage: { ipc: {} as RemoteIPCPeer } };
    ready(_callback?: () => void): Promise<void> {
      return new Promise(() => undefined);
    }
  }
  class Database extends Base {}
  class Api {
    readonly storage = { ipc: {} as RemoteIPCPeer };
    async createIndex(): Promise<string> {
      return 'made';
    }
    getMutations(): Promise<string> {
      return new Promise(() => undefined);
    }
    getChanges(): Promise<string> {
      return new Promise(() => undefined);
    }
  }
  const methods = { database: Database.prototype, api: Api.prototype } as unknown as EarlyMethods;
  const acceptance = new Acceptance();
  const undo = failEarlyOperations(methods, () => acceptance);
  const ready = new Database().ready();
  const made = new Api().createIndex();
  const early = [new Api().getMutations(), new Api().getChanges()];
  acceptance.accept();
  expect(await made).toBe('made');
  acceptance.refuse(refusal);
  await expect(ready).rejects.toBe(refusal);
  await expect(new Database().ready()).rejects.toBe(refusal);
  await expect(new Api().createIndex()).rejects.toBe(refusal);
  for (const waiting of [...early, new Api().getMutations(), new Api().getChanges()])
    await expect(waiting).rejects.toBe(refusal);
  undo();
  expect(Object.hasOwn(Database.prototype, 'ready')).toBe(false);
});

it('a file whose making was cut short is none for AceBase, which makes it again in its place', async () => {
  const path = await temporaryDirectory('opening');
  onTestFinished(() => removeDirectory(path));
  await mkdir(join(path, 'mydb.acebase'));
  const [data, log] = ['data', 'transaction'].map((type) => join(path, 'mydb.acebase', `${type}.db`));
  await writeFile(String(data), '');
  await writeFile(String(log), 'a whole one');
  const { held, storage } = lab();
  const undo = held.hideUnfinished();
  onTestFinished(undo);
  const areSeen = () => [data, log].map((file) => fs.existsSync(String(file)));
  expect(areSeen()).toEqual([true, true]);
  const accepted = new Acceptance();
  for (const type of ['data', 'transaction'])
    held.hold(storage(type, path), accepted.accepted(), accepted.refused);
  expect(areSeen()).toEqual([false, true]);
  accepted.accept();
  await settle();
  expect(areSeen()).toEqual([true, true]);
});

it('shows a worker no file that is being made, until it is whole', async () => {
  const folder = await temporaryDirectory('opening');
  onTestFinished(() => removeDirectory(folder));
  await mkdir(join(folder, 'mydb.acebase'));
  const file = join(folder, 'mydb.acebase/data.db');
  const { held, storage } = lab();
  const files = {
    open: async () => undefined,
    mkdir: async () => undefined,
    exists: async (path: string) => fs.existsSync(path),
  };
  const undo = [held.hideUnfinished(), held.patch(files)];
  const seen = async () => [fs.existsSync(file), await files.exists(file)];
  held.hideWhileMade(storage('data', folder));
  expect(await seen()).toEqual([false, false]);
  await writeFile(file, '');
  expect(await seen()).toEqual([false, false]);
  // Its tables are there, and nothing else.
  const header = Buffer.alloc(131_072);
  header.write('AceBase⚡');
  header[10] = 1;
  await writeFile(file, header);
  expect(await seen()).toEqual([false, false]);
  // Whatever it is, it is no file that is being made.
  await writeFile(file, 'x'.repeat(200_000));
  expect(await seen()).toEqual([true, true]);
  await writeFile(file, '');
  for (const each of undo.toReversed()) each();
  expect(await seen()).toEqual([true, true]);
});
