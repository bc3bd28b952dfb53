import { afterAll, expect, it } from 'vitest';
import { Checker } from './checker-process.js';
import { runCluster } from './cluster-run.js';

/** One of the points of `npm run crash -- --cluster --journal process`; more are in the nightly tests. */
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

const timeout = 12 * SETTINGS.patienceMs;

it('with a journal, a cluster survives that its master is killed in the midst of a change', {
  timeout,
}, async () => {
  const { verdict } = await runCluster(
    { ...SETTINGS, victim: 'master' },
    { change: 90, isHalf: true },
    checker,
  );
  expect(['clean', 'leaked']).toContain(verdict.outcome);
});
