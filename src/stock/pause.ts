import { systemClock } from '../platform/clock.js';

/** Resolves after so many milliseconds. */
export function pause(milliseconds: number): Promise<void> {
  return new Promise((resolve) => systemClock.schedule(milliseconds, resolve));
}
