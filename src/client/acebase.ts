/** What this client sees of AceBase's insides: the members that it uses, as they are from acebase 1.18.0 on. */

import type { IPCLock, IPCPeer, LockDetails, RootAddress, Subscription } from './core/host.js';
import type { RecordRange } from './core/space-reserve.js';

/** A lock of AceBase's own, in its lock table. */
interface NodeLock {
  readonly id: number;
  readonly tid: string | number;
  state: string;
  /** After which it expires. */
  readonly timeout?: NodeJS.Timeout;
}

/** The lock table of AceBase's masters. */
export interface NodeLocker {
  list(): readonly NodeLock[];
  _rejectLock(lock: NodeLock, error: Error): void;
  _processLockQueue(): void;
}

/** What AceBase logs with. */
export interface AceBaseLogger {
  trace?(...words: unknown[]): void;
  verbose?(...words: unknown[]): void;
  warn(...words: unknown[]): void;
  error(...words: unknown[]): void;
}

/** An index, and its file. */
export interface Index {
  readonly fileName: string;
  readonly path: string;
  clearCache?(path: string): void;
  close?(): Promise<void>;
}

/** The list of indexes of a database. */
export interface Indexes {
  list(): Index[];
  load(): Promise<void>;
  add(fileName: string): Promise<Index | null>;
  remove(fileName: string): Promise<Index>;
  delete(fileName: string): Promise<void>;
  create(path: string, key: string, options?: object): Promise<Index>;
}

/** How a node is written. */
export interface UpdateOptions {
  readonly tid?: string | number;
  readonly _internal?: boolean;
}

/** A method that writes a node. */
export type NodeUpdate = (path: string, value: unknown, options?: UpdateOptions) => Promise<unknown>;

/** The storage of one file: data, or the transaction log. */
export interface Storage {
  readonly name: string;
  readonly settings: {
    readonly path: string;
    readonly type?: string;
    /** Seconds. */
    readonly lockTimeout?: number;
    readonly transactions?: { readonly log?: boolean };
  };
  readonly logger?: AceBaseLogger;
  readonly debug?: AceBaseLogger;
  readonly indexes: Indexes;
  readonly _annoucedIndexes?: Map<string, Promise<unknown>>;
  readonly file?: number;
  /** The path of the file, as it was given; storages that keep their data elsewhere have none. */
  readonly fileName?: string;
  readonly isReady?: boolean;
  readonly txStorage?: Storage;
  /** Where nodes are stored, as far as that is known; other storages than files have none. */
  nodeCache?: object;
  readonly ipc: RemoteIPCPeer;
  readonly KIT?: {
    readonly keys: (string | undefined)[];
    load(): Promise<unknown>;
    write?(): Promise<void>;
  };
  readonly FST?: {
    load(): Promise<unknown>;
    allocate?(records: number): Promise<readonly RecordRange[]>;
    release?(ranges: readonly RecordRange[]): Promise<void>;
  };
  readonly rootRecord?: {
    readonly pageNr: number;
    readonly recordNr: number;
    /** Whether there is one: a new file has none yet. */
    readonly exists: boolean;
    update(address: RootAddress, fromIPC: boolean): Promise<void>;
  };
  readonly subscriptions: {
    remove(path: string, event: string, callback: unknown): void;
  };
  getNodeInfo?(path: string, options?: { readonly no_cache?: boolean }): Promise<unknown>;
  invalidateCache?(fromIPC: boolean, path: string, recursive: boolean, reason: string): void;
  readData?(fileIndex: number, buffer: Buffer): Promise<number>;
  writeData?(fileIndex: number, buffer: Uint8Array, offset?: number, length?: number): Promise<number>;
  createTid(): string | number;
  readonly nodeLocker: {
    lock(path: string, tid: string, write: boolean, comment: string): Promise<IPCLock>;
  };
  _updateNode?: NodeUpdate;
  _writeNodeWithTracking?: NodeUpdate;
  transactNode?(path: string, callback: (value: unknown) => unknown, ...rest: unknown[]): Promise<unknown>;
  close(): Promise<void>;
  once(event: 'ready', callback: () => void): unknown;
}

/** What a user gives as `storage.ipc`. */
export interface IPCConfig {
  readonly dbname: string;
  readonly host?: string;
  readonly port: number;
  readonly role: 'master' | 'worker';
  readonly token?: string;
  readonly ssl?: boolean | TlsOptions;
  readonly url?: string;
}

/** How to check the server, and what to show it. Texts are PEM. */
export interface TlsOptions {
  /** Authorities that are trusted. Default: those of Node. */
  readonly ca?: string | Buffer | readonly (string | Buffer)[];
  /** Whether a server whose certificate cannot be verified is refused. Default: true. */
  readonly rejectUnauthorized?: boolean;
  /** A certificate of this process, where the server asks for one. */
  readonly cert?: string | Buffer;
  readonly key?: string | Buffer;
}

/** AceBase's remote peer. */
export interface RemoteIPCPeer extends IPCPeer {
  readonly dbname: string;
  config: IPCConfig;
  readonly storage: Storage;
  readonly _nodeLocker: NodeLocker;
  readonly version: string;
  readonly ourSubscriptions: Subscription[];
  readonly remoteSubscriptions: Subscription[];
  connect(options?: unknown): Promise<void>;
  lock(details: LockDetails): Promise<IPCLock>;
  sendRequest(data: unknown): Promise<unknown>;
  addPeer(id: string, sendReply?: boolean): void;
  exit(code?: number): Promise<void>;
  emit(event: string, ...data: unknown[]): void;
  once(event: 'exit', callback: () => void): unknown;
}

/** The folder of its files. */
export function folderOf({ settings, name }: Pick<Storage, 'settings' | 'name'>): string {
  return `${settings.path}/${name}.acebase`;
}

/** Milliseconds after which a lock of an instance expires. AceBase's own setting is in seconds, and 120 if nothing is said. */
export function lockTimeoutOf({ settings: { lockTimeout = 120 } }: Storage): number {
  return lockTimeout * 1_000;
}

/** How an instance logs: `logger` from acebase 1.29 on, `debug` before. */
export function loggerOf({ logger, debug }: Storage): AceBaseLogger {
  const found = logger ?? debug;
  if (found === undefined) throw new TypeError('this AceBase has no logger');
  return found;
}
