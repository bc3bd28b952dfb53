/**
 * Finds the messages in what a client sends: RFC 6455 section 5, server side. A pure state machine, without a socket.
 *
 * Its verdicts are those of the receiver of `ws`; test/conformance/frames.test.ts holds them equal.
 */

import { isUtf8 } from 'node:buffer';
import { CLOSE_CODE, isValidReceivedCloseCode } from './close-codes.js';
import { CONTROL_PAYLOAD_MAX, OPCODE } from './frame-writer.js';
import { MessageAssembly } from './message-assembly.js';
import { turnMask, unmask, wordsOf } from './unmask.js';

/**
 * Who is told what was found, during {@link FrameParser.push} and in the order of the bytes.
 *
 * Payloads are views of the chunk, or of memory made for them; nobody writes to them afterwards, so they may be kept.
 * A kept view keeps its whole chunk alive. If a handler throws, `push` throws, and the rest of the chunk is lost.
 */
export interface FrameHandler {
  /** A whole text message, unmasked; it is UTF-8. Binary messages are skipped. */
  onMessage(payload: Uint8Array): void;
  /** A ping: RFC 6455 section 5.5.2. */
  onPing(payload: Uint8Array): void;
  /** A pong: RFC 6455 section 5.5.3. */
  onPong(payload: Uint8Array): void;
  /** The peer's close frame, the last thing that is found (section 5.5.1); 1005 if it carries no code. */
  onClose(code: number, reason: string): void;
}

/** Why the connection must be failed: RFC 6455 section 7.1.7. */
export interface ParseFailure {
  /** What the close frame should say (section 7.4.1). */
  readonly closeCode: 1002 | 1007 | 1008 | 1009 | 1013;
  /** One short sentence. */
  readonly reason: string;
}

/** What bounds a message. */
export interface ParserLimits {
  /** The longest message, in bytes, all fragments together; binary ones count too. A longer one fails with 1009. */
  readonly maxMessageBytes: number;
  /** The most fragments of one message; more fail with 1008. Default: {@link DEFAULT_MAX_FRAGMENTS}. */
  readonly maxFragments?: number;
  /** Memory that messages which arrive in pieces share with others; if there is none left, it fails with 1013. */
  readonly memory?: SharedMemory;
}

/** A number of bytes that several parsers share. */
export interface SharedMemory {
  /** Takes room. @returns false if there is not that much */
  take(bytes: number): boolean;
  /** Gives room back. */
  give(bytes: number): void;
}

/** How many fragments a message may have unless told otherwise. They are counted when they are complete. */
export const DEFAULT_MAX_FRAGMENTS = 16_384;

/** The longest that a header, or a whole control frame, can be: what is held back until it is complete. */
const HELD_MAX = 6 + CONTROL_PAYLOAD_MAX;

/** Bits of the first two bytes of a frame: section 5.2. */
const FINAL = 0x80;
const RESERVED_BITS = 0x70;
const MASKED = 0x80;

/** The first byte of nearly every frame. */
const PLAIN_TEXT = FINAL | OPCODE.text;

/** What reading a header gives instead of its length. */
const INCOMPLETE = 0;
const FAILED = -1;

const NO_BYTES = new Uint8Array(0);

/** The parser of one connection. */
export class FrameParser {
  readonly #handler: FrameHandler;
  readonly #maxMessageBytes: number;
  readonly #maxFragments: number;
  readonly #memory: SharedMemory | undefined;
  #failure: ParseFailure | undefined;
  #stopped = false;
  /** Whether the chunk at hand is to be left for later, and what is left of it. */
  #paused = false;
  #rest: Uint8Array | undefined;

  /** The start of a header or of a control frame, when a chunk ended in the midst of it. */
  #held: Uint8Array = NO_BYTES;

  /** The frame at hand: what its header said. */
  #opcode = 0;
  #final = true;
  #length = 0;
  /** The key of its mask, turned for the next byte. */
  #mask = 0;
  /** How much of its payload is still to come; only data frames are worked off in pieces. */
  #missing = 0;

  /** The message at hand: its opcode, or 0 when none was begun; its length as announced so far; its pieces. */
  #messageOpcode = 0;
  #messageLength = 0;
  #fragments = 0;
  #notAscii = 0;
  #assembly: MessageAssembly | undefined;
  /** What the pieces have taken of the shared memory. */
  #taken = 0;

  constructor(limits: ParserLimits, handler: FrameHandler) {
    this.#handler = handler;
    this.#maxMessageBytes = limits.maxMessageBytes;
    this.#maxFragments = limits.maxFragments ?? DEFAULT_MAX_FRAGMENTS;
    this.#memory = limits.memory;
  }

  /** Whether further input is ignored: after a close frame, a failure, or {@link stop}. */
  get stopped(): boolean {
    return this.#stopped;
  }

  /** Ignores all further input, at once, also the rest of the chunk at hand. */
  stop(): void {
    this.#stopped = true;
    this.#held = NO_BYTES;
    this.#assembly = undefined;
    this.#giveBack();
  }

  /** Leaves the rest of the chunk at hand for later: {@link takeRest}. To be called by a handler. */
  pause(): void {
    this.#paused = true;
  }

  /** What {@link pause} has left of the last chunk, to be pushed before anything else. */
  takeRest(): Uint8Array | undefined {
    const rest = this.#rest;
    this.#rest = undefined;
    return rest;
  }

  /**
   * Takes the next bytes, in chunks of any size, and unmasks them in place: the chunk is the parser's from now on.
   *
   * @returns the failure, once, when these bytes break the protocol or a limit
   */
  push(chunk: Uint8Array): ParseFailure | undefined {
    if (this.#stopped || chunk.length === 0) return undefined;
    const words = wordsOf(chunk);
    const { buffer: memory, byteOffset: offset, length: end } = chunk;
    let at = 0;
    this.#paused = false;
    if (this.#missing > 0) at = this.#takePiece(chunk, words, 0);
    else if (this.#held.length > 0) at = this.#resume(chunk, words);
    while (at < end && !this.#stopped && !this.#paused) {
      const size = this.#readHeader(chunk, at, end);
      if (size === FAILED) break;
      const begin = at + size;
      const whole = begin + this.#length;
      if (size === INCOMPLETE || (this.#opcode >= OPCODE.close && whole > end)) {
        this.#held = new Uint8Array(chunk.subarray(at));
        break;
      }
      if (this.#opcode === OPCODE.text && this.#final && whole <= end) {
        const notAscii = unmask(chunk, words, begin, whole, this.#mask);
        // Three times as fast as `subarray`.
        this.#deliver(new Uint8Array(memory, offset + begin, this.#length), notAscii);
        at = whole;
      } else if (this.#opcode >= OPCODE.close) {
        unmask(chunk, words, begin, whole, this.#mask);
        this.#control(chunk.subarray(begin, whole));
        at = whole;
      } else {
        at = this.#beginData(chunk, words, begin);
      }
    }
    if (this.#paused && at < end && !this.#stopped) this.#rest = chunk.subarray(at);
    return this.#failure;
  }

  /**
   * Goes on with a header or control frame whose start is held.
   *
   * @returns where in the chunk the next frame begins
   */
  #resume(chunk: Uint8Array, words: Int32Array): number {
    const held = this.#held;
    const joined = new Uint8Array(Math.min(held.length + chunk.length, HELD_MAX));
    joined.set(held);
    joined.set(chunk.subarray(0, joined.length - held.length), held.length);
    this.#held = NO_BYTES;
    const size = this.#readHeader(joined, 0, joined.length);
    if (size === FAILED) return chunk.length;
    const whole = size + this.#length;
    if (size === INCOMPLETE || (this.#opcode >= OPCODE.close && whole > joined.length)) {
      this.#held = joined;
      return chunk.length;
    }
    if (this.#opcode < OPCODE.close) return this.#beginData(chunk, words, size - held.length);
    unmask(joined, wordsOf(joined), size, whole, this.#mask);
    this.#control(joined.subarray(size, whole));
    return whole - held.length;
  }

  /** Reads the header at `at` (section 5.2); returns its length, INCOMPLETE or FAILED. */
  #readHeader(bytes: Uint8Array, at: number, end: number): number {
    const there = end - at;
    if (there < 2) return INCOMPLETE;
    const first = bytes[at] as number;
    const second = bytes[at + 1] as number;
    if (first !== PLAIN_TEXT || second < MASKED || this.#messageOpcode !== 0) {
      const violation = violationOf(first, second, this.#messageOpcode !== 0);
      if (violation !== undefined) return this.#fail(CLOSE_CODE.protocolError, violation);
    }
    this.#opcode = first & 0x0f;
    this.#final = first >= FINAL;
    let length = second & 0x7f;
    let size = 6;
    if (length === 126) {
      if (there < 4) return INCOMPLETE;
      length = ((bytes[at + 2] as number) << 8) | (bytes[at + 3] as number);
      size = 8;
    } else if (length === 127) {
      if (there < 10) return INCOMPLETE;
      length = readUint32(bytes, at + 2) * 0x1_0000_0000 + readUint32(bytes, at + 6);
      size = 14;
    }
    if (this.#opcode < OPCODE.close && length > this.#maxMessageBytes - this.#messageLength) {
      return this.#fail(CLOSE_CODE.tooLarge, 'the message is too long');
    }
    if (there < size) return INCOMPLETE;
    this.#length = length;
    this.#mask = readUint32(bytes, at + size - 4) | 0;
    return size;
  }

  /** Starts on a data frame that is not a whole text message in this chunk; returns where to go on. */
  #beginData(chunk: Uint8Array, words: Int32Array, at: number): number {
    if (this.#opcode !== OPCODE.continuation) this.#messageOpcode = this.#opcode;
    this.#messageLength += this.#length;
    this.#missing = this.#length;
    return this.#takePiece(chunk, words, at);
  }

  /** Takes what the chunk holds of the data frame at hand; returns where to go on. */
  #takePiece(chunk: Uint8Array, words: Int32Array, at: number): number {
    const size = Math.min(this.#missing, chunk.length - at);
    const next = at + size;
    if (size > 0 && this.#messageOpcode === OPCODE.text) {
      if (this.#memory?.take(size) === false) {
        this.#fail(CLOSE_CODE.tryAgainLater, 'there is no memory for the message at the moment');
        return chunk.length;
      }
      this.#taken += size;
      this.#notAscii |= unmask(chunk, words, at, next, this.#mask);
      this.#mask = turnMask(this.#mask, size);
      this.#assembly ??= new MessageAssembly();
      this.#assembly.append(chunk.subarray(at, next), this.#missing);
    }
    this.#missing -= size;
    if (this.#missing === 0) this.#endData();
    return next;
  }

  /** Ends a data frame: counts it, and hands the message on if it is the last one. */
  #endData(): void {
    this.#fragments += 1;
    if (this.#fragments > this.#maxFragments) {
      this.#fail(CLOSE_CODE.policyViolation, 'the message has too many fragments');
      return;
    }
    if (!this.#final) return;
    const isText = this.#messageOpcode === OPCODE.text;
    const payload = this.#assembly?.take() ?? NO_BYTES;
    const notAscii = this.#notAscii;
    this.#assembly = undefined;
    this.#giveBack();
    this.#notAscii = 0;
    this.#fragments = 0;
    this.#messageLength = 0;
    this.#messageOpcode = 0;
    if (isText) this.#deliver(payload, notAscii);
  }

  #giveBack(): void {
    this.#memory?.give(this.#taken);
    this.#taken = 0;
  }

  /** Hands a text message on, if it is UTF-8 (section 8.1). */
  #deliver(payload: Uint8Array, notAscii: number): void {
    if (notAscii !== 0 && !isUtf8(payload)) {
      this.#fail(CLOSE_CODE.invalidPayload, 'a text message is not UTF-8');
    } else {
      this.#handler.onMessage(payload);
    }
  }

  /** Hands a control frame on: section 5.5. */
  #control(payload: Uint8Array): void {
    if (this.#opcode === OPCODE.ping) {
      this.#handler.onPing(payload);
    } else if (this.#opcode === OPCODE.pong) {
      this.#handler.onPong(payload);
    } else {
      this.#close(payload);
    }
  }

  /** Reads a close frame: section 5.5.1. That it is not one byte long is known from its header. */
  #close(payload: Uint8Array): void {
    const [high, low] = payload;
    if (high === undefined || low === undefined) {
      this.stop();
      this.#handler.onClose(CLOSE_CODE.noStatus, '');
      return;
    }
    const code = (high << 8) | low;
    const reason = payload.subarray(2);
    if (!isValidReceivedCloseCode(code)) {
      this.#fail(CLOSE_CODE.protocolError, 'a close frame has an invalid code');
    } else if (!isUtf8(reason)) {
      this.#fail(CLOSE_CODE.invalidPayload, 'a close reason is not UTF-8');
    } else {
      this.stop();
      this.#handler.onClose(code, Buffer.from(reason).toString());
    }
  }

  #fail(closeCode: ParseFailure['closeCode'], reason: string): typeof FAILED {
    this.stop();
    this.#failure = { closeCode, reason };
    return FAILED;
  }
}

/** What the first two bytes of a frame break, if anything: sections 5.1, 5.2, 5.4 and 5.5. */
function violationOf(first: number, second: number, insideMessage: boolean): string | undefined {
  if ((first & RESERVED_BITS) !== 0) return 'a reserved bit is set';
  const opcode = first & 0x0f;
  if (opcode > OPCODE.pong || (opcode > OPCODE.binary && opcode < OPCODE.close)) {
    return 'the opcode is reserved';
  }
  if (opcode === OPCODE.continuation && !insideMessage) return 'a continuation frame continues nothing';
  if ((opcode === OPCODE.text || opcode === OPCODE.binary) && insideMessage) {
    return 'a message begins inside another one';
  }
  if (opcode >= OPCODE.close) {
    const length = second & 0x7f;
    if (first < FINAL) return 'a control frame is fragmented';
    if (length > CONTROL_PAYLOAD_MAX) return 'a control frame is too long';
    if (opcode === OPCODE.close && length === 1) return 'a close frame has one byte';
  }
  return second < MASKED ? 'a frame is not masked' : undefined;
}

function readUint32(bytes: Uint8Array, at: number): number {
  return (
    (((bytes[at] as number) << 24) |
      ((bytes[at + 1] as number) << 16) |
      ((bytes[at + 2] as number) << 8) |
      (bytes[at + 3] as number)) >>>
    0
  );
}
