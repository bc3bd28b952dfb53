/**
 * The memory that kept messages may take, mail and parked ones of all databases together: half of `maxTotalBuffered`.
 * So those who let others keep much for them cannot use up what everybody's queues need.
 */
export class KeptBytes {
  readonly #max: number;
  #bytes = 0;

  /** @param maxTotalBuffered what may wait in all queues together */
  constructor(maxTotalBuffered: number) {
    this.#max = maxTotalBuffered / 2;
  }

  /** The bytes that are kept. */
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
