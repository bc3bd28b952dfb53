/** The bench takes only what it is asked for; bench.nightly.test.ts takes every measure of every subject. */

import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';
import type { Result } from '../../bench/results.js';

const bench = fileURLToPath(new URL('../../bench/bench.js', import.meta.url));

it('npm run bench takes the measures that are asked for, of ours and of the yardstick', async () => {
  const measures = ['P1a', 'P3'];
  const given = [bench, '--smoke', '--json', '--only', measures.join()];
  const { stdout } = await promisify(execFile)(process.execPath, given);
  const { results } = JSON.parse(stdout) as { results: Result[] };
  expect(results.map(({ id }) => id)).toEqual(measures);
  for (const { ours, yardstick, ratio, generatorShare } of results) {
    expect(Math.min(ours.median, yardstick.median, ratio.median, generatorShare)).toBeGreaterThan(0);
  }
});
