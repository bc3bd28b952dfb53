import { expect, it, vi } from 'vitest';
import type { DatabaseFile, IPCLock, IPCPeer, LockInfo, Message } from '../../../src/client/core/host.js';
import { View } from '../../../src/client/core/resync.js';

/** A process whose file has its root in record 8, and that believes in record 3. */
function lab() {
  const believed = { recordNr: 3 };
  const inFile = { recordNr: 8 };
  /** What reading the list of indexes waits for. */
  const reading: { until: Promise<unknown> | undefined } = { until: undefined };
  let keys = 0;
  let invalidations = 0;
  const file: DatabaseFile = {
    lockTimeout: 120_000,
    isOpen: true,
    get root() {
      return { path: '', pageNr: 0, recordNr: believed.recordNr };
    },
    written: () => undefined,
    invalidateCaches: () => undefined,
    invalidateAllCaches: () => {
      invalidations += 1;
    },
    readRoot: async () => ({ path: '', pageNr: 0, recordNr: inFile.recordNr }),
    writeRoot: async ({ recordNr }) => {
      inFile.recordNr = Number(recordNr);
    },
    setRoot: async ({ recordNr }) => {
      believed.recordNr = Number(recordNr);
    },
    readKeys: async () => {
      keys += 1;
    },
    readIndexes: async () => {
      await reading.until;
    },
    reopen: async () => undefined,
    close: () => undefined,
  };
  const said: Message[] = [];
  const sendMessage = (message: Message) => said.push(message);
  const ipc = { id: 'worker', isMaster: false, _locks: [] as LockInfo[], sendMessage };
  const found = { isChanged: false };
  const journal = { isInForce: true, look: () => found.isChanged };
  const view = new View(ipc as unknown as IPCPeer, file, { wallTime: () => 1_000 }, journal);
  return {
    view,
    reading,
    found,
    journal,
    ipc,
    believed,
    inFile,
    said,
    keysRead: () => keys,
    invalidations: () => invalidations,
  };
}

it('reads the root again, under a lock, when news may have been missed, and tells a server that did not know it', async () => {
  const { view, believed, said } = lab();
  await view.underLock();
  expect(believed.recordNr).toBe(3);
  view.missedNews();
  await view.underLock();
  expect(believed.recordNr).toBe(8);
  const address = { path: '', pageNr: 0, recordNr: 8 };
  expect(said).toEqual([{ type: 'notification', from: 'worker', data: { type: 'root.update', address } }]);
});

it('reads everything once more, if news may have been missed while it did', async () => {
  const { view, believed, inFile, reading } = lab();
  let goOn: (value?: unknown) => void = () => undefined;
  reading.until = new Promise((resolve) => {
    goOn = resolve;
  });
  view.missedNews();
  const sound = view.underLock();
  await vi.waitUntil(() => believed.recordNr === 8);
  view.missedNews();
  inFile.recordNr = 9;
  goOn();
  await sound;
  expect([believed.recordNr, view.isSound]).toEqual([9, true]);
});

it('keeps a root that it was told since, and writes it: one that was stopped as it moved the root may have written that late', async () => {
  const { view, believed, inFile, said } = lab();
  view.missedNews();
  view.rootTold();
  await view.underLock();
  expect([believed.recordNr, inFile.recordNr, said]).toEqual([3, 3, []]);
  inFile.recordNr = 8;
  view.missedNews();
  await view.underLock();
  expect([believed.recordNr, inFile.recordNr]).toEqual([8, 8]);
});

it('reads the keys again, once, when another master has come: the last one may have added some that nobody heard of', async () => {
  const { view, keysRead } = lab();
  await view.underLock();
  expect(keysRead()).toBe(0);
  view.masterCame();
  await Promise.all([view.underLock(), view.underLock()]);
  await view.underLock();
  expect(keysRead()).toBe(1);
});

it('reads again though a lock for writing is held since before, if others may have got that', async () => {
  for (const [state, expires, root] of [
    ['locked', 2_000, 3],
    ['locked', 0, 8],
    ['expired', 2_000, 8],
  ] as const) {
    const { view, ipc, believed } = lab();
    const request = { path: '', tid: 't', write: true };
    ipc._locks.push({ tid: 't', granted: true, request, lock: { state, expires } as IPCLock });
    view.missedNews();
    await view.underLock();
    expect(believed.recordNr).toBe(root);
  }
});

it('believes the file where it is right, whatever it was told; and reads it again when a crash was mended under its lock', async () => {
  const { view, believed, inFile, found } = lab();
  view.missedNews(true);
  view.rootTold();
  await view.underLock();
  expect([believed.recordNr, inFile.recordNr]).toEqual([8, 8]);
  inFile.recordNr = 9;
  await view.underLock();
  expect(believed.recordNr).toBe(8);
  found.isChanged = true;
  await view.underLock();
  expect(believed.recordNr).toBe(9);
});

it('has everybody forget what they read before a crash was mended, if processes may be there that know nothing of that', async () => {
  const { view, journal, found, invalidations } = lab();
  found.isChanged = true;
  await view.underLock();
  expect(invalidations()).toBe(0);
  journal.isInForce = false;
  await view.underLock();
  expect(invalidations()).toBe(1);
});
