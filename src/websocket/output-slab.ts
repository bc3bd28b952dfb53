/**
 * Memory for output: slabs that many short writes share.
 */

const SLAB_BYTES = 64 * 1024;

/** Longer outputs get memory of their own. */
const SHARED_MAX = 16 * 1024;

let slab: Uint8Array = new Uint8Array(0);
let used = 0;

/**
 * Memory of that length, not zeroed.
 *
 * @param shared whether it may be part of a slab: only for what is written at once, because every part that is still
 *   in use keeps its whole slab alive
 */
export function takeOutput(bytes: number, shared: boolean): Uint8Array {
  if (!shared || bytes > SHARED_MAX) return Buffer.allocUnsafeSlow(bytes);
  if (slab.length - used < bytes) {
    slab = Buffer.allocUnsafeSlow(SLAB_BYTES);
    used = 0;
  }
  const start = used;
  used += bytes;
  return slab.subarray(start, used);
}
