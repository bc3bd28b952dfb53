/** How long a connection waits for what. The simulation's model of this client has the same. */

/** The first wait before another attempt, in milliseconds. */
export const FIRST_WAIT_MS = 50;

/** The longest one. */
export const LONGEST_WAIT_MS = 5_000;

/** By how much a wait is longer than the one before. */
export const GROWTH = 1.5;

/** Each wait is this much shorter or longer, at random, so that processes do not come all at once. */
export const JITTER = 0.25;

/** An attempt that takes longer has failed. */
export const HANDSHAKE_MS = 10_000;

/** How often the line is looked at, and how often in a row nothing may have been heard. */
export const BEAT_MS = 2_500;
export const SILENT_BEATS = 3;

/** A process that has not heard the server for so many milliseconds may have been stopped, and given up meanwhile. */
export const IN_TOUCH_MS = 500;

/**
 * A process that has heard nothing for so many milliseconds may have been given up: `reconnectGrace` is 11 s, and somewhat
 * longer here, for timers that are late. One that listens notices sooner that its line is dead, so it was stopped, or busy.
 */
export const OUT_OF_TOUCH_MS = 12_500;
