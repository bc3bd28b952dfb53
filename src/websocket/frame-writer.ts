/**
 * Frames from server to client: RFC 6455 section 5.2, never masked (section 5.1), never fragmented. Pure.
 */

import { CLOSE_CODE } from './close-codes.js';

/** Opcodes: RFC 6455 section 5.2. */
export const OPCODE = {
  continuation: 0x0,
  text: 0x1,
  binary: 0x2,
  close: 0x8,
  ping: 0x9,
  pong: 0xa,
} as const;

/** One of {@link OPCODE}. */
export type Opcode = (typeof OPCODE)[keyof typeof OPCODE];

/** The longest header of an unmasked frame, in bytes. */
export const HEADER_MAX = 10;

/** The longest payload of a control frame, in bytes (RFC 6455 section 5.5). */
export const CONTROL_PAYLOAD_MAX = 125;

/** The longest reason that fits behind the code of a close frame, in bytes. */
const CLOSE_REASON_MAX = CONTROL_PAYLOAD_MAX - 2;

const FIN = 0x80;

/** The length of the header of an unmasked frame with that many bytes of payload. */
export function headerLength(payloadLength: number): number {
  if (payloadLength <= 125) return 2;
  return payloadLength <= 0xffff ? 4 : HEADER_MAX;
}

/**
 * Writes the header of a final, unmasked frame into `target` at `offset`, in the shortest form as section 5.2
 * requires, and returns its length. There must be room for {@link headerLength} bytes.
 */
export function writeHeader(
  target: Uint8Array,
  offset: number,
  opcode: Opcode,
  payloadLength: number,
): number {
  target[offset] = FIN | opcode;
  if (payloadLength <= 125) {
    target[offset + 1] = payloadLength;
    return 2;
  }
  if (payloadLength <= 0xffff) {
    target[offset + 1] = 126;
    target[offset + 2] = payloadLength >>> 8;
    target[offset + 3] = payloadLength;
    return 4;
  }
  target[offset + 1] = 127;
  writeUint32(target, offset + 2, Math.floor(payloadLength / 0x1_0000_0000));
  writeUint32(target, offset + 6, payloadLength);
  return HEADER_MAX;
}

/**
 * The payload of a close frame (RFC 6455 section 5.5.1): the code, and the reason cut to 123 bytes of UTF-8 where a
 * character ends. For 1005, which stands for "no code" and must not travel, it is empty.
 */
export function closePayload(code: number, reason: string): Uint8Array {
  if (code === CLOSE_CODE.noStatus) return new Uint8Array(0);
  const payload = new Uint8Array(CONTROL_PAYLOAD_MAX);
  payload[0] = code >>> 8;
  payload[1] = code;
  const room = payload.subarray(2, 2 + CLOSE_REASON_MAX);
  const { written } = new TextEncoder().encodeInto(reason, room);
  return payload.subarray(0, 2 + written);
}

function writeUint32(target: Uint8Array, offset: number, value: number): void {
  target[offset] = value >>> 24;
  target[offset + 1] = value >>> 16;
  target[offset + 2] = value >>> 8;
  target[offset + 3] = value;
}
