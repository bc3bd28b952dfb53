/** AceBase, as the core of the client sees it: its IPC peer, and what is behind that. */

/** A message between two AceBase processes (docs/PROTOCOL.md, section 5). */
export interface Message {
  readonly type: string;
  readonly from: string;
  readonly to?: string | undefined;
  readonly id?: string;
  readonly ok?: boolean;
  readonly reason?: string;
  readonly path?: string;
  readonly event?: string;
  readonly data?: unknown;
  /** PROTOCOL.md, section 15. */
  readonly can?: readonly string[];
  readonly nr?: readonly [session: string, number: number];
  readonly encoded?: unknown;
  readonly counted?: boolean;
}

/** What a lock is asked for with. */
export interface LockDetails {
  readonly path: string;
  readonly tid: string | number;
  readonly write: boolean;
  readonly comment?: string;
}

/** A lock, as AceBase's storage uses it. */
export interface IPCLock {
  readonly id: number;
  readonly tid: string | number;
  path: string;
  readonly forWriting: boolean;
  state: string;
  expires: number;
  readonly comment: string;
  release(comment?: string): Promise<void>;
  moveToParent(): Promise<IPCLock>;
}

/** An entry of AceBase's list of its locks. */
export interface LockInfo {
  tid: string | number;
  granted: boolean;
  readonly request: LockDetails;
  lock: IPCLock | null;
}

/** Who waits for an answer. */
export interface OpenRequest {
  resolve(result: unknown): void;
  reject(error: Error): void;
  readonly request: Message;
}

/** A subscription, of this process or of another one. */
export interface Subscription {
  readonly path: string;
  readonly event: string;
  readonly callback: unknown;
  /** The peer that has it, where it is another one's. */
  readonly for?: string;
}

/** Where the root record is. */
export interface RootAddress {
  readonly path: string;
  readonly pageNr: number;
  readonly recordNr: number | string;
}

/** AceBase's IPC peer, with the members that the core uses, as they are from acebase 1.18.0 on. */
export interface IPCPeer {
  id: string;
  readonly masterPeerId: string;
  readonly isMaster: boolean;
  readonly peers: readonly { readonly id: string }[];
  readonly ourSubscriptions: readonly { readonly path: string; readonly event: string }[];
  readonly _exiting: boolean;
  readonly _locks: LockInfo[];
  readonly _requests: Map<string, OpenRequest>;
  /** Sends a message: comes back as `Client.send`. */
  sendMessage(message: Message): void;
  handleMessage(message: Message): unknown;
  request(request: Message): Promise<unknown>;
  removePeer(id: string, ignoreUnknown: boolean): void;
  cancelRemoteSubscription(peerId: string, details: { path: string; event: string }): void;
  emit(event: string): void;
}

/** Where things are said for people to read. */
export interface Log {
  warn(...words: unknown[]): void;
  error(...words: unknown[]): void;
}

/** The database file, and what this process believes of it. */
export interface DatabaseFile {
  /** Milliseconds after which AceBase's locks expire. */
  readonly lockTimeout: number;
  /** Whether there is a file that is open: some storages have none. */
  readonly isOpen: boolean;
  /** Forgets what was read of it. */
  invalidateCaches(): void;
  /** Has everybody forget what was read of it, this process included. */
  invalidateAllCaches(): void;
  /** Where this process believes the root to be; `undefined` if there is none. */
  readonly root: RootAddress | undefined;
  /** Reads in its header where the root is; `undefined` if it has none. */
  readRoot(): Promise<RootAddress | undefined>;
  /** Writes in its header where the root is, and tells nobody. */
  writeRoot(address: RootAddress): Promise<void>;
  /** The root is there. @param isToBeWritten whether this process writes that into the file, and tells it again */
  setRoot(address: RootAddress, isToBeWritten: boolean): Promise<void>;
  /** Reads the key table again; keys that were announced and are not in it yet stay. */
  readKeys(): Promise<void>;
  /** Reads again which indexes there are. */
  readIndexes(): Promise<void>;
  /**
   * Reads everything again that a master reads when it opens the file: root, keys, free space, indexes. Before anybody uses them.
   *
   * @throws if this process cannot go on with the file
   */
  reopen(): Promise<void>;
  /** Resolves when nothing is being written into it; `undefined` if nothing is. */
  written(): Promise<void> | undefined;
  /** Ends the database: this process takes part no more. */
  close(): void;
}

/** The indexes of the database. */
export interface IndexFiles {
  /** A message with the path of an index file as this process spells it. */
  localized(message: Message): Message;
  /** Whether a message is about an index that this process does not have: to remove that ends AceBase's process. */
  isUnknown(message: Message): boolean;
  /** The master has changed index files: what was read of them is old. */
  changed(message: Message): void;
  /** Resolves when no index is being made by this process; `undefined` if none is. */
  built(): Promise<void> | undefined;
  /** The same of indexes that wait for that, too: until nobody writes. */
  over(): Promise<void> | undefined;
  /** Resolves when every index was read that was announced. */
  announced(): Promise<unknown> | undefined;
}

/** The redo log of the database file, which all processes write to in turns [PROTOCOL-16]. */
export interface FileJournal {
  /** Whether this process commits what it writes through it; otherwise it only looks what others have left. */
  readonly isKept: boolean;
  /**
   * Looks what others have left, and writes again what a crash has cut short. To be called under a lock, before it is used; or when nobody holds one.
   *
   * @returns whether the file has changed; with a promise, the lock is to be used only then
   * @throws if that fails: the lock must not be used
   */
  look(): boolean | Promise<boolean>;
  /**
   * Looks, and leaves nothing in it, for processes that know nothing of it [PROTOCOL-16.4]. In a master, under a lock; in a worker, when there is no master, and nobody
   * has a lock.
   *
   * @returns whether the file has changed
   * @throws if that fails
   */
  empty(): Promise<boolean>;
  /** Whether something was cut short, perhaps: what was read without a lock is to be read again under the first one. */
  readonly isPending: boolean;
}
