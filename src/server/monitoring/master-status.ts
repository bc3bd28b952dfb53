/** The masters that the server runs itself, for people to read: how each is, and what is wrong with it. */

import { remedyOf } from '../../errors.js';
import {
  type ManagedMasterReport,
  type ManagedMasterState,
  RECENT_RESTART_MS,
} from '../../managed-masters/managed-master.js';
import type { Moment, Problem } from './problems.js';
import { describeSpan } from './spans.js';

/** One of them. */
export interface ManagedMasterStatus {
  /** As AceBase has it: `mydb`. */
  readonly database: string;
  /**
   * `waiting`: somebody else has its folder in use. `failed`: its process has ended, and the next one is started at
   * `nextStartAt`.
   */
  readonly state: ManagedMasterState;
  /** When that began: milliseconds since 1970. */
  readonly since: number;
  /** Of its process; `null` if there is none. */
  readonly pid: number | null;
  /** How often a process was started in the place of one that had ended. */
  readonly restarts: number;
  /** Why the last one ended, or what this one waits for, in words; `null` if none has. */
  readonly lastReason: string | null;
  /** When the next process is started: milliseconds since 1970; `null` unless `failed`. */
  readonly nextStartAt: number | null;
  /** Bytes of memory that its process has, and those of them that JavaScript uses; `null` before it has told. */
  readonly rss: number | null;
  readonly heapUsed: number | null;
  /** Milliseconds that 99 of 100 waits for its event loop were below; `null` before it has told. */
  readonly eventLoopDelayP99: number | null;
  /** What is wrong with it, the worst first. */
  readonly problems: readonly Problem[];
}

/** When the rules hold, in milliseconds; and how many restarts in which time are too many. */
export const MASTER_RULES = {
  /** It does not serve, and a process of it has ended. One that is killed is back within two seconds. */
  failedWarning: 2_000,
  failedCritical: 10_000,
  restarts: 3,
  restartsWithin: RECENT_RESTART_MS,
} as const;

/** How a master is now. */
export function masterStatus(report: ManagedMasterReport, now: Moment): ManagedMasterStatus {
  const { database, state, pid, restarts, lastReason, vitals, since, nextStartAt } = report;
  const wallTime = (moment: number): number => Math.round(now.wall - (now.monotonic - moment));
  return {
    database,
    state,
    since: wallTime(since),
    pid: pid ?? null,
    restarts,
    lastReason: lastReason ?? null,
    nextStartAt: nextStartAt === undefined ? null : wallTime(nextStartAt),
    rss: vitals?.rss ?? null,
    heapUsed: vitals?.heapUsed ?? null,
    eventLoopDelayP99: vitals === undefined ? null : Math.round(vitals.eventLoopDelayP99 * 10) / 10,
    problems: problemsOfMaster(report, now).map(({ at, ...problem }) => ({
      ...problem,
      since: wallTime(at),
    })),
  };
}

/** A problem, with the moment since when by the clock of the server. */
type Found = Omit<Problem, 'since'> & { readonly at: number };

function problemsOfMaster(report: ManagedMasterReport, { monotonic }: Moment): Found[] {
  const { database, state, lastReason, lastCode, since, unservedSince, recentRestarts } = report;
  const found: Found[] = [];
  if (state === 'waiting') {
    found.push({
      code: 'managed-master-waits',
      at: since,
      message: `the master of ${database}, which this server runs, waits for its folder: ${lastReason}`,
      remedy: 'Stop whatever uses it, or this server: one database has one master.',
      severity: 'warning',
    });
  } else if (unservedSince !== undefined && lastReason !== undefined) {
    const lasts = monotonic - unservedSince;
    if (lasts >= MASTER_RULES.failedWarning)
      found.push({
        code: 'managed-master-failed',
        at: unservedSince,
        message: `the master of ${database}, which this server runs, has not served for ${describeSpan(lasts)}: ${lastReason}`,
        remedy: remedyFor(lastCode, database),
        severity: lasts >= MASTER_RULES.failedCritical ? 'critical' : 'warning',
      });
  }
  const [first] = recentRestarts;
  if (first !== undefined && recentRestarts.length >= MASTER_RULES.restarts)
    found.push({
      code: 'managed-master-restarts',
      at: first,
      message: `the master of ${database}, which this server runs, was started again ${recentRestarts.length} times in ${describeSpan(MASTER_RULES.restartsWithin)}; the last one ended: ${lastReason}`,
      remedy: remedyFor(lastCode, database),
      severity: 'warning',
    });
  return found;
}

function remedyFor(code: string | undefined, database: string): string {
  return (
    remedyOf(code)?.replaceAll('`', '') ??
    `It is started again by itself. If that does not help, read its lines in the log of the server: they have "database":"${database}".`
  );
}
