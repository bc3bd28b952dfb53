/** What the core of the client needs of the world: time, randomness, and a line to the server. */

import type { Refusal } from './refusals.js';

/** Ends what it was given for; calling it again does nothing. */
export type Cancel = () => void;

/** Time. */
export interface Clock {
  /** Monotonic milliseconds since an arbitrary start. Never goes back, whatever happens to the wall clock. */
  now(): number;
  /** Milliseconds since 1970, as AceBase measures when locks expire. */
  wallTime(): number;
  /** Milliseconds since the machine was started, those in which it slept included. */
  uptime(): number;
  /** Calls `callback` once, `milliseconds` from now. */
  schedule(milliseconds: number, callback: () => void): Cancel;
  /** As `schedule`, but a process that has nothing else to do ends without it. */
  scheduleIdle(milliseconds: number, callback: () => void): Cancel;
  /** Calls `callback` once in this turn of the event loop, behind all promises that are due. */
  atEndOfTurn(callback: () => void): void;
}

/** An attempt to connect that failed, or a line that was lost; it is tried again. */
export interface Failure {
  /** The message of the error, or how the line ended. */
  readonly reason: string;
  /** The code of the error, such as `ECONNREFUSED`, or of the server's refusal; empty if it has none. */
  readonly code: string;
}

/**
 * One WebSocket connection to the server, or an attempt at one. Nothing is sent before `opened`. Order: what is sent first
 * arrives first, pings included. Errors: none is thrown; a connection that ends, however it does, says `closed`.
 */
export interface Line {
  /** Bytes that have come in. As long as that grows, a long message is on its way, which no pong can overtake. */
  readonly bytesRead: number;
  /** Sends a text frame. @param canWait whether it may leave with the next one */
  send(text: string, canWait: boolean): void;
  /** What was sent and must not wait leaves now, and not at the end of this turn of the event loop. */
  flush(): void;
  /** Sends a ping, whose pong brings the same text. */
  ping(text: string): void;
  /** What was sent still goes out, then a closing handshake. */
  close(): void;
  /** Ends it at once. */
  terminate(): void;
}

/**
 * What a line tells its owner. An attempt ends in exactly one of `opened`, `refused` and `closed`, never before
 * {@link Dial} has returned; one that is not open after {@link HANDSHAKE_MS} says `closed`.
 */
export interface LineEvents {
  opened(): void;
  text(text: string): void;
  /** Something came that is no frame for the client: a ping, which is answered already. */
  heard(): void;
  ponged(text: string): void;
  /** The server, or what answers in its place, does not let this client in. */
  refused(refusal: Refusal): void;
  closed(failure: Failure): void;
  /** The process exits while the line is open: the last moment to say something. */
  exiting(): void;
}

/** Begins an attempt to connect. @param parameters those of the query of the URL */
export type Dial = (parameters: Readonly<Record<string, string>>, events: LineEvents) => Line;

/** An attempt to connect that takes longer has failed; in milliseconds. */
export const HANDSHAKE_MS = 10_000;

/**
 * What became of a message that is too long for the line: `taken`, the server counts it as a frame; `refused`, it does not;
 * `unknown`, it may or may not, and says so when the client connects again.
 */
export type Outcome =
  | { readonly kind: 'taken' }
  | { readonly kind: 'refused'; readonly reason: string }
  | { readonly kind: 'unknown'; readonly reason: string };

/** The way of messages that are too long for the line (docs/PROTOCOL.md, sections 4.2 and 4.3). Nothing here throws. */
export interface LongWay {
  /** Sends one, as soon as the server has room for it; `isWanted` is asked before each further attempt. */
  send(text: string, isWanted: () => boolean): Promise<Outcome>;
  /** Fetches one that the server keeps. @returns why it could not be fetched, if so */
  fetch(messageId: string): Promise<{ readonly text: string } | { readonly reason: string }>;
}
