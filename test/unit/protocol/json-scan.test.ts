import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  findMember,
  findMembers,
  HEAD_BYTES,
  stringEnd,
  TextCache,
} from '../../../src/protocol/json-scan.js';

const bytes = (text: string) => new TextEncoder().encode(text);
const find = (json: string, key: string) => findMember(bytes(json), 0, bytes(key));

describe('findMember', () => {
  it.each([
    ['{"a":1}', 'a', 5],
    ['{"b":{"a":1},"a":2}', 'a', 17],
    ['{ "b" : [ "a", {"a":1} ] , "a" : 2 }', 'a', 33],
    ['{"b":"\\"a\\":1","a":2}', 'a', 19],
    ['{"b":"}\\\\","a":2}', 'a', 15],
    ['{"a":1,"a":2}', 'a', 5],
    ['{"b":1}', 'a', -1],
    ['{}', 'a', -1],
    ['[{"a":1}]', 'a', -1],
    ['', 'a', -1],
    ['{"a', 'a', -1],
    ['{"a"', 'a', -1],
    ['{"a":', 'a', -1],
    ['{"b":"x', 'a', -1],
    ['{"b":[1', 'a', -1],
    ['{"b":,"a":1}', 'a', -1],
  ])('in %s finds %s at %i', (json, key, index) => {
    expect(find(json, key)).toBe(index);
  });

  it.each([HEAD_BYTES - 1, HEAD_BYTES])(
    'finds a value that begins in the head, however long it is: at %i',
    (at) => {
      const before = `{"b":"${'x'.repeat(at - '{"b":"","a":'.length)}","a":`;
      const index = at < HEAD_BYTES ? at : -1;
      expect(find(`${before}"${'y'.repeat(HEAD_BYTES)}"}`, 'a')).toBe(index);
      const values: number[] = [];
      findMembers(bytes(`${before}1}`), 0, [bytes('b'), bytes('a')], values);
      expect(values).toEqual([5, index]);
    },
  );

  it('finds what JSON.parse finds, in any object, wherever it is', () => {
    const key = fc.constantFrom('type', 'from', 'to', 'data', 'é');
    const object = fc.dictionary(fc.oneof(key, fc.string()), fc.jsonValue(), { noNullPrototype: true });
    fc.assert(
      fc.property(object, key, fc.constantFrom(undefined, 1, '\t'), (value, wanted, space) => {
        // Keys that JSON writes with escapes are not found, by contract.
        fc.pre(Object.keys(value).every((name) => JSON.stringify(name) === `"${name}"`));
        const json = bytes(JSON.stringify(value, null, space));
        const index = findMember(json, 0, bytes(wanted));
        if (!Object.hasOwn(value, wanted)) return index === -1;
        const text = new TextDecoder().decode(json.subarray(index));
        const expected = JSON.stringify(value[wanted], null, space);
        return space === undefined ? text.startsWith(expected) : text[0] === expected[0];
      }),
      { numRuns: 2_000 },
    );
  });

  it('never throws and always ends, whatever the bytes', () => {
    const garbage = fc.oneof(
      fc.uint8Array({ maxLength: 60 }),
      fc
        .array(fc.constantFrom('{', '}', '"', '\\', ':', ',', '[', ']', 'a', ' '), { maxLength: 40 })
        .map((parts) => bytes(parts.join(''))),
    );
    fc.assert(
      fc.property(garbage, (input) => {
        const index = findMember(input, 0, bytes('a'));
        return index >= -1 && index < Math.max(1, input.length);
      }),
      { numRuns: 5_000 },
    );
  });
});

describe('stringEnd', () => {
  it.each([
    ['""', 1],
    ['"a"', 2],
    ['"\\""', 3],
    ['"\\\\"', 3],
    ['"\\\\\\""', 5],
    ['"', -1],
    ['"\\"', -1],
    ['a', -1],
  ])('%s ends at %i', (text, index) => {
    expect(stringEnd(bytes(text), 0)).toBe(index);
  });
});

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
