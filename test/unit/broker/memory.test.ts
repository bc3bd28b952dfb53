import { expect, it } from 'vitest';
import { keptCopy } from '../../../src/broker/memory.js';

it('copies: what happens to the original, or to other copies, makes no difference', () => {
  const lengths = [0, 1, 100, 1_000, 1_024, 1_025, 5_000, 3_000, 200];
  const copies = lengths.map((length, index) => {
    const original = new Uint8Array(length).fill(index + 1);
    const copy = keptCopy(original);
    original.fill(0xff);
    return copy;
  });
  expect(copies.map((copy) => copy.length)).toEqual(lengths);
  expect(copies.every((copy, index) => copy.every((byte) => byte === index + 1))).toBe(true);
});

it('keeps little more than itself', () => {
  for (const length of [1, 500, 1_024, 2_000]) {
    expect(keptCopy(new Uint8Array(length)).buffer.byteLength).toBeLessThanOrEqual(Math.max(length, 4_096));
  }
});
