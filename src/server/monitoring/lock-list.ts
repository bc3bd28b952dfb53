/** The locks of a database, for people to read. */

import type { WaitReason } from '../../broker/locks/lock-manager.js';
import type { LocksView } from '../../broker/locks/lock-service.js';
import type { Lock, LockRequest } from '../../broker/locks/lock-table.js';
import { describeLock, type LockDescription } from '../../protocol/messages.js';

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

/** Of a database that nobody is connected to. */
export const NO_LOCKS: LockList = { root: undefined, held: [], waiting: [] };

/**
 * Who holds locks and who waits for one.
 *
 * @param now by the broker's clock
 * @param most how many of each are listed at most
 */
export function lockListOf(
  { table, queue, root, reasonFor }: LocksView,
  now: number,
  most = Number.POSITIVE_INFINITY,
): LockList {
  const held: HeldLock[] = [];
  for (const lock of table.all()) {
    if (held.length >= most) break;
    held.push(shownLock(lock, now));
  }
  const waiting: WaitingLock[] = [];
  for (const request of queue.all()) {
    if (waiting.length >= most) break;
    waiting.push(shownRequest(request, reasonFor(request), now));
  }
  return { root: shownRoot(root, now), held, waiting };
}

function shownLock({ id, holder, tid, isWrite, since, message, state }: Lock, now: number): HeldLock {
  return {
    id,
    holder: holder.id,
    tid,
    ...described(message),
    write: isWrite,
    heldFor: Math.round(now - since),
    state: state === 'expired' ? 'expired' : 'held',
  };
}

function shownRequest(
  { requester, tid, isWrite, since, asked }: LockRequest,
  reason: WaitReason,
  now: number,
): WaitingLock {
  return {
    requester: requester.id,
    tid,
    ...described(asked.message),
    write: isWrite,
    waitingFor: Math.round(now - since),
    reason,
  };
}

/** Characters of what a worker says of a lock: of hundreds of locks, each second. */
const LONGEST_TEXT = 1_000;

function described(message: Uint8Array): LockDescription {
  const { path, comment } = describeLock(message);
  return { path: shortened(path), comment: shortened(comment) };
}

function shortened(text: string): string {
  return text.length <= LONGEST_TEXT ? text : `${text.slice(0, LONGEST_TEXT)}…`;
}

function shownRoot({ kind, since, isAsked }: LocksView['root'], now: number): RootState | undefined {
  if (kind === undefined) return isAsked ? { state: 'asked' } : undefined;
  return { state: kind, heldFor: Math.round(now - (since ?? now)) };
}
