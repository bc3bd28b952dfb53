/**
 * The frames that wait for one socket, and how they become as few chunks as possible. Pure.
 */

import { headerLength, type Opcode } from './frame-writer.js';
import type { OutputLog, Slab } from './output-log.js';

/** Payloads from this size on are not copied behind their header but become chunks of their own. */
export const REFERENCE_MIN_BYTES = 16 * 1024;

/** Kept chunks are filled up to this size. */
const SEGMENT_MAX = 64 * 1024;
const SEGMENT_MIN = 1024;

/** More pieces than that are copied together before they are written, if they are short. */
const PIECES_MAX = 4;
const SHORT_PIECE = 2 * 1024;

const NOTHING = Buffer.alloc(0);
const NO_SLAB: Slab = { memory: NOTHING, users: 0 };

/**
 * Frames in the order in which they were added. Short ones are encoded in a log that all batches share; long payloads are
 * kept by reference, and must not change any more.
 *
 * A batch that was taken and released holds no memory.
 */
export class FrameBatch {
  readonly #log: OutputLog;
  #bytes = 0;
  /** Older pieces, in order: first what is settled, in memory of this batch's own, then views of slabs and payloads. */
  #chunks: Uint8Array[] = [];
  #settled = 0;
  /** The piece at hand: a part of a slab. */
  #slab: Slab = NO_SLAB;
  #start = 0;
  #end = 0;
  /** Further slabs of which this batch is a user. */
  #slabs: Slab[] | undefined;
  /** Memory of this batch's own, for what waits; its used part is the last settled piece. */
  #segment: Buffer = NOTHING;
  #used = 0;

  constructor(log: OutputLog) {
    this.#log = log;
  }

  /** The length of all frames, headers included. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Adds a frame. */
  add(opcode: Opcode, payload: Uint8Array): void {
    const { length } = payload;
    const header = headerLength(length);
    if (length < REFERENCE_MIN_BYTES) {
      this.#extend(this.#log.add(opcode, payload));
    } else {
      this.#extend(this.#log.addHeader(opcode, length));
      this.#endPiece();
      this.#chunks.push(payload);
    }
    this.#bytes += header + length;
  }

  /** Adds bytes that are no frame: the answer to the handshake. */
  addRaw(bytes: Uint8Array): void {
    this.#extend(this.#log.addRaw(bytes));
    this.#bytes += bytes.length;
  }

  /** Forgets everything. */
  clear(): void {
    this.#forget();
    this.release();
  }

  /** Takes everything out, as chunks in order. {@link release} is to be called when they were written. */
  take(): Uint8Array[] {
    this.#endPiece();
    this.#sealSegment();
    const fresh = this.#chunks.length - this.#settled;
    const chunks =
      fresh > PIECES_MAX && this.#bytes < fresh * SHORT_PIECE ? [Buffer.concat(this.#chunks)] : this.#chunks;
    this.#forget();
    return chunks;
  }

  /** What was taken out is written, and its memory may be used for something else. */
  release(): void {
    if (this.#slab !== NO_SLAB) this.#slab.users--;
    this.#slab = NO_SLAB;
    if (this.#slabs === undefined) return;
    for (const slab of this.#slabs) slab.users--;
    this.#slabs = undefined;
  }

  /** What was taken out is not written yet: its slabs are left to those who write it. */
  abandon(): void {
    this.#slab = NO_SLAB;
    this.#slabs = undefined;
  }

  /**
   * Copies what is in slabs into memory of this batch's own that fits it: to be called when the frames must wait for
   * long, so that a few bytes that wait do not keep long slabs alive.
   */
  settle(): void {
    this.#endPiece();
    const fresh = this.#chunks.splice(this.#settled);
    for (const piece of fresh) {
      if (piece.length >= REFERENCE_MIN_BYTES && !this.#isInSlab(piece)) {
        this.#sealSegment();
        this.#chunks.push(piece);
        this.#settled = this.#chunks.length;
      } else this.#keep(piece);
    }
    this.release();
  }

  /** The piece at hand goes on with the frame of the log that begins at `start`, or another piece begins. */
  #extend(start: number): void {
    const { slab, end } = this.#log;
    if (slab !== this.#slab || start !== this.#end) {
      this.#endPiece();
      this.#start = start;
      if (slab !== this.#slab) this.#use(slab);
    }
    this.#end = end;
  }

  #use(slab: Slab): void {
    if (this.#slab !== NO_SLAB) {
      this.#slabs ??= [];
      this.#slabs.push(this.#slab);
    }
    this.#slab = slab;
    slab.users++;
  }

  #endPiece(): void {
    if (this.#end > this.#start) this.#chunks.push(this.#slab.memory.subarray(this.#start, this.#end));
    this.#start = 0;
    this.#end = 0;
  }

  #isInSlab({ buffer }: Uint8Array): boolean {
    return (
      buffer === this.#slab.memory.buffer ||
      this.#slabs?.some(({ memory }) => memory.buffer === buffer) === true
    );
  }

  /** Copies a piece into the segment: behind what is there, into a longer copy of it, or into new ones. */
  #keep(piece: Uint8Array): void {
    for (let at = 0; at < piece.length; ) {
      if (this.#used === SEGMENT_MAX) this.#sealSegment();
      const size = Math.min(piece.length - at, SEGMENT_MAX - this.#used);
      if (this.#segment.length - this.#used < size) {
        const wanted = Math.max(SEGMENT_MIN, this.#segment.length * 2, this.#used + size);
        const longer = Buffer.allocUnsafeSlow(Math.min(wanted, SEGMENT_MAX));
        longer.set(this.#segment.subarray(0, this.#used));
        this.#segment = longer;
      }
      this.#segment.set(piece.subarray(at, at + size), this.#used);
      this.#used += size;
      at += size;
    }
  }

  /** What is in the segment becomes a settled piece. */
  #sealSegment(): void {
    if (this.#used > 0) {
      this.#chunks.splice(this.#settled, 0, this.#segment.subarray(0, this.#used));
      this.#settled++;
    }
    this.#segment = NOTHING;
    this.#used = 0;
  }

  #forget(): void {
    this.#bytes = 0;
    this.#chunks = [];
    this.#settled = 0;
    this.#start = 0;
    this.#end = 0;
    this.#segment = NOTHING;
    this.#used = 0;
  }
}
