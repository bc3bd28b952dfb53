import { describe, expect, test } from 'vitest';
import { formatNumber, formatSize, formatTime, parseSize, parseTime } from '../../../src/options/units.js';

describe('sizes', () => {
  test.each([
    [0, 0],
    ['33554432', 33_554_432],
    ['64KiB', 65_536],
    ['64 MiB', 67_108_864],
    ['1gib', 1_073_741_824],
    ['1MB', 1_000_000],
    ['1.5KiB', 1_536],
    ['1.1kB', 1_100],
  ])('%s', (written, bytes) => expect(parseSize(written)).toBe(bytes));

  test.each(['', '-1', '64M', '1.5', 'lots', '1e6', '0x10', 'Infinity', '99999999GiB', Number.NaN, -1, 0.5])(
    '%s is none',
    (written) => expect(parseSize(written)).toBeUndefined(),
  );
});

describe('times', () => {
  test.each([
    [5000, 5_000],
    ['500ms', 500],
    ['10s', 10_000],
    ['2m', 120_000],
    ['1h', 3_600_000],
    ['1.5s', 1_500],
  ])('%s', (written, milliseconds) => expect(parseTime(written)).toBe(milliseconds));

  test.each(['5 min', 's', '-1s', '1.5ms'])('%s is none', (written) =>
    expect(parseTime(written)).toBeUndefined(),
  );
});

test('are written in the largest unit that fits', () => {
  expect([formatSize(67_108_864), formatSize(1_536), formatSize(2_048)]).toEqual([
    '64 MiB',
    '1,536 bytes',
    '2 KiB',
  ]);
  expect([formatTime(5_000), formatTime(120_000), formatTime(1_500)]).toEqual(['5 s', '2 min', '1500 ms']);
  expect(formatNumber(33_554_432)).toBe('33,554,432');
});
