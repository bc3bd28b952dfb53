import { readFile } from 'node:fs/promises';
import { expect, it } from 'vitest';
import { campaign } from './campaign.js';
import { mutations } from './mutations.js';
import { planOf } from './plan.js';
import { story } from './report.js';
import { play } from './run.js';

const FIXED_SEEDS = 300;
const FRESH_SEEDS = 50;

/** Another one in each run, and far from the fixed ones. */
const firstFreshSeed = 1_000_000 + (Date.now() % 1_000_000_000);

/** More of them: `npm run simulate -- --seeds 20000`. */
it.each([
  ['that are always the same', 1, FIXED_SEEDS],
  ['that were never played', firstFreshSeed, FRESH_SEEDS],
])('keeps every promise to modelled processes, by seeds %s', { timeout: 300_000 }, async (_, from, seeds) => {
  const report = await campaign({ from, seeds });
  const [first] = report.failures;
  expect(first, first && story(first.seed, play(planOf(first.seed))).join('\n')).toBeUndefined();
  expect(report.played).toBe(seeds);
  expect(report.writes).toBeGreaterThan(10 * seeds);
});

it('replays a seed exactly', () => {
  const [once, again] = [play(planOf(77), { keepHistory: true }), play(planOf(77), { keepHistory: true })];
  expect(again.history).toEqual(once.history);
  expect(once.history.length).toBeGreaterThan(100);
});

/** `npm run simulate:mutants` plays them. */
it.each(mutations)('the mutation that $name fits the broker', async ({ file, from, to }) => {
  const source = await readFile(new URL(`../../src/broker/${file}`, import.meta.url), 'utf8');
  expect(source.split(from)).toHaveLength(2);
  expect(to).not.toBe(from);
});
