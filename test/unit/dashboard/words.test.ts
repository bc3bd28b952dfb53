import { expect, test } from 'vitest';
import {
  bytes,
  count,
  counted,
  duration,
  latency,
  rate,
  seconds,
  timeOfDay,
} from '../../../dashboard/src/words.js';

test.each([
  [0, '0 ms'],
  [-5, '0 ms'],
  [999.4, '999 ms'],
  [1_000, '1 s'],
  [59_999, '59 s'],
  [60_000, '1 min'],
  [200_000, '3 min 20 s'],
  [7_500_000, '2 h 5 min'],
  [7_200_000, '2 h'],
  [100 * 3_600_000, '4 d 4 h'],
])('a duration of %d ms is %s', (ms, text) => expect(duration(ms)).toBe(text));

test('what ticks is not told in milliseconds', () => {
  expect([seconds(-3), seconds(999), seconds(1_000)]).toEqual(['0 s', '0 s', '1 s']);
});

test.each([
  [0, '<1 ms'],
  [0.123, '0.12 ms'],
  [3.14, '3.1 ms'],
  [42.4, '42 ms'],
  [1_234, '1.2 s'],
  [12_345, '12 s'],
])('a latency of %d ms is %s', (ms, text) => expect(latency(ms)).toBe(text));

test.each([
  [0, '0'],
  [0.01, '<0.1'],
  [0.44, '0.4'],
  [9.96, '10'],
  [1_240.4, '1,240'],
])('a rate of %d is %s', (perSecond, text) => expect(rate(perSecond)).toBe(text));

test.each([
  [0, '0 B'],
  [1_023, '1023 B'],
  [1_024, '1.0 KiB'],
  [1_023.9 * 1_024, '1.0 MiB'],
  [67_108_864, '64 MiB'],
])('%d bytes are %s', (number, text) => expect(bytes(number)).toBe(text));

test('counts have commas, and the right word', () => {
  expect([
    count(12_345),
    counted(1, 'worker'),
    counted(0, 'worker'),
    counted(2, 'child', 'children'),
  ]).toEqual(['12,345', '1 worker', '0 workers', '2 children']);
});

test('a time of another day has its date', () => {
  const at = new Date(2026, 2, 4, 7, 8, 9).getTime();
  expect(timeOfDay(at, at + 1_000)).toBe('07:08:09');
  expect(timeOfDay(at, at + 24 * 3_600_000)).toBe('2026-03-04 07:08:09');
});
