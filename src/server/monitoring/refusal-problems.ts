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
  'IPC_REFUSED_MANAGED_MASTER',
  'IPC_REFUSED_NO_TRANSACTION_LOG',
  'IPC_REFUSED_ORIGIN',
  'IPC_REFUSED_HOST',
  'IPC_REFUSED_MALFORMED_HTTP',
  'IPC_REFUSED_TLS_UNTRUSTED',
  'IPC_REFUSED_TLS_EXPECTED',
  'IPC_REFUSED_TLS_UNEXPECTED',
  'IPC_REFUSED_TLS_FAILED',
  'IPC_REFUSED_TOO_MANY_CONNECTIONS',
  'IPC_REFUSED_NO_DESCRIPTORS',
  'IPC_REFUSED_TOO_MANY_DATABASES',
  'IPC_REFUSED_TOO_MANY_PEERS',
];

/**
 * Refusals of what has not come as far as to say who it is. A browser, a scanner or a probe makes a few of them, which is no
 * problem of the cluster; an AceBase process tries again, once in five seconds or more often, for ever.
 */
const OF_UNKNOWNS: ReadonlySet<RefusalCode> = new Set([
  'IPC_REFUSED_MALFORMED_HTTP',
  'IPC_REFUSED_TLS_UNTRUSTED',
  'IPC_REFUSED_TLS_EXPECTED',
  'IPC_REFUSED_TLS_UNEXPECTED',
  'IPC_REFUSED_TLS_FAILED',
]);

/** How many of those, spread over how many milliseconds, are taken for a process. */
const LEAST_ATTEMPTS = 8;
const LEAST_SPREAD_MS = 15_000;

/** The refusals of the last minute, a problem for each reason, the most frequent first. @param wall milliseconds since 1970 */
export function refusalProblems(recent: Pick<RecentRefusals, 'count'>, wall: number): readonly Problem[] {
  return TELLING.map((code) => ({ code, ...recent.count(code) }))
    .filter(({ code, count, spread }) =>
      OF_UNKNOWNS.has(code) ? count >= LEAST_ATTEMPTS && spread >= LEAST_SPREAD_MS : count > 0,
    )
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
