import fs from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { AceBase } from 'acebase';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import type { Storage } from '../../../../src/client/acebase.js';
import { install, uninstall } from '../../../../src/client/install.js';
import { Activity } from '../../../../src/client/journal/activity.js';
import { RECORDS_AT } from '../../../../src/client/patches/file-layout.js';
import { removeDirectory, temporaryDirectory } from '../../../support/temporary-directory.js';

type Method = (...details: unknown[]) => unknown;

const { write } = fs;
let path: string;
let database: AceBase;
/** Writes of records that the disk takes its time for; `undefined` if it takes none. */
let stalled: (() => void)[] | undefined;

const open = (lockTimeout?: number): AceBase =>
  new AceBase('mydb', { logLevel: 'error', storage: { path, ...(lockTimeout && { lockTimeout }) } });

beforeEach(async () => {
  stalled = undefined;
  Object.assign(fs, {
    write: (...details: unknown[]) => {
      const [, bytes, , , position] = details;
      const isHeld = Number(position) >= RECORDS_AT && Buffer.from(bytes as Uint8Array).includes('slow');
      if (stalled === undefined || !isHeld) return (write as Method)(...details);
      return stalled.push(() => (write as Method)(...details));
    },
  });
  install({ journal: 'process' });
  path = await temporaryDirectory('expired');
  database = open(0.2);
  await database.ready();
  await database.ref('').update({
    texts: { one: 'o'.repeat(100), two: 't'.repeat(400), both: { x: 'x'.repeat(100), y: 'y'.repeat(100) } },
    numbers: { one: 1 },
  });
});

afterEach(async () => {
  vi.useRealTimers();
  await database.close();
  uninstall();
  Object.assign(fs, { write });
  syncBuiltinESMExports();
  await removeDirectory(path);
});

const stateOf = async (from: AceBase): Promise<unknown> => (await from.ref('').get()).val();

const expired = () => {
  const { ipc } = Reflect.get(database.api, 'storage') as unknown as Storage;
  return vi.waitFor(() => expect(ipc._nodeLocker.list().map(({ state }) => state)).toContain('expired'), {
    timeout: 5_000,
  });
};

it('a transaction whose lock has expired writes nothing any more, and others begin when what it was writing is at rest', async () => {
  const before = await stateOf(database);
  stalled = [];
  const slow = database.ref('texts').update({
    one: `slow${'1'.repeat(20_000)}`,
    two: `slow${'2'.repeat(30_000)}`,
    both: { x: `slow${'3'.repeat(25_000)}` },
  });
  slow.catch(() => undefined);
  await expired();
  const others: string[] = [];
  const other = database
    .ref('numbers')
    .update({ one: 2 })
    .then(() => others.push('written'));
  await new Promise((resolve) => setImmediate(resolve));
  expect(others).toEqual([]);
  for (const goOn of stalled.splice(0)) goOn();
  stalled = undefined;
  await expect(slow).rejects.toThrow('IPC_CLIENT_LOCK_EXPIRED');
  await other;
  const after = { ...(before as object), numbers: { one: 2 } };
  expect(await stateOf(database)).toEqual(after);
  await database.close();
  database = open();
  await database.ready();
  expect(await stateOf(database)).toEqual(after);
});

it('what a commit has noted is not written over before it is done: its lock has expired while an index is told', async () => {
  await database.indexes.create('texts', 'age');
  const { indexes } = Reflect.get(database.api, 'storage') as unknown as Storage;
  const index = indexes.list()[0] as unknown as { _updateTree: Method };
  const { _updateTree: update } = index;
  let tell: () => void = () => undefined;
  index._updateTree = async (...details) => {
    await new Promise<void>((resolve) => {
      tell = resolve;
    });
    return await update.apply(index, details);
  };
  const slow = database.ref('texts/three').set({ age: 3, note: 'n'.repeat(60) });
  await expired();
  const order: string[] = [];
  const written = [
    slow.then(() => order.push('slow')),
    database
      .ref('numbers')
      .update({ one: 2 })
      .then(() => order.push('other')),
  ];
  await new Promise((resolve) => setTimeout(resolve, 50));
  expect(order).toEqual([]);
  index._updateTree = update;
  tell();
  await Promise.all(written);
  expect(order).toEqual(['slow', 'other']);
  const found = await database.query('texts').filter('age', '==', 3).get();
  expect(found.map(({ key }) => key)).toEqual(['three']);
});

it('one that waits for code of its user keeps nobody waiting, and fails when it goes on', async () => {
  let goOn: (value: unknown) => void = () => undefined;
  const stuck = database.ref('numbers/one').transaction(
    () =>
      new Promise((resolve) => {
        goOn = resolve;
      }),
  );
  stuck.catch(() => undefined);
  await expired();
  await database.ref('numbers').update({ two: 2 });
  goOn(5);
  await expect(stuck).rejects.toThrow();
  expect(await stateOf(database)).toMatchObject({ numbers: { one: 1, two: 2 } });
});

it('one that AceBase has lost track of keeps nobody waiting: it does nothing, and waits for nothing', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
  const activity = new Activity();
  let isAtRest = false;
  const rest = activity.atRest().then(() => {
    isAtRest = true;
  });
  let written: () => void = () => undefined;
  const writing = activity.during(
    () =>
      new Promise<void>((resolve) => {
        written = resolve;
      }),
  );
  await vi.advanceTimersByTimeAsync(60_000);
  expect(isAtRest).toBe(false);
  written();
  await writing;
  await vi.advanceTimersByTimeAsync(1_000);
  await rest;
  expect(activity.isHarmless).toBe(false);
  activity.end();
  expect(activity.isHarmless).toBe(true);
});
