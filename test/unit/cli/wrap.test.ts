import { expect, test } from 'vitest';
import { wrapLine, wrapText } from '../../../src/cli/wrap.js';

test.each([
  ['short', 10, 0, 'short'],
  ['one two three', 7, 0, 'one two\nthree'],
  ['one two three', 8, 2, 'one two\n  three'],
  ['  one two three', 9, 2, '  one two\n  three'],
  ['averylongword and more', 5, 2, 'averylongword\n  and\n  more'],
  ['  averylongword', 5, 2, '  averylongword'],
  ['averylongword', 5, 0, 'averylongword'],
] as const)('%j in %i columns', (line, width, indent, text) => {
  expect(wrapLine(line, width, indent)).toBe(text);
});

test('each line of a text goes on where it began', () => {
  expect(wrapText('Usage: a b c\n\n  d e f', 10)).toBe('Usage: a b\n       c\n\n  d e f');
  expect(wrapText('  d e f', 5)).toBe('  d e\n  f');
});
