import { expect, it } from 'vitest';
import { isInFull } from '../../support/in-full.js';
import { chaos } from '../chaos/campaign.js';
import { expectNothingWrong } from '../chaos/expectations.js';
import { usualFaults } from '../chaos/faults.js';

/** The short one begins with the server, the master and a worker, each of which is killed once. */
const seed = isInFull ? 3 : 118;
const WRITES = isInFull ? 100 : 20;

/** `npm run test:nightly` plays longer ones with other seeds: `npm run chaos -- --client --faults kill-server,…`. */
it(`loses nothing with our client, though the IPC server is among the victims (seed ${seed})`, {
  timeout: 600_000,
}, async () => {
  const report = await chaos({
    seed,
    milliseconds: isInFull ? 8_000 : 0,
    atLeast: { faults: isInFull ? 8 : 3, writes: WRITES },
    workers: isInFull ? 3 : 2,
    // The server is struck about as often as everybody else together.
    kinds: [...usualFaults, ...Array.from({ length: 13 }, () => 'kill-server' as const)],
    leastWaitMs: 500,
    mostWaitMs: 1500,
    patienceMs: 50_000,
    client: true,
    server: { reconnectGrace: '2s' },
  });
  const story = expectNothingWrong(report, WRITES);
  expect(report.faults['kill-server'] ?? 0, story).toBeGreaterThan(0);
});
