import type { Cancel } from '../broker/ports.js';
import { systemClock } from '../platform/clock.js';
import type { RemoteIPCPeer } from './acebase.js';
import type { LockDetails } from './core/host.js';

/** Milliseconds after a new index was told of until writers begin: all have heard of it. */
const NEWS_MS = 200;

/** The longest time that writers are kept back for one index, in milliseconds. */
export const LONGEST_BUILD_MS = 60_000;

/** When locks may be granted that are asked for. */
export interface IndexBuilds {
  /** Calls `grant` now, or when no index is being made. */
  whenLockMayBeGranted(details: LockDetails, grant: () => void): void;
  /** Resolves when none is being made; `undefined` if none is. */
  built(): Promise<void> | undefined;
}

/**
 * A worker that has not heard of an index does not tell it what it writes. So while a master makes one of its own accord,
 * no worker begins to write (docs/PROTOCOL.md, section 12.5, has the same for those that workers ask for). Who writes
 * already goes on; making the index waits for it, by its own locks.
 */
export function indexBuildsOf(ipc: RemoteIPCPeer, isOn: boolean): IndexBuilds {
  if (!ipc.isMaster) return { whenLockMayBeGranted: (_details, grant) => grant(), built: () => undefined };
  const underWay = new Set<Promise<unknown>>();
  const waiting: (() => void)[] = [];
  let builds = 0;
  const end = (): void => {
    builds--;
    if (builds === 0) for (const grant of waiting.splice(0)) grant();
  };
  // Nobody makes an index before; and acebase 1.18 has no list of them yet when it makes its peer.
  ipc.storage.once('ready', () => {
    const { indexes } = ipc.storage;
    const original = indexes.create;
    indexes.create = async (path, key, options) => {
      if (isThere(ipc, path, key) && Reflect.get(options ?? {}, 'rebuild') !== true) {
        return original.call(indexes, path, key, options);
      }
      builds++;
      const endOnce = once(end);
      const cancel: Cancel = systemClock.scheduleIdle(LONGEST_BUILD_MS, endOnce);
      const building = original.call(indexes, path, key, options);
      underWay.add(building);
      try {
        return await building;
      } finally {
        underWay.delete(building);
        cancel();
        systemClock.schedule(NEWS_MS, endOnce);
      }
    };
  });
  return {
    whenLockMayBeGranted({ write, tid }, grant) {
      const holds = ipc._locks.some((lock) => lock.granted && lock.tid === tid);
      if (isOn && builds > 0 && write && !holds) waiting.push(grant);
      else grant();
    },
    built: () => (underWay.size === 0 ? undefined : Promise.allSettled(underWay).then(() => undefined)),
  };
}

function isThere({ storage }: RemoteIPCPeer, path: string, key: string): boolean {
  return storage.indexes
    .list()
    .some((index) => index.path === path && (Reflect.get(index, 'key') as unknown) === key);
}

function once(act: () => void): () => void {
  let isDone = false;
  return () => {
    if (isDone) return;
    isDone = true;
    act();
  };
}
