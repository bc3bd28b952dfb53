/** What is measured, and what it should come to: one entry for each row of the table. */

import type { LoadSpec } from './load/load.js';
import type { Duration, Sample } from './sample.js';

/** How far a measure goes. */
export type Scale = 'full' | 'quick' | 'smoke';

/** One row. */
export interface Measure {
  /** Its number; `--only P1` takes all that begin so. */
  readonly id: string;
  readonly what: string;
  readonly load: LoadSpec;
  readonly duration: Duration;
  /** How many pairs of runs, ours and the yardstick's. */
  readonly pairs: number;
  /** The figure of one run. */
  readonly figure: (sample: Sample) => number;
  readonly unit: string;
  /** What the ratio to the yardstick, or the figure itself, should be. */
  readonly target: Target;
  /** Whether nats-server can do it too. */
  readonly forNats: boolean;
}

/** What is aimed at. */
export interface Target {
  readonly of: 'ratio' | 'figure';
  readonly is: 'at least' | 'at most';
  readonly value: number;
}

const MEBIBYTE = 1024 * 1024;

/** Real time: long enough for a verdict; short; or just long enough to see that it runs. */
const DURATIONS: Readonly<Record<Scale, Duration>> = {
  full: { warmUpMs: 1_000, runMs: 2_500 },
  quick: { warmUpMs: 500, runMs: 1_000 },
  smoke: { warmUpMs: 0, runMs: 50 },
};

const PAIRS: Readonly<Record<Scale, number>> = { full: 5, quick: 3, smoke: 1 };

const perSecond = (sample: Sample): number => sample.perSecond;

/** The measures P1 to P6 of one scale; P7 is seen in all of them. */
export function measuresOf(scale: Scale): readonly Measure[] {
  const common = { duration: DURATIONS[scale], pairs: PAIRS[scale], forNats: false };
  const flow = { ...common, figure: perSecond, unit: 'messages/s', forNats: true };
  const deliveries = { ...flow, unit: 'deliveries/s', target: ratioAtLeast(2.5) };
  const roundTrip = { ...common, unit: 'ms', target: ratioAtMost(0.6) };
  const one: LoadSpec = { kind: 'locks', workers: 1, inFlightEach: 1 };
  return [
    { ...flow, id: 'P1a', what: '1 → 1, 200 B', load: directed(200), target: ratioAtLeast(3) },
    { ...flow, id: 'P1b', what: '1 → 1, 2 KB', load: directed(2_048), target: ratioAtLeast(3) },
    { ...deliveries, id: 'P2a', what: '1 → 10, 300 B', load: broadcast(300, 10, 300) },
    { ...deliveries, id: 'P2b', what: '1 → 100, 300 B', load: broadcast(300, 100, 100) },
    {
      ...common,
      id: 'P3',
      what: 'locks for reading, 8 workers, 64 in flight',
      load: { kind: 'locks', workers: 8, inFlightEach: 8 },
      figure: perSecond,
      unit: 'round trips/s',
      target: ratioAtLeast(2),
    },
    {
      ...roundTrip,
      id: 'P4a',
      what: 'a lock, one in flight, p50',
      load: one,
      figure: (it) => it.roundTripP50Ms ?? NaN,
    },
    {
      ...roundTrip,
      id: 'P4b',
      what: 'a lock, one in flight, p99',
      load: one,
      figure: (it) => it.roundTripP99Ms ?? NaN,
    },
    idle(scale, common.duration),
    ...large(scale, { ...common, unit: 'deliveries/s', figure: perSecond }),
  ];
}

/** Memory of peers that are only there. */
function idle(scale: Scale, { warmUpMs }: Duration): Measure {
  const peers = scale === 'smoke' ? 40 : 10_000;
  return {
    id: 'P5',
    what: `${peers.toLocaleString('en')} idle peers`,
    load: { kind: 'idle', peers, databases: Math.ceil(peers / 10) },
    duration: { warmUpMs: Math.min(warmUpMs, 0), runMs: { full: 60_000, quick: 15_000, smoke: 50 }[scale] },
    pairs: 1,
    figure: ({ grownBytes = NaN, messages }) => grownBytes / messages / 1024,
    unit: 'KB/peer',
    target: { of: 'figure', is: 'at most', value: 8 },
    forNats: false,
  };
}

/** Broadcasts of large messages: how fast, and how much memory they take. */
function large(scale: Scale, common: Omit<Measure, 'id' | 'what' | 'load' | 'target'>): readonly Measure[] {
  const sizes = scale === 'smoke' ? [1] : [1, 32];
  return sizes.flatMap((size): Measure[] => {
    const receivers = 5;
    const load = broadcast(size * MEBIBYTE - 64, receivers, 1);
    const what = `1 → ${receivers}, ${size} MB`;
    const mark = size === 1 ? 'a' : 'b';
    return [
      { ...common, id: `P6${mark}`, what, load, target: ratioAtLeast(1) },
      {
        ...common,
        id: `P6${mark}-memory`,
        what: `${what}, peak memory in messages`,
        load,
        figure: ({ peakBytes = NaN }) => peakBytes / (size * MEBIBYTE),
        unit: '× size',
        target: { of: 'figure', is: 'at most', value: receivers + 2 },
      },
    ];
  });
}

function directed(bytes: number): LoadSpec {
  return { kind: 'directed', bytes, inFlight: 3_000 };
}

function broadcast(bytes: number, receivers: number, inFlight: number): LoadSpec {
  return { kind: 'broadcast', bytes, receivers, inFlight };
}

function ratioAtLeast(value: number): Target {
  return { of: 'ratio', is: 'at least', value };
}

function ratioAtMost(value: number): Target {
  return { of: 'ratio', is: 'at most', value };
}
