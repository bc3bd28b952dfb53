/** How much time has passed, whatever the clocks did meanwhile. */

/** What it is measured by, each in milliseconds. */
export interface Clocks {
  /** Monotonic, since an arbitrary start; it may stand still while the machine sleeps. */
  now(): number;
  /** Since 1970. */
  wallTime(): number;
  /** Since the machine was started, those in which it slept included. All processes of a machine have the same. */
  uptime(): number;
}

/** By how many milliseconds the wall clock may differ from the monotonic one before it is asked whether the machine slept. */
const CLOCK_TOLERANCE_MS = 500;

/** A moment, by the clocks of this process. */
export interface Moment {
  /** By `clock.now()`. */
  readonly at: number;
  /** By `clock.wallTime()`, and `clock.uptime()`. */
  readonly wall: number;
  readonly uptime: number;
}

/** Now. */
export function momentOf(clock: Clocks): Moment {
  return { at: clock.now(), wall: clock.wallTime(), uptime: clock.uptime() };
}

/**
 * Milliseconds since that moment, those in which the machine slept included: the monotonic clock stands still then, and the wall clock
 * is set now and then. The uptime tells which of the two it was; to ask for it takes some microseconds.
 */
export function elapsedSince(clock: Clocks, { at, wall, uptime }: Moment): number {
  const elapsed = clock.now() - at;
  const drift = clock.wallTime() - wall - elapsed;
  return Math.abs(drift) < CLOCK_TOLERANCE_MS ? elapsed : Math.max(elapsed, clock.uptime() - uptime);
}

/** The moment at which the uptime was that: another process of this machine has told of it. */
export function momentAt(uptime: number, clock: Clocks): Moment {
  const now = momentOf(clock);
  const age = now.uptime - uptime;
  return { at: now.at - age, wall: now.wall - age, uptime };
}
