import { uptime } from 'node:os';
import type { Cancel, Clock } from '../broker/ports.js';

/** The real time. The only place in the package that reads a clock or sets a timer. */
export const systemClock = {
  now: (): number => performance.now(),
  wallTime: (): number => Date.now(),
  /** Milliseconds since the machine was started, those in which it slept included. */
  uptime: (): number => uptime() * 1000,
  schedule(milliseconds: number, callback: () => void): Cancel {
    const timer = setTimeout(callback, milliseconds);
    return () => clearTimeout(timer);
  },
  /** As `schedule`, but a process that has nothing else to do ends without it. */
  scheduleIdle(milliseconds: number, callback: () => void): Cancel {
    const timer = setTimeout(callback, milliseconds);
    timer.unref();
    return () => clearTimeout(timer);
  },
  /** Calls once in this turn of the event loop, behind all promises that are due. */
  atEndOfTurn(callback: () => void): void {
    process.nextTick(callback);
  },
};

/** A moment, in milliseconds since 1970, as ISO 8601. */
export function isoTime(milliseconds: number): string {
  return new Date(milliseconds).toISOString();
}

/** Resolves after so many milliseconds. */
export function pause(milliseconds: number, clock: Pick<Clock, 'schedule'> = systemClock): Promise<void> {
  return new Promise((resolve) => clock.schedule(milliseconds, resolve));
}

/**
 * What a promise comes to, if it does so within that many milliseconds; else what `late` returns, or throws.
 *
 * @throws whatever the promise is rejected with
 */
export async function within<T, Late>(
  milliseconds: number,
  step: Promise<T>,
  late: () => Late,
  clock: Pick<Clock, 'schedule'> = systemClock,
): Promise<T | Late> {
  let cancel: Cancel = () => undefined;
  const end = new Promise<void>((resolve) => {
    cancel = clock.schedule(milliseconds, resolve);
  });
  try {
    return await Promise.race([step, end.then(late)]);
  } finally {
    cancel();
  }
}
