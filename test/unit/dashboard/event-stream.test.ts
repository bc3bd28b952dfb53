import fc from 'fast-check';
import { expect, test } from 'vitest';
import { EventStreamParser } from '../../../dashboard/src/event-stream.js';

const parse = (...pieces: readonly string[]) => {
  const parser = new EventStreamParser();
  return pieces.flatMap((piece) => parser.push(piece));
};

test('finds events, their names and their data', () => {
  expect(parse('event: status\ndata: {"a":1}\n\ndata:x\n\n')).toEqual([
    { event: 'status', data: '{"a":1}' },
    { event: 'message', data: 'x' },
  ]);
});

test('joins lines of data, and takes one space from the front', () => {
  expect(parse('data: a\ndata:  b\ndata\n\n')).toEqual([{ event: 'message', data: 'a\n b\n' }]);
});

test('leaves out comments, other fields, and events without data', () => {
  expect(parse(': alive\n\nevent: status\n\nid: 7\nretry: 9\ndata: x\n\n')).toEqual([
    { event: 'message', data: 'x' },
  ]);
});

test('keeps what is not complete', () => {
  expect(parse('data: x\n')).toEqual([]);
  expect(parse('data: x\n', '\n')).toEqual([{ event: 'message', data: 'x' }]);
});

test.each(['\n', '\r', '\r\n'])('finds the same events in whatever pieces they come, with %j', (end) => {
  const lines = ['event: status', 'data: 1', 'data: 2', '', ': alive', '', 'data: é', '', ''];
  const text = lines.join(end);
  const whole = parse(text);
  expect(whole).toHaveLength(2);
  fc.assert(
    fc.property(fc.array(fc.nat(text.length)), (cuts) => {
      const places = [0, ...cuts.toSorted((a, b) => a - b), text.length];
      const pieces = places.slice(1).map((place, index) => text.slice(places[index], place));
      expect(parse(...pieces)).toEqual(whole);
    }),
  );
});

test('does not keep an event without end', () => {
  const parser = new EventStreamParser();
  const piece = `data: ${'x'.repeat(8 * 1024 * 1024)}\n`;
  expect(() => {
    for (let i = 0; i < 9; i++) parser.push(piece);
  }).toThrow(RangeError);
});
