/** What a flood in one database does to the round trips of another one in the same process. */

import type { LoadSpec } from './load/load.js';
import type { Scale } from './measures.js';
import { sampleOf, startGenerator } from './sample.js';
import { startServer } from './servers/started-server.js';
import { median } from './statistics.js';
import { markdownTable, shown } from './table.js';
import type { BenchOrder } from './targets.js';

/** Round trips, in milliseconds. */
export interface FairnessReport {
  readonly quiet: RoundTrips;
  readonly flooded: RoundTrips;
  /** What the flood came to meanwhile, in millions of bytes each second. */
  readonly megabytesPerSecond: number;
  /** How many times as long they took. */
  readonly ratio: number;
}

interface RoundTrips {
  readonly p50Ms: number;
  readonly p99Ms: number;
}

const BYTES_PER_SECOND = 100_000_000;
const FLOOD_BYTES = 16_000;
const RUN_MS: Readonly<Record<Scale, number>> = { full: 5_000, quick: 2_000, smoke: 100 };
const RUNS: Readonly<Record<Scale, number>> = { full: 3, quick: 1, smoke: 1 };
const FLOOD: LoadSpec = { kind: 'rate', bytes: FLOOD_BYTES, bytesPerSecond: BYTES_PER_SECOND };

/** Measures round trips alone and beside a flood, by turns. */
export async function measureFairness({ scale, execArgv }: BenchOrder): Promise<FairnessReport> {
  const runMs = RUN_MS[scale];
  const runs: Omit<FairnessReport, 'ratio'>[] = [];
  for (let number = 0; number < RUNS[scale]; number++) runs.push(await onePair(runMs, execArgv));
  const middle = (pick: (run: (typeof runs)[number]) => number): number => median(runs.map(pick));
  const quiet = { p50Ms: middle((it) => it.quiet.p50Ms), p99Ms: middle((it) => it.quiet.p99Ms) };
  const flooded = { p50Ms: middle((it) => it.flooded.p50Ms), p99Ms: middle((it) => it.flooded.p99Ms) };
  return {
    quiet,
    flooded,
    megabytesPerSecond: middle((it) => it.megabytesPerSecond),
    ratio: flooded.p50Ms / quiet.p50Ms,
  };
}

async function onePair(runMs: number, execArgv: readonly string[]): Promise<Omit<FairnessReport, 'ratio'>> {
  const server = await startServer('ours', execArgv);
  try {
    const duration = { warmUpMs: runMs / 4, runMs };
    const quiet = await roundTrips(server, 'quiet_data', duration);
    const flood = startGenerator({
      port: server.port,
      wire: 'websocket',
      load: FLOOD,
      warmUpMs: 0,
      // As long as the round trips take, their process's start, a master that settles, and the warm-up included.
      runMs: 3_000 + runMs * 1.5,
    });
    try {
      await flood.next('ready');
      const flooding = flood.next('done');
      flooding.catch(() => undefined);
      flood.tell('go');
      const flooded = await roundTrips(server, 'beside_data', duration);
      const { result } = await flooding;
      const megabytesPerSecond = (result.messages * FLOOD_BYTES) / result.seconds / 1e6;
      return { quiet, flooded, megabytesPerSecond };
    } finally {
      await flood.end();
    }
  } finally {
    await server.end();
  }
}

async function roundTrips(
  server: Parameters<typeof sampleOf>[0],
  database: string,
  duration: Parameters<typeof sampleOf>[3],
): Promise<RoundTrips> {
  const load: LoadSpec = { kind: 'locks', workers: 1, inFlightEach: 1, database };
  const sample = await sampleOf(server, 'websocket', load, duration);
  return { p50Ms: sample.roundTripP50Ms ?? Number.NaN, p99Ms: sample.roundTripP99Ms ?? Number.NaN };
}

/** As text. */
export function fairnessText({ quiet, flooded, megabytesPerSecond, ratio }: FairnessReport): string {
  const rows = [
    ['alone', shown(quiet.p50Ms), shown(quiet.p99Ms)],
    [`beside ${shown(megabytesPerSecond)} MB/s`, shown(flooded.p50Ms), shown(flooded.p99Ms)],
  ];
  const table = markdownTable(['round trip in another database', 'p50 ms', 'p99 ms'], rows);
  return `${table}\n\nBeside the flood the median is ${shown(ratio)} times as long; it should be 10 at most.`;
}
