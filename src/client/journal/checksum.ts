import zlib from 'node:zlib';

/**
 * CRC-32 of bytes, or of a text as UTF-8. Not imported by its name: Node.js 18 has none, and its loader would say so before `node-check.ts` says
 * which Node.js is needed.
 */
export function crc32(data: Uint8Array | string): number {
  return zlib.crc32(data);
}
