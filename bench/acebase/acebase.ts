/** `npm run bench -- acebase`: A1 to A5, real AceBase processes that write, read, and do both. */

import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { Scale } from '../measures.js';
import { startServer } from '../servers/started-server.js';
import { type Figure, figureOf, percentile } from '../statistics.js';
import { markdownTable, shown } from '../table.js';
import type { BenchOrder } from '../targets.js';
import { type CachePoint, cacheGrowthText, measureCacheGrowth } from './cache-growth.js';
import { Cluster, type ClusterSettings, type Work } from './cluster.js';

/** Ways for AceBase processes to share a database. */
const WAYS = ['stock client', 'our client', "ipc: 'socket'", 'no IPC'] as const;
type Way = (typeof WAYS)[number];

/** What is measured of each way, with its unit. Records and keys are there before. */
const ROWS = {
  writes: 'A1 one at a time each, writes/s',
  writeP50: '… p50, ms',
  writeP99: '… p99, ms',
  writeCpu: '… CPU of the worker for a write, ms',
  allCpu: '… CPU of all processes for a write, ms',
  manyWrites: 'A1 eight at a time each, writes/s',
  manyP99: '… p99, ms',
  manyCpu: '… CPU of all processes for a write, ms',
  reads: 'A2 reads/s, 200 records',
  mixedWrites: 'A3 one writes, writes/s',
  mixedReads: 'A3 two read meanwhile, reads/s',
  loneWrites: 'A4 one worker, one at a time, writes/s',
  loneManyWrites: 'A4 one worker, eight at a time, writes/s',
  idleMasterWait: 'Two workers, the master idle: wait for a lock, p99, ms',
  busyMasterWait: '… the master writes as well',
} as const satisfies Record<string, string>;
type Row = keyof typeof ROWS;

/** What one way came to. */
export interface WayResult {
  readonly way: Way;
  readonly figures: Readonly<Partial<Record<Row, Figure>>>;
}

/** All ways. */
export interface AceBaseReport {
  readonly results: readonly WayResult[];
  readonly cachePoints: readonly CachePoint[];
  /** Whether our client was there to be measured. */
  readonly hasClient: boolean;
}

const WORKERS = 3;
const STREAMS = 8;
const RUN_MS: Readonly<Record<Scale, number>> = { full: 5_000, quick: 2_000, smoke: 100 };

/**
 * How long members do what is measured before it is: Node compiles what has run often. One process alone is through with that in two
 * seconds; one of three that take turns, much later. Until then it takes three times as much processor time for the same.
 */
const WARM_UP_MS: Readonly<Record<Scale, number>> = { full: 20_000, quick: 10_000, smoke: 25 };
const ROUNDS: Readonly<Record<Scale, number>> = { full: 3, quick: 2, smoke: 1 };
const clientPath = fileURLToPath(new URL('../../dist/client.cjs', import.meta.url));

/** Measures all ways by turns. */
export async function measureAceBase({ scale, say }: BenchOrder): Promise<AceBaseReport> {
  const hasClient = existsSync(clientPath);
  if (!hasClient) say('acebase-ipc-server/client is not in dist: its column is left out');
  const ways = WAYS.filter((way) => way !== 'our client' || hasClient);
  const samples = new Map(ways.map((way) => [way, new Map<Row, number[]>()]));
  const cachePoints: CachePoint[] = [];
  for (let round = 0; round < ROUNDS[scale]; round++) {
    for (const way of ways.filter((it) => it.endsWith('client'))) {
      const measure = (cluster: Cluster) => measureCacheGrowth(way, cluster, RUN_MS[scale]);
      const points = await withCluster(way, measure);
      cachePoints.push(...points);
      const last = points.at(-1);
      say(`${way}, ${shown(last?.nodes)} nodes cached: ${shown(last?.cpu)} ms CPU for a write of another`);
    }
    for (const [way, ofWay] of samples) {
      const sample = {
        ...(await fewAtATime(way, scale)),
        ...(await manyAtATime(way, scale)),
      };
      for (const row of Object.keys(sample) as Row[]) {
        ofWay.set(row, [...(ofWay.get(row) ?? []), sample[row] ?? Number.NaN]);
      }
      say(
        `${way}: ${shown(sample.writes)} writes/s, eight at a time ${shown(sample.manyWrites)}, ${shown(sample.reads)} reads/s`,
      );
    }
  }
  const results = [...samples].map(([way, ofWay]) => ({
    way,
    figures: Object.fromEntries([...ofWay].map(([row, values]) => [row, figureOf(values)])),
  }));
  return { results, cachePoints, hasClient };
}

type Sample = Partial<Record<Row, number>>;

/** A cluster with 600 records to write. */
function fewAtATime(way: Way, scale: Scale): Promise<Sample & Record<'writes' | 'reads', number>> {
  const milliseconds = RUN_MS[scale];
  return withCluster(way, async (cluster) => {
    const isAlone = way === 'no IPC';
    // One process alone does the work of all three.
    const streams = isAlone ? WORKERS : 1;
    await cluster.fill(streams);
    await cluster.work({ what: 'write', milliseconds: WARM_UP_MS[scale], streams });
    const writes = await cluster.work({ what: 'write', milliseconds, streams });
    const lone = await cluster.work({ what: 'write', milliseconds, streams: 1 }, 1);
    await cluster.work({ what: 'read', milliseconds: WARM_UP_MS[scale] / 2, streams });
    const reads = await cluster.work({ what: 'read', milliseconds, streams });
    const mixed = isAlone ? undefined : await cluster.mixedWork(milliseconds);
    const besideMaster = isAlone ? undefined : await besideMasters(cluster, scale);
    return {
      writes: writes.rate,
      ...percentilesOf(writes),
      writeCpu: writes.ownCpu,
      allCpu: writes.allCpu,
      reads: reads.rate,
      loneWrites: lone.rate,
      ...(mixed === undefined ? {} : { mixedWrites: mixed.writes.rate, mixedReads: mixed.reads.rate }),
      ...besideMaster,
    };
  });
}

/** How long workers wait for locks beside a master that does nothing else, and beside one that works as they do. */
async function besideMasters(
  cluster: Cluster,
  scale: Scale,
): Promise<Record<'idleMasterWait' | 'busyMasterWait', number>> {
  const order = { what: 'write', milliseconds: RUN_MS[scale], streams: 1 } as const;
  await cluster.workBesideMaster({ ...order, milliseconds: WARM_UP_MS[scale] / 2 }, true);
  const idle = await cluster.workBesideMaster(order, false);
  const busy = await cluster.workBesideMaster(order, true);
  return {
    idleMasterWait: percentile(idle.lockWaits, 99),
    busyMasterWait: percentile(busy.lockWaits, 99),
  };
}

/** A cluster with 4,800 records to write. */
function manyAtATime(way: Way, scale: Scale): Promise<Sample & Record<'manyWrites', number>> {
  const milliseconds = RUN_MS[scale];
  return withCluster(way, async (cluster) => {
    const streams = way === 'no IPC' ? WORKERS * STREAMS : STREAMS;
    await cluster.fill(streams);
    await cluster.work({ what: 'write', milliseconds: WARM_UP_MS[scale], streams });
    const writes = await cluster.work({ what: 'write', milliseconds, streams });
    const lone = await cluster.work({ what: 'write', milliseconds, streams: STREAMS }, 1);
    return {
      manyWrites: writes.rate,
      manyP99: percentile(writes.durations, 99),
      manyCpu: writes.allCpu,
      loneManyWrites: lone.rate,
    };
  });
}

function percentilesOf({ durations }: Work): Record<'writeP50' | 'writeP99', number> {
  return { writeP50: percentile(durations, 50), writeP99: percentile(durations, 99) };
}

/** A cluster of its own, and a server. Without IPC there can be only one process. */
async function withCluster<T>(way: Way, measure: (cluster: Cluster) => Promise<T>): Promise<T> {
  const usesServer = way === 'stock client' || way === 'our client';
  const server = usesServer ? await startServer('ours') : undefined;
  const isAlone = way === 'no IPC';
  const settings: ClusterSettings = {
    workers: isAlone ? 1 : WORKERS,
    ipc: server ?? (isAlone ? undefined : 'socket'),
    client: way === 'our client' ? clientPath : undefined,
  };
  try {
    const cluster = await Cluster.start(settings);
    try {
      return await measure(cluster);
    } finally {
      await cluster.end();
    }
  } finally {
    await server?.end();
  }
}

/** As text. */
export function aceBaseText({ results, cachePoints, hasClient }: AceBaseReport): string {
  const rows = (Object.keys(ROWS) as Row[]).map((row) => [
    ROWS[row],
    ...results.map(({ figures }) => {
      const figure = figures[row];
      if (figure === undefined || Number.isNaN(figure.median)) return shown(Number.NaN);
      return `${shown(figure.median)} (${shown(figure.lowest)}–${shown(figure.highest)})`;
    }),
  ]);
  const table = [
    markdownTable(['three workers, separate master', ...results.map(({ way }) => way)], rows),
    cacheGrowthText(cachePoints),
  ].join('\n\n');
  return hasClient ? table : `${table}\n\nacebase-ipc-server/client is not in dist: its column is left out.`;
}
