import { expect, it } from 'vitest';
import { campaign } from '../torture/campaign.js';

const seed = 20_240_229;

/** `npm run test:nightly` plays longer ones with other seeds: `npm run torture -- --seed N --workers N --ops N`. */
it(`keeps 3 × 400 random writes exact (seed ${seed})`, { timeout: 600_000 }, async () => {
  const report = await campaign({ seed, workers: 3, operations: 400 });
  expect(report.differences).toEqual([]);
  expect(report.complaints).toEqual([]);
  expect(report.operations).toBe(1200);
});
