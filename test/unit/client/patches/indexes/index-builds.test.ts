import { setImmediate as turn } from 'node:timers/promises';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import type { Storage } from '../../../../../src/client/acebase.js';
import {
  closeAfterBuilds,
  repairIndexBuilds,
} from '../../../../../src/client/patches/indexes/index-builds.js';

const NEWS_MS = 200;

/** A storage whose index takes as long as the test wants, and who has which of its locks. */
function lab(hasWorkers = true) {
  let done: () => void = () => undefined;
  const granted: { id: number; state: string; timeout: NodeJS.Timeout }[] = [];
  const held = new Set<object>();
  let release: () => void = () => undefined;
  let isBusy: Promise<void> | undefined;
  const deleted: string[] = [];
  const steps: string[] = [];
  const storage = {
    settings: {},
    createTid: () => granted.length,
    ipc: {
      _exiting: false,
      _nodeLocker: { list: () => granted },
      exit: async () => void steps.push('closed'),
    },
    nodeLocker: {
      lock: async (_path: string, _tid: string, write: boolean) => {
        expect(write).toBe(false);
        await isBusy;
        const expires = setTimeout(() => Object.assign(lock, { state: 'expired' }), 120_000);
        const lock = {
          id: granted.length,
          state: 'locked',
          timeout: expires,
          release: async () => void held.delete(lock),
        };
        granted.push(lock);
        held.add(lock);
        return lock;
      },
    },
    indexes: {
      list: () => [],
      create: () =>
        new Promise<unknown>((resolve) => {
          done = () => {
            steps.push('made');
            resolve({ fileName: 'people-age.idx' });
          };
        }),
      delete: async (file: string) => void deleted.push(file),
    },
  } as unknown as Storage;
  const begun = vi.fn<typeof storage.indexes.create>(storage.indexes.create);
  storage.indexes.create = begun;
  return {
    storage,
    builds: repairIndexBuilds(storage, hasWorkers),
    granted,
    held,
    begun,
    deleted,
    steps,
    end: () => done(),
    /** Somebody writes. @returns what ends that */
    write: () => {
      isBusy = new Promise((resolve) => {
        release = resolve;
      });
      return () => release();
    },
  };
}

beforeEach(() => void vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] }));
afterEach(() => void vi.useRealTimers());

it('an index is begun when nobody writes, and nobody does until all have heard of it', async () => {
  const { storage, begun, held, end, write } = lab();
  const written = write();
  const made = storage.indexes.create('people', 'age');
  await turn();
  expect(begun).not.toHaveBeenCalled();
  written();
  await turn();
  expect(begun).toHaveBeenCalledOnce();
  end();
  await made;
  await vi.advanceTimersByTimeAsync(NEWS_MS - 1);
  expect(held.size).toBe(1);
  await vi.advanceTimersByTimeAsync(1);
  expect(held.size).toBe(0);
});

it('who comes back waits for an index that is being made, and who closes also for one that waits for a writer', async () => {
  const { storage, builds, steps, end, write } = lab();
  expect([builds.built(), builds.over()]).toEqual([undefined, undefined]);
  const written = write();
  const made = storage.indexes.create('people', 'age');
  expect(builds.built()).toBeUndefined();
  expect(builds.over()).toBeDefined();
  closeAfterBuilds(storage, builds);
  const closed = storage.ipc.exit();
  written();
  await turn();
  const built = builds.built();
  expect(built).toBeDefined();
  end();
  await Promise.all([made, built, closed]);
  expect([builds.built(), builds.over(), steps]).toEqual([undefined, undefined, ['made', 'closed']]);
});

it('none is begun any more when the database is being closed', async () => {
  const { storage, begun, held, write } = lab();
  const written = write();
  const made = storage.indexes.create('people', 'age');
  Object.assign(storage.ipc, { _exiting: true });
  written();
  await expect(made).rejects.toThrow('is being closed');
  expect(begun).not.toHaveBeenCalled();
  expect(held.size).toBe(0);
});

it('its lock does not expire: how long it takes depends on the data', async () => {
  const { storage, granted, held, end } = lab();
  const made = storage.indexes.create('people', 'age');
  await turn();
  await vi.advanceTimersByTimeAsync(600_000);
  expect([granted[0]?.state, held.size]).toEqual(['locked', 1]);
  end();
  await made;
});

it('an index is not kept if its lock was lost: others may have written', async () => {
  const { storage, granted, held, deleted, end } = lab();
  const made = storage.indexes.create('people', 'age');
  await turn();
  Object.assign(granted[0] ?? {}, { state: 'expired' });
  end();
  await expect(made).rejects.toThrow('IPC_CLIENT_LEASE_LOST: others may have written');
  expect(deleted).toEqual(['people-age.idx']);
  expect(held.size).toBe(0);
});

it('who has the file for himself waits as well, but for nobody to hear of it', async () => {
  const { storage, begun, held, end, write } = lab(false);
  const written = write();
  const made = storage.indexes.create('people', 'age');
  await turn();
  expect(begun).not.toHaveBeenCalled();
  written();
  await turn();
  expect(held.size).toBe(1);
  end();
  await made;
  expect(held.size).toBe(0);
});
