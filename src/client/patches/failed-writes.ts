import type { NodeUpdate, Storage, UpdateOptions } from '../acebase.js';
import { failWithTables } from './failed-tables.js';

/** Who is told of what is written. */
export interface WritesTold {
  /** A part of a transaction is about to write. */
  writeBegins(tid: string): void;
  /** Something is written. */
  writes(): void;
  /** A part of a transaction has failed, which holds a lock yet. */
  writeFailed(tid: string): void;
  /** Space is set free when this is called. */
  setsFree(give: () => void): void;
}

/**
 * AceBase tells others where a node is as soon as that is written, and takes nothing back when the write then fails, on a full disk for one:
 * others would find under its path what was never reached. Here it is noted which transactions have failed, what they write, and what they set free.
 * What fails before it has written anything is noted, too: it may be a part of something that has, or has parts that go on and write.
 */
export function noteFailedWrites(storage: Storage, told: WritesTold): void {
  const { _updateNode: update, _writeNodeWithTracking: write, writeData } = storage;
  if (update === undefined || write === undefined || writeData === undefined) return;
  storage.writeData = (...details) => {
    told.writes();
    return writeData.apply(storage, details);
  };
  storage.once('ready', () => {
    failWithTables(storage);
    const { FST } = storage;
    if (FST?.release === undefined) return;
    const { release } = FST;
    FST.release = async (ranges) => told.setsFree(() => void release.call(FST, ranges));
  });
  const noting =
    (method: NodeUpdate): NodeUpdate =>
    async (path, value, options) => {
      const tid = options?.tid === undefined ? undefined : String(options.tid);
      if (tid !== undefined) told.writeBegins(tid);
      try {
        return await method.call(storage, path, value, options);
      } catch (error) {
        if (tid !== undefined) told.writeFailed(tid);
        throw error;
      }
    };
  const noted = noting(update);
  storage._updateNode = (path, value, options) =>
    options?._internal === true && options.tid === undefined
      ? underLock(storage, path, (tid) => noted(path, value, { ...options, tid }))
      : noted(path, value, options);
  storage._writeNodeWithTracking = noting(write);
}

/** So that it is noted before its lock goes. */
async function underLock(
  storage: Storage,
  path: string,
  act: (tid: NonNullable<UpdateOptions['tid']>) => Promise<unknown>,
): Promise<unknown> {
  const tid = String(storage.createTid());
  const lock = await storage.nodeLocker.lock(path, tid, true, 'write');
  try {
    return await act(tid);
  } finally {
    await lock.release();
  }
}
