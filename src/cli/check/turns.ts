import { pause, systemClock } from '../../platform/clock.js';

/** For how long files are read in one turn of the event loop, in milliseconds. */
const TURN_MS = 100;

let since = Number.NEGATIVE_INFINITY;

/** Now and then, what is due in this process: files are read without a turn of the event loop, and a record is to be renewed meanwhile. */
export async function whatIsDue(): Promise<void> {
  if (systemClock.now() - since < TURN_MS) return;
  await pause(0);
  since = systemClock.now();
}
