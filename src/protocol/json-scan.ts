import { asciiText, rangeEquals } from './frames.js';

/**
 * Finds members of a JSON object in its bytes, without parsing or copying it. Made for the short heads of messages:
 * what is asked for stands near the start, and nothing behind it is looked at.
 *
 * Keys are compared as they stand; a key written with escapes (`"\u0066rom"`) is not found. No AceBase client writes
 * such keys, and who is not found to speak in his own name is not heard.
 */

/** How many bytes of an object are looked through for its members: those of a message may be 32 MiB and more. */
export const HEAD_BYTES = 64 * 1024;

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COLON = 0x3a;
const COMMA = 0x2c;
const OPENING_BRACE = 0x7b;
const CLOSING_BRACE = 0x7d;
const OPENING_BRACKET = 0x5b;
const CLOSING_BRACKET = 0x5d;

/**
 * The first member with that key of the object that starts at `objectStart`.
 *
 * @returns the index of the first byte of its value, or -1 if there is none, it begins behind {@link HEAD_BYTES}, or the bytes are
 *   not an object
 */
export function findMember(message: Uint8Array, objectStart: number, key: Uint8Array): number {
  const bytes = headOf(message, objectStart);
  if (bytes[objectStart] !== OPENING_BRACE) return -1;
  let index = skipSpace(bytes, objectStart + 1);
  while (bytes[index] === QUOTE) {
    const keyEnd = stringEnd(bytes, index);
    if (keyEnd < 0) return -1;
    const colon = skipSpace(bytes, keyEnd + 1);
    if (bytes[colon] !== COLON) return -1;
    const value = skipSpace(bytes, colon + 1);
    if (matches(bytes, index + 1, keyEnd, key)) return value < bytes.length ? value : -1;
    const end = valueEnd(bytes, value);
    if (end < 0) return -1;
    index = skipSpace(bytes, end);
    if (bytes[index] !== COMMA) return -1;
    index = skipSpace(bytes, index + 1);
  }
  return -1;
}

/**
 * The first members with each of these keys, all in one pass: `values[n]` becomes what {@link findMember} gives for
 * `keys[n]`.
 */
export function findMembers(
  message: Uint8Array,
  objectStart: number,
  keys: readonly Uint8Array[],
  values: number[],
): void {
  const bytes = headOf(message, objectStart);
  let missing = keys.length;
  for (let number = 0; number < keys.length; number++) values[number] = -1;
  if (bytes[objectStart] !== OPENING_BRACE) return;
  let index = skipSpace(bytes, objectStart + 1);
  while (bytes[index] === QUOTE) {
    const keyEnd = stringEnd(bytes, index);
    if (keyEnd < 0) return;
    const colon = skipSpace(bytes, keyEnd + 1);
    if (bytes[colon] !== COLON) return;
    const value = skipSpace(bytes, colon + 1);
    if (value >= bytes.length) return;
    for (let number = 0; number < keys.length; number++) {
      if (values[number] !== -1 || !matches(bytes, index + 1, keyEnd, keys[number] as Uint8Array)) continue;
      values[number] = value;
      missing--;
    }
    if (missing === 0) return;
    const end = valueEnd(bytes, value);
    if (end < 0) return;
    index = skipSpace(bytes, end);
    if (bytes[index] !== COMMA) return;
    index = skipSpace(bytes, index + 1);
  }
}

/** The bytes up to where the members of the object at `start` are looked for. */
function headOf(bytes: Uint8Array, start: number): Uint8Array {
  const end = start + HEAD_BYTES;
  return bytes.length <= end ? bytes : bytes.subarray(0, end);
}

/** The index of the quote that ends the string starting at `start`, or -1. */
export function stringEnd(bytes: Uint8Array, start: number): number {
  if (bytes[start] !== QUOTE) return -1;
  for (let index = start + 1; index < bytes.length; index++) {
    const byte = bytes[index];
    if (byte === BACKSLASH) index++;
    else if (byte === QUOTE) return index;
  }
  return -1;
}

/** The index behind the value that starts at `start`, or -1 if it does not end. */
function valueEnd(bytes: Uint8Array, start: number): number {
  const first = bytes[start];
  if (first === QUOTE) {
    const end = stringEnd(bytes, start);
    return end < 0 ? -1 : end + 1;
  }
  if (first === OPENING_BRACE || first === OPENING_BRACKET) return containerEnd(bytes, start);
  for (let index = start; index < bytes.length; index++) {
    const byte = bytes[index];
    if (byte === COMMA || byte === CLOSING_BRACE || byte === CLOSING_BRACKET)
      return index > start ? index : -1;
  }
  return -1;
}

function containerEnd(bytes: Uint8Array, start: number): number {
  let depth = 0;
  for (let index = start; index < bytes.length; index++) {
    const byte = bytes[index];
    if (byte === QUOTE) {
      index = stringEnd(bytes, index);
      if (index < 0) return -1;
    } else if (byte === OPENING_BRACE || byte === OPENING_BRACKET) depth++;
    else if ((byte === CLOSING_BRACE || byte === CLOSING_BRACKET) && --depth === 0) return index + 1;
  }
  return -1;
}

function skipSpace(bytes: Uint8Array, start: number): number {
  let index = start;
  while (bytes[index] === 0x20 || bytes[index] === 0x0a || bytes[index] === 0x0d || bytes[index] === 0x09)
    index++;
  return index;
}

function matches(bytes: Uint8Array, start: number, end: number, key: Uint8Array): boolean {
  if (end - start !== key.length) return false;
  for (let index = 0; index < key.length; index++) {
    if (bytes[start + index] !== key[index]) return false;
  }
  return true;
}

/** Texts that are known at one time. */
const SLOTS = 1024;

/** Longer texts are made anew each time. */
const MAX_CACHED_BYTES = 64;

/** A text, and the bytes that it stands for. */
interface Entry {
  readonly bytes: Uint8Array;
  readonly text: string;
}

/**
 * Texts of bytes that come again and again: a text that is known costs a comparison instead of memory, and maps find it
 * faster than an equal one. Of texts that share a slot, the last one is known.
 */
export class TextCache {
  readonly #entries: (Entry | undefined)[] = new Array<Entry | undefined>(SLOTS).fill(undefined);

  /** The text of a range that is known to be ASCII. */
  text(bytes: Uint8Array, start: number, end: number): string {
    const length = end - start;
    if (length === 0 || length > MAX_CACHED_BYTES) return asciiText(bytes, start, end);
    const slot = slotOf(bytes, start, end);
    const known = this.#entries[slot];
    if (known !== undefined && rangeEquals(bytes, start, end, known.bytes)) return known.text;
    const text = asciiText(bytes, start, end);
    this.#entries[slot] = { bytes: new Uint8Array(bytes.subarray(start, end)), text };
    return text;
  }
}

/** From every third byte: ids have parts that are the same in many of them. */
function slotOf(bytes: Uint8Array, start: number, end: number): number {
  let hash = end - start;
  for (let index = end - 1; index >= start; index -= 3) hash = (hash * 31 + (bytes[index] ?? 0)) | 0;
  return (hash >>> 0) % SLOTS;
}
