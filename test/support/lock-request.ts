import type { LockRequest } from '../../src/broker/locks/lock-table.js';
import type { Peer } from '../../src/broker/peers/peer.js';
import { encode } from '../../src/protocol/frames.js';
import { readLockRequest } from '../../src/protocol/lock-messages.js';

let last = 0;

/** A request for a lock, as the lock manager is given it. */
export function lockRequest(requester: Peer, tid: string, isWrite: boolean, since: number): LockRequest {
  const message = { id: `r${++last}`, data: { path: '', tid, write: isWrite, comment: '' } };
  const asked = readLockRequest(encode(JSON.stringify(message)));
  if (asked === undefined) throw new Error('not a request');
  return { asked, requester, tid, isWrite, since, keptBytes: 0 };
}
