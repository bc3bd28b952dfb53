/** Lock messages in the key order of AceBase, and where their ids stand. */

import { directed } from './messages.js';

/** Message ids have the length of AceBase's: `c`, two digits that say whose it is, and a number that goes up. */
export const MESSAGE_ID_LENGTH = 25;

/** Lock ids of this master all have as many digits as those of our server. */
export const FIRST_LOCK_ID = 100_000_000_000_001;
export const LOCK_ID_LENGTH = 15;

/** What stands before the message id, and before the lock id. */
export const BEFORE_ID = '"id":"';
export const BEFORE_LOCK_ID = '"data":{"id":';

const MASTER = '[master]';

/** The message id with which a slot begins. */
export function messageIdOf(slot: number): string {
  return `c${String(slot).padStart(2, '0')}${'0'.repeat(MESSAGE_ID_LENGTH - 3)}`;
}

/** A request for a lock, for writing or for reading. */
export function lockRequest(from: string, slot: number, isWrite: boolean): string {
  const data = {
    path: 'users/ewout/posts/post1',
    tid: `ctransaction${String(slot).padStart(2, '0')}${from.slice(-11)}`,
    write: isWrite,
    comment: 'node.set "users/ewout/posts/post1"',
  };
  return directed(
    MASTER,
    JSON.stringify({ type: 'lock-request', id: messageIdOf(slot), from, to: MASTER, data }),
  );
}

/** How long a lock lasts: AceBase's own default. The server looks whether it is so. */
const LOCK_TIMEOUT_MS = 120_000;

/** Gives a lock back. */
export function unlockRequest(from: string, slot: number): string {
  const head = { type: 'unlock-request', id: messageIdOf(slot), from, to: MASTER };
  return directed(MASTER, JSON.stringify({ ...head, data: { id: FIRST_LOCK_ID } }));
}

/** Grants what a request asked for. */
export function lockResult({ id, from, data }: LockRequest): string {
  const { comment, ...lock } = data;
  const granted = { id: FIRST_LOCK_ID, ...lock, expires: Date.now() + LOCK_TIMEOUT_MS, comment };
  return directed(
    from,
    JSON.stringify({ type: 'lock-result', id, from: MASTER, to: from, ok: true, data: granted }),
  );
}

/** Says that a lock was given back. */
export function unlockResult({ id, from }: Pick<LockRequest, 'id' | 'from'>): string {
  const head = { type: 'unlock-result', id, from: MASTER, to: from, ok: true };
  return directed(from, JSON.stringify({ ...head, data: { id: FIRST_LOCK_ID } }));
}

/** A request for a lock, as the master reads it. */
export interface LockRequest {
  readonly id: string;
  readonly from: string;
  readonly data: {
    readonly path: string;
    readonly tid: string;
    readonly write: boolean;
    readonly comment: string;
  };
}
