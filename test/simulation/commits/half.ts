/** A file of which only the first half was written of what is new. */
export function half(before: Buffer, after: Buffer): Buffer {
  const isNew = (byte: number, at: number): boolean => byte !== before[at];
  const from = after.findIndex(isNew);
  if (from < 0) return after;
  const to = after.findLastIndex(isNew) + 1;
  const middle = from + ((to - from) >> 1);
  return Buffer.concat([after.subarray(0, middle), before.subarray(middle)]);
}
