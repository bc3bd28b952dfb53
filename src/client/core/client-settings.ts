/** What the core of the client works with, and what it tells. */

import type { ErrorCode, IPCError } from '../../errors.js';
import type { ManagedMasterFacts } from '../../protocol/session.js';
import type { Acceptance } from './acceptance.js';
import type { ValueClasses } from './codec.js';
import type {
  DatabaseFile,
  FileJournal,
  IndexFiles,
  IPCLock,
  IPCPeer,
  LockDetails,
  LockInfo,
  Log,
} from './host.js';
import type { Lease } from './lease.js';
import type { Clock, Dial, Failure, LongWay } from './ports.js';

/** What a client works with. */
export interface ClientSettings {
  /** AceBase's IPC peer, which is this client's way to AceBase and the other way round. */
  readonly ipc: IPCPeer;
  readonly file: DatabaseFile;
  /** `undefined` if this process keeps none. */
  readonly journal?: FileJournal | undefined;
  readonly indexes: IndexFiles;
  readonly log: Log;
  readonly clock: Clock;
  /** 0 to 1. */
  random(): number;
  readonly dial: Dial;
  readonly long: LongWay;
  /** Answers what the server asks of the folder of the file [PROTOCOL-14.9]; `undefined` if there is no such file. */
  readonly identify: ((question: string, say: (answer: string) => void) => void) | undefined;
  /** Whether another process seems to have the folder of a master in use [PROTOCOL-9.2]. */
  isFolderInUse?(): boolean;
  /** Where the server is, for people to read. */
  readonly server: string;
  /** Name and version of this client. */
  readonly client: string;
  /** Further parameters of the URL, such as which process this is [PROTOCOL-14.1]. */
  readonly parameters: Readonly<Record<string, string>>;
  /** The version of AceBase's IPC. */
  readonly version: string;
  readonly classes: ValueClasses;
  /** Makes a random id of AceBase's kind, of 16 characters at least. */
  createId(): string;
  exitingError(message: string): Error;
  /** AceBase's own way to get a lock, for the master. */
  masterLock(details: LockDetails): Promise<IPCLock>;
  /** Ends such a lock, as if it had expired: others get theirs. One that is waited for is not granted any more. */
  revoke(info: LockInfo): void;
  has(repair: CoreRepair): boolean;
  /**
   * For a transaction log: the peer of its data. It connects when that one is accepted, so that of two masters one is refused
   * for both; and where one of the two is refused, so is the other.
   */
  readonly dataPeer?: DataPeer | undefined;
  /**
   * Judges the first welcome of a worker: by what the server says of the master that it runs, or that it runs none [PROTOCOL-14.14].
   *
   * @returns why this process cannot take part; `undefined` if it can. Left out: it can
   */
  judge?(facts: ManagedMasterFacts | undefined): IPCError | undefined;
  /** Told of what happens. */
  tell(event: ClientEvent): void;
  readonly maxKeptUnits?: number;
}

/** The peer of the data, as that of its transaction log knows it. */
export interface DataPeer {
  readonly acceptance: Acceptance;
  readonly lease: Pick<Lease, 'isLost'>;
  /** Whether it was given up by the server, and is not back. */
  readonly isAway: boolean;
  /** Calls each time that it is given up. */
  onPlaceLost(callback: () => void): void;
  /** The peer of the transaction log was given up: a master comes back with both. */
  logLostPlace(): void;
  /** The transaction log is not to be written by this process. */
  logWasRefused(code: ErrorCode, reason: string): void;
}

/** Repairs of AceBase that the core has, and that can be left out. */
export type CoreRepair = 'locks' | 'space' | 'unsubscribe' | 'values';

/** What happens to a client. */
export type ClientEvent =
  /** The server has welcomed it. @see SessionWelcome */
  | { readonly kind: 'connected'; readonly resumed: boolean }
  /** The line is over; another one is tried. */
  | { readonly kind: 'lost'; readonly reason: string }
  /** An attempt to connect has failed, or was refused; another one follows. */
  | { readonly kind: 'failed'; readonly failure: Failure }
  /** Others may have gone on without this process: it ends what it does, and comes again as another peer. */
  | { readonly kind: 'place lost'; readonly reason: string | undefined }
  /** It is back as a new peer, and has read again what it believes of the file. @see Comeback */
  | { readonly kind: 'came back'; readonly milliseconds: number }
  /** The server lacks frames of the session that are not kept any more: another session begins. */
  | { readonly kind: 'session lost' }
  /** The server does not let this process in, and will not: the database is about to be closed. */
  | { readonly kind: 'gave up'; readonly code: ErrorCode; readonly reason: string }
  /** The server was not heard for so long that locks, and the file, are not used until it is; something waits for that. */
  | { readonly kind: 'lease lapsed' }
  /** What waited goes on: the server has kept the place of this process. @see Lease */
  | { readonly kind: 'lease regained'; readonly milliseconds: number }
  /** This process has said goodbye. `isTold`: whether it has a line on which the server may hear that. */
  | { readonly kind: 'left'; readonly isTold: boolean };
