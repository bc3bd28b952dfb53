/**
 * The master rebuilds an index file beside the old one and renames it into its place. A worker that has the old one open
 * goes on reading it for ever. So before it reads, a worker looks whether its open file is still the one that has the
 * name, and opens the new one if not.
 *
 * And it reads while the master writes: of a value that changes, the old entry may be gone, and the new one not be there. So it reads under a lock; and so
 * does the master, while it writes for others.
 */

import { fstat } from 'node:fs';
import { stat } from 'node:fs/promises';
import { promisify } from 'node:util';
import type { Index, Storage } from '../../acebase.js';
import type { IPCLock, LockDetails } from '../../core/host.js';

/** What `_getTree` gives: the tree, and the lock on it within this process. */
interface LockedTree {
  close(): Promise<void>;
  release(): void;
}

interface OpenIndex extends Index {
  readonly storage: Storage;
  trees: unknown;
  _idx?: { readonly fd: number } | null;
}

/** The method of an index that is replaced, and what reads the head of a file. */
export interface IndexFileMethods {
  _getTree(this: OpenIndex, mode?: string): Promise<LockedTree>;
}

/** How processes of a cluster read indexes. */
export interface IndexReaders {
  /** Whether that database is one of a process of a cluster that has this client. */
  isMember(storage: Storage): boolean;
  /** The transaction of this process that has the lock for writing, and may wait for what is read: it is in code of the user. `undefined` if there is none. */
  writer(storage: Storage): LockDetails['tid'] | undefined;
  /** Nobody else writes until it is released. @param tid the transaction that it is for; `undefined`: one of its own */
  readLock(storage: Storage, tid: LockDetails['tid'] | undefined): Promise<Pick<IPCLock, 'release'>>;
}

/** The repair of one class of indexes. */
export interface IndexFileRepair {
  /**
   * Runs a query, which sees the index as it is at one time however often it looks into that: AceBase reads some kinds several times.
   *
   * @param run the query, of that index or of what stands for it meanwhile
   */
  whole<I extends Index>(index: I, run: (index: I) => unknown): Promise<unknown>;
  undo(): void;
}

/** Reads the head of an index file. */
export type ReadIndexFile = (storage: Storage, fileName: string) => Promise<{ readonly trees: unknown }>;

/** Puts the repair into a class of indexes. */
export function repairIndexFiles(
  methods: IndexFileMethods,
  readFromFile: ReadIndexFile,
  { isMember, writer, readLock }: IndexReaders,
): IndexFileRepair {
  const original = methods._getTree;
  const turns = new Turns();
  /** A master has the files that it has made itself. */
  const isReader = (storage: Storage): boolean => isMember(storage) && !storage.ipc.isMaster;
  const current = async (index: OpenIndex, mode: string | undefined): Promise<LockedTree> => {
    const wasOpen = index._idx !== null && index._idx !== undefined;
    const locked = await original.call(index, mode);
    if (wasOpen && !(await isReplaced(index))) return locked;
    locked.release();
    // Nobody else reads while the file is changed for the new one.
    const alone = await original.call(index, 'exclusive');
    try {
      if (await isReplaced(index)) await alone.close();
      index.trees = (await readFromFile(index.storage, index.fileName)).trees;
    } finally {
      alone.release();
    }
    return original.call(index, mode);
  };
  /** From now on nobody writes. @returns ends that */
  const begin = async (index: OpenIndex): Promise<() => void> => {
    const { storage } = index;
    const tid = writer(storage);
    // Whoever has the turn may be waiting for that transaction.
    const endTurn = tid === undefined ? await turns.take(index) : () => undefined;
    try {
      const lock = await readLock(storage, tid);
      return () => {
        endTurn();
        // AceBase does not wait for that either.
        void lock.release('an index was read');
      };
    } catch (error) {
      endTurn();
      throw error;
    }
  };
  methods._getTree = async function (this: OpenIndex, mode) {
    if (!isReader(this.storage)) return original.call(this, mode);
    if (mode !== 'shared') return current(this, mode);
    const end = await begin(this);
    try {
      const locked = await current(this, mode);
      const release = (): void => {
        try {
          locked.release();
        } finally {
          end();
        }
      };
      return { ...locked, release };
    } catch (error) {
      end();
      throw error;
    }
  };
  return {
    async whole(index, run) {
      const all = index as unknown as OpenIndex;
      // A query may be made of others.
      if (Object.hasOwn(index, '_getTree') || !isMember(all.storage)) return run(index);
      let begun: Promise<() => void> | undefined;
      // What is cached is read under no lock.
      const _getTree: IndexFileMethods['_getTree'] = async (mode) => {
        if (mode === 'shared') {
          begun ??= begin(all);
          await begun;
        }
        return isReader(all.storage) ? current(all, mode) : original.call(all, mode);
      };
      try {
        return await run(
          Object.create(index, { _getTree: { value: _getTree, configurable: true } }) as typeof index,
        );
      } finally {
        const end = await begun?.catch(() => undefined);
        end?.();
      }
    },
    undo() {
      methods._getTree = original;
    },
  };
}

/** One after the other: AceBase lets one at a time use an index, and they are not to wait for that with a lock in common, which others wait for. */
class Turns {
  readonly #last = new WeakMap<object, Promise<void>>();

  /** @returns ends the turn */
  async take(whose: object): Promise<() => void> {
    const before = this.#last.get(whose);
    let end: () => void = () => undefined;
    const own = new Promise<void>((resolve) => {
      end = resolve;
    });
    this.#last.set(whose, before === undefined ? own : before.then(() => own));
    await before;
    return end;
  }
}

/**
 * AceBase remembers an index that it reads until it has read it, and for ever if that fails: whoever wants it then is told of that failure, and it is
 * never told what is written. Here the next one reads it again. To be called when the storage is complete.
 */
export function readIndexesAgain(storage: Storage): void {
  const { indexes, _annoucedIndexes: announced } = storage;
  const { add } = indexes;
  indexes.add = async (fileName) => {
    let index: Index | null = null;
    try {
      index = await add.call(indexes, fileName);
      return index;
    } finally {
      if (index === null) announced?.delete(fileName);
    }
  };
}

async function isReplaced({ _idx: open, fileName }: OpenIndex): Promise<boolean> {
  if (open === null || open === undefined) return false;
  try {
    const [ours, named] = await Promise.all([promisify(fstat)(open.fd), stat(fileName)]);
    return ours.ino !== named.ino || ours.dev !== named.dev;
  } catch {
    // It was deleted: what is open is all there is.
    return false;
  }
}
