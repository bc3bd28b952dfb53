import { describe, expect, it } from 'vitest';
import { turnMask, unmask, wordsOf } from '../../../src/websocket/unmask.js';

const MASK = 0xf1_82_03_74 | 0;
const KEY = [0xf1, 0x82, 0x03, 0x74];

function keyByte(index: number): number {
  return KEY[index & 3] ?? 0;
}

describe('unmask', () => {
  it('turns back what was masked, at every alignment and length, and touches nothing else', () => {
    for (let shift = 0; shift < 4; shift++) {
      for (let start = 0; start < 5; start++) {
        for (let length = 0; length < 45; length++) {
          const memory = new Uint8Array(64).fill(0x55);
          const bytes = memory.subarray(shift);
          for (let index = 0; index < length; index++) bytes[start + index] = (index & 0x7f) ^ keyByte(index);
          expect(unmask(bytes, wordsOf(bytes), start, start + length, MASK)).toBe(0);
          const expected = new Uint8Array(64).fill(0x55);
          for (let index = 0; index < length; index++) expected[shift + start + index] = index & 0x7f;
          expect(memory).toEqual(expected);
        }
      }
    }
  });

  it('tells ASCII from other bytes, wherever they are', () => {
    for (let place = 0; place < 40; place++) {
      const bytes = Uint8Array.from(
        { length: 40 },
        (_, index) => (index === place ? 0x80 : 0x7f) ^ keyByte(index),
      );
      expect(unmask(bytes, wordsOf(bytes), 0, 40, MASK)).not.toBe(0);
    }
  });
});

describe('turnMask', () => {
  it('begins with the byte that is next', () => {
    expect([0, 1, 2, 3, 4, 7].map((count) => turnMask(MASK, count) >>> 0)).toEqual([
      0xf1820374, 0x820374f1, 0x0374f182, 0x74f18203, 0xf1820374, 0x74f18203,
    ]);
  });
});
