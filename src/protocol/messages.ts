/**
 * The AceBase messages, as far as the broker reads them (docs/PROTOCOL.md, section 5). Most are only classified by
 * their `type` and checked for their `from`; the few that must be understood are short, and are parsed.
 */

import { asciiText, decode, encode, rangeEquals } from './frames.js';
import { findMember, findMembers, HEAD_BYTES, stringEnd, TextCache } from './json-scan.js';

/** The types of messages that AceBase clients send [PROTOCOL-5.1]. */
export const MESSAGE_TYPES = [
  'hello',
  'bye',
  'subscribe',
  'unsubscribe',
  'event',
  'notification',
  'cache-news',
  'lock-request',
  'lock-result',
  'unlock-request',
  'unlock-result',
  'move-lock-request',
  'request',
  'result',
] as const;

/** The type of a message; `unknown` ones are routed, never interpreted. */
export type MessageType = (typeof MESSAGE_TYPES)[number] | 'unknown';

/** An address of a record in the database file. */
export interface RecordAddress {
  readonly pageNr: number;
  readonly recordNr: number;
}

/** The notifications that the broker understands [PROTOCOL-5.4]; every other is `unknown`. */
export type Notification =
  | { readonly type: 'root.update'; readonly address: RecordAddress }
  | { readonly type: 'kit.new_key'; readonly index: number; readonly key: string }
  | { readonly type: 'index.created' }
  | { readonly type: 'unknown' };

/** A `request` to the master, as far as it takes to answer it [PROTOCOL-5.3]. */
export interface MasterRequest {
  readonly id: string;
  readonly from: string;
  /** What is asked for: `data.type`. */
  readonly subject: string | undefined;
  /** The key that `kit.add` asks an index for. */
  readonly key: string | undefined;
}

/** An answer of the master, as far as it takes to know what was granted [PROTOCOL-5.3]. */
export interface MasterAnswer {
  readonly id: string;
  /** The number of the lock that a `lock-result` grants; `undefined` if it grants none. */
  readonly lockId: number | undefined;
}

/** What a lock message says of a lock, for people to read. */
export interface LockDescription {
  readonly path: string;
  readonly comment: string;
}

/**
 * What AceBase asks the master for without looking whether that fails, which would end its process, and the answer that does no harm. An index of
 * -1 says that the key is not in the table: it is written out in full [PROTOCOL-6.3]. Records that are not set free stay unused until
 * AceBase is told of them again: the file stays sound [PROTOCOL-6.4].
 */
export const HARMLESS_ANSWERS: ReadonlyMap<string | undefined, object> = new Map([
  ['kit.add', { ok: true, index: -1 }],
  ['fst.release', { ok: true }],
]);

const KEY_TYPE = encode('type');
const KEY_ID = encode('id');
const KEY_FROM = encode('from');
const KEY_DATA = encode('data');
const KEY_OK = encode('ok');
const KEY_KEY = encode('key');
const KEY_INDEX = encode('index');
const KEY_PATH = encode('path');
const KEY_EXPIRES = encode('expires');
const KEY_COMMENT = encode('comment');
const HEAD = encode('{"type":"');
const FROM_NEXT = encode(',"from":"');
const ID_NEXT = encode(',"id":"');
const OK_NEXT = encode(',"ok":true');
const REQUEST_KEYS = [KEY_ID, KEY_FROM, KEY_DATA];
const ANSWER_KEYS = [KEY_ID, KEY_OK, KEY_DATA];
const QUOTE = 0x22;
const DIGIT_ZERO = 0x30;
const DOT = 0x2e;
const LETTER_E = 0x65;
const CAPITAL_E = 0x45;
const LETTER_T = 0x74;
const SPACE = 0x20;
const DELETE = 0x7f;
const BACKSLASH = 0x5c;
const ROOT_UPDATE = encode('root.update');
const NEW_KEY = encode('kit.new_key');
const INDEX_CREATED = encode('index.created');
const FILE_NEWS = [ROOT_UPDATE, NEW_KEY, INDEX_CREATED];
const INDEX_CREATIONS = [encode('index.create')];
const UNKNOWN: Notification = { type: 'unknown' };
const NEW_INDEX: Notification = { type: 'index.created' };

/** Nothing that the broker must understand is longer. */
const MAX_PARSED_BYTES = 4096;

/** But news of an index may have its settings: words that a full-text index leaves out. */
const MAX_INDEX_NEWS_BYTES = 65_536;

/** The digits of the largest safe integer are one more. */
const MAX_DIGITS = 15;

const TYPES_BY_LENGTH: { readonly bytes: Uint8Array; readonly type: MessageType }[][] = [];
for (const type of MESSAGE_TYPES) {
  TYPES_BY_LENGTH[type.length] = [...(TYPES_BY_LENGTH[type.length] ?? []), { bytes: encode(type), type }];
}

/** Names that come again and again: ids of peers and transactions, what is asked for. */
const names = new TextCache();

/** Where the members that were looked for last begin. */
const places: number[] = [];

/**
 * The type of a message, if its first top-level `from` is that id [PROTOCOL-3.7]: what {@link messageType} and
 * {@link isFrom} say, in one pass over the keys in the order in which clients write them.
 *
 * @returns `undefined` if the message is not from there
 */
export function messageTypeFrom(message: Uint8Array, id: Uint8Array): MessageType | undefined {
  if (rangeEquals(message, 0, HEAD.length, HEAD)) {
    const typeEnd = plainEnd(message, HEAD.length);
    let at = typeEnd;
    if (at > 0 && follows(message, at + 1, ID_NEXT)) at = plainEnd(message, at + 1 + ID_NEXT.length);
    if (at > 0 && follows(message, at + 1, OK_NEXT)) at += OK_NEXT.length;
    if (at > 0 && follows(message, at + 1, FROM_NEXT)) {
      const value = at + 1 + FROM_NEXT.length;
      const isThere = follows(message, value, id) && message[value + id.length] === QUOTE;
      return isThere ? typeIn(message, HEAD.length, typeEnd) : undefined;
    }
  }
  return isFrom(message, id) ? messageType(message) : undefined;
}

/** The type of a message. Looks no further than its first `type` key, which clients write first. */
export function messageType(message: Uint8Array): MessageType {
  const value = rangeEquals(message, 0, HEAD.length, HEAD)
    ? HEAD.length - 1
    : findMember(message, 0, KEY_TYPE);
  if (value < 0 || message[value] !== QUOTE) return 'unknown';
  const end = plainEnd(message, value + 1);
  return end < 0 ? 'unknown' : typeIn(message, value + 1, end);
}

function typeIn(message: Uint8Array, start: number, end: number): MessageType {
  const sameLength = TYPES_BY_LENGTH[end - start];
  if (sameLength === undefined) return 'unknown';
  for (const { bytes, type } of sameLength) {
    if (rangeEquals(message, start, end, bytes)) return type;
  }
  return 'unknown';
}

/** Whether the first top-level `from` of the message is that id [PROTOCOL-3.7]. */
export function isFrom(message: Uint8Array, id: Uint8Array): boolean {
  const value = findMember(message, 0, KEY_FROM);
  if (value < 0 || message[value] !== QUOTE) return false;
  return follows(message, value + 1, id) && message[value + 1 + id.length] === QUOTE;
}

/** What a message of type `notification` says. Malformed ones are `unknown`: they are routed all the same. */
export function parseNotification(message: Uint8Array): Notification {
  if (message.length > MAX_INDEX_NEWS_BYTES) return UNKNOWN;
  const subject = subjectAmong(message, FILE_NEWS);
  if (subject === INDEX_CREATED) return NEW_INDEX;
  if (subject === undefined || message.length > MAX_PARSED_BYTES) return UNKNOWN;
  const content = memberOf(jsonOf(message), 'data');
  if (subject === ROOT_UPDATE) {
    const address = memberOf(content, 'address');
    const pageNr = memberOf(address, 'pageNr');
    // The server has a master write the root again by a number in quotes [PROTOCOL-7.6]; it echoes it as it came.
    const recordNr = indexOf(memberOf(address, 'recordNr'));
    return isIndex(pageNr) && isIndex(recordNr)
      ? { type: 'root.update', address: { pageNr, recordNr } }
      : UNKNOWN;
  }
  const index = memberOf(content, 'index');
  const key = memberOf(content, 'key');
  return isIndex(index) && typeof key === 'string' ? { type: 'kit.new_key', index, key } : UNKNOWN;
}

/** Reads a `request` to the master. `undefined` if it is malformed: then nobody waits for an answer to it. */
export function parseMasterRequest(message: Uint8Array): MasterRequest | undefined {
  findMembers(message, 0, REQUEST_KEYS, places);
  const [idAt = -1, fromAt = -1, data = -1] = places;
  if (idAt < 0 || fromAt < 0) return undefined;
  const id = textAt(message, idAt);
  const from = textAt(message, fromAt, names);
  if (id === undefined || from === undefined) return undefined;
  const subject = data < 0 ? undefined : textAt(message, findMember(message, data, KEY_TYPE), names);
  return {
    id,
    from,
    subject,
    key: subject === 'kit.add' ? textMember(message, data, KEY_KEY) : undefined,
  };
}

/** Reads an answer of the master. `undefined` if it is malformed: it answers nothing then. */
export function parseMasterAnswer(type: MasterAnswerType, message: Uint8Array): MasterAnswer | undefined {
  findMembers(message, 0, ANSWER_KEYS, places);
  const [idAt = -1, okAt = -1, data = -1] = places;
  const id = textAt(message, idAt);
  if (id === undefined) return undefined;
  if (type !== 'lock-result' || !isTrueAt(message, okAt)) return { id, lockId: undefined };
  const lockId = data < 0 ? undefined : numberAt(message, findMember(message, data, KEY_ID));
  return lockId === undefined ? undefined : { id, lockId };
}

/** The index that a `result` gives the key of `kit.add`; `undefined` if it gives none. */
export function keyIndexOf(result: Uint8Array): number | undefined {
  const data = findMember(result, 0, KEY_DATA);
  return data < 0 ? undefined : numberAt(result, findMember(result, data, KEY_INDEX));
}

/** When a lock runs out at the master that granted it: milliseconds since 1970 by its clock. */
export function expiryOf(lockResult: Uint8Array): number | undefined {
  const data = findMember(lockResult, 0, KEY_DATA);
  return data < 0 ? undefined : numberAt(lockResult, findMember(lockResult, data, KEY_EXPIRES));
}

/** Reads what the `data` of a message says of a lock, for people. */
export function describeLock(message: Uint8Array): LockDescription {
  const data = findMember(message, 0, KEY_DATA);
  const text = (key: Uint8Array): string => (data < 0 ? undefined : textMember(message, data, key)) ?? '';
  return { path: text(KEY_PATH), comment: text(KEY_COMMENT) };
}

/** Whether a message asks the master to make an index. */
export function isIndexCreation(message: Uint8Array): boolean {
  return messageType(message) === 'request' && subjectAmong(message, INDEX_CREATIONS) !== undefined;
}

/** The id by which a request and its answer belong together; `undefined` if it has none. */
export function requestId(message: Uint8Array): string | undefined {
  return textMember(message, 0, KEY_ID);
}

/** Whether a message of that type asks the master for something and waits for its answer. */
export function isMasterRequest(type: MessageType): type is LockRequestType | 'request' {
  return (
    type === 'lock-request' || type === 'unlock-request' || type === 'move-lock-request' || type === 'request'
  );
}

/** The types of requests that the server answers itself. */
export type LockRequestType = 'lock-request' | 'unlock-request' | 'move-lock-request';

/** The types by which a master answers. */
export type MasterAnswerType = 'lock-result' | 'unlock-result' | 'result';

/** Whether a message of that type is an answer of the master. */
export function isMasterAnswer(type: MessageType): type is MasterAnswerType {
  return type === 'lock-result' || type === 'unlock-result' || type === 'result';
}

function isTrueAt(message: Uint8Array, value: number): boolean {
  return value >= 0 && message[value] === LETTER_T;
}

/** Which of these `data.type` is; found by its bytes, without making a text of it. */
function subjectAmong(message: Uint8Array, subjects: readonly Uint8Array[]): Uint8Array | undefined {
  const data = findMember(message, 0, KEY_DATA);
  const value = data < 0 ? -1 : findMember(message, data, KEY_TYPE);
  const end = value < 0 ? -1 : stringEnd(message, value);
  return end < 0 ? undefined : subjects.find((subject) => rangeEquals(message, value + 1, end, subject));
}

function textMember(bytes: Uint8Array, objectStart: number, key: Uint8Array): string | undefined {
  return textAt(bytes, findMember(bytes, objectStart, key));
}

/**
 * A short text; a longer one is none that AceBase writes here. Only its own bytes are parsed, whatever is around it.
 *
 * @param cache where it may be known from; for what comes again and again
 */
function textAt(bytes: Uint8Array, value: number, cache?: TextCache): string | undefined {
  if (value < 0) return undefined;
  const asciiEnd = endOfAscii(bytes, value);
  const end = asciiEnd < 0 ? stringEnd(bytes, value) : asciiEnd;
  if (end < 0 || end - value > MAX_PARSED_BYTES) return undefined;
  if (asciiEnd >= 0) {
    return cache === undefined ? asciiText(bytes, value + 1, end) : cache.text(bytes, value + 1, end);
  }
  const text = jsonOf(bytes.subarray(value, end + 1));
  return typeof text === 'string' ? text : undefined;
}

/** The quote that ends a string without escapes whose inside begins at `start`; -1 if there is none within {@link HEAD_BYTES}. */
function plainEnd(bytes: Uint8Array, start: number): number {
  const last = Math.min(bytes.length, start + HEAD_BYTES);
  for (let index = start; index < last; index++) {
    const byte = bytes[index];
    if (byte === QUOTE) return index;
    if (byte === BACKSLASH) return -1;
  }
  return -1;
}

function follows(bytes: Uint8Array, start: number, expected: Uint8Array): boolean {
  return rangeEquals(bytes, start, start + expected.length, expected);
}

/** The quote that ends the string at `start`, if its inside means what it says: ASCII, and no escapes; else -1. */
export function endOfAscii(bytes: Uint8Array, start: number): number {
  if (bytes[start] !== QUOTE) return -1;
  for (let index = start + 1; index < bytes.length; index++) {
    const byte = bytes[index] as number;
    if (byte === QUOTE) return index;
    if (byte < SPACE || byte >= DELETE || byte === BACKSLASH) return -1;
  }
  return -1;
}

/** A whole number that begins there; `undefined` if there is none, or it is none. */
export function numberAt(bytes: Uint8Array, value: number): number | undefined {
  if (value < 0) return undefined;
  let number = 0;
  let index = value;
  for (; index < bytes.length && index - value < MAX_DIGITS && isDigit(bytes[index]); index++)
    number = number * 10 + (bytes[index] as number) - DIGIT_ZERO;
  return index === value || isNumeric(bytes[index]) ? undefined : number;
}

/** Whether a number goes on: with a further digit, a fraction or an exponent. */
function isNumeric(byte: number | undefined): boolean {
  return isDigit(byte) || byte === DOT || byte === LETTER_E || byte === CAPITAL_E;
}

function isDigit(byte: number | undefined): boolean {
  return byte !== undefined && byte >= DIGIT_ZERO && byte <= 0x39;
}

/** What bytes say in JSON; `undefined` if they are none. */
export function jsonOf(json: Uint8Array): unknown {
  try {
    return JSON.parse(decode(json));
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

/** A member of an object; `undefined` if it has none of its own, or is no object. */
export function memberOf(value: unknown, key: string): unknown {
  if (typeof value !== 'object' || value === null || !Object.hasOwn(value, key)) return undefined;
  return (value as Readonly<Record<string, unknown>>)[key];
}

/** A number, also one in quotes. */
function indexOf(value: unknown): unknown {
  return typeof value === 'string' && /^\d{1,10}$/.test(value) ? Number(value) : value;
}

/** Whether a value is a whole number, not below 0. */
export function isIndex(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
}
