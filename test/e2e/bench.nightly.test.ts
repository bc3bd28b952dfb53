/** The bench, so short that its figures mean nothing: every measure runs, and counts its frames. */

import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import type { AceBaseReport } from '../../bench/acebase/acebase.js';
import type { CostRow } from '../../bench/costs/costs.js';
import { SUBJECTS } from '../../bench/costs/subjects.js';
import type { FairnessReport } from '../../bench/fairness.js';
import type { GrowthPoint } from '../../bench/growth.js';
import { measuresOf } from '../../bench/measures.js';
import type { Result } from '../../bench/results.js';
import type { StormReport } from '../../bench/storm.js';

const bench = fileURLToPath(new URL('../../bench/bench.js', import.meta.url));

async function smoke<Report>(...subject: string[]): Promise<Report> {
  const { stdout } = await promisify(execFile)(process.execPath, [bench, ...subject, '--smoke', '--json']);
  return JSON.parse(stdout) as Report;
}

function expectFigures(results: readonly Result[]): void {
  for (const { id, ours, yardstick, ratio, generatorShare } of results) {
    // Memory may not have grown at all in so short a time.
    const lowest = /memory|P5/.test(id) ? 0 : Number.MIN_VALUE;
    expect(ours.median, id).toBeGreaterThanOrEqual(lowest);
    expect(yardstick.median, id).toBeGreaterThanOrEqual(lowest);
    if (lowest > 0) expect(ratio.median, id).toBeGreaterThan(0);
    expect(generatorShare, id).toBeGreaterThan(0);
  }
}

describe('npm run bench', () => {
  it('takes every measure of ours and of the yardstick', async () => {
    const { results, fairness } = await smoke<{ results: Result[]; fairness: FairnessReport }>();
    expect(results.map(({ id }) => id)).toEqual(measuresOf('smoke').map(({ id }) => id));
    expectFigures(results);
    expect(fairness.quiet.p50Ms).toBeGreaterThan(0);
    expect(fairness.flooded.p50Ms).toBeGreaterThan(0);
    expect(fairness.megabytesPerSecond).toBeGreaterThan(0);
  });

  it('takes the points of growth', async () => {
    const { points } = await smoke<{ points: GrowthPoint[] }>('growth');
    expect(new Set(points.map((point) => point.of))).toEqual(new Set(['bytes', 'peers', 'databases']));
    for (const { messagesPerSecond } of points) expect(messagesPerSecond).toBeGreaterThan(0);
  });

  it('takes what operations cost the broker', async () => {
    const { rows } = await smoke<{ rows: CostRow[] }>('costs');
    expect(rows.map(({ what }) => what)).toEqual(SUBJECTS.map(({ what }) => what));
    for (const { what, microseconds } of rows) {
      for (const cost of Object.values(microseconds)) expect(cost, what).toBeGreaterThan(0);
    }
  });

  it('raises a storm, and loses nobody', async () => {
    const { phases, refused } = await smoke<StormReport>('storm');
    expect(phases).toHaveLength(4);
    expect(refused).toEqual({});
  });

  it('lets real AceBase processes write and read', async () => {
    const { results, cachePoints } = await smoke<AceBaseReport>('acebase');
    expect(cachePoints.map(({ nodes }) => nodes)).toEqual(expect.arrayContaining([500, 5_000, 50_000]));
    for (const { cpu } of cachePoints) expect(cpu).toBeGreaterThanOrEqual(0);
    expect(results.map(({ way }) => way)).toEqual(expect.arrayContaining(['stock client', 'no IPC']));
    for (const { way, figures } of results) {
      const { mixedWrites, mixedReads, ...others } = figures;
      const both = way === 'no IPC' ? [] : [mixedWrites, mixedReads];
      for (const figure of [...Object.values(others), ...both])
        expect(figure?.median, way).toBeGreaterThanOrEqual(0);
    }
  });
});
