import { setImmediate as turn } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { type Journal, OPEN_GATE } from '../../../../src/client/journal/journal.js';
import { holdKeys } from '../../../../src/client/journal/notices.js';
import type { Told } from '../../../../src/client/journal/storage.js';
import { MasterTables } from '../../../../src/client/journal/tables.js';
import type { Change } from '../../../../src/client/journal/write-buffer.js';
import { KEYS_AT } from '../../../../src/client/patches/file-layout.js';

it('tables that are written at one time are each compared with the one before, not with what the file still has', async () => {
  const file = Buffer.from('old entry 04');
  const journal = {
    commit: async ({ changes }: { changes: readonly Change[] }) => {
      await Promise.resolve();
      for (const { position, after } of changes) file.set(after, position);
    },
  } as unknown as Journal<never>;
  const read = (position: number, bytes: Buffer): void => void file.copy(bytes, 0, position);
  const tables = new MasterTables({
    storage: {},
    journal: () => journal,
    gate: OPEN_GATE,
    read,
    untilFree: () => Promise.resolve(),
  });
  const texts = ['____________', '______', 'new entry 04'];
  await Promise.all(texts.map((text) => tables.write(0, Buffer.from(text))));
  expect(file.toString()).toBe('new entry 04');
});

it('what uses a key that was just added waits until that is in the file; and so does who is told of it', async () => {
  let logged: () => void = () => undefined;
  const journal = {
    commit: () =>
      new Promise<void>((resolve) => {
        logged = resolve;
      }),
  } as unknown as Journal<never>;
  const tables = new MasterTables({
    storage: {},
    journal: () => journal,
    gate: OPEN_GATE,
    read: () => undefined,
    untilFree: () => Promise.resolve(),
  });
  const said: unknown[] = [];
  const ipc = {
    sendNotification: ({ type }: Told) => said.push(type),
    replyRequest: ({ data }: { data: Told }) => said.push(`${data.type} is answered`),
  } as unknown as Parameters<typeof holdKeys>[0];
  holdKeys(ipc, (tell) => tables.whenSettled(tell));
  ipc.sendNotification({ type: 'kit.new_key' });
  const writing = tables.write(64, Buffer.from('key'));
  ipc.replyRequest({ data: { type: 'kit.add' } }, { ok: true });
  ipc.replyRequest({ data: { type: 'fst.release' } }, { ok: true });
  const using = tables.settled.then(() => said.push('it is used'));
  await turn();
  expect(said).toEqual(['fst.release is answered']);
  logged();
  await Promise.all([writing, using]);
  await turn();
  expect(said.slice(1).sort()).toEqual(['it is used', 'kit.add is answered', 'kit.new_key']);
  expect(said.indexOf('kit.new_key')).toBeLessThan(said.indexOf('kit.add is answered'));
});

it('keys that could not be written are written before anything that may use them, and nobody is told of them before', async () => {
  let isFull = true;
  const file = Buffer.alloc(70);
  const journal = {
    commit: async ({ changes }: { changes: readonly Change[] }) => {
      if (isFull) throw new Error('ENOSPC');
      for (const { position, after } of changes) file.set(after, position);
    },
  } as unknown as Journal<never>;
  const tables = new MasterTables({
    storage: {},
    journal: () => journal,
    gate: OPEN_GATE,
    read: (position, bytes) => void file.copy(bytes, 0, position),
    untilFree: () => Promise.resolve(),
  });
  const told: string[] = [];
  const writing = tables.write(KEYS_AT, Buffer.from('key'));
  const using = tables.settled;
  tables.whenSettled(() => told.push('key'));
  await expect(writing).rejects.toThrow('ENOSPC');
  for (const each of [using, tables.settled]) await expect(each).rejects.toThrow('ENOSPC');
  expect(told).toEqual([]);
  isFull = false;
  await tables.settled;
  expect([file.subarray(KEYS_AT, KEYS_AT + 3).toString(), told]).toEqual(['key', ['key']]);
  isFull = true;
  // Those of another master, or of AceBase by itself, are in the file by now.
  await expect(tables.write(KEYS_AT, Buffer.from('new'))).rejects.toThrow('ENOSPC');
  tables.forget();
  await tables.settled;
});

it.each([
  { when: 'it waits for its lease', isFree: true },
  { when: 'it waits for the log to be free', isFree: false },
])(
  'keys that a master was writing when it lost its place, while $when, are neither written nor told of when it is back',
  async ({ isFree }) => {
    const file = Buffer.alloc(80);
    const isOpen = { now: false };
    let lose: (error: Error) => void = () => undefined;
    const lost = new Promise<void>((_resolve, reject) => {
      lose = reject;
    });
    let free: () => void = () => undefined;
    const freed = isFree
      ? Promise.resolve()
      : new Promise<void>((resolve) => {
          free = resolve;
        });
    const gate = {
      get isOpen() {
        return isOpen.now;
      },
      wait: () => lost,
    };
    const journal = {
      commit: async ({ changes }: { changes: readonly Change[] }, own: typeof gate) => {
        if (!own.isOpen) await own.wait();
        for (const { position, after } of changes) file.set(after, position);
      },
    } as unknown as Journal<never>;
    const tables = new MasterTables({
      storage: {},
      journal: () => journal,
      gate,
      read: (position, bytes) => void file.copy(bytes, 0, position),
      untilFree: () => freed,
    });
    const told: string[] = [];
    const writing = tables.write(KEYS_AT, Buffer.from('foo'));
    tables.whenSettled(() => told.push('foo'));
    await turn();
    // As when the place is lost: what waits for the lease fails, and in the same turn what is known of the file is forgotten.
    lose(new Error('IPC_CLIENT_LEASE_LOST'));
    tables.forget();
    // Another master adds a key; this one is back.
    file.write('bar', KEYS_AT);
    isOpen.now = true;
    free();
    await expect(writing).rejects.toThrow('IPC_CLIENT_LEASE_LOST');
    await tables.settled;
    await turn();
    expect([file.toString('latin1', KEYS_AT, KEYS_AT + 3), told]).toEqual(['bar', []]);
  },
);
