/** The file descriptors of this process: each connection takes one, and the system refuses what is above the limit. */

import { closeSync, openSync, readFileSync } from 'node:fs';
import { devNull } from 'node:os';

/** How many descriptors a process may have, and has. */
export interface Descriptors {
  /** How many it may have; `undefined` where that is not known: Linux alone tells. */
  readonly limit: number | undefined;
  /** How many it has, counted to the first that is free. Never throws. */
  used(): number;
}

/** Those of this process. */
export function ownDescriptors(): Descriptors {
  const limit = limitOf(readLimits());
  return { limit, used: () => lowestFree() ?? limit ?? Number.POSITIVE_INFINITY };
}

/** The soft limit in the text of `/proc/self/limits` (proc(5)); Node raises it to the hard one when it starts. */
export function limitOf(limits: string): number | undefined {
  const soft = /^Max open files\s+(\d+)/m.exec(limits)?.[1];
  return soft === undefined ? undefined : Number(soft);
}

function readLimits(): string {
  try {
    return readFileSync('/proc/self/limits', 'utf8');
  } catch {
    // Not Linux, or no /proc.
    return '';
  }
}

/** A new descriptor has the lowest number that is free (POSIX, open()). @returns undefined if there is none */
function lowestFree(): number | undefined {
  try {
    const lowest = openSync(devNull, 'r');
    closeSync(lowest);
    return lowest;
  } catch {
    return undefined;
  }
}
