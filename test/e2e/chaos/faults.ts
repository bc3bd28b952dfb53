import type { Random } from '../../torture/random.js';

/** What can go wrong, by name. */
export const faultKinds = [
  'kill-worker',
  'kill-master',
  'cut-worker',
  'cut-master',
  'drop-worker',
  'stall-worker',
  'pause-worker',
  'pause-master',
  'kill-server',
] as const;

/**
 * - `kill`: SIGKILL; a fresh process is started shortly afterwards.
 * - `cut`: the connection breaks, at both ends.
 * - `drop`: for a moment all that is sent is lost, then the connection breaks.
 * - `stall`: nothing arrives for a while, then all of it.
 * - `pause`: SIGSTOP, then SIGCONT.
 */
export type FaultKind = (typeof faultKinds)[number];

/** What happens unless something else is asked for. Stock clients survive the loss of the server by restarts only. */
export const usualFaults: readonly FaultKind[] = faultKinds.filter((kind) => kind !== 'kill-server');

/** One fault to come. */
export interface Fault {
  readonly kind: FaultKind;
  /** Which worker, where it is one. */
  readonly worker: number;
  /** After the fault before. */
  readonly waitMs: number;
  /** How long it lasts, where it lasts. */
  readonly durationMs: number;
}

/** What to draw faults from. */
export interface FaultPlan {
  readonly kinds: readonly FaultKind[];
  readonly workers: number;
  readonly leastWaitMs: number;
  readonly mostWaitMs: number;
}

const likelihood: Readonly<Record<FaultKind, number>> = {
  'kill-worker': 4,
  'kill-master': 2,
  'cut-worker': 2,
  'cut-master': 1,
  'drop-worker': 1,
  'stall-worker': 1,
  'pause-worker': 1,
  'pause-master': 1,
  'kill-server': 1,
};

/** The faults of a seed, without end. */
export function* faults(random: Random, plan: FaultPlan): Generator<Fault, never> {
  const bag = plan.kinds.flatMap((kind) => Array.from({ length: likelihood[kind] }, () => kind));
  for (;;) {
    yield {
      kind: bag[random.below(bag.length)] as FaultKind,
      worker: random.below(plan.workers),
      waitMs: plan.leastWaitMs + random.below(plan.mostWaitMs - plan.leastWaitMs),
      durationMs: 1000 + random.below(2000),
    };
  }
}
