import { describe, expect, it } from 'vitest';
import type { ManagedMasterReport } from '../../../src/managed-masters/managed-master.js';
import { masterStatus } from '../../../src/server/monitoring/master-status.js';
import { MANAGED } from '../../support/managed-report.js';

const NOW = { monotonic: 100_000, wall: 1_700_000_100_000 };

const brief = (changes: Partial<ManagedMasterReport>) =>
  masterStatus({ ...MANAGED, ...changes }, NOW).problems.map(({ code, severity, message }) => [
    code,
    severity,
    message,
  ]);

const codes = (changes: Partial<ManagedMasterReport>) => brief(changes).map((each) => each.slice(0, 2));

const FAILED = {
  state: 'failed',
  pid: undefined,
  vitals: undefined,
  lastReason: 'it was ended by SIGKILL',
} as const;

describe('a master that the server runs', () => {
  it('is told with its times since 1970', () => {
    expect(masterStatus({ ...MANAGED, since: 40_000 }, NOW)).toEqual({
      database: 'mydb',
      state: 'serving',
      since: 1_700_000_040_000,
      pid: 4_711,
      restarts: 0,
      lastReason: null,
      nextStartAt: null,
      rss: 80_000_000,
      heapUsed: 20_000_000,
      eventLoopDelayP99: 1.2,
      problems: [],
    });
    expect(masterStatus({ ...MANAGED, ...FAILED, nextStartAt: 101_000 }, NOW)).toMatchObject({
      state: 'failed',
      pid: null,
      nextStartAt: 1_700_000_101_000,
      rss: null,
      eventLoopDelayP99: null,
    });
  });

  it('has a problem when it has not served for longer than a restart takes', () => {
    expect(brief({ ...FAILED, unservedSince: 98_001 })).toEqual([]);
    expect(brief({ ...FAILED, unservedSince: 98_000 })).toEqual([
      [
        'managed-master-failed',
        'warning',
        'the master of mydb, which this server runs, has not served for 2 s: it was ended by SIGKILL',
      ],
    ]);
    expect(codes({ ...FAILED, unservedSince: 90_000 })).toEqual([['managed-master-failed', 'critical']]);
    // Each attempt begins anew; what has failed since is the same.
    expect(codes({ ...FAILED, state: 'opening', unservedSince: 90_000 })).toEqual([
      ['managed-master-failed', 'critical'],
    ]);
    // A large file takes long to open, and nothing has gone wrong.
    expect(brief({ state: 'opening', unservedSince: 10_000 })).toEqual([]);
  });

  it('has one while it waits for its folder', () =>
    expect(brief({ state: 'waiting', lastReason: 'another server has it', unservedSince: 0 })).toEqual([
      [
        'managed-master-waits',
        'warning',
        'the master of mydb, which this server runs, waits for its folder: another server has it',
      ],
    ]));

  it('has one when it ends again and again, though it serves', () => {
    const ended = { lastReason: 'it was ended by SIGKILL' };
    expect(brief({ ...ended, recentRestarts: [1, 2] })).toEqual([]);
    expect(brief({ ...ended, recentRestarts: [1, 2, 3] })).toEqual([
      [
        'managed-master-restarts',
        'warning',
        'the master of mydb, which this server runs, was started again 3 times in 10 min; the last one ended: it was ended by SIGKILL',
      ],
    ]);
  });

  it('says what to do: what the table of errors says, or where to read', () => {
    const remedy = (lastCode: string | undefined) =>
      masterStatus({ ...MANAGED, ...FAILED, lastCode, unservedSince: 0 }, NOW).problems[0]?.remedy;
    expect(remedy('IPC_MASTER_NO_FILE')).toMatch(/^Check /);
    expect(remedy(undefined)).toMatch(/log of the server/);
  });
});
