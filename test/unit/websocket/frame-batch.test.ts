import { describe, expect, it } from 'vitest';
import { FrameBatch } from '../../../src/websocket/frame-batch.js';
import { OPCODE } from '../../../src/websocket/frame-writer.js';
import { OutputLog } from '../../../src/websocket/output-log.js';

describe('FrameBatch', () => {
  it('puts small frames into one chunk', () => {
    const batch = new FrameBatch(new OutputLog());
    batch.addRaw(Buffer.from('raw'));
    batch.add(OPCODE.text, Buffer.from('ab'));
    batch.add(OPCODE.pong, Buffer.alloc(0));
    expect(batch.bytes).toBe(9);
    expect(batch.take()).toEqual([Buffer.from([...Buffer.from('raw'), 0x81, 2, 97, 98, 0x8a, 0])]);
    expect(batch.bytes).toBe(0);
    expect(batch.take()).toEqual([]);
  });

  it('keeps long payloads as they are', () => {
    const batch = new FrameBatch(new OutputLog());
    const long = new Uint8Array(16 * 1024);
    batch.add(OPCODE.text, long);
    batch.add(OPCODE.text, long);
    batch.add(OPCODE.text, Buffer.from('x'));
    const chunks = batch.take();
    expect(chunks.map((chunk) => chunk.length)).toEqual([4, 16_384, 4, 16_384, 3]);
    expect(chunks[1]).toBe(long);
  });

  it('shares the bytes of a broadcast with others, and keeps its own order', () => {
    const log = new OutputLog();
    const batches = [new FrameBatch(log), new FrameBatch(log)] as const;
    const payloads = Array.from({ length: 50 }, (_, index) => Buffer.from(`message ${index}`));
    for (const payload of payloads) for (const batch of batches) batch.add(OPCODE.text, payload);
    const [first, second] = batches.map((batch) => batch.take());
    expect(first).toHaveLength(1);
    expect(second?.[0]?.buffer).toBe(first?.[0]?.buffer);
    expect(second?.[0]?.byteOffset).toBe(first?.[0]?.byteOffset);
    const expected = payloads.map((payload) => Buffer.concat([Buffer.of(0x81, payload.length), payload]));
    expect(second).toEqual([Buffer.concat(expected)]);
  });

  it('copies many short pieces together, whoever else wrote between them', () => {
    const log = new OutputLog();
    const [batch, other] = [new FrameBatch(log), new FrameBatch(log)];
    const expected: number[] = [];
    for (let index = 0; index < 40; index++) {
      batch.add(OPCODE.text, Buffer.of(index));
      other.add(OPCODE.text, Buffer.of(0xff));
      expected.push(0x81, 1, index);
    }
    expect(batch.take()).toEqual([Buffer.from(expected)]);
  });

  it('settles: what waits long keeps no other memory alive, and stays in order', () => {
    const batch = new FrameBatch(new OutputLog());
    const expected: number[] = [];
    const chunk = new Uint8Array(64 * 1024);
    for (let index = 0; index < 2_000; index++) {
      chunk[index] = index;
      batch.add(OPCODE.text, chunk.subarray(index, index + 1));
      expected.push(0x81, 1, index & 0xff);
      if (index % 3 === 0) batch.settle();
    }
    batch.settle();
    expect(batch.bytes).toBe(6_000);
    chunk.fill(0xee);
    batch.add(OPCODE.ping, Buffer.alloc(0));
    const chunks = batch.take();
    expect(Buffer.concat(chunks)).toEqual(Buffer.from([...expected, 0x89, 0]));
    expect(chunks).toHaveLength(2);
    expect(chunks[0]?.buffer.byteLength).toBeLessThan(10_000);
  });

  it('settles long runs in segments, with long payloads between', () => {
    const batch = new FrameBatch(new OutputLog());
    const long = new Uint8Array(20_000).fill(7);
    const parts: Uint8Array[] = [];
    for (let index = 0; index < 3_000; index++) {
      const payload = new Uint8Array(100 + (index % 20)).fill(index);
      batch.add(OPCODE.text, payload);
      parts.push(Uint8Array.of(0x81, payload.length), payload);
      if (index % 100 === 50) {
        batch.add(OPCODE.text, long);
        parts.push(Uint8Array.of(0x81, 126, 0x4e, 0x20), long);
      }
      if (index % 997 === 0) batch.settle();
    }
    batch.settle();
    const whole = Buffer.concat(parts);
    expect(batch.bytes).toBe(whole.length);
    expect(Buffer.compare(Buffer.concat(batch.take()), whole)).toBe(0);
  });

  it('forgets', () => {
    const batch = new FrameBatch(new OutputLog());
    batch.add(OPCODE.text, Buffer.from('settled'));
    batch.settle();
    batch.add(OPCODE.text, Buffer.from('fresh'));
    batch.clear();
    expect(batch.bytes).toBe(0);
    expect(batch.take()).toEqual([]);
  });
});
