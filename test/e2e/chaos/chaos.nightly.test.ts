import { it } from 'vitest';
import { chaos } from './campaign.js';
import { expectNothingWrong } from './expectations.js';
import { usualFaults } from './faults.js';

const seed = 7;
const WRITES = 100;

/** `npm run test:nightly` plays longer ones with other seeds: `npm run chaos -- --minutes N --seed N`. */
it(`loses nothing, and leaves nobody waiting, while processes and lines fail (seed ${seed})`, {
  timeout: 600_000,
}, async () => {
  const report = await chaos({
    seed,
    milliseconds: 10_000,
    atLeast: { faults: 8, writes: WRITES },
    workers: 3,
    kinds: usualFaults,
    leastWaitMs: 500,
    mostWaitMs: 1500,
    patienceMs: 50_000,
    // Shorter than usual, so that many faults find a cluster that has got over the last one.
    server: { reconnectGrace: '1s', masterSettle: '200ms' },
  });
  expectNothingWrong(report, WRITES);
});
