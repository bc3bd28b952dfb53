/**
 * Messages of AceBase that the server itself makes, but for answers about locks: answers to workers, in the form in which a master
 * gives them (docs/PROTOCOL.md, section 5.3), what it asks the master, and what it tells of the file.
 */

import { encode, MASTER_ID, SERVER_ID } from './frames.js';
import { HARMLESS_ANSWERS, type MasterRequest, type RecordAddress } from './messages.js';

/** The answer to a request that the master will not give, with `reason` where the answer is an error. */
export function answerFor({ id, from, subject }: MasterRequest, reason: string): Uint8Array {
  const data = HARMLESS_ANSWERS.get(subject);
  const head = { type: 'result', id, from: MASTER_ID, to: from };
  return json(data === undefined ? { ...head, ok: false, reason } : { ...head, ok: true, data });
}

/** Asks the master for a lock on everything. @param comment for who reads the log of the master */
export function rootRequest(id: string, tid: string, write: boolean, comment: string): Uint8Array {
  return toMaster('lock-request', id, { path: '', tid, write, comment: `acebase-ipc-server: ${comment}` });
}

/** Gives the master a lock back. */
export function rootRelease(id: string, lockId: number): Uint8Array {
  return toMaster('unlock-request', id, { id: lockId });
}

/** Asks the master for the index of a key in the key table of the file. */
export function keyRequest(id: string, key: string): Uint8Array {
  return toMaster('request', id, { type: 'kit.add', key });
}

/** The master has given a key an index. */
export function keyAnnouncement(key: string, index: number): Uint8Array {
  return notification(MASTER_ID, { type: 'kit.new_key', key, index });
}

/** The root of the file is there. @param from the id in whose name that is told */
export function rootUpdate(
  from: string,
  { pageNr, recordNr }: Pick<RecordAddress, 'pageNr'> & { readonly recordNr: number | string },
): Uint8Array {
  return notification(from, { type: 'root.update', address: { path: '', pageNr, recordNr } });
}

/** What was cached of the file is to be read again. @param from the id of the peer that may have written something else */
export function cacheInvalidation(from: string): Uint8Array {
  return notification(from, { type: 'cache.invalidate', path: '', recursive: true, reason: 'ipc_peer_gone' });
}

function toMaster(type: string, id: string, data: object): Uint8Array {
  return json({ type, id, from: SERVER_ID, to: MASTER_ID, data });
}

function notification(from: string, data: object): Uint8Array {
  return json({ type: 'notification', from, data });
}

function json(message: object): Uint8Array {
  return encode(JSON.stringify(message));
}

/** Why the server answers a request with an error. */
export type RequestFailure =
  | 'IPC_REQUEST_DRAINING'
  | 'IPC_REQUEST_KEY_TABLE_FULL'
  | 'IPC_REQUEST_LOCK_LOST'
  | 'IPC_REQUEST_MAILBOX_FULL'
  | 'IPC_REQUEST_MASTER_LOST'
  | 'IPC_REQUEST_NO_MEMORY'
  | 'IPC_REQUEST_NO_MASTER'
  | 'IPC_REQUEST_TOO_MANY';

const REASONS: Readonly<Record<RequestFailure, (database: string) => string>> = {
  IPC_REQUEST_DRAINING: (database) =>
    `the IPC server stops, and did not pass this request for database "${database}" on. Try again when it is back.`,
  IPC_REQUEST_KEY_TABLE_FULL: (database) =>
    `the key table of database "${database}" is nearly full. The key is written out in full.`,
  IPC_REQUEST_LOCK_LOST: (database) =>
    `this lock of database "${database}" is held no longer: it has expired, or another process was given it. Try again.`,
  IPC_REQUEST_MAILBOX_FULL: (database) =>
    `no master is ready for database "${database}", and too many requests wait for it. Start the master.`,
  IPC_REQUEST_MASTER_LOST: (database) =>
    `the master of database "${database}" went away before it answered. Try again.`,
  IPC_REQUEST_NO_MEMORY: (database) =>
    `the IPC server has no memory left to keep requests, and database "${database}" has its share of it. Try again later, or raise maxTotalBuffered.`,
  IPC_REQUEST_NO_MASTER: (database) =>
    `no master is connected for database "${database}". Start the process with role "master"; or see the log of the server, if that runs the master.`,
  IPC_REQUEST_TOO_MANY: (database) =>
    `this process has asked for more of database "${database}" at one time than the IPC server can keep. Write in smaller parts, or raise maxMailPerPeer.`,
};

/** The reason as it stands in the answer, for who reads the log of a worker, with its code in front. */
export function reasonFor(failure: RequestFailure, database: string): string {
  return `${failure}: ${REASONS[failure](database)}`;
}
