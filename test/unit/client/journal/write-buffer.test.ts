import fc from 'fast-check';
import { expect, it } from 'vitest';
import { WriteBuffer } from '../../../../src/client/journal/write-buffer.js';

const FILE_BYTES = 300;
const place = fc.record({ position: fc.nat(FILE_BYTES - 1), length: fc.integer({ min: 1, max: 60 }) });
const step = fc.record({ place, isWrite: fc.boolean(), fill: fc.nat(255) });

it('gives what a file would have, whatever is written and read, and leaves the file as it is', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
      const file = Buffer.from(Array.from({ length: FILE_BYTES }, (_, index) => index % 256));
      const expected = Buffer.from(file);
      const buffer = new WriteBuffer((position, bytes) => void file.copy(bytes, 0, position));
      for (const { place: at, isWrite, fill } of steps) {
        const length = Math.min(at.length, FILE_BYTES - at.position);
        if (isWrite) {
          expected.fill(fill, at.position, at.position + length);
          buffer.write(at.position, Buffer.alloc(length, fill));
        } else {
          const bytes = Buffer.from(file.subarray(at.position, at.position + length));
          buffer.overlay(at.position, bytes);
          expect(bytes).toEqual(expected.subarray(at.position, at.position + length));
        }
      }
      const after = Buffer.from(file);
      let end = 0;
      for (const { position, before, after: bytes } of buffer.changes()) {
        expect(position).toBeGreaterThanOrEqual(end);
        expect(Buffer.from(before)).toEqual(file.subarray(position, position + before.length));
        after.set(bytes, position);
        end = position + bytes.length;
      }
      expect(after).toEqual(expected);
    }),
  );
});

it('does not read again what was read under it already', () => {
  const reads: number[] = [];
  const buffer = new WriteBuffer((position) => reads.push(position));
  buffer.overlay(100, Buffer.alloc(28, 1));
  buffer.overlay(128, Buffer.alloc(72, 2));
  buffer.write(100, Buffer.alloc(100, 3));
  expect(reads).toEqual([]);
  expect(buffer.changes()).toMatchObject([{ position: 100 }]);
  buffer.write(300, Buffer.alloc(10, 3));
  expect(reads).toEqual([300]);
});
