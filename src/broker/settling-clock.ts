import type { Clock } from './ports.js';

/** A clock that settles what each of its callbacks has caused, so that nobody has to remember it. */
export function settlingClock(clock: Clock, settle: () => void): Clock {
  return {
    now: () => clock.now(),
    wallTime: () => clock.wallTime(),
    schedule: (milliseconds, callback) =>
      clock.schedule(milliseconds, () => {
        callback();
        settle();
      }),
  };
}
