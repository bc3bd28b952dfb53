/** What this client knows of one acebase that a process has, wherever it was found. */

import type { RemoteIPCPeer } from './acebase.js';
import type { ValueClasses } from './core/codec.js';
import type { IPCLock, LockDetails } from './core/host.js';
import type { EarlyMethods } from './patches/early-operations.js';
import type { FileMethods } from './patches/file-writes.js';
import type { IndexFileMethods, ReadIndexFile } from './patches/indexes/index-files.js';
import type { IndexMethods } from './patches/indexes/query-caches.js';
import type { OpeningMethods } from './patches/opening.js';
import type { TreeMethods } from './patches/tree-growth.js';
import type { PlacedWrites } from './patches/write-order.js';

/** What is replaced in AceBase's class of remote peers. */
export type RemotePeerMethods = Pick<
  RemoteIPCPeer,
  'connect' | 'sendMessage' | 'sendRequest' | 'lock' | 'cancelRemoteSubscription' | 'exit'
>;

/** One acebase: a build of a package, whose modules are loaded once in a process, or what the program handed over. */
export interface Build {
  readonly remotePeer: RemotePeerMethods;
  /** AceBase's own way to get a lock, of the class above. */
  readonly lock: (this: RemoteIPCPeer, details: LockDetails) => Promise<IPCLock>;
  readonly ExitingError: new (message: string) => Error;
  /** Its class of indexes; `undefined` if that shows only when a database has one. */
  readonly indexClass: IndexClass | undefined;
  /** Its class of the trees that keep keys; `undefined` if there is no way to it. */
  readonly trees: TreeMethods | undefined;
  /** Its functions for files; `undefined` if there is no way to them. */
  readonly files: (FileMethods & OpeningMethods & PlacedWrites) | undefined;
  readonly storageSettings: object | undefined;
  readonly classes: ValueClasses;
  createId(): string;
  /**
   * Gives the classes of databases, now or within the constructor of the one that is being made. To be called when one is:
   * until then AceBase has not loaded them, perhaps.
   */
  whenDatabaseIsMade(found: (methods: EarlyMethods) => void): void;
}

/** The class of AceBase's indexes that all kinds of them go by. */
export interface IndexClass {
  readonly methods: IndexMethods & IndexFileMethods;
  readonly readFromFile: ReadIndexFile;
}
