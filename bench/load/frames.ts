/** Frames as clients send them, and the reading of those that a server sends: RFC 6455 section 5.2. */

const TEXT = 0x81;
const PING = 0x89;
const PONG = 0x8a;
const CLOSE = 0x88;

/** Longer frames are not put together: nobody looks at what is in them. */
const JOINED_MAX = 64 * 1024;

const NO_BYTES = Buffer.alloc(0);

/** The masking key of all frames: what it is makes no difference to a server, if it is not zero. */
export const MASK = [0x12, 0x9a, 0x55, 0xc3] as const;

/** Who is told what a server sends. */
export interface FrameSink {
  /** A text frame; of a very long one, without its bytes. */
  text(bytes: Uint8Array, start: number, end: number): void;
  /** A control ping. */
  ping(payload: Uint8Array): void;
  /** A close frame. */
  close(code: number): void;
}

/** A final, masked text frame. */
export function textFrame(text: string | Uint8Array): Buffer {
  return maskedFrame(TEXT, Buffer.from(text));
}

/** The answer to a ping. */
export function pongFrame(payload: Uint8Array): Buffer {
  return maskedFrame(PONG, payload);
}

/** The length of the header of a masked frame. */
export function maskedHeaderLength(length: number): number {
  return length < 126 ? 6 : length < 65_536 ? 8 : 14;
}

/** The same frame, many times: what is sent is a part of it. */
export function repeated(frame: Buffer, count: number): Buffer {
  return Buffer.concat(Array.from({ length: count }, () => frame));
}

function maskedFrame(first: number, payload: Uint8Array): Buffer {
  const header = maskedHeaderLength(payload.length);
  const frame = Buffer.allocUnsafe(header + payload.length);
  frame[0] = first;
  frame[1] = 0x80 | (header === 6 ? payload.length : header === 8 ? 126 : 127);
  if (header === 8) frame.writeUInt16BE(payload.length, 2);
  if (header === 14) frame.writeBigUInt64BE(BigInt(payload.length), 2);
  frame.set(MASK, header - 4);
  for (let index = 0; index < payload.length; index++)
    frame[header + index] = (payload[index] ?? 0) ^ (MASK[index & 3] ?? 0);
  return frame;
}

/** Finds the frames in what comes from a server. */
export class FrameReader {
  readonly #sink: FrameSink;
  #held: Buffer = NO_BYTES;
  /** How much of a long frame is still to come. */
  #missing = 0;

  constructor(sink: FrameSink) {
    this.#sink = sink;
  }

  /** Takes the next bytes; they may be overwritten afterwards. */
  push(chunk: Buffer): void {
    let bytes = chunk;
    let at = 0;
    if (this.#missing > 0) {
      at = Math.min(this.#missing, bytes.length);
      this.#missing -= at;
      if (this.#missing > 0) return;
      this.#sink.text(NO_BYTES, 0, 0);
    } else if (this.#held.length > 0) {
      bytes = Buffer.concat([this.#held, chunk]);
      this.#held = NO_BYTES;
    }
    while (at < bytes.length) {
      const start = payloadStart(bytes, at);
      const end = start < 0 ? -1 : start + payloadLength(bytes, at);
      if (end < 0 || (end > bytes.length && end - start <= JOINED_MAX)) break;
      if (end > bytes.length) {
        this.#missing = end - bytes.length;
        return;
      }
      this.#read(bytes, at, start, end);
      at = end;
    }
    if (at < bytes.length) this.#held = Buffer.from(bytes.subarray(at));
  }

  #read(bytes: Buffer, at: number, start: number, end: number): void {
    const first = bytes[at];
    if (first === TEXT) this.#sink.text(bytes, start, end);
    else if (first === PING) this.#sink.ping(bytes.subarray(start, end));
    else if (first === CLOSE) this.#sink.close(end > start ? bytes.readUInt16BE(start) : 1005);
    else throw new Error(`the server sent a frame that begins with ${String(first)}`);
  }
}

/** Where the payload of the frame at `at` begins, or -1 if its header is not complete. */
function payloadStart(bytes: Buffer, at: number): number {
  if (at + 2 > bytes.length) return -1;
  const marker = bytes[at + 1] ?? 0;
  const start = at + (marker < 126 ? 2 : marker === 126 ? 4 : 10);
  return start > bytes.length ? -1 : start;
}

function payloadLength(bytes: Buffer, at: number): number {
  const marker = bytes[at + 1] ?? 0;
  if (marker < 126) return marker;
  return marker === 126 ? bytes.readUInt16BE(at + 2) : Number(bytes.readBigUInt64BE(at + 2));
}
