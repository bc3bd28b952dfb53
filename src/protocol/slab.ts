/** Small, because one byte of it that is kept keeps all of it. */
const BYTES = 4 * 1024;

/** Memory that short strings of bytes share: memory of its own costs each ten times as much as filling it. */
export class Slab {
  #bytes = new Uint8Array(0);
  #used = 0;

  /** Room for so many bytes, at most 4,096; the next call gives the same room, but for what was taken of it. */
  room(bytes: number): Uint8Array {
    if (this.#used + bytes > this.#bytes.length) {
      this.#bytes = new Uint8Array(BYTES);
      this.#used = 0;
    }
    return this.#bytes.subarray(this.#used);
  }

  /** Takes the first bytes of that room, for good. */
  take(bytes: number): Uint8Array {
    this.#used += bytes;
    return this.#bytes.subarray(this.#used - bytes, this.#used);
  }
}
