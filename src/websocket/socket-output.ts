/** What waits for one socket, and how it is handed over. */

import type { Duplex } from 'node:stream';
import { FrameBatch } from './frame-batch.js';
import type { Opcode } from './frame-writer.js';
import type { OutputLog } from './output-log.js';

const NOTHING: readonly Uint8Array[] = [];

/** Frames for a socket, in order. What is much is handed over in portions. */
export class SocketOutput {
  readonly #socket: Duplex;
  readonly #writesAtOnce: boolean;
  readonly #batch: FrameBatch;
  /** What is left of what was begun: of a long message, mostly. */
  #rest = NOTHING;
  #restBytes = 0;

  /** @param writesAtOnce whether the socket has no more use for what was written once its `writableLength` is 0 */
  constructor(socket: Duplex, log: OutputLog, writesAtOnce: boolean) {
    this.#socket = socket;
    this.#writesAtOnce = writesAtOnce;
    this.#batch = new FrameBatch(log);
  }

  /** Bytes that were not handed over yet. */
  get bytes(): number {
    return this.#batch.bytes + this.#restBytes;
  }

  /** Whether something was begun, and its rest must follow: perhaps in the midst of a frame. */
  get isMidway(): boolean {
    return this.#restBytes > 0;
  }

  /** Adds a frame. */
  add(opcode: Opcode, payload: Uint8Array): void {
    this.#batch.add(opcode, payload);
  }

  /** Adds bytes that are no frame: the answer to the handshake. */
  addRaw(bytes: Uint8Array): void {
    this.#batch.addRaw(bytes);
  }

  /** Forgets everything. */
  clear(): void {
    this.#batch.clear();
    this.#rest = NOTHING;
    this.#restBytes = 0;
  }

  /**
   * Hands over what waits, or a portion of it; if the peer does not read, settles it until the socket has drained.
   *
   * @param portion the most that is handed over, in bytes
   * @returns how many bytes were handed over
   */
  write(portion: number): number {
    if (this.#socket.destroyed) {
      this.clear();
      return 0;
    }
    if (this.#socket.writableNeedDrain) {
      this.#batch.settle();
      return 0;
    }
    return this.#restBytes > 0 ? this.#writeRest(portion) : this.#writeBatch(portion);
  }

  #writeBatch(portion: number): number {
    const { bytes } = this.#batch;
    if (bytes === 0) return 0;
    const chunks = this.#batch.take();
    if (bytes > portion) {
      this.#batch.abandon();
      this.#rest = chunks;
      this.#restBytes = bytes;
      return this.#writeRest(portion);
    }
    writeChunks(this.#socket, chunks);
    if (this.#socket.writableLength === 0 && this.#writesAtOnce) this.#batch.release();
    else this.#batch.abandon();
    return bytes;
  }

  #writeRest(portion: number): number {
    const [first, rest] = cutOff(this.#rest, portion);
    const bytes = Math.min(portion, this.#restBytes);
    this.#rest = rest;
    this.#restBytes -= bytes;
    writeChunks(this.#socket, first);
    return bytes;
  }
}

/** Cuts chunks in two behind so many bytes, or all of them. */
function cutOff(
  chunks: readonly Uint8Array[],
  bytes: number,
): [first: readonly Uint8Array[], rest: readonly Uint8Array[]] {
  const first: Uint8Array[] = [];
  let left = bytes;
  for (const [index, chunk] of chunks.entries()) {
    if (chunk.length > left) {
      const rest = [chunk.subarray(left), ...chunks.slice(index + 1)];
      return [left === 0 ? first : [...first, chunk.subarray(0, left)], rest];
    }
    first.push(chunk);
    left -= chunk.length;
  }
  return [first, NOTHING];
}

/** Writes chunks in one system call. */
function writeChunks(socket: Duplex, chunks: readonly Uint8Array[]): void {
  const [first] = chunks;
  if (first !== undefined && chunks.length === 1) {
    socket.write(first);
    return;
  }
  socket.cork();
  for (const chunk of chunks) socket.write(chunk);
  socket.uncork();
}
