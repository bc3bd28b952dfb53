import type { Noticed } from '../../support/line-proxy.js';
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
  'partition-worker',
  'partition-master',
  'suspend-worker',
  'suspend-master',
  'kill-child',
  'stop-child',
  'kill-both',
  'orphan-child',
] as const;

/**
 * - `kill`: SIGKILL; a fresh process is started shortly afterwards.
 * - `cut`: the connection breaks, at both ends.
 * - `drop`: for a moment all that is sent is lost, then the connection breaks.
 * - `stall`: nothing arrives for a while, then all of it.
 * - `pause`: SIGSTOP, then SIGCONT after 3 s at most: nobody else has got what it held.
 * - `partition`: for 1 to 40 s there is no way to the server, which one end notices, both, or none. The process lives on.
 * - `suspend`: SIGSTOP, then SIGCONT after 1 to 60 s.
 *
 * Of a master that the server runs itself, its child:
 *
 * - `kill-child`: SIGKILL; the server starts the next one.
 * - `stop-child`: SIGSTOP, then SIGCONT after 1 to 20 s. The server may have killed it by then.
 * - `kill-both`: the child, then the server.
 * - `orphan-child`: SIGSTOP of the child, then SIGKILL of the server: the next one finds a process that has not ended by itself.
 */
export type FaultKind = (typeof faultKinds)[number];

/** Those that last for long, and leave the process alive: others may have got its place when it goes on. */
export const longFaults = faultKinds.filter((kind) => /^(partition|suspend)-/.test(kind));

/** Those that want a server that runs the master itself. */
export const childFaults = faultKinds.filter((kind) => /-(?:child|both)$/.test(kind));

/** The server too is among the victims there; the master is nobody's but its. */
export const usualManagedFaults: readonly FaultKind[] = [
  ...childFaults,
  'kill-server',
  'kill-worker',
  'pause-worker',
  'cut-worker',
];

/** What happens unless something else is asked for. Stock clients survive the loss of the server by restarts only. */
export const usualFaults: readonly FaultKind[] = faultKinds.filter(
  (kind) => kind !== 'kill-server' && !longFaults.includes(kind) && !childFaults.includes(kind),
);

/** The same where all have our client: one that others have gone on without must do no harm. */
export const usualClientFaults: readonly FaultKind[] = [...usualFaults, ...longFaults];

/** One fault to come. */
export interface Fault {
  readonly kind: FaultKind;
  /** Which worker, where it is one. */
  readonly worker: number;
  /** After the fault before. */
  readonly waitMs: number;
  /** How long it lasts, where it lasts. */
  readonly durationMs: number;
  /** Who notices at once that there is no way between client and server. */
  readonly noticed: Noticed;
}

/** What to draw faults from. */
export interface FaultPlan {
  readonly kinds: readonly FaultKind[];
  readonly workers: number;
  readonly leastWaitMs: number;
  readonly mostWaitMs: number;
  /** How long {@link longFaults} last at most. */
  readonly longest: Longest;
}

/** In milliseconds. */
export interface Longest {
  readonly partition: number;
  readonly suspend: number;
}

/** What processes with our client must bear. */
export const longest: Longest = { partition: 40_000, suspend: 60_000 };

/**
 * A stock process that is stopped does not know for how long; it must not be so long that others get what it held. One that is cut off
 * ends itself.
 */
export const longestForStock: Longest = { ...longest, suspend: 8_000 };

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
  'partition-worker': 3,
  'partition-master': 1,
  'suspend-worker': 3,
  'suspend-master': 1,
  'kill-child': 3,
  'stop-child': 1,
  'kill-both': 1,
  'orphan-child': 1,
};

const leastLastingMs = 1_000;

/** How long a child is stopped at most: by then the server has given it up, killed it, and started the next. */
const longestOfChild = 20_000;

/** The faults of a seed, without end. */
export function* faults(random: Random, plan: FaultPlan): Generator<Fault, never> {
  const bag = plan.kinds.flatMap((kind) => Array.from({ length: likelihood[kind] }, () => kind));
  for (;;) {
    const kind = bag[random.below(bag.length)] as FaultKind;
    const worker = random.below(plan.workers);
    const waitMs = plan.leastWaitMs + random.below(plan.mostWaitMs - plan.leastWaitMs);
    const shortMs = 1000 + random.below(2000);
    const isLong = longFaults.includes(kind) || kind === 'stop-child';
    yield {
      kind,
      worker,
      waitMs,
      durationMs: isLong ? lastingMs(kind, random, plan) : shortMs,
      noticed: isLong
        ? { byClient: random.chance(0.5), byServer: random.chance(0.5) }
        : { byClient: true, byServer: true },
    };
  }
}

/** Spread evenly over the orders of magnitude: there are as many from 1 to 5 s as from 5 to 25. */
function lastingMs(kind: FaultKind, random: Random, { longest }: FaultPlan): number {
  const ofMember = kind.startsWith('partition-') ? longest.partition : longest.suspend;
  const most = kind === 'stop-child' ? Math.min(longest.suspend, longestOfChild) : ofMember;
  return Math.round(leastLastingMs * (most / leastLastingMs) ** random.fraction());
}
