import { afterAll, describe, expect, it } from 'vitest';
import { Checker } from './checker-process.js';
import { runCluster } from './cluster-run.js';
import type { CrashPoint, Outcome } from './verdict.js';

const SETTINGS = {
  seed: 3,
  operations: 20,
  victim: 'master',
  isLogged: false,
  journal: 'off',
  overlap: 1,
  patienceMs: 30_000,
} as const;

const checker = new Checker(SETTINGS);
afterAll(() => checker.end());

/** A run ends by itself when it stands still; a busy machine only takes its time. */
const timeout = 12 * SETTINGS.patienceMs;

/** What the sweep with `--cluster` does at one point. */
function run(
  victim: 'master' | 'worker1',
  point: CrashPoint | undefined,
  journal: 'off' | 'process' = 'off',
) {
  return runCluster({ ...SETTINGS, victim, journal }, point, checker);
}

describe('the crash sweep of clusters', () => {
  it('finds nothing where nobody is killed, and counts the changes of the victim', { timeout }, async () => {
    const { verdict, changes } = await run('worker1', undefined);
    expect(verdict).toMatchObject({ outcome: 'clean', faults: [], lastChange: undefined });
    expect(changes.length).toBeGreaterThan(10);
    expect(changes).toContain(true);
  });

  it('finds what a cluster does not survive without one: a master that is killed in the midst of a write', {
    timeout,
  }, async () => {
    let outcome: Outcome = 'clean';
    // What it is in the midst of at a change depends on what the processes have told each other: data at some, an index at others.
    for (let change = 80; change < 150 && (outcome === 'clean' || outcome === 'leaked'); change += 8) {
      ({ outcome } = (await run('master', { change, isHalf: true })).verdict);
    }
    expect(['clean', 'leaked']).not.toContain(outcome);
  });

  it.each([
    ['master', 1],
    ['master', 40],
    ['master', 90],
    ['master', 150],
    ['worker1', 5],
    ['worker1', 12],
    ['worker1', 20],
  ] as const)(
    'with a journal, a cluster survives that %s is killed in the midst of change %d',
    { timeout },
    async (victim, change) => {
      const { verdict } = await run(victim, { change, isHalf: true }, 'process');
      expect(['clean', 'leaked']).toContain(verdict.outcome);
    },
  );
});
