import { Slab } from '../protocol/slab.js';

/** Longer copies get memory of their own. */
const SHARED_MAX = 1024;

const slab = new Slab();

/** A copy of bytes that are to be kept, so that they do not keep the long chunk alive that they are a part of. */
export function keptCopy(bytes: Uint8Array): Uint8Array {
  const { length } = bytes;
  if (length > SHARED_MAX) return new Uint8Array(bytes);
  slab.room(length).set(bytes);
  return slab.take(length);
}

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
    if (!this.hasRoom(bytes)) return false;
    this.#bytes += bytes;
    return true;
  }

  /** Whether there is that much room, as things are. */
  hasRoom(bytes: number): boolean {
    return this.#bytes + bytes <= this.#max;
  }

  /** Gives room back. */
  give(bytes: number): void {
    this.#bytes -= bytes;
  }
}
