import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { addressEnd, encode, encodeToSend, utf16Length } from '../../../src/protocol/frames.js';
import { anyText } from '../../support/any-text.js';

describe('utf16Length', () => {
  it('is what JavaScript calls the length of a text', () => {
    fc.assert(fc.property(anyText(), (text) => utf16Length(encode(text)) === text.length));
  });
});

describe('encodeToSend', () => {
  it('gives the bytes of each text, with room behind them, and no text takes the bytes of another one', () => {
    const texts = fc.array(fc.tuple(anyText(600), fc.nat(600)), {
      maxLength: 40,
    });
    fc.assert(
      fc.property(texts, (all) => {
        const encoded = all.map(([text, room]) => encodeToSend(text, room));
        for (const [index, [text, room]] of all.entries()) {
          const bytes = encoded[index] as Uint8Array;
          expect(bytes.subarray(0, bytes.length - room)).toEqual(new TextEncoder().encode(text));
          bytes.fill(0, bytes.length - room);
        }
      }),
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
