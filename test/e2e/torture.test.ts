import { expect, it } from 'vitest';
import { isInFull } from '../support/in-full.js';
import { campaign } from '../torture/campaign.js';

const seed = 20_240_229;
const workers = isInFull ? 3 : 2;
const operations = isInFull ? 400 : 20;

/** `npm run test:nightly` plays longer ones with other seeds: `npm run torture -- --seed N --workers N --ops N`. */
it(`keeps ${workers} × ${operations} random writes exact (seed ${seed})`, { timeout: 600_000 }, async () => {
  const report = await campaign({ seed, workers, operations });
  expect(report.differences).toEqual([]);
  expect(report.complaints).toEqual([]);
  expect(report.operations).toBe(workers * operations);
});
