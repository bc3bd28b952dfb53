import { MASK, maskedHeaderLength, textFrame } from './frames.js';

/** A masked frame whose ids are written anew each time it is sent; all else stays. */
export class FrameTemplate {
  /** The frame as it is now. */
  readonly frame: Buffer;
  readonly #text: string;
  readonly #header: number;

  constructor(text: string) {
    this.#text = text;
    this.frame = textFrame(text);
    this.#header = maskedHeaderLength(text.length);
  }

  /** Where in the payload the text behind `before` begins. */
  placeBehind(before: string): number {
    const at = this.#text.indexOf(before);
    if (at < 0) throw new Error(`no ${before} in ${this.#text}`);
    return at + before.length;
  }

  /** Writes `bytes[start, start + length)` into the payload at `at`. */
  write(at: number, bytes: Uint8Array, start: number, length: number): void {
    for (let index = 0; index < length; index++)
      this.frame[this.#header + at + index] = (bytes[start + index] ?? 0) ^ (MASK[(at + index) & 3] ?? 0);
  }
}

/** Frames that leave together. */
export class Outgoing {
  #frames: Buffer[] = [];

  /** Adds one; it must not change before it has left. */
  add(frame: Buffer): void {
    this.#frames.push(frame);
  }

  /** Hands out all of them, or `undefined` if there is none. */
  take(): Buffer | undefined {
    const frames = this.#frames;
    if (frames.length === 0) return undefined;
    this.#frames = [];
    return frames.length === 1 ? frames[0] : Buffer.concat(frames);
  }
}
