/**
 * The wire grammar around messages (docs/PROTOCOL.md, section 3): what a text frame of a client means before anyone
 * looks at the JSON in it, and the frames that the server itself writes.
 */

import { Slab } from './slab.js';

const OPENING_BRACE = 0x7b;
const LAST_ASCII = 0x7f;
const COLON = 0x3a;
const SEMICOLON = 0x3b;
const PREFIX_TO = ascii('to:');
const PING = ascii('ping');

/** What a client says when its file is open: alone, or with a colon and where the root is behind it [PROTOCOL-14.5]. */
export const READY = ascii('ready');

/** What a claim of locks begins with [PROTOCOL-14.6]. */
export const CLAIM = ascii('locks:');

/** What a master says when its transactions begin to wait for the lock of the workers, or do not any more [PROTOCOL-14.10]. */
export const TURN = ascii('turn:');

/** What a master says when it has written a root that it was made to write [PROTOCOL-7.6]. */
export const WRITTEN = ascii('written');

/** What a client says that was asked to empty the journal, when that is done [PROTOCOL-16.4]. */
export const LOOKED = ascii('looked');

/** What an answer about the folder of a client begins with [PROTOCOL-14.9]. */
export const IDENTITY = ascii('identity:');

/** No peer id is longer, so a longer search for the `;` of `to:<id>;` is in vain. */
const MAX_ADDRESS_BYTES = 128;

/**
 * What an inbound text frame is, by its first bytes: `broadcast`, `{…}` for every other peer of the database
 * [PROTOCOL-3.4]; `directed`, `to:<id>;{…}` [PROTOCOL-3.3]; `ping` [PROTOCOL-3.6]; `ready`, `claim`, `identity`,
 * `turn`, `written` and `looked`, words of clients that have a session [PROTOCOL-14.5, 14.6, 14.9, 14.10, 7.6, 16.4]; or
 * nothing of the grammar.
 */
export type Envelope =
  | 'broadcast'
  | 'directed'
  | 'ping'
  | 'ready'
  | 'claim'
  | 'identity'
  | 'turn'
  | 'written'
  | 'looked'
  | 'malformed';

/** Tells what a frame is, without allocating. */
export function envelopeOf(frame: Uint8Array): Envelope {
  if (frame[0] === OPENING_BRACE) return 'broadcast';
  if (startsWith(frame, PREFIX_TO)) return 'directed';
  if (frame.length === PING.length && startsWith(frame, PING)) return 'ping';
  if (startsWith(frame, READY) && (frame.length === READY.length || frame[READY.length] === COLON))
    return 'ready';
  if (startsWith(frame, CLAIM)) return 'claim';
  if (startsWith(frame, IDENTITY)) return 'identity';
  if (startsWith(frame, TURN)) return 'turn';
  if (frame.length === WRITTEN.length && startsWith(frame, WRITTEN)) return 'written';
  if (frame.length === LOOKED.length && startsWith(frame, LOOKED)) return 'looked';
  return 'malformed';
}

/**
 * Where the address of a directed frame ends: the index of its `;`, or -1 if it has none, is empty,
 * or is not followed by a JSON object.
 */
export function addressEnd(frame: Uint8Array): number {
  const last = Math.min(frame.length, ADDRESS_START + MAX_ADDRESS_BYTES);
  for (let index = ADDRESS_START; index < last; index++) {
    if (frame[index] !== SEMICOLON) continue;
    return index > ADDRESS_START && frame[index + 1] === OPENING_BRACE ? index : -1;
  }
  return -1;
}

/** Whether a directed frame is addressed to exactly that id, and a JSON object follows. */
export function isAddressedTo(frame: Uint8Array, id: Uint8Array): boolean {
  const end = ADDRESS_START + id.length;
  return (
    frame[end] === SEMICOLON && frame[end + 1] === OPENING_BRACE && rangeEquals(frame, ADDRESS_START, end, id)
  );
}

/** Where the address of a directed frame starts. */
export const ADDRESS_START = PREFIX_TO.length;

/** The address that reaches every other peer, one by one [PROTOCOL-3.5]. */
export const ADDRESS_ALL = ascii('all');

/** Whether `frame[start, end)` is exactly `expected`. */
export function rangeEquals(frame: Uint8Array, start: number, end: number, expected: Uint8Array): boolean {
  if (end - start !== expected.length || end > frame.length) return false;
  for (let index = 0; index < expected.length; index++) {
    if (frame[start + index] !== expected[index]) return false;
  }
  return true;
}

/** Shorter texts are put together faster than they are decoded (measured on Node 20). */
const DECODED_MIN = 12;

/** The text of a range that is known to be ASCII (ids, addresses, numbers). */
export function asciiText(bytes: Uint8Array, start: number, end: number): string {
  if (end - start >= DECODED_MIN) return decoder.decode(bytes.subarray(start, end));
  let text = '';
  for (let index = start; index < end; index++) text += String.fromCharCode(bytes[index] ?? 0);
  return text;
}

/** Longer texts are encoded faster than they are copied, one character after the other (measured on Node 20). */
const COPIED_MAX = 512;

/** The bytes of a text. @param room how many are to be free behind them */
export function encode(text: string, room = 0): Uint8Array {
  const { length } = text;
  if (length <= COPIED_MAX) {
    const bytes = new Uint8Array(length + room);
    let index = 0;
    for (let code = 0; index < length; index++) {
      code = text.charCodeAt(index);
      if (code > LAST_ASCII) break;
      bytes[index] = code;
    }
    if (index === length) return bytes;
  }
  const encoded = encoder.encode(text);
  if (room === 0) return encoded;
  const bytes = new Uint8Array(encoded.length + room);
  bytes.set(encoded);
  return bytes;
}

/** Longer texts get memory of their own. */
const SHARED_MAX = 512;

/** The most bytes of a UTF-16 unit. */
const BYTES_PER_UNIT = 3;

const slab = new Slab();

/** As {@link encode}, for what is sent and forgotten: short ones share memory, and so cost a third. */
export function encodeToSend(text: string, room = 0): Uint8Array {
  if (text.length + room > SHARED_MAX) return encode(text, room);
  slab.begin(text.length * BYTES_PER_UNIT + room);
  return slab.addText(text).leave(room).end();
}

/** The text of UTF-8 bytes. */
export function decode(bytes: Uint8Array): string {
  return decoder.decode(bytes);
}

/** `pong`, the answer to a `ping` [PROTOCOL-3.6]. */
export const PONG = ascii('pong');

/** `welcome:…`, the first frame after the upgrade [PROTOCOL-3.1]. `maxPayload` in UTF-16 units. */
export function welcome(maxPayload: number): Uint8Array {
  return encode(`welcome:${JSON.stringify({ maxPayload })}`);
}

/** `connect:<id>`: another peer came [PROTOCOL-3.2]. */
export function connected(id: string): Uint8Array {
  return encode(`connect:${id}`);
}

/** `disconnect:<id>`: another peer went [PROTOCOL-3.2]. */
export function disconnected(id: string): Uint8Array {
  return encode(`disconnect:${id}`);
}

/** A `hello` in the name of that peer [PROTOCOL-8.1]. */
export function helloFrom(id: string): Uint8Array {
  return encode(JSON.stringify({ type: 'hello', from: id }));
}

/** `get:<message id>`: a message waits to be picked up over HTTP [PROTOCOL-4.3]. */
export function pickUp(messageId: string): Uint8Array {
  return encode(`get:${messageId}`);
}

/**
 * How many UTF-16 units the text of these UTF-8 bytes has: what a JavaScript client calls its length. A code point
 * of four bytes is two units, any shorter one is one.
 */
export function utf16Length(bytes: Uint8Array): number {
  let units = 0;
  for (let index = 0; index < bytes.length; index++) {
    const byte = bytes[index] ?? 0;
    if ((byte & 0xc0) !== 0x80) units += byte >= 0xf0 ? 2 : 1;
  }
  return units;
}

const encoder = new TextEncoder();
const decoder = new TextDecoder();

function ascii(text: string): Uint8Array {
  return Uint8Array.from(text, (character) => character.charCodeAt(0));
}

function startsWith(frame: Uint8Array, prefix: Uint8Array): boolean {
  for (let index = 0; index < prefix.length; index++) {
    if (frame[index] !== prefix[index]) return false;
  }
  return true;
}

/** The id under which the master of every database connects [PROTOCOL-2.3]. */
export const MASTER_ID = '[master]';

/** The name under which the server itself asks the master for something; no peer can have it. */
export const SERVER_ID = '[server]';
