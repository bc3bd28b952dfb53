/** A6: what a journal costs a process that has a database for itself, and the workers of a cluster. */

import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { Cluster, type Journal } from '../acebase/cluster.js';
import { startServer } from '../servers/started-server.js';
import { markdownTable, shown } from '../table.js';
import type { BenchOrder } from '../targets.js';

const JOURNALS = ['off', 'process', 'power'] as const satisfies readonly Journal[];
const KINDS = ['set', 'update', 'transaction'] as const;
const CLIENT = fileURLToPath(new URL('../../dist/client.cjs', import.meta.url));
const WORKERS = 3;

/** Writes each second with each journal, in the order of the table. */
export interface JournalRow {
  readonly kind: string;
  readonly perSecond: readonly number[];
}

/** One process writes in short turns. A cluster is given longer ones: until the workers take turns, and after the first of them is done, it is none. */
const LENGTHS = {
  smoke: { warmUp: 50, alone: { rounds: 1, milliseconds: 50 }, cluster: { rounds: 1, milliseconds: 50 } },
  quick: {
    warmUp: 8_000,
    alone: { rounds: 10, milliseconds: 400 },
    cluster: { rounds: 4, milliseconds: 3_000 },
  },
  full: {
    warmUp: 15_000,
    alone: { rounds: 40, milliseconds: 500 },
    cluster: { rounds: 8, milliseconds: 4_000 },
  },
} as const;

/** One process for each kind of write: its databases are written in turns. */
export async function measureJournal({
  scale,
  say,
}: Pick<BenchOrder, 'scale' | 'say'>): Promise<JournalRow[]> {
  const { warmUp, alone, cluster } = LENGTHS[scale];
  const rows: JournalRow[] = [];
  for (const kind of KINDS) {
    say(`A6: ${kind}`);
    const order = { journals: JOURNALS, kind, warmUp, ...alone };
    const child = fork(fileURLToPath(new URL('bursts.js', import.meta.url)), [JSON.stringify(order)]);
    const [perSecond] = (await once(child, 'message')) as [number[]];
    rows.push({ kind, perSecond });
    await once(child, 'exit');
  }
  rows.push(...(await measureClusters({ warmUp, ...cluster }, say)));
  return rows;
}

/** A cluster for each journal, with a server of its own; their workers write in turns, one and eight at a time each. */
async function measureClusters(
  { rounds, milliseconds, warmUp }: Readonly<Record<'rounds' | 'milliseconds' | 'warmUp', number>>,
  say: BenchOrder['say'],
): Promise<JournalRow[]> {
  const ends: (() => Promise<unknown>)[] = [];
  try {
    const clusters: Cluster[] = [];
    for (const journal of JOURNALS) {
      const server = await startServer('ours');
      ends.unshift(() => server.end());
      const cluster = await Cluster.start({ workers: WORKERS, ipc: server, client: CLIENT, journal });
      ends.unshift(() => cluster.end());
      await cluster.fill(8);
      clusters.push(cluster);
    }
    const rows: JournalRow[] = [];
    for (const streams of [1, 8]) {
      say(`A6: ${WORKERS} workers, ${streams} at a time each`);
      for (const cluster of clusters) await cluster.work({ what: 'write', milliseconds: warmUp, streams });
      const sums = clusters.map(() => 0);
      for (let round = 0; round < rounds; round++) {
        for (const [place, cluster] of clusters.entries()) {
          sums[place] =
            (sums[place] ?? 0) + (await cluster.work({ what: 'write', milliseconds, streams })).rate;
        }
      }
      const kind = `${WORKERS} workers, ${streams} at a time each`;
      rows.push({ kind, perSecond: sums.map((sum) => sum / rounds) });
    }
    return rows;
  } finally {
    for (const end of ends) await end();
  }
}

/** As text, with how each compares with none. */
export function journalText(rows: readonly JournalRow[]): string {
  return markdownTable(
    [
      'A6: writes/s; one process, alone with its database, or a cluster',
      ...JOURNALS.map((it) => `\`journal: '${it}'\``),
    ],
    rows.map(({ kind, perSecond }) => [
      kind,
      ...perSecond.map((it) => `${shown(it)} (${shown(it / (perSecond[0] ?? Number.NaN))} ×)`),
    ]),
  );
}
