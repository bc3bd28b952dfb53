/** Small, because one byte of it that is kept keeps all of it. */
const BYTES = 4 * 1024;

/** Longer strings get memory of their own: what is left of it would be kept by short ones that come next. */
const SHARED_MAX = BYTES / 2;

/** Shorter runs are copied one byte after the other: the call costs more than that (measured on Node 20). */
const COPIED_MAX = 48;

const encoder = new TextEncoder();

const DIGIT_ZERO = 0x30;
const LOW_DIGITS = 8;
const LOW = 10 ** LOW_DIGITS;

/**
 * Puts strings of bytes together in memory that they share: memory of its own costs each ten times as much as filling it. Begin one, add to
 * it, end it; the next one is begun then.
 */
export class Slab {
  #shared = new Uint8Array(0);
  #used = 0;
  /** Where the string is that was begun. */
  #bytes = this.#shared;
  #start = 0;
  #end = 0;

  /** Begins a string of so many bytes at most; they should be few more than it takes. */
  begin(most: number): this {
    if (most > SHARED_MAX) {
      this.#bytes = new Uint8Array(most);
      this.#start = 0;
    } else {
      if (this.#used + most > this.#shared.length) {
        this.#shared = new Uint8Array(BYTES);
        this.#used = 0;
      }
      this.#bytes = this.#shared;
      this.#start = this.#used;
    }
    this.#end = this.#start;
    return this;
  }

  /** Adds `bytes[start, end)`. */
  add(bytes: Uint8Array, start = 0, end = bytes.length): this {
    const to = this.#bytes;
    const at = this.#end;
    const length = end - start;
    if (length > COPIED_MAX) to.set(length === bytes.length ? bytes : bytes.subarray(start, end), at);
    else for (let index = 0; index < length; index++) to[at + index] = bytes[start + index] as number;
    this.#end = at + length;
    return this;
  }

  /** Adds the digits of a whole number, from 0 to 2^53 - 1. */
  addNumber(number: number): this {
    const high = Math.floor(number / LOW);
    if (high === 0) this.#addDigits(number, digitsOf(number));
    else {
      this.#addDigits(high, digitsOf(high));
      this.#addDigits(number - high * LOW, LOW_DIGITS);
    }
    return this;
  }

  /** Adds a text, as UTF-8: up to three bytes for each of its units. */
  addText(text: string): this {
    this.#end += encoder.encodeInto(text, this.#bytes.subarray(this.#end)).written;
    return this;
  }

  /** Leaves so many bytes free, for who has the string. */
  leave(bytes: number): this {
    this.#end += bytes;
    return this;
  }

  /** The string that was begun. */
  end(): Uint8Array {
    if (this.#bytes === this.#shared) this.#used = this.#end;
    return this.#bytes.subarray(this.#start, this.#end);
  }

  #addDigits(number: number, digits: number): void {
    let rest = number | 0;
    for (let at = this.#end + digits - 1; at >= this.#end; at--) {
      const quotient = (rest / 10) | 0;
      this.#bytes[at] = DIGIT_ZERO + rest - quotient * 10;
      rest = quotient;
    }
    this.#end += digits;
  }
}

/** How many digits a whole number below 2^31 has. */
function digitsOf(number: number): number {
  let digits = 1;
  for (let limit = 10; number >= limit && digits < 10; limit *= 10) digits++;
  return digits;
}
