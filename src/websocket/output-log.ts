/**
 * Where frames are encoded, one behind the other, whoever they are for. Pure.
 */

import { headerLength, OPCODE, type Opcode, writeHeader } from './frame-writer.js';

/** What one slab holds: as much as a socket reads at one time. */
export const SLAB_BYTES = 64 * 1024;

/** Memory that the frames of several receivers share. */
export interface Slab {
  readonly memory: Buffer;
  /** How many batches have frames in it that are not written yet. */
  users: number;
}

/**
 * Encodes each frame once. Frames that go to one receiver in a row stand in a row, and need no further copy; a frame that
 * goes to many is the same bytes for all.
 *
 * What was written is left alone until nobody uses its slab any more; then the slab is used again, while it is still in
 * the cache. A slab that waits for a slow receiver is its alone from then on.
 */
export class OutputLog {
  #slab: Slab = { memory: Buffer.alloc(0), users: 0 };
  #end = 0;
  #lastStart = 0;
  /** The last text message, which may be for others as well. */
  #lastPayload: Uint8Array | undefined;

  /** The slab in which the last frame stands. */
  get slab(): Slab {
    return this.#slab;
  }

  /** Where the last frame ends. */
  get end(): number {
    return this.#end;
  }

  /** Encodes a frame that fits into a slab, if it is not the last one anyway. @returns where it begins */
  add(opcode: Opcode, payload: Uint8Array): number {
    if (payload === this.#lastPayload && opcode === OPCODE.text) return this.#lastStart;
    const start = this.#room(headerLength(payload.length) + payload.length);
    const { memory } = this.#slab;
    const at = start + writeHeader(memory, start, opcode, payload.length);
    memory.set(payload, at);
    this.#note(start, at + payload.length, opcode === OPCODE.text ? payload : undefined);
    return start;
  }

  /** Encodes the header of a frame whose payload stays where it is. @returns where it begins */
  addHeader(opcode: Opcode, payloadLength: number): number {
    const start = this.#room(headerLength(payloadLength));
    const size = writeHeader(this.#slab.memory, start, opcode, payloadLength);
    this.#note(start, start + size, undefined);
    return start;
  }

  /** Adds bytes that are no frame. @returns where they begin */
  addRaw(bytes: Uint8Array): number {
    const start = this.#room(bytes.length);
    this.#slab.memory.set(bytes, start);
    this.#note(start, start + bytes.length, undefined);
    return start;
  }

  /** Nothing more is to be sent for now: what is not needed is let go. */
  rest(): void {
    this.#lastPayload = undefined;
  }

  /** Makes room in a slab; @returns where it begins. */
  #room(bytes: number): number {
    if (this.#slab.users === 0) this.#end = 0;
    if (this.#end + bytes > this.#slab.memory.length) {
      this.#slab = { memory: Buffer.allocUnsafeSlow(Math.max(bytes, SLAB_BYTES)), users: 0 };
      this.#end = 0;
    }
    return this.#end;
  }

  #note(start: number, end: number, payload: Uint8Array | undefined): void {
    this.#lastStart = start;
    this.#lastPayload = payload;
    this.#end = end;
  }
}
