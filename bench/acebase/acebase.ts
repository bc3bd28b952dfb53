/** `npm run bench -- acebase`: A1 to A3, real AceBase processes that write, read, and do both. */

import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { Scale } from '../measures.js';
import { startServer } from '../servers/started-server.js';
import { type Figure, figureOf } from '../statistics.js';
import { markdownTable, shown } from '../table.js';
import type { TargetsOrder } from '../targets.js';
import { Cluster, type ClusterSettings } from './cluster.js';

/** Ways for AceBase processes to share a database. */
const WAYS = ['stock client', 'our client', "ipc: 'socket'", 'no IPC'] as const;
type Way = (typeof WAYS)[number];

/** Operations each second: all workers write, all read, and one writes while the others read. */
type Rates<T> = Readonly<Record<'writes' | 'reads' | 'mixedWrites' | 'mixedReads', T>>;

/** What one way came to, all workers together. */
export interface WayResult extends Rates<Figure> {
  readonly way: Way;
}

/** All ways. */
export interface AceBaseReport {
  readonly results: readonly WayResult[];
  /** Whether our client was there to be measured. */
  readonly hasClient: boolean;
}

const WORKERS = 3;
const NOTHING = { writes: Number.NaN, reads: Number.NaN };
const RUN_MS: Readonly<Record<Scale, number>> = { full: 5_000, quick: 2_000, smoke: 100 };
const ROUNDS: Readonly<Record<Scale, number>> = { full: 3, quick: 2, smoke: 1 };
const clientPath = fileURLToPath(new URL('../../dist/client.cjs', import.meta.url));

/** Measures all ways by turns. */
export async function measureAceBase({ scale, say }: TargetsOrder): Promise<AceBaseReport> {
  const hasClient = existsSync(clientPath);
  if (!hasClient) say('acebase-ipc-server/client is not in dist: its column is left out');
  const ways = WAYS.filter((way) => way !== 'our client' || hasClient);
  const samples = new Map(ways.map((way) => [way, [] as Rates<number>[]]));
  for (let round = 0; round < ROUNDS[scale]; round++) {
    for (const [way, ofWay] of samples) {
      const sample = await takeSample(way, RUN_MS[scale]);
      ofWay.push(sample);
      const { writes, reads, mixedWrites, mixedReads } = sample;
      const both = `${shown(mixedWrites)} writes/s and ${shown(mixedReads)} reads/s at one time`;
      say(`${way}: ${shown(writes)} writes/s, ${shown(reads)} reads/s; ${both}`);
    }
  }
  const results = [...samples].map(([way, ofWay]) => {
    const figure = (rate: keyof Rates<number>): Figure => figureOf(ofWay.map((sample) => sample[rate]));
    return {
      way,
      writes: figure('writes'),
      reads: figure('reads'),
      mixedWrites: figure('mixedWrites'),
      mixedReads: figure('mixedReads'),
    };
  });
  return { results, hasClient };
}

/** One cluster of its own: records to read, then writes, then reads, then both. */
async function takeSample(way: Way, milliseconds: number): Promise<Rates<number>> {
  const usesServer = way === 'stock client' || way === 'our client';
  const server = usesServer ? await startServer('ours') : undefined;
  // Without IPC there can be only one process: it does the work of all three.
  const isAlone = way === 'no IPC';
  const settings: ClusterSettings = {
    workers: isAlone ? 1 : WORKERS,
    ipc: server?.port ?? (isAlone ? undefined : 'socket'),
    client: way === 'our client' ? clientPath : undefined,
  };
  try {
    const cluster = await Cluster.start(settings);
    try {
      const streams = isAlone ? WORKERS : 1;
      await cluster.fill();
      await cluster.rate({ what: 'write', milliseconds: milliseconds / 4, streams });
      const writes = await cluster.rate({ what: 'write', milliseconds, streams });
      await cluster.rate({ what: 'read', milliseconds: milliseconds / 4, streams });
      const reads = await cluster.rate({ what: 'read', milliseconds, streams });
      const mixed = isAlone ? NOTHING : await cluster.mixedRates(milliseconds);
      return { writes, reads, mixedWrites: mixed.writes, mixedReads: mixed.reads };
    } finally {
      await cluster.end();
    }
  } finally {
    await server?.end();
  }
}

/** As text. */
export function aceBaseText({ results, hasClient }: AceBaseReport): string {
  const row = (name: string, pick: (result: WayResult) => Figure): string[] => [
    name,
    ...results.map((result) => {
      const { median, lowest, highest } = pick(result);
      if (Number.isNaN(median)) return shown(median);
      return `${shown(median)} (${shown(lowest)}–${shown(highest)})`;
    }),
  ];
  const table = markdownTable(
    ['three workers, separate master', ...results.map(({ way }) => way)],
    [
      row('A1 mixed writes/s', ({ writes }) => writes),
      row('A2 reads/s, 200 records', ({ reads }) => reads),
      row('A3 one writes, writes/s', ({ mixedWrites }) => mixedWrites),
      row('A3 two read meanwhile, reads/s', ({ mixedReads }) => mixedReads),
    ],
  );
  return hasClient ? table : `${table}\n\nacebase-ipc-server/client is not in dist: its column is left out.`;
}
