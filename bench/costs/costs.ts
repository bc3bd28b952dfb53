/** `npm run bench -- costs`: P8, what the broker takes for an operation as there is more of something. No sockets: only its own work. */

import type { Scale } from '../measures.js';
import { markdownTable, shown } from '../table.js';
import type { BenchOrder } from '../targets.js';
import { CostLab } from './cost-lab.js';
import { type Operation, SUBJECTS, type Subject } from './subjects.js';

/** One subject, and the microseconds of an operation by how much there is of it; the peers' writing and reading of JSON included. */
export interface CostRow {
  readonly what: string;
  readonly microseconds: Readonly<Record<number, number>>;
}

const COUNTS: Readonly<Record<Scale, readonly number[]>> = {
  full: [10, 1_000, 100_000],
  quick: [10, 1_000, 100_000],
  smoke: [1, 10],
};

/** The best of as many rounds, behind one that warms up: whatever else the machine does makes them longer. */
const ROUNDS: Readonly<Record<Scale, number>> = { full: 5, quick: 3, smoke: 1 };

/** Operations of a round. */
const TURNS: Readonly<Record<Scale, number>> = { full: 5_000, quick: 2_000, smoke: 2 };

/** Measures all subjects. */
export function measureCosts({ scale, say }: Pick<BenchOrder, 'scale' | 'say'>): CostRow[] {
  return SUBJECTS.map((subject) => {
    const counts = [...new Set(COUNTS[scale].map((count) => Math.min(count, subject.most ?? count)))];
    const best = new Map<number, number>();
    // By turns, and not one count after the other: the code gets faster as it runs.
    for (let round = 0; round <= ROUNDS[scale]; round++) {
      for (const count of counts) {
        const cost = roundOf(subject, count, TURNS[scale]);
        if (round > 0) best.set(count, Math.min(cost, best.get(count) ?? cost));
      }
    }
    say(`${subject.what}: ${[...best.values()].map(shown).join(', ')} µs`);
    return { what: subject.what, microseconds: Object.fromEntries(best) };
  });
}

/** As text. */
export function costsText(rows: readonly CostRow[]): string {
  const counts = [...new Set(rows.flatMap((row) => Object.keys(row.microseconds)))]
    .map(Number)
    .sort((a, b) => a - b);
  const cells = rows.map(({ what, microseconds }) => {
    const costs = Object.values(microseconds);
    return [
      what,
      ...counts.map((count) => shown(microseconds[count])),
      `${shown((costs.at(-1) ?? 0) / (costs[0] ?? 0))} ×`,
    ];
  });
  const head = ['µs for each', ...counts.map((count) => count.toLocaleString('en')), 'grows'];
  return markdownTable(head, cells);
}

/** Few of what ends together are over too soon to be timed: as many groups as make up for it. */
function roundOf(subject: Subject, count: number, turns: number): number {
  const first = prepared(subject, count);
  if (first.operation.kind === 'one') return perOperation([first], turns);
  const groups = Math.max(1, Math.ceil(turns / count));
  const others = Array.from({ length: groups - 1 }, () => prepared(subject, count));
  return perOperation([first, ...others], groups * count);
}

interface Prepared {
  readonly lab: CostLab;
  readonly subject: Subject;
  readonly operation: Operation;
}

function prepared(subject: Subject, count: number): Prepared {
  const lab = new CostLab();
  return { lab, subject, operation: subject.prepare(lab, count) };
}

function perOperation(groups: readonly Prepared[], operations: number): number {
  const begin = performance.now();
  for (const { operation } of groups) {
    if (operation.kind === 'all') operation.act();
    else for (let turn = 0; turn < operations; turn++) operation.act(turn);
  }
  const milliseconds = performance.now() - begin;
  for (const { lab, subject } of groups) {
    const unexpected = Object.keys(lab.incidents).filter(
      (incident) => subject.expects?.includes(incident) !== true,
    );
    if (unexpected.length > 0) throw new Error(`${subject.what}: ${unexpected.join(', ')}`);
  }
  return (milliseconds * 1_000) / operations;
}
