/**
 * Values that JSON loses (docs/PROTOCOL.md, section 15.3): dates, BigInts, binary, references, regular expressions,
 * partial and sparse arrays, `undefined`. In AceBase's own transport encoding, with three types of ours.
 */

/** What the codec uses of AceBase: both are exports of `acebase` too. */
export interface ValueClasses {
  readonly PathReference: new (path: string) => { readonly path: string };
  readonly PartialArray?: new (elements: object) => object;
}

/** Whether JSON would lose something of a value. */
export function isLossy(value: unknown, classes: ValueClasses): boolean {
  switch (typeof value) {
    case 'bigint':
    case 'undefined':
      return true;
    case 'object':
      break;
    default:
      return false;
  }
  if (value === null) return false;
  if (isSpecial(value, classes)) return true;
  if (Array.isArray(value)) return isSparse(value) || value.some((element) => isLossy(element, classes));
  for (const key of Object.keys(value)) {
    if (key === '.type' || isLossy((value as Readonly<Record<string, unknown>>)[key], classes)) return true;
  }
  return false;
}

/** The JSON that stands for a value, with everything that JSON itself would lose. */
export function encodeValue(value: unknown, classes: ValueClasses): unknown {
  if (value === undefined) return { '.type': 'undefined' };
  if (typeof value === 'bigint') return { '.type': 'bigint', '.val': value.toString() };
  if (typeof value !== 'object' || value === null) return value;
  const encode = (inner: unknown): unknown => encodeValue(inner, classes);
  if (value instanceof RegExp)
    return { '.type': 'regexp', '.val': { pattern: value.source, flags: value.flags } };
  if (ArrayBuffer.isView(value)) {
    const { buffer, byteOffset, byteLength } = value;
    return { '.type': 'binary', '.val': encodeBytes(new Uint8Array(buffer, byteOffset, byteLength)) };
  }
  if (value instanceof ArrayBuffer) return { '.type': 'binary', '.val': encodeBytes(new Uint8Array(value)) };
  if (isPartialArray(value, classes)) return { '.type': 'array', ...mapped(value, encode) };
  if (value instanceof Date) {
    return Number.isNaN(value.getTime()) ? null : { '.type': 'date', '.val': value.toISOString() };
  }
  if (value instanceof classes.PathReference) return { '.type': 'reference', '.val': value.path };
  if (Array.isArray(value)) {
    if (!isSparse(value)) return value.map(encode);
    return { '.type': 'sparse', '.length': value.length, '.val': mapped(value, encode) };
  }
  const plain = mapped(value, encode);
  return Object.hasOwn(value, '.type') ? { '.type': 'object', '.val': plain } : plain;
}

/** The value that such JSON stands for. */
export function decodeValue(json: unknown, classes: ValueClasses): unknown {
  if (typeof json !== 'object' || json === null) return json;
  const decode = (inner: unknown): unknown => decodeValue(inner, classes);
  if (Array.isArray(json)) return json.map(decode);
  const {
    '.type': type,
    '.val': inner,
    '.length': length,
    ...rest
  } = json as Readonly<Record<string, unknown>>;
  switch (type) {
    case undefined:
      return mapped(json, decode);
    case 'undefined':
      return undefined;
    case 'object':
      return mapped(Object(inner), decode);
    case 'sparse':
      return Object.assign(new Array(Number(length)), mapped(Object(inner), decode));
    case 'array':
      return classes.PartialArray === undefined
        ? mapped(rest, decode)
        : new classes.PartialArray(mapped(rest, decode));
    case 'date':
      return new Date(inner as string);
    case 'bigint':
      return BigInt(inner as string);
    case 'binary':
      return decodeBytes(inner as string);
    case 'reference':
      return new classes.PathReference(inner as string);
    case 'regexp':
      return decodeRegExp(inner);
    default:
      throw new Error(`a value has the type ${JSON.stringify(type)}, which this client does not know`);
  }
}

/** The JSON of a value for those who know JSON only: as stock clients send it, but for BigInts, on which they throw. */
export function plainJson(value: unknown): string {
  try {
    return JSON.stringify(value);
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    // A function for each value takes several times as long: only where there is a BigInt.
    return JSON.stringify(value, (_key, inner: unknown) =>
      typeof inner === 'bigint' ? inner.toString() : inner,
    );
  }
}

function mapped(value: object, map: (inner: unknown) => unknown): Record<string, unknown> {
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, map(inner)]));
}

function isSparse(array: readonly unknown[]): boolean {
  for (let index = 0; index < array.length; index++) if (!(index in array)) return true;
  return false;
}

function isSpecial(value: object, classes: ValueClasses): boolean {
  return (
    value instanceof Date ||
    value instanceof RegExp ||
    value instanceof ArrayBuffer ||
    ArrayBuffer.isView(value) ||
    value instanceof classes.PathReference ||
    isPartialArray(value, classes)
  );
}

function isPartialArray(value: object, { PartialArray }: ValueClasses): boolean {
  return PartialArray !== undefined && value instanceof PartialArray;
}

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
