/**
 * Puts together a message that arrives in pieces: fragments (RFC 6455 section 5.4), or the chunks of one long frame.
 * Pure.
 */

/** The most that is set aside for bytes that were announced but have not come. */
const SPECULATIVE_MAX = 16 * 1024;

/** Pieces from this size on are kept by reference, if they are no small part of the memory that they keep alive. */
const REFERENCE_MIN = 16 * 1024;

/** Copied pieces collect in segments that double up to this size. */
const SEGMENT_MAX = 64 * 1024;

const SEGMENT_MIN = 256;

/**
 * Messages from this size on are put together while they come, so that nobody waits for that at the end. Their memory is
 * set aside when this part of them is there.
 */
const WHOLE_MIN = 256 * 1024;
const WHOLE_PART = 1 / 4;

const NOTHING = new Uint8Array(0);

/**
 * The pieces of one message, in order.
 *
 * Memory: at most five times the bytes that came, plus 16 KiB, whatever was announced and however small the pieces
 * are. Copies: a long message of long pieces is copied once, from its second quarter on as it comes; a frame of up to
 * 16 KiB once, as it comes; many small pieces are copied again when their segment grows and when it joins the others.
 */
export class MessageAssembly {
  readonly #parts: Uint8Array[] = [];
  #segment: Uint8Array = NOTHING;
  #used = 0;
  #length = 0;
  /** Memory for all of a long message, and how much of it is filled; what does not fit goes into parts again. */
  #whole: Uint8Array = NOTHING;
  #filled = 0;

  /**
   * Adds a piece.
   *
   * @param piece the next bytes; they may be kept by reference, so they must not change any more
   * @param expected how many bytes are known to come at least, this piece included
   */
  append(piece: Uint8Array, expected: number): void {
    const announced = this.#length + expected;
    this.#length += piece.length;
    if (this.#filled === 0 && announced >= WHOLE_MIN && this.#length >= announced * WHOLE_PART) {
      this.#setAside(announced);
    }
    if (this.#parts.length === 0 && this.#used === 0 && piece.length <= this.#whole.length - this.#filled) {
      this.#whole.set(piece, this.#filled);
      this.#filled += piece.length;
      return;
    }
    if (piece.length >= REFERENCE_MIN && piece.length * 4 >= piece.buffer.byteLength) {
      this.#seal();
      this.#parts.push(piece);
      return;
    }
    const room = this.#segment.length - this.#used;
    if (piece.length > room) this.#makeRoom(piece.length, expected);
    this.#segment.set(piece, this.#used);
    this.#used += piece.length;
  }

  /** The whole message, in one piece; the assembly must not be used afterwards. */
  take(): Uint8Array {
    if (this.#filled === this.#length) return this.#whole.subarray(0, this.#filled);
    if (this.#filled > 0) this.#parts.unshift(this.#whole.subarray(0, this.#filled));
    if (this.#parts.length === 0) return this.#segment.subarray(0, this.#used);
    this.#seal();
    const [first = NOTHING] = this.#parts;
    if (this.#parts.length === 1) return first;
    const whole = Buffer.allocUnsafeSlow(this.#length);
    copyInto(whole, this.#parts);
    return whole;
  }

  /** Sets memory for the whole message aside, and copies into it what has come before this piece. */
  #setAside(bytes: number): void {
    this.#seal();
    this.#whole = Buffer.allocUnsafeSlow(bytes);
    this.#filled = copyInto(this.#whole, this.#parts);
    this.#parts.length = 0;
  }

  /** Replaces the segment by one with room for `needed` bytes more: a longer copy of it, or, if it is long, a new one. */
  #makeRoom(needed: number, expected: number): void {
    if (this.#used + needed > SEGMENT_MAX) {
      this.#seal();
      this.#segment = Buffer.allocUnsafeSlow(Math.max(needed, SEGMENT_MAX));
      return;
    }
    const speculative = Math.min(expected, SPECULATIVE_MAX);
    const doubled = this.#used === 0 ? 0 : Math.max(SEGMENT_MIN, this.#segment.length * 2);
    const size = Math.min(Math.max(this.#used + Math.max(needed, speculative), doubled), SEGMENT_MAX);
    const longer = Buffer.allocUnsafeSlow(size);
    longer.set(this.#segment.subarray(0, this.#used));
    this.#segment = longer;
  }

  #seal(): void {
    if (this.#used > 0) this.#parts.push(this.#segment.subarray(0, this.#used));
    this.#segment = NOTHING;
    this.#used = 0;
  }
}

/** Copies parts one behind the other. @returns how long they are together */
function copyInto(target: Uint8Array, parts: readonly Uint8Array[]): number {
  let at = 0;
  for (const part of parts) {
    target.set(part, at);
    at += part.length;
  }
  return at;
}
