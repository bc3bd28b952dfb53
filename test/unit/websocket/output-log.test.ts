import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { FrameBatch } from '../../../src/websocket/frame-batch.js';
import { OPCODE } from '../../../src/websocket/frame-writer.js';
import { OutputLog, SLAB_BYTES } from '../../../src/websocket/output-log.js';

function fill(batch: FrameBatch, bytes: number): void {
  for (let left = bytes; left > 0; left -= 1_004) batch.add(OPCODE.text, new Uint8Array(1_000));
}

describe('OutputLog', () => {
  it('uses its memory again once everything in it is written', () => {
    const log = new OutputLog();
    const batch = new FrameBatch(log);
    fill(batch, 10_000);
    const { slab } = log;
    batch.take();
    batch.release();
    for (let round = 0; round < 100; round++) {
      fill(batch, SLAB_BYTES / 2);
      batch.take();
      batch.release();
    }
    expect(log.slab === slab).toBe(true);
  });

  it('leaves memory alone that somebody still writes', () => {
    const log = new OutputLog();
    const slow = new FrameBatch(log);
    slow.add(OPCODE.text, Buffer.from('must not change'));
    const [chunk] = slow.take();
    slow.abandon();
    log.rest();
    const { slab } = log;
    const other = new FrameBatch(log);
    for (let round = 0; round < 10; round++) {
      fill(other, SLAB_BYTES / 2);
      other.take();
      other.release();
      log.rest();
    }
    expect(log.slab === slab).toBe(false);
    expect(String(chunk?.subarray(2))).toBe('must not change');
  });

  it('holds no more memory after a burst than before', () => {
    const log = new OutputLog();
    const batches = Array.from({ length: 10 }, () => new FrameBatch(log));
    for (const batch of batches) fill(batch, 5 * SLAB_BYTES);
    for (const batch of batches) {
      expect(Buffer.concat(batch.take()).length).toBeGreaterThanOrEqual(5 * SLAB_BYTES);
      batch.release();
    }
    log.rest();
    expect(log.slab.memory.length).toBe(SLAB_BYTES);
    expect(log.slab.users).toBe(0);
  });

  it('gives every batch its own frames, in order, whatever happens between', () => {
    const step = fc.record({
      batch: fc.nat({ max: 2 }),
      act: fc.constantFrom('send', 'send', 'send', 'all', 'write', 'settle', 'wait'),
      length: fc.constantFrom(0, 1, 125, 126, 3_000, 16_000, 16_384, 40_000),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const log = new OutputLog();
        const lines = [0, 1, 2].map(() => ({
          batch: new FrameBatch(log),
          expected: [] as Buffer[],
          written: [] as Buffer[],
          unwritten: [] as Uint8Array[],
        }));
        for (const [number, { batch, act, length }] of steps.entries()) {
          const line = lines[batch] as (typeof lines)[number];
          if (act === 'send' || act === 'all') {
            const payload = Buffer.alloc(length, number);
            for (const receiver of act === 'all' ? lines : [line]) {
              receiver.batch.add(OPCODE.text, payload);
              receiver.expected.push(payload);
            }
          } else if (act === 'settle') line.batch.settle();
          else {
            line.unwritten.push(...line.batch.take());
            // Written at once: its bytes are read now. Else they must stay as they are for long.
            if (act === 'wait') line.batch.abandon();
            else {
              line.written.push(Buffer.concat(line.unwritten.splice(0)));
              line.batch.release();
              log.rest();
            }
          }
        }
        for (const { batch, expected, written, unwritten } of lines) {
          const all = Buffer.concat([...written, ...unwritten, ...batch.take()]);
          expect(payloadsOf(all)).toEqual(expected.map((payload) => [payload.length, payload[0]]));
        }
      }),
      { numRuns: 500 },
    );
  });
});

/** The lengths of the payloads and their first bytes. */
function payloadsOf(frames: Buffer): [number, number | undefined][] {
  const payloads: [number, number | undefined][] = [];
  for (let at = 0; at < frames.length; ) {
    const marker = frames.readUInt8(at + 1);
    const length = marker < 126 ? marker : frames.readUInt16BE(at + 2);
    const start = at + (marker < 126 ? 2 : 4);
    payloads.push([length, length === 0 ? undefined : frames[start]]);
    at = start + length;
  }
  return payloads;
}
