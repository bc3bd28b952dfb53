/** What is wrong with processes that the server does not let in: they are in no database, so only the server can tell. */

import { ERRORS, type RefusalCode } from '../../errors.js';
import type { RecentRefusals } from '../recent-refusals.js';
import type { Problem } from './problems.js';

/**
 * Refusals that somebody must do something about. Others mend themselves, or are of requests that ask how the server is:
 * each dashboard makes one before its token is typed.
 */
const TELLING: readonly RefusalCode[] = [
  'IPC_REFUSED_TOKEN',
  'IPC_REFUSED_DATABASE',
  'IPC_REFUSED_DATABASE_NAME',
  'IPC_REFUSED_VERSION',
  'IPC_REFUSED_SECOND_MASTER',
  'IPC_REFUSED_ORIGIN',
  'IPC_REFUSED_HOST',
  'IPC_REFUSED_MALFORMED_HTTP',
  'IPC_REFUSED_TOO_MANY_CONNECTIONS',
  'IPC_REFUSED_NO_DESCRIPTORS',
  'IPC_REFUSED_TOO_MANY_DATABASES',
  'IPC_REFUSED_TOO_MANY_PEERS',
];

/** The refusals of the last minute, a problem for each reason, the most frequent first. @param wall milliseconds since 1970 */
export function refusalProblems(recent: Pick<RecentRefusals, 'count'>, wall: number): readonly Problem[] {
  return TELLING.map((code) => ({ code, ...recent.count(code) }))
    .filter(({ count }) => count > 0)
    .sort((one, other) => other.count - one.count)
    .map(({ code, count, lasts }) => ({
      code,
      since: Math.round(wall - lasts),
      message: `${count} ${count === 1 ? 'attempt to connect was' : 'attempts to connect were'} refused in the last minute: ${inMidSentence(ERRORS[code].summary)}`,
      remedy: ERRORS[code].remedy,
      severity: 'warning',
    }));
}

function inMidSentence(sentence: string): string {
  return `${sentence.charAt(0).toLowerCase()}${sentence.slice(1).replace(/\.$/, '')}`;
}
