import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { addressEnd, encode, utf16Length } from '../../../src/protocol/frames.js';

describe('utf16Length', () => {
  it('is what JavaScript calls the length of a text', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => utf16Length(encode(text)) === text.length),
    );
  });
});

describe('addressEnd', () => {
  it.each([
    ['to:peerA;{}', 8],
    ['to:[master];{"a":";"}', 11],
    ['to:;{}', -1],
    ['to:peerA', -1],
    ['to:peerA;', -1],
    ['to:peerA;[]', -1],
    [`to:${'x'.repeat(500)};{}`, -1],
  ])('%s: %i', (frame, index) => {
    expect(addressEnd(encode(frame))).toBe(index);
  });
});
