/** `npm run bench -- growth`: how the cost of a message grows with its length, with peers, and with databases. */

import type { LoadSpec } from './load/load.js';
import type { Scale } from './measures.js';
import { takeSample } from './sample.js';
import { markdownTable, shown } from './table.js';
import type { BenchOrder } from './targets.js';

/** One point of a curve. */
export interface GrowthPoint {
  readonly of: string;
  readonly at: string;
  readonly messagesPerSecond: number;
  readonly megabytesPerSecond: number;
  readonly serverMicroseconds: number;
}

const RUN_MS: Readonly<Record<Scale, number>> = { full: 3_000, quick: 1_000, smoke: 30 };

interface Step {
  readonly of: string;
  readonly at: string;
  readonly bytes: number;
  readonly load: LoadSpec;
}

/** Measures all points, ours only. */
export async function measureGrowth({ scale, execArgv, say }: BenchOrder): Promise<GrowthPoint[]> {
  const points: GrowthPoint[] = [];
  for (const { of, at, bytes, load } of steps(scale)) {
    const duration = { warmUpMs: RUN_MS[scale] / 2, runMs: RUN_MS[scale] };
    const { perSecond, serverMicroseconds = Number.NaN } = await takeSample('ours', load, duration, execArgv);
    points.push({
      of,
      at,
      messagesPerSecond: perSecond,
      megabytesPerSecond: (perSecond * bytes) / 1e6,
      serverMicroseconds,
    });
    say(`${of} ${at}: ${shown(perSecond)} messages/s`);
  }
  return points;
}

/** As text. */
export function growthText(points: readonly GrowthPoint[]): string {
  const rows = points.map((it) => [
    `${it.of}: ${it.at}`,
    shown(it.messagesPerSecond),
    shown(it.megabytesPerSecond),
    shown(it.serverMicroseconds),
  ]);
  return markdownTable(['', 'messages/s', 'MB/s', 'µs CPU of the server each'], rows);
}

function steps(scale: Scale): Step[] {
  const isSmoke = scale === 'smoke';
  const sizes = isSmoke ? [64, 4_096] : [64, 200, 1_024, 4_096, 16_384, 65_536, 262_144, 1_048_576];
  const peers = isSmoke ? [2, 20] : [2, 10, 100, 1_000, 10_000];
  const databases = isSmoke ? [1, 10] : [1, 10, 100, 1_000];
  return [
    ...sizes.map((bytes): Step => {
      const inFlight = Math.max(2, Math.min(3_000, Math.floor(4_000_000 / bytes)));
      return {
        of: 'bytes',
        at: bytes.toLocaleString('en'),
        bytes,
        load: { kind: 'directed', bytes, inFlight },
      };
    }),
    ...peers.map((count): Step => {
      // More than a thousand peers in one database greet each other for minutes before the first message.
      const inDatabases = Math.max(1, count / 1_000);
      const where = inDatabases === 1 ? 'one database' : `${inDatabases} databases`;
      const at = `${count.toLocaleString('en')} in ${where}`;
      return { of: 'peers', at, bytes: 200, load: pairs(inDatabases, count / inDatabases) };
    }),
    ...databases.map(
      (count): Step => ({
        of: 'databases',
        at: `${count.toLocaleString('en')} of two peers`,
        bytes: 200,
        load: pairs(count, 2),
      }),
    ),
  ];
}

function pairs(databases: number, peersEach: number): LoadSpec {
  return { kind: 'pairs', databases, peersEach, bytes: 200, inFlight: 3_000 };
}
