import { describe, expect, it } from 'vitest';
import { keptCopy, TransientMemory } from '../../../src/broker/memory.js';

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

describe('memory for what is arriving', () => {
  it('is never taken by one user in whole: a quarter is left for others, and some of that for each further one', () => {
    const memory = new TransientMemory(1_000);
    const [one, two, three] = [memory.of('one'), memory.of('two'), memory.of('three')];
    expect([one.take(750), one.take(1)]).toEqual([true, false]);
    expect([two.take(187), two.take(1)]).toEqual([true, false]);
    expect([three.take(47), three.take(1)]).toEqual([true, false]);
  });

  it('is that of all connections of a database together, and free again when they have given it back', () => {
    const memory = new TransientMemory(1_000);
    const [first, second] = [memory.of('one'), memory.of('one')];
    expect([first.take(400), second.take(350), second.take(1)]).toEqual([true, true, false]);
    first.give(400);
    expect(second.take(400)).toBe(true);
    second.give(750);
    expect(memory.of('two').take(750)).toBe(true);
  });
});
