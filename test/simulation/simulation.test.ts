import { readFile } from 'node:fs/promises';
import { setImmediate as eventLoop } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { clientMutations } from './client-mutations.js';
import { journalMutations } from './commits/mutations.js';
import { mutations } from './mutations.js';
import { planOf } from './plan.js';
import { story } from './report.js';
import { play } from './run.js';

const SEEDS = 350;

/** `npm run test:nightly` plays seeds that were never played before: `npm run simulate -- --from N --seeds N`. */
it(`keeps every promise to modelled processes, by ${SEEDS} seeds`, { timeout: 900_000 }, async () => {
  let writes = 0;
  for (let seed = 1; seed <= SEEDS; seed++) {
    const verdict = await play(planOf(seed));
    if (verdict.violations.length > 0) expect.fail((await story(seed, verdict)).join('\n'));
    writes += verdict.writes;
    await eventLoop();
  }
  expect(writes).toBeGreaterThan(10 * SEEDS);
});

it('replays a seed exactly', async () => {
  const once = await play(planOf(77), { keepHistory: true });
  const again = await play(planOf(77), { keepHistory: true });
  expect(again.history).toEqual(once.history);
  expect(once.history.length).toBeGreaterThan(100);
});

/** `npm run simulate:mutants` plays them. */
it.each([
  ...mutations.map((it) => ({ ...it, folder: 'broker' })),
  ...clientMutations.map((it) => ({ ...it, folder: 'client/core' })),
  ...journalMutations.map((it) => ({ ...it, folder: 'client/journal' })),
])('the mutation that $name fits src/$folder', async ({ folder, file, from, to }) => {
  const source = await readFile(new URL(`../../src/${folder}/${file}`, import.meta.url), 'utf8');
  expect(source.split(from)).toHaveLength(2);
  expect(to).not.toBe(from);
});
