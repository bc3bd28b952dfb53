import { describe, expect, it } from 'vitest';
import { FrameBatch } from '../../../src/websocket/frame-batch.js';
import { OPCODE } from '../../../src/websocket/frame-writer.js';

function take(batch: FrameBatch): Uint8Array[] {
  return batch.take(new Uint8Array(batch.copiedBytes));
}

describe('FrameBatch', () => {
  it('puts small frames into one chunk', () => {
    const batch = new FrameBatch();
    batch.addRaw(Buffer.from('raw'));
    batch.add(OPCODE.text, Buffer.from('ab'));
    batch.add(OPCODE.pong, Buffer.alloc(0));
    expect(batch.bytes).toBe(9);
    expect(batch.copiedBytes).toBe(9);
    expect(take(batch)).toEqual([new Uint8Array([...Buffer.from('raw'), 0x81, 2, 97, 98, 0x8a, 0])]);
    expect(batch.bytes).toBe(0);
    expect(take(batch)).toEqual([]);
  });

  it('keeps long payloads as they are', () => {
    const batch = new FrameBatch();
    const long = new Uint8Array(16 * 1024);
    batch.add(OPCODE.text, long);
    batch.add(OPCODE.text, long);
    batch.add(OPCODE.text, Buffer.from('x'));
    expect(batch.copiedBytes).toBe(4 + 4 + 3);
    const chunks = take(batch);
    expect(chunks.map((chunk) => chunk.length)).toEqual([4, 16_384, 4, 16_384, 3]);
    expect(chunks[1]).toBe(long);
  });

  it('settles: what waits long keeps no other memory alive, and stays in order', () => {
    const batch = new FrameBatch();
    const expected: number[] = [];
    const chunk = new Uint8Array(64 * 1024);
    for (let index = 0; index < 2_000; index++) {
      chunk[index] = index;
      batch.add(OPCODE.text, chunk.subarray(index, index + 1));
      expected.push(0x81, 1, index & 0xff);
      if (index % 3 === 0) batch.settle();
    }
    batch.settle();
    expect(batch.copiedBytes).toBe(0);
    expect(batch.bytes).toBe(6_000);
    chunk.fill(0xee);
    batch.add(OPCODE.ping, Buffer.alloc(0));
    const chunks = take(batch);
    expect(Buffer.concat(chunks)).toEqual(Buffer.from([...expected, 0x89, 0]));
    expect(chunks).toHaveLength(2);
  });

  it('settles long runs in segments, with long payloads between', () => {
    const batch = new FrameBatch();
    const long = new Uint8Array(20_000).fill(7);
    const parts: Uint8Array[] = [];
    for (let index = 0; index < 300; index++) {
      const payload = new Uint8Array(100 + (index % 20)).fill(index);
      batch.add(OPCODE.text, payload);
      parts.push(Uint8Array.of(0x81, payload.length), payload);
      if (index % 100 === 50) {
        batch.add(OPCODE.text, long);
        parts.push(Uint8Array.of(0x81, 126, 0x4e, 0x20), long);
      }
      if (index % 10 === 0) batch.settle();
    }
    batch.settle();
    const whole = Buffer.concat(parts);
    expect(batch.bytes).toBe(whole.length);
    expect(Buffer.compare(Buffer.concat(take(batch)), whole)).toBe(0);
  });

  it('forgets', () => {
    const batch = new FrameBatch();
    batch.add(OPCODE.text, Buffer.from('settled'));
    batch.settle();
    batch.add(OPCODE.text, Buffer.from('fresh'));
    batch.clear();
    expect(batch.bytes).toBe(0);
    expect(take(batch)).toEqual([]);
  });
});
