/**
 * The frames that wait for one socket, and how they become as few chunks as possible. Pure.
 */

import { headerLength, type Opcode, writeHeader } from './frame-writer.js';

/** Payloads from this size on are not copied behind their header but become chunks of their own. */
export const REFERENCE_MIN_BYTES = 16 * 1024;

/** Kept chunks are filled up to this size. */
const SEGMENT_MAX = 64 * 1024;
const SEGMENT_MIN = 1024;

/** Instead of an opcode: the bytes go out as they are. */
const RAW = -1;

const NOTHING = new Uint8Array(0);

/**
 * Frames in the order in which they were added.
 *
 * Payloads are kept by reference until {@link take} or {@link settle}; they must not change any more. A batch that
 * was taken holds no memory.
 */
export class FrameBatch {
  readonly #opcodes: (Opcode | typeof RAW)[] = [];
  readonly #payloads: Uint8Array[] = [];
  /** What the copied part of these frames takes: headers and small payloads. */
  #copiedBytes = 0;
  #bytes = 0;
  /** Older frames, encoded; the last chunk may be the used part of the segment. */
  #chunks: Uint8Array[] = [];
  #segment: Uint8Array = NOTHING;
  #used = 0;

  /** The length of all frames, headers included. */
  get bytes(): number {
    return this.#bytes;
  }

  /** How much memory {@link take} will ask for. */
  get copiedBytes(): number {
    return this.#copiedBytes;
  }

  /** Adds a frame. */
  add(opcode: Opcode, payload: Uint8Array): void {
    const header = headerLength(payload.length);
    this.#push(opcode, payload, header);
  }

  /** Adds bytes that are no frame: the answer to the handshake. */
  addRaw(bytes: Uint8Array): void {
    this.#push(RAW, bytes, 0);
  }

  /** Forgets everything. */
  clear(): void {
    this.#forgetFrames();
    this.#chunks = [];
    this.#segment = NOTHING;
    this.#used = 0;
    this.#bytes = 0;
  }

  /**
   * Takes everything out, as chunks in order.
   *
   * @param target memory for the copied part: at least {@link copiedBytes}
   */
  take(target: Uint8Array): Uint8Array[] {
    this.#seal();
    const chunks = this.#chunks;
    this.#encode(target, 0, chunks);
    this.clear();
    return chunks;
  }

  /**
   * Copies small payloads out of what they are views of, into memory of this batch's own that fits them: to be called
   * when the frames must wait for long, so that a few bytes that wait do not keep long chunks alive.
   */
  settle(): void {
    const needed = this.#copiedBytes;
    if (this.#payloads.length === 0) return;
    const onlyCopied = this.#payloads.every((payload) => payload.length < REFERENCE_MIN_BYTES);
    if (onlyCopied && this.#makeRoom(needed)) {
      this.#encode(this.#segment, this.#used, []);
      this.#used += needed;
    } else {
      this.#seal();
      this.#encode(Buffer.allocUnsafeSlow(needed), 0, this.#chunks);
    }
    this.#forgetFrames();
  }

  #push(opcode: Opcode | typeof RAW, payload: Uint8Array, header: number): void {
    this.#opcodes.push(opcode);
    this.#payloads.push(payload);
    this.#bytes += header + payload.length;
    this.#copiedBytes += payload.length < REFERENCE_MIN_BYTES ? header + payload.length : header;
  }

  /** Writes the frames into `target` from `offset` on, and adds the chunks that result to `chunks`. */
  #encode(target: Uint8Array, offset: number, chunks: Uint8Array[]): void {
    let begin = offset;
    let at = offset;
    for (let index = 0; index < this.#payloads.length; index++) {
      const payload = this.#payloads[index] as Uint8Array;
      const opcode = this.#opcodes[index] as Opcode | typeof RAW;
      if (opcode !== RAW) at += writeHeader(target, at, opcode, payload.length);
      if (payload.length < REFERENCE_MIN_BYTES) {
        target.set(payload, at);
        at += payload.length;
      } else {
        if (at > begin) chunks.push(target.subarray(begin, at));
        chunks.push(payload);
        begin = at;
      }
    }
    if (at > begin) chunks.push(target.subarray(begin, at));
  }

  /** Makes room in the segment, if what is needed fits one: a longer copy of a short one, or a new one. */
  #makeRoom(needed: number): boolean {
    if (needed > SEGMENT_MAX) return false;
    if (this.#segment.length - this.#used >= needed) return true;
    if (this.#used + needed > SEGMENT_MAX) this.#seal();
    const size = Math.max(SEGMENT_MIN, this.#segment.length * 2, this.#used + needed);
    const longer = Buffer.allocUnsafeSlow(Math.min(size, SEGMENT_MAX));
    longer.set(this.#segment.subarray(0, this.#used));
    this.#segment = longer;
    return true;
  }

  #seal(): void {
    if (this.#used > 0) this.#chunks.push(this.#segment.subarray(0, this.#used));
    this.#segment = NOTHING;
    this.#used = 0;
  }

  #forgetFrames(): void {
    this.#opcodes.length = 0;
    this.#payloads.length = 0;
    this.#copiedBytes = 0;
  }
}
