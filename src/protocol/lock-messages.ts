/**
 * What workers ask of locks, and what the server answers, in the form in which a master does (docs/PROTOCOL.md, sections 5.3 and 12).
 * Most of what the server itself reads is of these. A message in the order in which AceBase writes it is read in one pass over its
 * bytes, and what the answer repeats is copied from there; any other is written anew in that order.
 */

import { decode, encode, encodeToSend, MASTER_ID, rangeEquals } from './frames.js';
import { stringEnd, TextCache } from './json-scan.js';
import { endOfAscii, isIndex, jsonOf, type LockRequestType, memberOf, numberAt } from './messages.js';
import { Slab } from './slab.js';

/** A message about a lock: its bytes, and where its id stands in them, with its quotes. */
export interface LockMessage {
  readonly message: Uint8Array;
  readonly idStart: number;
  readonly idEnd: number;
}

/** Somebody asks for a lock. */
export interface AskedLock extends LockMessage {
  /** Where `data` begins; one byte behind its end the message ends. */
  readonly dataStart: number;
  /** The transaction that is to have it. */
  readonly tid: string;
  readonly isWrite: boolean;
}

/** Somebody gives a lock back, or moves it. */
export interface NamedLock extends LockMessage {
  /** Its number; `undefined` if the message has none. */
  readonly lockId: number | undefined;
}

const TYPES = ['lock-request', 'unlock-request', 'move-lock-request'] as const satisfies LockRequestType[];
/** What stands before the id. */
const HEADS = Object.fromEntries(TYPES.map((type) => [type, encode(`{"type":"${type}","id":`)])) as Readonly<
  Record<LockRequestType, Uint8Array>
>;
const FROM = encode(',"from":');
const TO_MASTER = encode(`,"to":"${MASTER_ID}","data":{`);
const PATH = encode('"path":');
const TID = encode(',"tid":');
const WRITE = encode(',"write":');
const BEFORE_ID = encode('{"id":');
const BEFORE_DATA = encode(',"data":');
const TRUE = encode('true');
const FALSE = encode('false');
const COMMENT = encode(',"comment":');
const LOCK_ID = encode('"id":');
const END = encode('}}');
const LOCK_RESULT = encode('{"type":"lock-result","id":');
const UNLOCK_RESULT = encode('{"type":"unlock-result","id":');
const FROM_MASTER = encode(`,"from":"${MASTER_ID}","to":"`);
const OK = encode('","ok":true,"data":{"id":');
const EXPIRES = encode(',"expires":');
const LASTS = encode(',"lasts":');
const COMMA = encode(',');
const NULL = encode('null');
const CLOSING_BRACE = encode('}');
/** More than the parts above, the id of a peer and three numbers take. */
const MOST_AROUND = 256;

/** No id of a request or a transaction is longer, in bytes. */
const MAX_ID_BYTES = 4_096;

/** A message that is written otherwise than AceBase writes it is parsed: not one that is longer, in bytes. */
const MAX_PARSED_BYTES = 64 * 1024;

/** Transactions ask for several locks each. */
const tids = new TextCache();

const slab = new Slab();

/** Reads a request for a lock. `undefined` if it is malformed: then nobody waits for an answer to it. */
export function readLockRequest(message: Uint8Array): AskedLock | undefined {
  const head = HEADS['lock-request'];
  const idStart = head.length;
  const idEnd = behindText(message, behind(message, 0, head));
  const dataStart = behind(message, behindText(message, behind(message, idEnd, FROM)), TO_MASTER) - 1;
  const pathEnd = behindString(message, behind(message, dataStart + 1, PATH));
  const tidStart = behind(message, pathEnd, TID);
  const tidEnd = behindText(message, tidStart);
  const writeStart = behind(message, tidEnd, WRITE);
  const isWrite = behind(message, writeStart, TRUE) > 0;
  const writeEnd = behind(message, writeStart, isWrite ? TRUE : FALSE);
  const commentEnd = behindString(message, behind(message, writeEnd, COMMENT));
  if (behind(message, commentEnd, END) !== message.length) return rewritten(message);
  if (Math.max(idEnd - idStart, tidEnd - tidStart) > MAX_ID_BYTES) return undefined;
  const tid = tids.text(message, tidStart + 1, tidEnd - 1);
  return { message, idStart, idEnd, dataStart, tid, isWrite };
}

/** Reads a message that gives a lock back, or moves it. `undefined` if it is malformed: then nobody waits for an answer to it. */
export function readNamedLock(
  type: Exclude<LockRequestType, 'lock-request'>,
  message: Uint8Array,
): NamedLock | undefined {
  const head = HEADS[type];
  const idStart = head.length;
  const idEnd = behindText(message, behind(message, 0, head));
  const data = behind(message, behindText(message, behind(message, idEnd, FROM)), TO_MASTER);
  const number = behind(message, data, LOCK_ID);
  if (number > 0 && idEnd - idStart <= MAX_ID_BYTES)
    return { message, idStart, idEnd, lockId: numberAt(message, number) };
  const said = partsOf(message);
  if (said === undefined) return undefined;
  const lockId = memberOf(said.data, 'id');
  const id = encode(JSON.stringify(said.id));
  return { message: id, idStart: 0, idEnd: id.length, lockId: isIndex(lockId) ? lockId : undefined };
}

/**
 * A lock is granted. What the request said of it is passed back as it stands.
 *
 * @param to the id of who asked
 * @param lockId the number of the lock
 * @param expires when it expires by the clock of the master, in milliseconds since 1970
 * @param lasts milliseconds until then, for a client that goes by its own clock [PROTOCOL-14.12]
 */
export function grant(
  { message, idStart, idEnd, dataStart }: AskedLock,
  to: Uint8Array,
  lockId: number,
  expires: number,
  lasts?: number,
): Uint8Array {
  slab
    .begin(message.length + MOST_AROUND)
    .add(LOCK_RESULT)
    .add(message, idStart, idEnd);
  slab.add(FROM_MASTER).add(to).add(OK).addNumber(lockId);
  slab.add(EXPIRES).addNumber(Math.max(0, Math.round(expires)));
  if (lasts !== undefined) slab.add(LASTS).addNumber(Math.max(0, Math.floor(lasts)));
  slab
    .add(COMMA)
    .add(message, dataStart + 1, message.length - 1)
    .add(CLOSING_BRACE);
  return slab.end();
}

/**
 * A lock is moved to the parent of its path: nothing else of it changes.
 *
 * @param to the id of whose it is
 * @param lock with a message whose `data` says what it is for
 * @param expires as in {@link grant}
 */
export function moved(
  request: LockMessage,
  to: Uint8Array,
  { id, message }: { readonly id: number; readonly message: Uint8Array },
  expires: number,
): Uint8Array {
  const said = memberOf(jsonOf(message), 'data') as { readonly path?: unknown } | undefined;
  const data = { ...said, id, path: parentOf(said?.path), expires: Math.round(expires) };
  return encodeToSend(`${headOf(request, to)},"ok":true,"data":${JSON.stringify(data)}}`);
}

/** No lock is granted, or moved. @param reason for who reads the log of the worker */
export function refusal(request: LockMessage, to: Uint8Array, reason: string): Uint8Array {
  return encodeToSend(`${headOf(request, to)},"ok":false,"reason":${JSON.stringify(reason)}}`);
}

/** A lock is given back; also if nobody knows it: nobody waits for the answer, and an error would end the process [PROTOCOL-6.2]. */
export function unlocked({ message, idStart, idEnd, lockId }: NamedLock, to: Uint8Array): Uint8Array {
  slab.begin(idEnd - idStart + MOST_AROUND).add(UNLOCK_RESULT);
  slab.add(message, idStart, idEnd).add(FROM_MASTER).add(to).add(OK);
  if (lockId === undefined) slab.add(NULL);
  else slab.addNumber(lockId);
  return slab.add(END).end();
}

/** A message whose `data` says of a lock what its holder told another server. */
export function lockNote(lock: {
  readonly path: string;
  readonly tid: string;
  readonly write: boolean;
  readonly comment: string;
}): Uint8Array {
  return encode(JSON.stringify({ data: lock }));
}

/** A request whose members stand otherwise than AceBase writes them, or do not mean what they say (escapes), as AceBase would write it. */
function rewritten(message: Uint8Array): AskedLock | undefined {
  const said = partsOf(message);
  if (said?.data === undefined) return undefined;
  const { path, tid, write, comment } = said.data;
  const lock = {
    path: textOr(path, ''),
    tid: textOr(tid, said.id),
    // As for AceBase, a lock is for writing unless the request says otherwise.
    write: write === undefined || write === true,
    comment: textOr(comment, ''),
  };
  if (lock.tid.length > MAX_ID_BYTES) return undefined;
  const id = encode(JSON.stringify(said.id));
  const data = encode(JSON.stringify(lock));
  slab
    .begin(id.length + data.length + MOST_AROUND)
    .add(BEFORE_ID)
    .add(id);
  const anew = slab.add(BEFORE_DATA).add(data).add(CLOSING_BRACE).end();
  const idEnd = BEFORE_ID.length + id.length;
  const dataStart = idEnd + BEFORE_DATA.length;
  const { tid: owner, write: isWrite } = lock;
  return { message: anew, idStart: BEFORE_ID.length, idEnd, dataStart, tid: owner, isWrite };
}

/** The id of a message and its `data`. @returns `undefined` if it has no id, is no JSON, or too long */
function partsOf(
  message: Uint8Array,
): { readonly id: string; readonly data: Readonly<Record<string, unknown>> | undefined } | undefined {
  if (message.length > MAX_PARSED_BYTES) return undefined;
  const said = jsonOf(message);
  const id = memberOf(said, 'id');
  const data = memberOf(said, 'data');
  if (typeof id !== 'string' || id.length > MAX_ID_BYTES) return undefined;
  return { id, data: typeof data === 'object' && data !== null ? { ...data } : undefined };
}

/** The index behind `expected`, if that stands there; else -1. @param at -1 if nothing does */
function behind(message: Uint8Array, at: number, expected: Uint8Array): number {
  const end = at + expected.length;
  return at >= 0 && rangeEquals(message, at, end, expected) ? end : -1;
}

/** The index behind a string that means what it says: ASCII, without escapes. */
function behindText(message: Uint8Array, at: number): number {
  const end = at < 0 ? -1 : endOfAscii(message, at);
  return end < 0 ? -1 : end + 1;
}

/** The index behind any string. */
function behindString(message: Uint8Array, at: number): number {
  const end = at < 0 ? -1 : stringEnd(message, at);
  return end < 0 ? -1 : end + 1;
}

function headOf({ message, idStart, idEnd }: LockMessage, to: Uint8Array): string {
  const id = decode(message.subarray(idStart, idEnd));
  return `{"type":"lock-result","id":${id},"from":"${MASTER_ID}","to":"${decode(to)}"`;
}

function textOr(value: unknown, otherwise: string): string {
  return typeof value === 'string' ? value : otherwise;
}

function parentOf(path: unknown): string {
  if (typeof path !== 'string') return '';
  return path.slice(0, Math.max(path.lastIndexOf('/'), path.lastIndexOf('['), 0));
}
