/** From samples to rows. */

import type { Measure } from './measures.js';
import type { Sample } from './sample.js';
import { type Figure, figureOf, median } from './statistics.js';

/** Samples of one load, in the order in which they were taken: a pair has the same index in both. */
export interface PairedSamples {
  readonly ours: readonly Sample[];
  readonly yardstick: readonly Sample[];
  readonly nats: readonly Sample[];
}

/** What a measure came to. */
export interface Result {
  readonly id: string;
  readonly what: string;
  readonly unit: string;
  readonly ours: Figure;
  readonly yardstick: Figure;
  readonly nats: Figure | undefined;
  /** Ours to the yardstick, pair by pair. */
  readonly ratio: Figure;
  /** CPU time for each message: ours, the yardstick's, and theirs to ours (how many times ours is cheaper). */
  readonly serverMicroseconds: { readonly ours: number; readonly yardstick: number; readonly ratio: number };
  /** The part of ours, and of the yardstick's, that the operating system took. */
  readonly kernelMicroseconds: { readonly ours: number; readonly yardstick: number };
  /** Shares of a core: of the server, and of the load generator while it drove ours. */
  readonly serverShare: number;
  readonly generatorShare: number;
  readonly target: string;
  readonly isMet: boolean;
}

/** Sums the samples of a measure up. */
export function resultOf({ id, what, unit, figure, target }: Measure, samples: PairedSamples): Result {
  const ours = figureOf(samples.ours.map(figure));
  const yardstick = figureOf(samples.yardstick.map(figure));
  const ratio = figureOf(
    samples.ours.map((sample, index) => figure(sample) / figure(samples.yardstick[index] as Sample)),
  );
  const reached = target.of === 'ratio' ? ratio.median : ours.median;
  const microseconds = {
    ours: medianOf(samples.ours, 'serverMicroseconds'),
    yardstick: medianOf(samples.yardstick, 'serverMicroseconds'),
  };
  return {
    id,
    what,
    unit,
    ours,
    yardstick,
    nats: samples.nats.length === 0 ? undefined : figureOf(samples.nats.map(figure)),
    ratio,
    serverMicroseconds: { ...microseconds, ratio: microseconds.yardstick / microseconds.ours },
    kernelMicroseconds: {
      ours: medianOf(samples.ours, 'kernelMicroseconds'),
      yardstick: medianOf(samples.yardstick, 'kernelMicroseconds'),
    },
    serverShare: medianOf(samples.ours, 'serverShare'),
    generatorShare: medianOf(samples.ours, 'generatorShare'),
    target: `${target.is === 'at least' ? '≥' : '≤'} ${target.value}${target.of === 'ratio' ? ' ×' : ''}`,
    isMet: target.is === 'at least' ? reached >= target.value : reached <= target.value,
  };
}

/** P7: the pauses of the event loop during one load. */
export interface Pauses {
  readonly during: string;
  readonly p99Ms: number;
  readonly longestMs: number;
  readonly yardstickP99Ms: number;
}

/** The pauses while these samples were taken: of ours, the worst. */
export function pausesOf({ id, what }: Measure, { ours, yardstick }: PairedSamples): Pauses {
  return {
    during: `${id} ${what}`,
    p99Ms: Math.max(...ours.map(({ pauseP99Ms = Number.NaN }) => pauseP99Ms)),
    longestMs: Math.max(...ours.map(({ longestPauseMs = Number.NaN }) => longestPauseMs)),
    yardstickP99Ms: Math.max(...yardstick.map(({ pauseP99Ms = Number.NaN }) => pauseP99Ms)),
  };
}

function medianOf(
  samples: readonly Sample[],
  key: 'serverMicroseconds' | 'kernelMicroseconds' | 'serverShare' | 'generatorShare',
): number {
  return median(samples.map((sample) => sample[key] ?? Number.NaN));
}
