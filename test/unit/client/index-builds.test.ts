import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import type { RemoteIPCPeer } from '../../../src/client/acebase.js';
import { indexBuildsOf, LONGEST_BUILD_MS } from '../../../src/client/index-builds.js';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

/** A master whose index takes as long as the test wants. */
function lab(isOn = true) {
  let done: () => void = () => undefined;
  let ready: () => void = () => undefined;
  const create = () =>
    new Promise<unknown>((resolve) => {
      done = () => resolve({});
    });
  const ipc = {
    isMaster: true,
    _locks: [{ tid: 'holder', granted: true }],
    storage: {
      indexes: { list: () => [], create },
      once: (_event: string, callback: () => void) => {
        ready = callback;
      },
    },
  } as unknown as RemoteIPCPeer;
  const builds = indexBuildsOf(ipc, isOn);
  ready();
  const granted: string[] = [];
  const ask = (tid: string, write: boolean) => {
    builds.whenLockMayBeGranted({ path: 'a', tid, write }, () => granted.push(tid));
  };
  return { ipc, builds, granted, ask, end: () => done() };
}

it('nobody begins to write from the making of an index until all have heard of it', async () => {
  const { ipc, granted, ask, end } = lab();
  const made = ipc.storage.indexes.create('people', 'age');
  ask('writer', true);
  ask('reader', false);
  ask('holder', true);
  expect(granted).toEqual(['reader', 'holder']);
  end();
  await made;
  vi.advanceTimersByTime(199);
  expect(granted).not.toContain('writer');
  vi.advanceTimersByTime(1);
  expect(granted).toContain('writer');
});

it('who closes the database is told when the index is made', async () => {
  const { ipc, builds, end } = lab();
  expect(builds.built()).toBeUndefined();
  const made = ipc.storage.indexes.create('people', 'age');
  const built = builds.built();
  end();
  await Promise.all([made, built]);
  expect(builds.built()).toBeUndefined();
});

it('writers begin after a minute, though the index is not made', () => {
  const { ipc, granted, ask } = lab();
  void ipc.storage.indexes.create('people', 'age');
  ask('writer', true);
  vi.advanceTimersByTime(LONGEST_BUILD_MS);
  expect(granted).toEqual(['writer']);
});

it('nothing is kept back if that is switched off', () => {
  const { ipc, granted, ask } = lab(false);
  void ipc.storage.indexes.create('people', 'age');
  ask('writer', true);
  expect(granted).toEqual(['writer']);
});
