import { PartialArray, PathReference, Transport } from 'acebase-core';
import { describe, expect, it } from 'vitest';
import {
  decodeValue,
  encodeValue,
  isLossy,
  plainJson,
  type ValueClasses,
} from '../../../src/client/core/codec.js';

const classes = { PartialArray, PathReference } as unknown as ValueClasses;
const holes: unknown[] = [];
holes[3] = new Date(5);

const lossy: readonly [string, unknown][] = [
  ['a date', new Date(1_700_000_000_000)],
  ['a BigInt', 12n ** 30n],
  ['binary', new Uint8Array([0, 1, 255]).buffer],
  ['a reference', new PathReference('a/b')],
  ['undefined', { a: undefined, b: 1 }],
  ['a sparse array', holes],
  ['a partial array', new PartialArray({ 2: 'x', 5: new Date(7) })],
  ['a regular expression', /a.b/],
  ['a key like ours', { '.type': 'date', '.val': 'no date' }],
  ['something deep', { list: [{ at: new Date(3) }, 1n], text: 'x' }],
];

describe('values', () => {
  it.each(lossy)('%s survives', (_name, value) => {
    expect(isLossy(value, classes)).toBe(true);
    const sent = JSON.parse(JSON.stringify(encodeValue(value, classes))) as unknown;
    expect(decodeValue(sent, classes)).toEqual(value);
  });

  it.each([
    ['text', 'x'],
    ['a number', 1.5],
    ['null', null],
    ['a tree', { a: [1, { b: 'c' }] }],
  ])('%s needs no encoding', (_name, value) => {
    expect(isLossy(value, classes)).toBe(false);
    expect(encodeValue(value, classes)).toEqual(value);
  });

  it('a view of bytes arrives as the bytes that it shows', () => {
    const sent = encodeValue(new Uint8Array([9, 1, 2, 9]).subarray(1, 3), classes);
    expect([...new Uint8Array(decodeValue(sent, classes) as ArrayBuffer)]).toEqual([1, 2]);
  });

  it.each<readonly [string, Date | ArrayBuffer | PathReference]>([
    ['a date', new Date(1_700_000_000_000)],
    ['a reference', new PathReference('a/b')],
    ...[0, 1, 2, 3, 4, 5, 8, 9, 255, 1_000].map(
      (length) =>
        [`${length} bytes`, Uint8Array.from({ length }, (_, at) => (at < 4 ? 0 : at * 7)).buffer] as const,
    ),
    ['zeros at the end', new Uint8Array(7).buffer],
    ['the highest bytes', new Uint8Array(11).fill(255).buffer],
  ])('%s travels as acebase-core has it, both ways', (_name, value) => {
    expect(encodeValue(value, classes)).toEqual(Transport.serialize2(value));
    expect(decodeValue(Transport.serialize2(value), classes)).toEqual(value);
    expect(Transport.deserialize2(encodeValue(value, classes) as never)).toEqual(value);
  });

  it('a regular expression of acebase-core arrives, and a type that nobody knows is an error', () => {
    expect(decodeValue(Transport.serialize2(/a\/b/gi), classes)).toEqual(/a\/b/gi);
    expect(() => decodeValue({ '.type': 'moon' }, classes)).toThrow('"moon"');
    expect(() => decodeValue({ '.type': 'binary', '.val': 'abc' }, classes)).toThrow('<~');
  });

  it('those who know JSON only get a BigInt as text, and no exception', () => {
    expect(plainJson({ a: 5n, at: new Date(0) })).toBe('{"a":"5","at":"1970-01-01T00:00:00.000Z"}');
  });
});
