import type { ManagedMasterReport } from '../../src/managed-masters/managed-master.js';

/** A master that a server runs itself, and that serves. Times are those of a clock that began at 0. */
export const MANAGED: ManagedMasterReport = {
  database: 'mydb',
  path: '/data',
  state: 'serving',
  pid: 4_711,
  restarts: 0,
  lastReason: undefined,
  lastCode: undefined,
  since: 0,
  unservedSince: undefined,
  nextStartAt: undefined,
  recentRestarts: [],
  vitals: { rss: 80_000_000, heapUsed: 20_000_000, eventLoopDelayP99: 1.234 },
};
