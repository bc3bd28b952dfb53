import type { SharedMemory } from '../websocket/frame-parser.js';

/** The memory that messages may take while they arrive, in frames or as bodies, all connections together. */
export class InboundMemory implements SharedMemory {
  readonly #maxBytes: number;
  #bytes = 0;

  /** @param maxBytes bytes of all messages that are arriving at one time */
  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** Takes room. @returns false if there is not that much */
  take(bytes: number): boolean {
    if (this.#bytes + bytes > this.#maxBytes) return false;
    this.#bytes += bytes;
    return true;
  }

  /** Gives room back. */
  give(bytes: number): void {
    this.#bytes -= bytes;
  }
}
