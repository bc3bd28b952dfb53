import { type ChaosOptions, type ChaosReport, chaos } from './campaign.js';
import type { Mutant } from './mutants.js';

/** What came of a hunt. */
export interface Hunt {
  readonly rounds: number;
  /** Of the last round, in which the mutant was found, if it was. */
  readonly report: ChaosReport;
  /** Whether a history of that round fits no order of the writes. */
  readonly isFound: boolean;
}

/** A process is stopped, or cut off, for so long that others get what it held. */
const shortGrace = { reconnectGrace: '1s', heartbeatInterval: '200ms', heartbeatTimeout: '400ms' };

/** What a round of each is like. */
const rounds: Readonly<Record<Mutant, Pick<ChaosOptions, 'kinds' | 'atLeast'>>> = {
  'no-invalidation': { kinds: ['kill-worker'], atLeast: { faults: 0, writes: 150 } },
  'no-lease': { kinds: ['suspend-worker', 'partition-worker'], atLeast: { faults: 6, writes: 0 } },
};

/** Short campaigns with a mutant, one after the other, until one finds it. The next one has the next seed. */
export async function hunt(
  mutant: Mutant | undefined,
  {
    kind = mutant,
    seed,
    most,
  }: { readonly kind?: Mutant | undefined; readonly seed: number; readonly most: number },
  onNews?: (news: string) => void,
): Promise<Hunt> {
  for (let round = 1; ; round++) {
    const report = await chaos({
      ...rounds[kind ?? 'no-lease'],
      mutant,
      seed: seed + round - 1,
      milliseconds: 0,
      workers: 3,
      leastWaitMs: 200,
      mostWaitMs: 600,
      patienceMs: 20_000,
      client: true,
      server: shortGrace,
      longest: { partition: 6_000, suspend: 6_000 },
      settlingMs: 10_000,
      ...(onNews && { onNews }),
    });
    const isFound = report.violations.some((violation) => violation.kind === 'violation');
    if (isFound || round === most) return { rounds: round, report, isFound };
  }
}
