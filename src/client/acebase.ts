/** What this client sees of AceBase's insides: the members that it uses, as they are from acebase 1.18.0 on. */

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

/** What AceBase logs with. */
export interface AceBaseLogger {
  trace?(...words: unknown[]): void;
  verbose?(...words: unknown[]): void;
  warn(...words: unknown[]): void;
  error(...words: unknown[]): void;
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

/** An index, and its file. */
export interface Index {
  readonly fileName: string;
  readonly path: string;
  clearCache?(path: string): void;
}

/** The list of indexes of a database. */
export interface Indexes {
  list(): Index[];
  add(fileName: string): Promise<Index | null>;
  remove(fileName: string): Promise<Index>;
  create(path: string, key: string, options?: object): Promise<Index>;
}

/** The storage of one file: data, or the transaction log. */
export interface Storage {
  readonly name: string;
  readonly settings: { readonly path: string; readonly type?: string; readonly lockTimeout?: number };
  readonly logger?: AceBaseLogger;
  readonly debug?: AceBaseLogger;
  readonly indexes: Indexes;
  readonly _annoucedIndexes?: ReadonlyMap<string, Promise<unknown>>;
  readonly file?: number;
  /** The path of the file, as it was given; storages that keep their data elsewhere have none. */
  readonly fileName?: string;
  readonly isReady?: boolean;
  readonly txStorage?: Storage;
  readonly ipc: RemoteIPCPeer;
  readonly KIT?: { readonly keys: (string | undefined)[]; load(): Promise<unknown> };
  readonly rootRecord?: {
    update(address: RootAddress, fromIPC: boolean): Promise<void>;
  };
  readonly subscriptions: {
    remove(path: string, event: string, callback: unknown): void;
  };
  invalidateCache?(fromIPC: boolean, path: string, recursive: boolean, reason: string): void;
  readData?(fileIndex: number, buffer: Buffer): Promise<number>;
  close(): Promise<void>;
  once(event: 'ready', callback: () => void): unknown;
}

/** Where the root record is. */
export interface RootAddress {
  readonly path: string;
  readonly pageNr: number;
  readonly recordNr: number | string;
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
export interface RemoteIPCPeer {
  id: string;
  readonly dbname: string;
  readonly masterPeerId: string;
  readonly isMaster: boolean;
  config: IPCConfig;
  readonly storage: Storage;
  readonly version: string;
  readonly peers: { readonly id: string }[];
  readonly ourSubscriptions: Subscription[];
  readonly remoteSubscriptions: Subscription[];
  readonly _exiting: boolean;
  readonly _locks: LockInfo[];
  readonly _requests: Map<string, OpenRequest>;
  connect(options?: unknown): Promise<void>;
  sendMessage(message: Message): void;
  handleMessage(message: Message): unknown;
  lock(details: LockDetails): Promise<IPCLock>;
  request(request: Message): Promise<unknown>;
  sendRequest(data: unknown): Promise<unknown>;
  addPeer(id: string, sendReply?: boolean): void;
  removePeer(id: string, ignoreUnknown?: boolean): void;
  cancelRemoteSubscription(peerId: string, details: { path: string; event: string }): void;
  exit(code?: number): Promise<void>;
  emit(event: string, ...data: unknown[]): void;
}

/** How an instance logs: `logger` from acebase 1.29 on, `debug` before. */
export function loggerOf({ logger, debug }: Storage): AceBaseLogger {
  const found = logger ?? debug;
  if (found === undefined) throw new TypeError('this AceBase has no logger');
  return found;
}
