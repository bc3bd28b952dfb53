/** A6: what a journal costs a process that has a database for itself. */

import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { BenchOrder } from '../main.js';
import { markdownTable, shown } from '../table.js';

const JOURNALS = ['off', 'process', 'power'] as const;
const KINDS = ['set', 'update', 'transaction'] as const;

/** Writes each second with each journal, in the order of the table. */
export interface JournalRow {
  readonly kind: (typeof KINDS)[number];
  readonly perSecond: readonly number[];
}

const LENGTHS = {
  smoke: { rounds: 1, milliseconds: 50 },
  quick: { rounds: 10, milliseconds: 400 },
  full: { rounds: 40, milliseconds: 500 },
} as const;

/** One process for each kind of write: its databases are written in turns. */
export async function measureJournal({
  scale,
  say,
}: Pick<BenchOrder, 'scale' | 'say'>): Promise<JournalRow[]> {
  const rows: JournalRow[] = [];
  for (const kind of KINDS) {
    say(`A6: ${kind}`);
    const order = { journals: JOURNALS, kind, ...LENGTHS[scale] };
    const child = fork(fileURLToPath(new URL('bursts.js', import.meta.url)), [JSON.stringify(order)]);
    const [perSecond] = (await once(child, 'message')) as [number[]];
    rows.push({ kind, perSecond });
    await once(child, 'exit');
  }
  return rows;
}

/** As text, with how each compares with none. */
export function journalText(rows: readonly JournalRow[]): string {
  return markdownTable(
    ['A6: writes/s of one process, alone with its database', ...JOURNALS.map((it) => `\`journal: '${it}'\``)],
    rows.map(({ kind, perSecond }) => [
      kind,
      ...perSecond.map((it) => `${shown(it)} (${shown(it / (perSecond[0] ?? Number.NaN))} ×)`),
    ]),
  );
}
