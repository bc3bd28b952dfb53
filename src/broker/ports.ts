/**
 * Where the broker and the world meet: what it needs, and nothing more, and who comes. The shell implements these with real sockets,
 * timers and logs; tests and the simulator with their own.
 */

import type { ClosureCode, RefusalCode } from '../errors.js';
import type { DatabaseFile } from '../protocol/file-identity.js';
import type { MessageType } from '../protocol/messages.js';
import type { ClientAnnouncement } from '../protocol/session.js';
import type { Limits } from './limits.js';
import type { ByteBudget } from './memory.js';

/** Ends what it was given for; calling it again does nothing. */
export type Cancel = () => void;

/** Time. */
export interface Clock {
  /** Monotonic milliseconds since an arbitrary start. Never goes back, whatever happens to the wall clock. */
  now(): number;
  /**
   * Milliseconds since 1970. For people to read, and to tell what began at one server from what began at another; nothing else is
   * decided by it.
   */
  wallTime(): number;
  /** Calls `callback` once, `milliseconds` from now. */
  schedule(milliseconds: number, callback: () => void): Cancel;
}

/** The masters that this server runs itself, as far as they concern the broker. Files are meant by their names on the wire: `mydb_data`. */
export interface ManagedFolders {
  /** Whether this server runs the master of that file. */
  has(file: string): boolean;
  /**
   * Whether a peer may be told that its place is kept: the folder is this server's for certain.
   *
   * @param isReturning whether it was at a server before this one
   */
  keepsPlace(file: string, isReturning: boolean): boolean;
  /** Whether what that server gave may be good here: no other one has had the folder since. @param server `undefined` if that is not known */
  inherits(file: string, server: string | undefined): boolean;
}

/** Fields of a log line. Never a token, never a payload. */
export type LogFields = Readonly<Record<string, string | number | boolean | undefined>>;

/** Where the broker says what happens. */
export interface Logger {
  trace(fields: LogFields, message: string): void;
  debug(fields: LogFields, message: string): void;
  info(fields: LogFields, message: string): void;
  warn(fields: LogFields, message: string): void;
  error(fields: LogFields, message: string): void;
}

/** The process at the other end of a connection, as far as the system tells. */
export interface PeerProcess {
  /** Its number on this machine; `undefined` as long as it is not known. */
  readonly pid: number | undefined;
  /** Whether the system has not been asked for it yet. */
  readonly isSought: boolean;
  /** Milliseconds since it was started; `undefined` as long as it is not known. Cheap; never throws. */
  readonly age: number | undefined;
  /** What it has open under the name of the database that the connection is for, once that is known. */
  readonly databaseFiles: readonly DatabaseFile[];
  /**
   * Whether it has certainly ended: it holds no lock and writes to no file any more. False as long as it runs, and where
   * nothing is known of it. Cheap; never throws.
   */
  hasEnded(): boolean;
}

/**
 * Where the broker puts bytes for one peer.
 *
 * Order: what is sent first arrives first, pings included. Ownership: the bytes of a payload never change after
 * `send`, so the receiver of the call may keep them without a copy; a small view may keep a large chunk alive, so
 * small payloads are better copied. Errors: none is thrown; a broken line ends in `Peer.left`.
 */
export interface Link {
  /** One text message. @param canWait whether it may leave a little later, together with the next one */
  send(payload: Uint8Array, canWait?: boolean): void;
  /**
   * A ping that the peer answers by itself; its pong arrives as `Peer.acknowledge(token)`.
   *
   * @param isPatient whether nothing waits for the pong: the ping may go with others, a little later
   */
  ping(token: number, isPatient?: boolean): void;
  /** Bytes that came, whatever they mean. */
  readonly bytesReceived: number;
  /** Bytes that were sent but not yet handed to the operating system. */
  readonly bufferedBytes: number;
  /** Milliseconds between the last ping that was answered and its pong; `undefined` before the first one. For people to read. */
  readonly roundTrip: number | undefined;
  /** Sends what is buffered, then a close frame, and ends the connection. */
  close(code: ClosureCode): void;
}

/** Someone asks to join a database. Name, id, version and token were checked before. */
export interface ArrivalRequest {
  readonly database: string;
  readonly peerId: string;
  /** Where the connection comes from, for people to read. */
  readonly address: string;
  /** What it says of itself; stock clients say nothing. */
  readonly client?: ClientAnnouncement | undefined;
  /** Its process, if it may be known whether that has ended. */
  readonly process?: PeerProcess | undefined;
}

/**
 * The door at which one connection waits. Exactly one of the two is called, once; `refuse` also later than `arrive`
 * returned, and so is `accept` (a second master waits for some seconds).
 */
export interface Entrance {
  /** Completes the handshake. The visitor is not called before this returns. */
  accept(visitor: Visitor): Link;
  /** Answers the handshake with the status of that error. @param detail in the place of its summary */
  refuse(code: RefusalCode, detail?: string): void;
}

/** What the shell tells the broker about a connection that was accepted. */
export interface Visitor {
  /** A text frame came. The bytes never change afterwards. */
  receive(frame: Uint8Array): void;
  /** The pong to a ping with that token came. */
  acknowledge(token: number): void;
  /** Whether the pong to a ping of the peer may tell it that its place is kept [PROTOCOL-14.11]. */
  readonly isPlaceKept: boolean;
  /** The connection is over, for whatever reason. Later calls are ignored. */
  left(cause: string): void;
}

/** A connection that was accepted, as others may know of it. */
export interface PeerInfo {
  readonly database: string;
  readonly id: string;
  readonly role: 'master' | 'worker';
  /** Where it connects from. */
  readonly address: string;
  /** When it connected: milliseconds since 1970. */
  readonly connectedAt: number;
  /** Name and version of its client; `undefined` if it does not say, as stock clients. */
  readonly client: string | undefined;
  /** The number of its process, if that is on this machine and was found (`watchProcesses`). */
  readonly pid: number | undefined;
  /** Whether its client keeps a journal while it is in force (docs/PROTOCOL.md, section 16). */
  readonly keepsJournal: boolean;
}

/** Is told of what happens, to pass it on to the user's program. */
export interface BrokerObserver {
  peerConnected(peer: PeerInfo): void;
  /** @param cause why, in a few words */
  peerDisconnected(peer: PeerInfo, cause: string): void;
}

/** Why the broker did not do what a message or a connection asked for. */
export type Incident =
  | 'malformed-frame'
  | 'foreign-from'
  | 'undeliverable'
  | 'root-echo'
  | 'mailbox-full'
  | 'too-slow'
  | 'over-total'
  | 'answered-for-master'
  | 'orphaned-request'
  | 'parking-expired'
  | 'too-many-requests'
  | 'unasked-answer'
  | 'locks-recovered'
  | 'mail-dropped'
  | 'unsafe-return'
  | 'old-master'
  | 'lock-expiry'
  | 'file-unknown'
  | 'other-file'
  | 'broken-invariant';

/** Counts and logs incidents; in which words, and how loudly, is none of the broker's business. */
export interface Incidents {
  /** @param fields with the name of the `database`; within one, that is added @param times how often it happened at once; default: 1 */
  record(incident: Incident, fields: LogFields, times?: number): void;
}

/**
 * The kinds of frames that are counted apart: the types of messages; `ping`; `session`, words of clients that have one;
 * and `refused`, what is not of the protocol, or in another's name.
 */
export type FrameKind = MessageType | 'ping' | 'session' | 'refused';

/** What happened in one database, as numbers that only grow. They are added to with every frame: plain fields. */
export interface Counters {
  readonly frames: Readonly<
    Record<FrameKind, { came(bytes: number): void; goes(bytes: number, receivers: number): void }>
  >;
  /** Milliseconds from the request for a lock until its grant was passed on; and from there until it was given back, by whomever. */
  readonly lockWait: { observe(milliseconds: number): void };
  readonly lockHold: { observe(milliseconds: number): void };
  /** Frames that were sent to peers that are gone by now, with their bytes; those that are there count their own. */
  sent: number;
  sentBytes: number;
  /** Messages that were kept for a peer, and thrown away with it. */
  droppedMail: number;
  /** Locks of workers that are gone, which the server gave back. */
  recoveredLocks: number;
  /** Peers that came back on a new line, those that resumed their session among them. */
  reconnects: number;
  resumedSessions: number;
}

/**
 * What happened to a database: somebody `came`, is `away` (lost its line, and may come back), `went`, or was `refused`;
 * locks were `recovered`; a peer is `slow`; the `master` may work, or must not; or another `warning`.
 */
export type TimelineKind = 'came' | 'away' | 'went' | 'refused' | 'recovered' | 'slow' | 'master' | 'warning';

/** What is written down of one database, for people and for metrics alone. */
export interface DatabaseRecord {
  readonly counters: Counters;
  /** @param peer whom it happened to; `null` if it was none, or is not known @param message in plain words */
  note(kind: TimelineKind, peer: string | null, message: string): void;
}

/** The records of all databases. */
export interface Records {
  /** Somebody comes to a database. */
  open(database: string): DatabaseRecord;
  /** Nobody is connected to a database any more. */
  leave(database: string): void;
}

/** What everything in a database works with, whatever it does. */
export interface Scope {
  /** Its name. */
  readonly database: string;
  /** What it calls back happens in the database. */
  readonly clock: Clock;
  readonly limits: Limits;
  readonly logger: Logger;
  readonly incidents: Incidents;
  /** The bytes of what it keeps. */
  readonly kept: ByteBudget;
  readonly counters: Counters;
  /** When the server was started, or last ended a database whose peers come back as after a restart. */
  readonly startedAt: number;
  /** The same in milliseconds since 1970: a session that began here since and is not known was given up. */
  readonly servedSince: number;
  /** This run of this server, among all that there are: random. */
  readonly server: string;
  /** Whether the server drains, or stops: nobody is let in any more, and nothing begins. */
  isClosing(): boolean;
}
