/** What workers are told of locks, in the form in which a master of AceBase does (docs/PROTOCOL.md, section 5.3). */

import { decode, encodeToSend, MASTER_ID } from '../../protocol/frames.js';
import type { Lock } from './lock-table.js';

/** The request that is answered. */
export interface Answered {
  /** Its id. */
  readonly id: string;
  /** The id of the peer that asked. */
  readonly to: string;
}

/**
 * A lock is granted. What the request said of it is passed back as it stands, without being parsed.
 *
 * @param details the `data` of the request: `{"path":…,"tid":…,"write":…,"comment":…}`
 * @param expires when it expires by the clock of the master, in milliseconds since 1970
 * @param lasts milliseconds until then, for a client that goes by its own clock [PROTOCOL-14.12]
 */
export function grant(
  request: Answered,
  lock: Pick<Lock, 'id'>,
  details: Uint8Array,
  expires: number,
  lasts?: number,
): Uint8Array {
  const ownTime = lasts === undefined ? '' : `"lasts":${Math.floor(lasts)},`;
  const head = `${headOf('lock-result', request)},"ok":true,"data":{"id":${lock.id},"expires":${Math.round(expires)},${ownTime}"write":true,`;
  // The brace that opens the details is that of the head; where they say what the lock is for, that is what counts.
  const answer = encodeToSend(head, details.length);
  answer.set(details.subarray(1), answer.length - details.length);
  answer[answer.length - 1] = CLOSING_BRACE;
  return answer;
}

/**
 * A lock is moved to the parent of its path: nothing else of it changes.
 *
 * @param details the `data` of the request for the lock
 */
export function moved(
  request: Answered,
  lock: Pick<Lock, 'id'>,
  details: Uint8Array,
  expires: number,
): Uint8Array {
  const { path, ...rest } = JSON.parse(decode(details)) as { readonly path?: unknown };
  const data = { id: lock.id, path: parentOf(path), write: true, ...rest, expires: Math.round(expires) };
  return encodeToSend(`${headOf('lock-result', request)},"ok":true,"data":${JSON.stringify(data)}}`);
}

/** No lock is granted, or moved. @param reason for who reads the log of the worker */
export function refusal(request: Answered, reason: string): Uint8Array {
  return encodeToSend(`${headOf('lock-result', request)},"ok":false,"reason":${JSON.stringify(reason)}}`);
}

/** A lock is given back; also if nobody knows it: nobody waits for the answer, and an error would end the process [PROTOCOL-6.2]. */
export function unlocked(request: Answered, lockId: number | undefined): Uint8Array {
  return encodeToSend(`${headOf('unlock-result', request)},"ok":true,"data":{"id":${lockId ?? null}}}`);
}

const CLOSING_BRACE = 0x7d;

function headOf(type: string, { id, to }: Answered): string {
  return `{"type":"${type}","id":${JSON.stringify(id)},"from":"${MASTER_ID}","to":${JSON.stringify(to)}`;
}

function parentOf(path: unknown): string {
  if (typeof path !== 'string') return '';
  return path.slice(0, Math.max(path.lastIndexOf('/'), path.lastIndexOf('['), 0));
}
