/**
 * AceBase's transport encoding of single values: `{".type": …, ".val": …}` (docs/PROTOCOL.md, section 15.3). As
 * `acebase-core` has it, of which no public export of `acebase` gives us hold.
 */

/** Bytes as text, five characters for four bytes, with `z` for four zeros, between `<~` and `~>`. */
export function encodeBytes(bytes: Uint8Array): string {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let text = '';
  let at = 0;
  for (; at + 4 <= bytes.length; at += 4) {
    const word = view.getUint32(at);
    text += word === 0 ? 'z' : digitsOf(word);
  }
  const rest = bytes.length - at;
  if (rest > 0) {
    const padded = new Uint8Array(4);
    padded.set(bytes.subarray(at));
    text += digitsOf(new DataView(padded.buffer).getUint32(0)).slice(0, rest + 1);
  }
  return `<~${text}~>`;
}

/**
 * The bytes of such a text.
 *
 * @throws Error if it is none
 */
export function decodeBytes(text: string): ArrayBuffer {
  if (!text.startsWith('<~') || !text.endsWith('~>')) throw new Error('binary data is not between <~ and ~>');
  const bytes: number[] = [];
  const word = new DataView(new ArrayBuffer(4));
  for (let at = 2, end = text.length - 2; at < end; ) {
    if (text[at] === 'z') {
      bytes.push(0, 0, 0, 0);
      at++;
      continue;
    }
    const digits = text.slice(at, Math.min(at + 5, end));
    // The last group may be short: what is missing counts as the highest digit.
    word.setUint32(0, numberOf(digits.padEnd(5, 'u')));
    for (let byte = 0; byte < digits.length - 1; byte++) bytes.push(word.getUint8(byte));
    at += digits.length;
  }
  return new Uint8Array(bytes).buffer;
}

/** The expression of `/source/flags`, or of `{ pattern, flags }`. */
export function decodeRegExp(value: unknown): RegExp {
  if (typeof value === 'string') {
    const end = value.lastIndexOf('/');
    return new RegExp(value.slice(1, end), value.slice(end + 1));
  }
  const { pattern, flags } = value as { pattern: string; flags: string };
  return new RegExp(pattern, flags);
}

const BASE = 85;
const FIRST_DIGIT = '!'.charCodeAt(0);

function digitsOf(word: number): string {
  const codes = new Array<number>(5);
  let left = word;
  for (let digit = 4; digit >= 0; digit--) {
    codes[digit] = FIRST_DIGIT + (left % BASE);
    left = Math.floor(left / BASE);
  }
  return String.fromCharCode(...codes);
}

function numberOf(digits: string): number {
  let number = 0;
  for (let at = 0; at < digits.length; at++) number = number * BASE + digits.charCodeAt(at) - FIRST_DIGIT;
  return number;
}
