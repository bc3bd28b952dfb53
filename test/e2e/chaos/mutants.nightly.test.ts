import { describe, expect, it } from 'vitest';
import { hunt } from './hunt.js';
import { mutants } from './mutants.js';
import { summary } from './summary.js';

const seed = 1;
const most = 20;

/** Whether campaigns would find what they are to find. `npm run chaos -- --mutants …` plays other seeds. */
describe('what everyone has read of each key', () => {
  it.each(mutants)('shows %s', { timeout: 900_000 }, async (mutant) => {
    const { report, isFound } = await hunt(mutant, { seed, most });
    expect(isFound, summary(report).join('\n')).toBe(true);
  });

  it.each(mutants)(
    'shows nothing where nothing is wrong, in a round as for %s',
    { timeout: 900_000 },
    async (kind) => {
      const { report } = await hunt(undefined, { kind, seed, most: 1 });
      const story = summary(report).join('\n');
      expect([report.violations, report.misread, report.findings], story).toEqual([[], [], []]);
    },
  );
});
