/** The locks of a database, for people to read. */

import type { WaitReason } from './lock-manager.js';

/** A lock that is held. */
export interface HeldLock {
  /** Its number. */
  readonly id: number;
  /** The worker that holds it. */
  readonly holder: string;
  /** Its transaction. */
  readonly tid: string;
  readonly path: string;
  readonly write: boolean;
  readonly comment: string;
  /** Milliseconds since it was granted. */
  readonly heldFor: number;
  /** `expired`: `lockTimeout` is over, others are served, and its transaction gets no further lock. */
  readonly state: 'held' | 'expired';
}

/** A lock that somebody waits for. */
export interface WaitingLock {
  /** The worker that asked for it. */
  readonly requester: string;
  /** Its transaction. */
  readonly tid: string;
  readonly path: string;
  readonly write: boolean;
  readonly comment: string;
  /** Milliseconds since the request came. */
  readonly waitingFor: number;
  readonly reason: WaitReason;
}

/** The lock that the server has at the master, for all workers together. */
export type RootState =
  | { readonly state: 'asked' }
  | { readonly state: 'read' | 'write' /** Milliseconds since it was granted. */; readonly heldFor: number };

/** The locks of one database, oldest first, without those that the master takes for itself. */
export interface LockList {
  /** `undefined` if the server neither has nor wants it. */
  readonly root: RootState | undefined;
  readonly held: readonly HeldLock[];
  readonly waiting: readonly WaitingLock[];
}

/** How many locks there are. */
export type LockCounts = Readonly<Record<HeldLock['state'], number>>;
