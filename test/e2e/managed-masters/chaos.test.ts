import { expect, it } from 'vitest';
import { isInFull } from '../../support/in-full.js';
import { chaos } from '../chaos/campaign.js';
import { expectNothingWrong } from '../chaos/expectations.js';
import { childFaults, usualManagedFaults } from '../chaos/faults.js';

/** The short one strikes the child, the server, and both, once each. */
const seed = isInFull ? 2156 : 2448;
const WRITES = isInFull ? 100 : 20;

/** `npm run test:nightly` plays longer ones with other seeds: `npm run chaos -- --managed`. */
it(`loses nothing, though the server runs the master, and both are victims (seed ${seed})`, {
  timeout: 600_000,
}, async () => {
  const report = await chaos({
    seed,
    milliseconds: isInFull ? 20_000 : 0,
    atLeast: { faults: isInFull ? 10 : 4, writes: WRITES },
    workers: isInFull ? 3 : 2,
    kinds: isInFull ? usualManagedFaults : childFaults,
    leastWaitMs: 500,
    mostWaitMs: 1500,
    patienceMs: 50_000,
    managed: true,
    server: { reconnectGrace: '2s' },
  });
  const story = expectNothingWrong(report, WRITES);
  if (!isInFull) expect(Object.keys(report.faults).sort(), story).toEqual(childFaults.toSorted());
});
