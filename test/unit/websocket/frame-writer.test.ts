import { describe, expect, it } from 'vitest';
import {
  closePayload,
  HEADER_MAX,
  headerLength,
  OPCODE,
  writeHeader,
} from '../../../src/websocket/frame-writer.js';

describe('writeHeader', () => {
  it.each([
    [0, [0x81, 0]],
    [125, [0x81, 125]],
    [126, [0x81, 126, 0, 126]],
    [0x1234, [0x81, 126, 0x12, 0x34]],
    [0xffff, [0x81, 126, 0xff, 0xff]],
    [0x10000, [0x81, 127, 0, 0, 0, 0, 0, 1, 0, 0]],
    [0xf1234567, [0x81, 127, 0, 0, 0, 0, 0xf1, 0x23, 0x45, 0x67]],
    [0x12_3456_789a, [0x81, 127, 0, 0, 0, 0x12, 0x34, 0x56, 0x78, 0x9a]],
  ])('writes the shortest header for %i bytes', (length, expected) => {
    const target = new Uint8Array(HEADER_MAX + 3);
    const size = writeHeader(target, 3, OPCODE.text, length);
    expect([...target.subarray(3, 3 + size)]).toEqual(expected);
    expect(headerLength(length)).toBe(size);
  });

  it('writes control frames', () => {
    const target = new Uint8Array(6);
    writeHeader(target, 0, OPCODE.close, 2);
    writeHeader(target, 2, OPCODE.ping, 3);
    writeHeader(target, 4, OPCODE.pong, 4);
    expect([...target]).toEqual([0x88, 2, 0x89, 3, 0x8a, 4]);
  });
});

describe('closePayload', () => {
  it('holds the code and the reason', () => {
    expect(Buffer.from(closePayload(4001, 'wäre'))).toEqual(
      Buffer.concat([Buffer.of(0x0f, 0xa1), Buffer.from('wäre')]),
    );
  });

  it('is empty for the code that must not travel', () => {
    expect(closePayload(1005, 'x')).toHaveLength(0);
  });

  it.each([
    ['a'.repeat(200), 'a'.repeat(123)],
    [`${'a'.repeat(122)}ä`, 'a'.repeat(122)],
    [`${'a'.repeat(121)}ä`, `${'a'.repeat(121)}ä`],
    [`${'a'.repeat(120)}😀`, 'a'.repeat(120)],
    ['😀'.repeat(40), '😀'.repeat(30)],
  ])('cuts the reason where a character ends', (reason, cut) => {
    expect(Buffer.from(closePayload(1000, reason)).subarray(2).toString()).toBe(cut);
  });
});
