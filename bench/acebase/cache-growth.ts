/** A5: what a write costs a process that only hears of it, by how many nodes it has cached. */

import { figureOf } from '../statistics.js';
import { markdownTable, shown } from '../table.js';
import type { Cluster } from './cluster.js';

/** One point of the curve of one client. */
export interface CachePoint {
  readonly way: string;
  readonly nodes: number;
  /** Milliseconds of processor time of the worker that does not write, for each write. */
  readonly cpu: number;
}

const NODES = [500, 5_000, 50_000] as const;

/** Takes all points, in a cluster of two workers whose caches are their own affair. */
export async function measureCacheGrowth(
  way: string,
  cluster: Cluster,
  milliseconds: number,
): Promise<CachePoint[]> {
  await cluster.fill(1);
  const points: CachePoint[] = [];
  for (const nodes of NODES)
    points.push({ way, nodes, cpu: await cluster.bystanderCpu(milliseconds, nodes) });
  return points;
}

/** As text: medians, and how they compare with those of the smallest cache. */
export function cacheGrowthText(points: readonly CachePoint[]): string {
  const ways = [...new Set(points.map(({ way }) => way))];
  const medianOf = (way: string, nodes: number): number =>
    figureOf(points.filter((it) => it.way === way && it.nodes === nodes).map(({ cpu }) => cpu)).median;
  const rows = NODES.map((nodes) => [
    nodes.toLocaleString('en'),
    ...ways.map((way) => {
      const cpu = medianOf(way, nodes);
      return `${shown(cpu)} (${shown(cpu / medianOf(way, NODES[0]))} ×)`;
    }),
  ]);
  return markdownTable(['A5 cached nodes: CPU of a worker for a write of another, ms', ...ways], rows);
}
