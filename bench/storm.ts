/** `npm run bench -- storm`: ten thousand peers of a thousand databases come at once, and go and come back at once. */

import type { LoadSpec, Phase } from './load/load.js';
import type { Scale } from './measures.js';
import { takeSample } from './sample.js';
import { markdownTable, shown } from './table.js';
import type { BenchOrder } from './targets.js';

/** What the storm came to. */
export interface StormReport {
  readonly peers: number;
  readonly databases: number;
  readonly phases: readonly Phase[];
  readonly longestPauseMs: number;
  readonly refused: Readonly<Record<string, number>>;
}

const SIZES: Readonly<Record<Scale, { readonly peers: number; readonly trickleMs: number }>> = {
  full: { peers: 10_000, trickleMs: 5_000 },
  quick: { peers: 10_000, trickleMs: 1_000 },
  smoke: { peers: 100, trickleMs: 50 },
};

/** Lets it happen to ours. */
export async function measureStorm({ scale, execArgv }: BenchOrder): Promise<StormReport> {
  const { peers, trickleMs } = SIZES[scale];
  const databases = peers / 10;
  const load: LoadSpec = { kind: 'storm', peers, databases, messagesPerSecond: 1_000 };
  const sample = await takeSample('ours', load, { warmUpMs: 0, runMs: trickleMs }, execArgv);
  return {
    peers,
    databases,
    phases: sample.phases ?? [],
    longestPauseMs: sample.longestPauseMs ?? Number.NaN,
    refused: sample.counters ?? {},
  };
}

/** As text. */
export function stormText({ peers, databases, phases, longestPauseMs, refused }: StormReport): string {
  const rows = phases.map(({ what, seconds }) => [what, shown(seconds)]);
  const reasons = Object.entries(refused).map(([reason, count]) => `${count} × ${reason}`);
  return [
    markdownTable([`${peers} peers, ${databases} databases`, 'seconds'], rows),
    `Longest pause of the server: ${shown(longestPauseMs)} ms. Refused or dropped: ${reasons.join(', ') || 'nothing'}.`,
  ].join('\n\n');
}
