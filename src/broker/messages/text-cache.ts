import { asciiText, rangeEquals } from './envelope.js';

/** Texts that are known at one time. */
const SLOTS = 256;

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

/** From a few bytes: ids differ at their ends, and in the middle. */
function slotOf(bytes: Uint8Array, start: number, end: number): number {
  const last = bytes[end - 1] ?? 0;
  const oneBefore = bytes[Math.max(start, end - 2)] ?? 0;
  const middle = bytes[(start + end) >> 1] ?? 0;
  return (last + oneBefore * 10 + middle * 7 + (end - start)) % SLOTS;
}
