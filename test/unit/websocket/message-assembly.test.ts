import { describe, expect, it } from 'vitest';
import { MessageAssembly } from '../../../src/websocket/message-assembly.js';

function filled(length: number, seed: number): Uint8Array {
  return Uint8Array.from({ length }, (_, index) => (index * 31 + seed) & 0xff);
}

function assemble(sizes: readonly number[], expected = (rest: number): number => rest) {
  const assembly = new MessageAssembly();
  const pieces = sizes.map((size, index) => filled(size, index));
  let rest = sizes.reduce((sum, size) => sum + size, 0);
  for (const piece of pieces) {
    assembly.append(piece, expected(rest));
    rest -= piece.length;
  }
  return { pieces, message: assembly.take() };
}

describe('MessageAssembly', () => {
  it.each([
    ['nothing', []],
    ['one piece', [10]],
    ['a frame cut in two', [90, 110]],
    ['many tiny pieces', Array.from({ length: 100_000 }, () => 1)],
    ['long pieces', [65_536, 65_536, 65_536, 100]],
    ['short and long pieces by turns', Array.from({ length: 20 }, (_, index) => (index % 2 ? 20_000 : 3))],
    ['pieces just too short to be kept', Array.from({ length: 20 }, () => 16_383)],
  ])('puts together %s', (_, sizes) => {
    const whole = assemble(sizes);
    expect(Buffer.compare(whole.message, Buffer.concat(whole.pieces))).toBe(0);
    const fragments = assemble(sizes, () => 1);
    expect(Buffer.compare(fragments.message, Buffer.concat(fragments.pieces))).toBe(0);
  });

  it('copies a frame of known length into memory that just fits', () => {
    const { message } = assemble([90, 60, 50]);
    expect(message.buffer.byteLength).toBe(200);
  });

  it('sets little aside for what was only announced', () => {
    const assembly = new MessageAssembly();
    assembly.append(filled(1, 0), 96 * 1024 * 1024);
    expect(assembly.take().buffer.byteLength).toBeLessThanOrEqual(16 * 1024);
  });

  it('does not keep a long chunk alive for a short piece of it', () => {
    const chunk = new Uint8Array(1024 * 1024);
    const assembly = new MessageAssembly();
    assembly.append(chunk.subarray(0, 20_000), 20_000);
    expect(assembly.take().buffer).not.toBe(chunk.buffer);
  });

  it('hands on a single long piece as it is', () => {
    const piece = filled(20_000, 1);
    const assembly = new MessageAssembly();
    assembly.append(piece, 20_000);
    expect(assembly.take()).toBe(piece);
  });
});
