import { Random } from '../torture/random.js';
import type { Breakage } from './line.js';

/** The moment at which a fault strikes: some time after the one before, and then with the next message of that kind. */
export interface Moment {
  readonly after: number;
  /** `says lock-request`, `hears lock-result`, …; `commits`: at one of the steps; `undefined`: at once. */
  readonly message: string | undefined;
}

/** Whom a fault strikes: the master, or the n-th of the workers that live at that moment. */
export type Victim = 'master' | number;

/**
 * How a server ends before another one takes its place. `drained slowly`: it waits longer than for a line that broke, for
 * a worker that holds its lock for long, and whose line breaks meanwhile.
 */
export type ServerEnd = 'killed' | 'stopped' | 'drained' | 'drained slowly';

export type Fault = { readonly moment: Moment; readonly victim: Victim } & (
  | { readonly kind: 'kill' | 'exit' | 'second master' | 'create index' }
  | ({ readonly kind: 'break' } & Breakage)
  | { readonly kind: 'stall' | 'pause' | 'dawdle' | 'suspend' | 'cut off'; readonly milliseconds: number }
  /** All but the victim end, and are started again after `milliseconds`; that one reaches no server for `survivorAfter`. */
  | { readonly kind: 'everybody leaves'; readonly milliseconds: number; readonly survivorAfter: number }
  | { readonly kind: 'restart server'; readonly how: ServerEnd; readonly milliseconds: number }
);

/** Everything about a run that its seed decides beforehand; what remains is drawn as it goes, by the same seed. */
export interface Plan {
  readonly seed: number;
  /** Whether processes are AceBase as it is, have our client, or one the one and another the other. */
  readonly clients: 'stock' | 'mixed' | 'ours';
  readonly workers: number;
  /** Operations that one worker has under way at a time. */
  readonly loops: number;
  /** Operations that the master has under way at a time: 0 if it is a dedicated one. */
  readonly masterLoops: number;
  /** How many keys are written. */
  readonly keys: number;
  /** When the master starts. */
  readonly masterAt: number;
  /** Milliseconds until a process has opened the file, at most. */
  readonly opensWithin: number;
  /** Milliseconds that the disk takes, at most. */
  readonly diskLatency: number;
  /** How often a message takes long, and how long at most. */
  readonly delayChance: number;
  readonly longDelay: number;
  /** How often a write to the root moves its record. */
  readonly rootMoves: number;
  readonly lockTimeout: number;
  /** Bytes that may wait for one peer, and that are kept for it while it is away. */
  readonly maxBuffered: number;
  /** Whether the server learns at once that a process has ended, as it does of those on its own machine. */
  readonly isLocal: boolean;
  /** By how much clocks of processes with our client are faster or slower than that of the server, at most; 0.01 is 1 %. */
  readonly clockDrift: number;
  /** How many of the processes with our client keep a journal; 0 if they know of none, as older ones. */
  readonly journals: number;
  readonly faults: readonly Fault[];
}

const MOMENTS: readonly (string | undefined)[] = [
  undefined,
  undefined,
  undefined,
  undefined,
  'says lock-request',
  'says unlock-request',
  'says move-lock-request',
  'says request fst.allocate',
  'says request fst.release',
  'says request kit.add',
  'says notification root.update',
  'says notification kit.new_key',
  'says notification cache.update',
  'says lock-result',
  'says unlock-result',
  'says result',
  'hears lock-request',
  'hears unlock-request',
  'hears move-lock-request',
  'hears request fst.allocate',
  'hears request fst.release',
  'hears request kit.add',
  'hears lock-result',
  'hears result',
  'hears notification root.update',
];

/** How many of the plans have stock processes only, and how many both kinds. */
const STOCK_SHARE = 0.6;
const MIXED_SHARE = 0.15;

const LOCAL_SHARE = 0.3;

/** How many of those in which all have our client have faults that are harder to survive. */
const HARSH_SHARE = 0.5;

/** How many of those strike the master with what keeps it away. */
const MASTER_GIVEN_UP_SHARE = 0.5;

const LARGE_BUFFER = 1_000_000;

/** How often the master reads and writes, too; only where all have our client: a stock one writes before it is let in. */
const WORKING_MASTER_SHARE = 0.4;

/** With a journal: the faults that may strike in the midst of a commit, and how many of them do. */
const IN_COMMIT: ReadonlySet<Fault['kind']> = new Set(['kill', 'break', 'pause', 'suspend', 'cut off']);
const IN_COMMIT_SHARE = 0.6;

/** The plan of a seed. */
export function planOf(seed: number): Plan {
  const random = new Random(seed);
  const isSmall = random.chance(0.1);
  const dawdles = random.chance(0.15);
  const plan: Plan = {
    seed,
    clients: 'stock',
    workers: 2 + random.below(3),
    loops: random.chance(0.3) ? 2 : 1,
    masterLoops: 0,
    keys: 3 + random.below(6),
    masterAt: random.chance(0.2) ? 3_000 : 0,
    opensWithin: random.chance(0.3) ? 1_500 : 30,
    diskLatency: random.chance(0.2) ? 20 : 2,
    delayChance: random.pick([0, 0.01, 0.05]),
    longDelay: random.pick([20, 300]),
    rootMoves: random.pick([0.4, 0.05]),
    lockTimeout: dawdles ? 30_000 : 120_000,
    maxBuffered: isSmall ? 3_000 : LARGE_BUFFER,
    isLocal: false,
    clockDrift: 0,
    journals: 0,
    faults: Array.from({ length: 1 + random.below(6) }, () => fault(random, dawdles)),
  };
  // Last, so that a seed that had stock processes when there were no others has the same plan still.
  const settled = withClients(plan, random);
  const isLocal = random.chance(LOCAL_SHARE);
  const masterWorks = settled.clients === 'ours' && random.chance(WORKING_MASTER_SHARE);
  const faulty = withMastersGivenUp(
    withHarsherFaults({ ...settled, isLocal, masterLoops: masterWorks ? 1 : 0 }),
  );
  return withJournals(faulty);
}

/** In most of the runs in which any have our client, all of those keep a journal, or some. Drawn from numbers of its own. */
function withJournals(plan: Plan): Plan {
  const random = new Random(plan.seed ^ 0x27d4eb2f);
  if (plan.clients === 'stock') return plan;
  const journals = random.pick([0, 1, 1, 1, 0.8]);
  if (journals === 0) return plan;
  const isMoved = (): boolean => random.chance(IN_COMMIT_SHARE);
  const faults = plan.faults.map((it) =>
    IN_COMMIT.has(it.kind) && isMoved() ? { ...it, moment: { ...it.moment, message: 'commits' } } : it,
  );
  return { ...plan, journals, faults };
}

/**
 * In part of the runs it is the master that is out of reach, for so long that it is given up; and in part of those another one takes its
 * place, and leaves when it comes back. Drawn from numbers of its own.
 */
function withMastersGivenUp(plan: Plan): Plan {
  const random = new Random(plan.seed ^ 0x1b873593);
  if (!random.chance(MASTER_GIVEN_UP_SHARE)) return plan;
  const faults = plan.faults.flatMap((fault): Fault[] => {
    if (fault.kind !== 'suspend' && fault.kind !== 'cut off') return [fault];
    const milliseconds = 9_000 + random.fraction() * 20_000;
    const at = (after: number) => ({ moment: { after, message: undefined }, victim: 'master' }) as const;
    const away = { ...fault, victim: 'master', milliseconds } as const;
    // In code of the user, when it is given up and when it is back.
    const dawdles = {
      kind: 'dawdle',
      ...at(0),
      milliseconds: 1.5 * milliseconds * random.fraction(),
    } as const;
    if (random.chance(0.5)) return plan.masterLoops > 0 ? [dawdles, away] : [away];
    const leaves = { kind: 'exit', ...at(milliseconds - 1_000 + random.fraction() * 5_000) } as const;
    return [away, { kind: 'second master', ...at(1_000) }, leaves];
  });
  return { ...plan, faults };
}

/** In part of the runs in which all have our client: what only that one survives. Drawn from numbers of its own. */
function withHarsherFaults(plan: Plan): Plan {
  const random = new Random(plan.seed ^ 0x2545f491);
  if (plan.clients !== 'ours' || !random.chance(HARSH_SHARE)) return plan;
  const masterLoops = plan.masterLoops === 0 ? 0 : 1 + random.below(3);
  const clockDrift = random.pick([0, 0.001, 0.01]);
  const faults = plan.faults.map((it) => (random.chance(0.5) ? harsherFault(random, it) : it));
  return { ...plan, masterLoops, clockDrift, faults };
}

function harsherFault(random: Random, { moment, victim }: Fault): Fault {
  const milliseconds = random.fraction() * random.pick([3_000, 15_000, 40_000]);
  const kind = random.pick(['suspend', 'cut off', 'cut off', 'everybody leaves'] as const);
  if (kind !== 'everybody leaves') return { kind, moment, victim, milliseconds };
  return { kind, moment, victim, milliseconds, survivorAfter: milliseconds * random.fraction() * 1.5 };
}

function withClients(plan: Plan, random: Random): Plan {
  const dice = random.fraction();
  if (dice < STOCK_SHARE) return plan;
  if (dice < STOCK_SHARE + MIXED_SHARE) return { ...plan, clients: 'mixed' };
  return {
    ...plan,
    clients: 'ours',
    // Who has no room for what is kept is sent away, and here nobody may be.
    maxBuffered: LARGE_BUFFER,
    faults: plan.faults.map((it) => (random.chance(0.4) ? serverRestart(random, it) : it)),
  };
}

function serverRestart(random: Random, { moment, victim }: Fault): Fault {
  const milliseconds = 50 + random.fraction() * 1_950;
  // By a number that was drawn anyway, so that the plans of all seeds are else as they were.
  const gently = (['drained', 'stopped', 'drained slowly', 'stopped'] as const)[Math.floor(milliseconds) % 4];
  const how = random.chance(0.4) && gently !== undefined ? gently : 'killed';
  const fault = { kind: 'restart server', how, milliseconds } as const;
  if (how !== 'drained slowly') return { ...fault, moment, victim };
  return { ...fault, moment: { ...moment, message: 'hears lock-result' }, victim: 0 };
}

function fault(random: Random, dawdles: boolean): Fault {
  const after = random.chance(0.3) ? random.fraction() * 300 : random.fraction() * 3_500;
  const message = MOMENTS[random.below(MOMENTS.length)];
  const moment = { after, message };
  const victim: Victim = random.chance(0.35) ? 'master' : random.below(4);
  const dice = random.fraction();
  if (dawdles && random.chance(0.3)) {
    return { kind: 'dawdle', moment, victim: 0, milliseconds: random.pick([5_000, 20_000, 35_000]) };
  }
  if (dice < 0.37) return { kind: 'kill', moment, victim };
  if (dice < 0.67) return { kind: 'break', moment, victim, ...breakage(random) };
  if (dice < 0.75) return { kind: 'stall', moment, victim, milliseconds: random.fraction() * 12_000 };
  if (dice < 0.82) return { kind: 'pause', moment, victim, milliseconds: random.fraction() * 15_000 };
  if (dice < 0.9) return { kind: 'exit', moment, victim };
  if (dice < 0.95) return { kind: 'create index', moment, victim: 0 };
  return { kind: 'second master', moment, victim: 'master' };
}

function breakage(random: Random): Breakage {
  const soon = (): number => random.fraction() * 50;
  const dice = random.below(4);
  if (dice === 0) return { serverAfter: soon(), processAfter: soon() };
  if (dice === 1) return { serverAfter: soon(), processAfter: random.chance(0.5) ? undefined : 5_000 };
  if (dice === 2) return { serverAfter: random.chance(0.5) ? undefined : 5_000, processAfter: soon() };
  return { serverAfter: undefined, processAfter: undefined };
}

/** A fault in words. */
export function describeFault(fault: Fault): string {
  const { kind, victim, moment } = fault;
  const isOfNobody = kind === 'second master' || (kind === 'restart server' && moment.message === undefined);
  const whom = isOfNobody ? '' : victim === 'master' ? ' the master' : ` worker ${victim}`;
  const when = moment.message === undefined ? '' : ` when it ${moment.message}`;
  const after = ` ${Math.round(moment.after)} ms after the last`;
  if (fault.kind === 'break') {
    const noticed = (by: string, time: number | undefined): string =>
      time === undefined ? `never noticed by the ${by}` : `noticed by the ${by} after ${Math.round(time)} ms`;
    const ends = [noticed('server', fault.serverAfter), noticed('process', fault.processAfter)];
    return `break the line of${whom}${when},${after}; ${ends.join(', ')}`;
  }
  if (fault.kind === 'restart server') {
    return `${kind} (${fault.how}) for ${Math.round(fault.milliseconds)} ms${whom}${when},${after}`;
  }
  if (fault.kind === 'everybody leaves') {
    const [away, cutOff] = [Math.round(fault.milliseconds), Math.round(fault.survivorAfter)];
    return `everybody but${whom} leaves for ${away} ms${when},${after}; that one reaches no server for ${cutOff} ms`;
  }
  const duration = 'milliseconds' in fault ? ` for ${Math.round(fault.milliseconds)} ms` : '';
  return `${kind}${whom}${duration}${when},${after}`;
}
