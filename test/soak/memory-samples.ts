import { setTimeout as delay } from 'node:timers/promises';

/** What a process had in memory at one time. */
export interface MemorySample {
  readonly name: string;
  readonly bytes: number;
}

/** How the memory of a process went. */
export interface Growth {
  readonly name: string;
  /** The median of the second quarter: by then, what is needed anyway is there. */
  readonly early: number;
  /** The median of the last quarter. */
  readonly late: number;
  /** Bytes, by the least squares over all but the first quarter. */
  readonly perHour: number;
  /** Whether it is more than chance. Means something for a process that collects its garbage often only. */
  readonly isGrowing: boolean;
}

/** The memory of some processes at one time. */
export interface Moment {
  readonly at: number;
  readonly samples: readonly MemorySample[];
}

/** A tenth, and what the allocator keeps or gives back by chance. */
const TOLERATED_SHARE = 0.1;
const TOLERATED_BYTES = 8_000_000;

const HOUR_MS = 3_600_000;

/** The memory of some processes, again and again. */
export class MemorySamples {
  readonly #measure: () => Promise<readonly MemorySample[]>;
  readonly #all: Moment[] = [];

  constructor(measure: () => Promise<readonly MemorySample[]>) {
    this.#measure = measure;
  }

  get all(): readonly Moment[] {
    return this.#all;
  }

  /** Measures that often. */
  async take(
    count: number,
    everyMs: number,
    onTaken: (taken: number, samples: readonly MemorySample[]) => void,
  ): Promise<void> {
    for (let taken = 1; taken <= count; taken++) {
      await delay(everyMs);
      const samples = await this.#measure();
      this.#all.push({ at: performance.now(), samples });
      onTaken(taken, samples);
    }
  }
}

/** How the memory of each process went, in the order of the samples. */
export function growthOf(moments: readonly Moment[]): readonly Growth[] {
  const quarter = Math.floor(moments.length / 4);
  const names = moments[0]?.samples.map(({ name }) => name) ?? [];
  return names.map((name, index) => {
    const points = moments.map(({ at, samples }) => ({ at, bytes: samples[index]?.bytes ?? Number.NaN }));
    const early = median(points.slice(quarter, 2 * quarter).map(({ bytes }) => bytes));
    const late = median(points.slice(-quarter).map(({ bytes }) => bytes));
    return {
      name,
      early,
      late,
      perHour: slope(points.slice(quarter)) * HOUR_MS,
      isGrowing: late - early > early * TOLERATED_SHARE + TOLERATED_BYTES,
    };
  });
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
}

/** Bytes per millisecond. */
function slope(points: readonly { readonly at: number; readonly bytes: number }[]): number {
  const middle = (pick: (point: (typeof points)[number]) => number) =>
    points.reduce((sum, point) => sum + pick(point), 0) / points.length;
  const [at, bytes] = [middle((it) => it.at), middle((it) => it.bytes)];
  const spread = points.reduce((sum, it) => sum + (it.at - at) ** 2, 0);
  return points.reduce((sum, it) => sum + (it.at - at) * (it.bytes - bytes), 0) / spread;
}
