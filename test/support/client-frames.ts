/** Frames as a client sends them, correct or deliberately not: RFC 6455 section 5.2. */

export interface ClientFrame {
  readonly final: boolean;
  /** The three reserved bits: 0 to 7. */
  readonly reserved: number;
  readonly opcode: number;
  /** The masking key, or none. */
  readonly mask: number | undefined;
  /** How the length is written; `shortest` is the only one that the RFC allows. */
  readonly lengthForm: 'shortest' | '16' | '64';
  readonly payload: Uint8Array;
  /** Written instead of the length of the payload. */
  readonly announced?: bigint;
}

const ORDINARY = { final: true, reserved: 0, mask: 0x12_9a_55_c3, lengthForm: 'shortest' } as const;

/** The bytes of a frame: a final, masked one unless told otherwise. */
export function clientFrame(
  opcode: number,
  payload: Uint8Array | string,
  different: Partial<ClientFrame> = {},
): Buffer<ArrayBuffer> {
  return encodeFrame({ ...ORDINARY, opcode, payload: Buffer.from(payload), ...different });
}

export function encodeFrame(frame: ClientFrame): Buffer<ArrayBuffer> {
  const length = frame.announced ?? BigInt(frame.payload.length);
  const marker = lengthMarker(frame.lengthForm, length);
  const first = (frame.final ? 0x80 : 0) | (frame.reserved << 4) | frame.opcode;
  const parts = [Buffer.of(first, (frame.mask === undefined ? 0 : 0x80) | marker)];
  if (marker === 126) {
    const extended = Buffer.alloc(2);
    extended.writeUInt16BE(Number(length & 0xffffn));
    parts.push(extended);
  } else if (marker === 127) {
    const extended = Buffer.alloc(8);
    extended.writeBigUInt64BE(length & 0xffff_ffff_ffff_ffffn);
    parts.push(extended);
  }
  const payload = Buffer.from(frame.payload);
  if (frame.mask !== undefined) {
    const key = Buffer.alloc(4);
    key.writeUInt32BE(frame.mask >>> 0);
    parts.push(key);
    for (let index = 0; index < payload.length; index++)
      payload[index] = byteAt(payload, index) ^ byteAt(key, index & 3);
  }
  return Buffer.concat([...parts, payload]);
}

/** Cuts bytes into chunks of their own memory, as a socket delivers them. */
export function chunksOf(bytes: Uint8Array, sizeOf: (index: number) => number): Buffer<ArrayBuffer>[] {
  const chunks: Buffer<ArrayBuffer>[] = [];
  for (let at = 0; at < bytes.length; ) {
    const size = Math.max(1, sizeOf(chunks.length));
    const chunk = Buffer.allocUnsafeSlow(Math.min(size, bytes.length - at));
    chunk.set(bytes.subarray(at, at + chunk.length));
    chunks.push(chunk);
    at += chunk.length;
  }
  return chunks;
}

function lengthMarker(form: ClientFrame['lengthForm'], length: bigint): number {
  if (form === '64' || length > 0xffffn) return 127;
  if (form === '16' || length > 125n) return 126;
  return Number(length);
}

function byteAt(bytes: Uint8Array, index: number): number {
  return bytes[index] ?? 0;
}
