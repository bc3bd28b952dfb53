/** `npm run bench`: P1 to P7, ours and the yardstick alternately. */

import { type Measure, measuresOf, type Scale } from './measures.js';
import { type PairedSamples, type Pauses, pausesOf, type Result, resultOf } from './results.js';
import { type Contestant, type Sample, takeSample } from './sample.js';
import { hasNatsServer } from './servers/nats-server.js';
import { markdownTable, shown } from './table.js';

/** What to measure, and how. */
export interface BenchOrder {
  readonly scale: Scale;
  /** Only measures whose numbers begin so. */
  readonly only: readonly string[] | undefined;
  /** Flags for the Node of our server, such as `--cpu-prof`. */
  readonly execArgv: readonly string[];
  /** Says what is going on. */
  say(text: string): void;
}

/** What came of it. */
export interface TargetsReport {
  readonly results: readonly Result[];
  readonly pauses: readonly Pauses[];
}

/** It is only there to compare with. */
const NATS_RUNS = 2;

/** The measures whose pauses count for P7. */
const PAUSES_COUNT = /^P[1256]/;

/** Takes all samples. */
export async function measureTargets(order: BenchOrder): Promise<TargetsReport> {
  const measures = measuresOf(order.scale).filter(
    ({ id }) => order.only?.some((it) => id.startsWith(it)) ?? true,
  );
  const samplesByLoad = new Map<string, PairedSamples>();
  const results: Result[] = [];
  const pauses: Pauses[] = [];
  for (const measure of measures) {
    // Two figures of one load are read off the same runs.
    const load = JSON.stringify(measure.load);
    let samples = samplesByLoad.get(load);
    if (samples === undefined) {
      samples = await samplesFor(measure, order);
      samplesByLoad.set(load, samples);
      if (PAUSES_COUNT.test(measure.id)) pauses.push(pausesOf(measure, samples));
    }
    const result = resultOf(measure, samples);
    results.push(result);
    order.say(`${result.id} ${result.what}: ${shown(result.ours.median)} ${result.unit}`);
  }
  return { results, pauses };
}

async function samplesFor(measure: Measure, order: BenchOrder): Promise<PairedSamples> {
  const samples: Record<Contestant, Sample[]> = { ours: [], yardstick: [], nats: [] };
  const hasNats = measure.forNats && order.scale !== 'smoke' && hasNatsServer();
  for (let pair = 0; pair < measure.pairs; pair++) {
    const isWithNats = hasNats && pair < NATS_RUNS;
    const contestants: Contestant[] = ['yardstick', 'ours', ...(isWithNats ? (['nats'] as const) : [])];
    for (const contestant of contestants) {
      const flags = contestant === 'ours' ? order.execArgv : [];
      const sample = await takeSample(contestant, measure.load, measure.duration, flags);
      const dropped = Object.entries(sample.counters ?? {});
      if (dropped.length > 0) throw new Error(`${measure.id}: ours dropped ${JSON.stringify(dropped)}`);
      samples[contestant].push(sample);
    }
  }
  return samples;
}

/** As text. */
export function targetsText({ results, pauses }: TargetsReport): string {
  const hasNats = results.some(({ nats }) => nats !== undefined);
  const head = ['measure', 'unit', 'yardstick', 'ours', 'ratio', 'spread', 'target', 'met'];
  const costs = ['µs CPU yardstick (kernel)', 'µs CPU ours (kernel)', 'CPU ratio', 'server', 'generator'];
  const rows = results.map((it) => [
    `${it.id} ${it.what}`,
    it.unit,
    shown(it.yardstick.median),
    shown(it.ours.median),
    shown(it.ratio.median),
    `${shown(it.ratio.lowest)}–${shown(it.ratio.highest)}`,
    it.target,
    it.isMet ? 'yes' : 'NO',
    `${shown(it.serverMicroseconds.yardstick)} (${shown(it.kernelMicroseconds.yardstick)})`,
    `${shown(it.serverMicroseconds.ours)} (${shown(it.kernelMicroseconds.ours)})`,
    shown(it.serverMicroseconds.ratio),
    percent(it.serverShare),
    percent(it.generatorShare),
    ...(hasNats ? [shown(it.nats?.median)] : []),
  ]);
  const table = markdownTable([...head, ...costs, ...(hasNats ? ['nats-server'] : [])], rows);
  if (pauses.length === 0) return table;
  const pauseRows = pauses.map((it) => [
    it.during,
    shown(it.p99Ms),
    shown(it.longestMs),
    shown(it.yardstickP99Ms),
    it.p99Ms <= 20 && it.longestMs <= 1_000 ? 'yes' : 'NO',
  ]);
  const pauseHead = [
    'P7 pauses of the event loop',
    'p99 ms',
    'longest ms',
    'yardstick p99 ms',
    '≤ 20, ≤ 1,000',
  ];
  return `${table}\n\n${markdownTable(pauseHead, pauseRows)}`;
}

function percent(share: number): string {
  return Number.isNaN(share) ? '–' : `${Math.round(share * 100)} %`;
}
