/**
 * The master rebuilds an index file beside the old one and renames it into its place. A worker that has the old one open
 * goes on reading it for ever. So before it reads, a worker looks whether its open file is still the one that has the
 * name, and opens the new one if not.
 */

import { fstat } from 'node:fs';
import { stat } from 'node:fs/promises';
import { promisify } from 'node:util';
import type { Index, Storage } from './acebase.js';

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

/** Reads the head of an index file. */
export type ReadIndexFile = (storage: Storage, fileName: string) => Promise<{ readonly trees: unknown }>;

/**
 * Puts the repair into a class of indexes.
 *
 * @param isReader whether that database is one of a worker that has this client
 * @returns undoes it
 */
export function repairIndexFiles(
  methods: IndexFileMethods,
  readFromFile: ReadIndexFile,
  isReader: (storage: Storage) => boolean,
): () => void {
  const original = methods._getTree;
  methods._getTree = async function (this: OpenIndex, mode) {
    if (!isReader(this.storage)) return original.call(this, mode);
    const wasOpen = this._idx !== null && this._idx !== undefined;
    const locked = await original.call(this, mode);
    if (wasOpen && !(await isReplaced(this))) return locked;
    locked.release();
    // Nobody else reads while the file is changed for the new one.
    const alone = await original.call(this, 'exclusive');
    try {
      if (await isReplaced(this)) await alone.close();
      this.trees = (await readFromFile(this.storage, this.fileName)).trees;
    } finally {
      alone.release();
    }
    return original.call(this, mode);
  };
  return () => {
    methods._getTree = original;
  };
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
