/** A number of bytes that several who keep messages share. */
export class ByteBudget {
  readonly #max: number;
  #bytes = 0;

  /** @param max the bytes that may be taken at one time, all together */
  constructor(max: number) {
    this.#max = max;
  }

  /** The bytes that are taken. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Takes room. @returns false if there is not that much */
  take(bytes: number): boolean {
    if (this.#bytes + bytes > this.#max) return false;
    this.#bytes += bytes;
    return true;
  }

  /** Gives room back. */
  give(bytes: number): void {
    this.#bytes -= bytes;
  }
}
