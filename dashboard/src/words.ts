/** How numbers are told to people. Narrow: they stand in tables. */

const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/** A length of time, in the two units that matter: `850 ms`, `14 s`, `3 min 20 s`, `2 h 5 min`, `3 d 4 h`. */
export function duration(milliseconds: number): string {
  const ms = Math.max(0, Math.round(milliseconds));
  if (ms < SECOND) return `${ms} ms`;
  if (ms < MINUTE) return `${Math.floor(ms / SECOND)} s`;
  if (ms < HOUR) return twoUnits(ms, MINUTE, 'min', SECOND, 's');
  if (ms < DAY) return twoUnits(ms, HOUR, 'h', MINUTE, 'min');
  return twoUnits(ms, DAY, 'd', HOUR, 'h');
}

function twoUnits(ms: number, large: number, largeName: string, small: number, smallName: string): string {
  const rest = Math.floor((ms % large) / small);
  return `${Math.floor(ms / large)} ${largeName}${rest === 0 ? '' : ` ${rest} ${smallName}`}`;
}

/** A length of time in whole seconds, for what ticks: never in milliseconds, which would flicker. */
export function seconds(milliseconds: number): string {
  return milliseconds < SECOND ? '0 s' : duration(milliseconds);
}

/** A short time, as exact as it is of interest: `0.42 ms`, `3.1 ms`, `240 ms`, `1.2 s`. */
export function latency(milliseconds: number): string {
  // The server tells many of them in whole milliseconds.
  if (milliseconds < 0.05) return '<1 ms';
  if (milliseconds < 1) return `${milliseconds.toFixed(2)} ms`;
  if (milliseconds < 10) return `${milliseconds.toFixed(1)} ms`;
  if (milliseconds < SECOND) return `${Math.round(milliseconds)} ms`;
  if (milliseconds < 10 * SECOND) return `${(milliseconds / SECOND).toFixed(1)} s`;
  return duration(milliseconds);
}

/** A number of something in a second: `0`, `0.4`, `12`, `1,240`. */
export function rate(perSecond: number): string {
  if (perSecond > 0 && perSecond < 9.95) return perSecond < 0.05 ? '<0.1' : perSecond.toFixed(1);
  return count(perSecond);
}

/** A whole number, with commas, as docs/LIMITS.md has them. */
export function count(number: number): string {
  return Math.round(number).toLocaleString('en');
}

/** A number of things: `1 worker`, `3 workers`. */
export function counted(number: number, one: string, many = `${one}s`): string {
  return `${count(number)} ${number === 1 ? one : many}`;
}

const UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];

/** A number of bytes: `0 B`, `1.5 KiB`, `64 MiB`. */
export function bytes(number: number): string {
  let value = number;
  let unit = 0;
  while (value >= 1_023.5 && unit < UNITS.length - 1) {
    value /= 1_024;
    unit += 1;
  }
  return `${unit === 0 || value >= 9.95 ? Math.round(value) : value.toFixed(1)} ${UNITS[unit]}`;
}

/** The time of day, in the reader's own zone; with the day, if it was another one than that of `now`. */
export function timeOfDay(at: number, now: number): string {
  const date = new Date(at);
  const time = [date.getHours(), date.getMinutes(), date.getSeconds()].map(twoDigits).join(':');
  if (date.toDateString() === new Date(now).toDateString()) return time;
  return `${date.getFullYear()}-${twoDigits(date.getMonth() + 1)}-${twoDigits(date.getDate())} ${time}`;
}

function twoDigits(number: number): string {
  return String(number).padStart(2, '0');
}
