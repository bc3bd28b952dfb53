/** The locks of a database, for people to read. */

import { describeDetails } from '../../protocol/messages.js';
import type { WaitReason } from './lock-manager.js';
import type { Lock, LockRequest } from './lock-table.js';
import type { RootLock } from './root-lock.js';

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

/** A lock of the table as it is shown. @param now by the broker's clock */
export function shownLock({ id, holder, tid, isWrite, since, details, state }: Lock, now: number): HeldLock {
  return {
    id,
    holder: holder.id,
    tid,
    ...describeDetails(details),
    write: isWrite,
    heldFor: Math.round(now - since),
    state: state === 'expired' ? 'expired' : 'held',
  };
}

/** A request that waits as it is shown. @param now by the broker's clock */
export function shownRequest(
  { requester, tid, isWrite, since, details }: LockRequest,
  reason: WaitReason,
  now: number,
): WaitingLock {
  return {
    requester: requester.id,
    tid,
    ...describeDetails(details),
    write: isWrite,
    waitingFor: Math.round(now - since),
    reason,
  };
}

/** The root lock as it is shown. @param now by the broker's clock */
export function shownRoot({ kind, since, isAsked }: RootLock, now: number): RootState | undefined {
  if (kind === undefined) return isAsked ? { state: 'asked' } : undefined;
  return { state: kind, heldFor: Math.round(now - (since ?? now)) };
}
