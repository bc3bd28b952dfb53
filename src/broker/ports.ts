/**
 * What the broker needs of the world, and nothing more. The shell implements these with real sockets, timers and
 * logs; tests and the simulator with their own.
 */

import type { ClosureCode } from '../errors.js';
import type { DatabaseFile } from '../protocol/file-identity.js';

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
