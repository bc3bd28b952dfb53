/** What a message becomes on its way out: its members of ours, its text, and what happens to it if its server dies. */

import { HARMLESS_ANSWERS } from '../../protocol/messages.js';
import { encodeValue, isLossy, plainJson, type ValueClasses } from './codec.js';
import type { Message, OpenRequest } from './host.js';
import type { AfterRestart, Frame } from './session.js';

/** What messages are made with. */
export interface OutgoingSettings {
  readonly classes: ValueClasses;
  /** Numbers for what must not be heard twice. */
  readonly eventNumbers: { next(): readonly [session: string, number: number] };
  /** Whether values are encoded at all. */
  hasValues(): boolean;
  /** Whether a message may leave with the next one. */
  canWait(message: Message): boolean;
  /** Whether that peer understands encoded values. */
  understands(peerId: string): boolean;
}

/** Types whose data may hold values of users. */
const VALUE_TYPES = new Set(['event', 'request', 'result', 'notification']);

/** Notifications of which the file tells more after a restart of the server. */
const OUTDATED = new Set(['cache.update', 'cache.invalidate', 'root.update']);

/** What a client understands of others, whatever it repairs. */
const ABILITIES = ['counted', 'cache-news'];

/** Notifications that nobody needs before he is granted a lock on what they are about: that comes behind them. */
const CACHE = new Set(['cache.update', 'cache.invalidate']);

/** The frame of a message. */
export function frameOf(message: Message, settings: OutgoingSettings): Frame {
  const json = plainJson(withValues(withMarks(message, settings), settings));
  const text = typeof message.to === 'string' ? `to:${message.to};${json}` : json;
  return {
    text,
    afterRestart: afterRestart(message),
    requestId: isRequest(message) ? message.id : undefined,
    isDispensable: message.type === 'event',
    canWait: isCacheNews(message) || settings.canWait(message),
    to: message.to,
  };
}

/** The frame that tells of all these notifications at one time. @param news each as JSON */
export function cacheNewsFrame(from: string, news: readonly string[], canWait: boolean): Frame {
  return {
    text: `{"type":"cache-news","from":${JSON.stringify(from)},"data":{"news":[${news.join()}]}}`,
    afterRestart: 'outdated',
    requestId: undefined,
    isDispensable: false,
    canWait,
  };
}

/** Whether a message waits for an answer of the master. */
export function isRequest({ type, id }: Message): boolean {
  return id !== undefined && (type === 'request' || type.endsWith('-request'));
}

/** A request fails, or has an answer that does no harm where nobody awaits that; the master has not given it. */
export function failRequest({ request, resolve, reject }: OpenRequest, error: Error): void {
  const harmless = HARMLESS_ANSWERS.get(subjectOf(request));
  if (harmless === undefined) reject(error);
  else resolve({ ...harmless, isAssumed: true });
}

/** What `data.type` is. */
export function subjectOf({ data }: Message): string | undefined {
  const type = typeof data === 'object' && data !== null ? Reflect.get(data, 'type') : undefined;
  return typeof type === 'string' ? type : undefined;
}

/** Whether a message says what others are to forget of a record, or to know. */
export function isCacheNews(message: Message): boolean {
  return message.type === 'notification' && CACHE.has(subjectOf(message) ?? '');
}

/** What says less than one that names many children, and as much as is needed: that all below its path is to be forgotten. */
export function invalidationOf(message: Message): Message {
  const { path, info, reason } = message.data as { path?: string; info?: { path: string }; reason?: string };
  const data = { type: 'cache.invalidate', path: path ?? info?.path ?? '', recursive: true, reason };
  return { ...message, data };
}

/** Whether a message says where the root is. */
export function isRootUpdate(message: Message): boolean {
  return message.type === 'notification' && subjectOf(message) === 'root.update';
}

function afterRestart(message: Message): AfterRestart {
  switch (message.type) {
    case 'hello':
      return 'outdated';
    case 'notification':
      return OUTDATED.has(subjectOf(message) ?? '') ? 'outdated' : 'by the same master';
    case 'index-updated':
      return 'by the same master';
    case 'request':
      // Given back twice, the same space would be given to two writers.
      return subjectOf(message) === 'fst.release' ? 'once' : 'again';
    case 'result':
    case 'lock-result':
    case 'unlock-result':
      // A server that does not know of the question would give a lock back that is granted by its answer.
      return 'asked-for';
    default:
      return 'again';
  }
}

function withMarks(message: Message, { eventNumbers, hasValues }: OutgoingSettings): Message {
  switch (message.type) {
    case 'hello':
      return { ...message, can: hasValues() ? ['values', ...ABILITIES] : ABILITIES };
    case 'unsubscribe':
      return { ...message, counted: true };
    case 'event':
      return { ...message, nr: eventNumbers.next() };
    default:
      return message;
  }
}

function withValues(message: Message, { classes, hasValues, understands }: OutgoingSettings): Message {
  const { data, type, to } = message;
  if (!VALUE_TYPES.has(type) || typeof data !== 'object' || data === null) return message;
  if (!hasValues() || !isLossyData(type, data, classes)) return message;
  if (to !== undefined && !understands(to)) return message;
  const encoded = encodeValue(data, classes);
  if (to === undefined) return { ...message, encoded };
  const subject = subjectOf(message);
  return { ...message, data: subject === undefined ? {} : { type: subject }, encoded };
}

/** What is undefined at the top is not there, in JSON and out of it. */
function isLossyData(type: string, data: object, classes: ValueClasses): boolean {
  // The many notifications carry nothing but addresses, mostly; what they lack, nobody misses.
  const values = type === 'notification' ? Object.values(data).flatMap(objectValues) : Object.values(data);
  return values.some((value) => value !== undefined && isLossy(value, classes));
}

function objectValues(value: unknown): unknown[] {
  return typeof value === 'object' && value !== null && Object.getPrototypeOf(value) !== null
    ? Object.values(value)
    : [value];
}
