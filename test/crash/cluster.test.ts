import { afterAll, expect, it } from 'vitest';
import { Checker } from './checker-process.js';
import { runCluster } from './cluster-run.js';

/** A few of the points of `npm run crash -- --cluster --journal process`; more are in the nightly tests. */
const SETTINGS = {
  seed: 3,
  operations: 20,
  isLogged: false,
  journal: 'process',
  overlap: 1,
  patienceMs: 30_000,
} as const;

const checker = new Checker(SETTINGS);
afterAll(() => checker.end());

it.each([
  ['master', 90],
  ['worker1', 12],
] as const)(
  'with a journal, a cluster survives that %s is killed in the midst of change %d',
  { timeout: 12 * SETTINGS.patienceMs },
  async (victim, change) => {
    const { verdict } = await runCluster({ ...SETTINGS, victim }, { change, isHalf: true }, checker);
    expect(['clean', 'leaked']).toContain(verdict.outcome);
  },
);
