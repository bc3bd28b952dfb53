/** Sizes and times: from what people write, and back. */

/** A size: a number of bytes, or text such as `64KiB`, `64MiB`, `1GiB`, `1MB` (decimal). */
export type Size =
  | number
  | `${number}`
  | `${number}${'' | ' '}${'B' | 'KiB' | 'MiB' | 'GiB' | 'kB' | 'KB' | 'MB' | 'GB'}`;

/** A time: a number of milliseconds, or text such as `500ms`, `10s`, `2m`, `1h`. */
export type Duration = number | `${number}` | `${number}${'' | ' '}${'ms' | 's' | 'm' | 'h'}`;

const SIZE_UNITS = new Map([
  ['', 1],
  ['b', 1],
  ['kb', 1_000],
  ['mb', 1_000_000],
  ['gb', 1_000_000_000],
  ['kib', 1_024],
  ['mib', 1_048_576],
  ['gib', 1_073_741_824],
]);

const TIME_UNITS = new Map([
  ['', 1],
  ['ms', 1],
  ['s', 1_000],
  ['m', 60_000],
  ['h', 3_600_000],
]);

function parse(value: number | string, units: ReadonlyMap<string, number>): number | undefined {
  const match = /^(\d+(?:\.\d+)?)\s*([a-z]*)$/i.exec(String(value).trim());
  const factor = units.get((match?.[2] ?? '').toLowerCase());
  if (match === null || factor === undefined) return undefined;
  // 1.1 * 1000 is 1100.0000000000002: what is a whole number but for the last bits is meant as one.
  const exact = Number(match[1]) * factor;
  const rounded = Math.round(exact);
  return Number.isSafeInteger(rounded) && Math.abs(exact - rounded) < 1e-6 ? rounded : undefined;
}

/**
 * A size: a number, or text such as `64KiB`, `64MiB`, `1GiB`, `1MB` (decimal). Upper and lower case are the same.
 * @returns a whole number of bytes; undefined if it is not a size
 */
export function parseSize(value: number | string): number | undefined {
  return parse(value, SIZE_UNITS);
}

/**
 * A time: a number of milliseconds, or text such as `500ms`, `10s`, `2m`, `1h`.
 * @returns whole milliseconds; undefined if it is not a time
 */
export function parseTime(value: number | string): number | undefined {
  return parse(value, TIME_UNITS);
}

/** A whole number with commas between thousands: `33,554,432`. */
export function formatNumber(value: number): string {
  // What is made for languages takes 20 ms to load, and every start of the server has numbers to write.
  return String(value).replace(/\B(?=(?:\d{3})+$)/g, ',');
}

/** A size in the largest unit that leaves it a whole number: `64 MiB`. */
export function formatSize(bytes: number): string {
  for (const [unit, factor] of [
    ['GiB', 1_073_741_824],
    ['MiB', 1_048_576],
    ['KiB', 1_024],
  ] as const) {
    if (bytes >= factor && bytes % factor === 0) return `${formatNumber(bytes / factor)} ${unit}`;
  }
  return `${formatNumber(bytes)} bytes`;
}

/** A time in the largest unit that leaves it a whole number: `5 s`. */
export function formatTime(milliseconds: number): string {
  if (milliseconds >= 60_000 && milliseconds % 60_000 === 0) return `${milliseconds / 60_000} min`;
  if (milliseconds >= 1_000 && milliseconds % 1_000 === 0) return `${milliseconds / 1_000} s`;
  return `${milliseconds} ms`;
}
