import fc from 'fast-check';
import { expect, it } from 'vitest';
import { TextCache } from '../../../src/broker/messages/text-cache.js';

it('gives the text of the bytes, whatever it was asked before', () => {
  const text = fc.string({ unit: fc.constantFrom('a', 'b', '-', '[', ' '), maxLength: 70 });
  fc.assert(
    fc.property(fc.array(text, { maxLength: 40 }), (texts) => {
      const cache = new TextCache();
      for (const wanted of [...texts, ...texts]) {
        const bytes = Buffer.from(`>${wanted}<`);
        expect(cache.text(bytes, 1, bytes.length - 1)).toBe(wanted);
        // What is known must not depend on bytes that somebody writes over.
        bytes.fill(0x7e);
      }
    }),
  );
});
