import { setImmediate as eventLoop } from 'node:timers/promises';
import { Broker } from '../../src/broker/broker.js';
import { Client } from '../../src/client/core/client.js';
import type { Violation } from './checks/verdicts.js';
import { Waits } from './checks/waits.js';
import type { StockPeer } from './model/stock-peer.js';
import { Worker } from './model/worker.js';
import { WorkingProcess } from './model/working-process.js';
import { describeFault, type Fault, type Plan } from './plan.js';
import { type BrokerClass, type ClientClass, DATABASE, World } from './world.js';

/** How long everybody may take to work again after the last fault: a silent line is found by its heartbeat. */
const RECOVERY_MS = 75_000;

/** How long a fault waits for its message before it strikes without. */
const MOMENT_MS = 3_000;

/** How long a worker holds its lock while the server drains slowly: longer than others wait for one that is away. */
const DAWDLES_MS = 15_000;

/** Another broker, or client, than this repository's. */
export interface Classes {
  readonly broker?: BrokerClass;
  readonly client?: ClientClass;
}

/** What came of a run. */
export interface Verdict {
  readonly violations: readonly Violation[];
  /** Why the contents of the file could not be held against anybody, if so. */
  readonly torn: readonly string[];
  /** Operations that ended with an error, their processes living on. */
  readonly failures: number;
  /** Writes that were acknowledged. */
  readonly writes: number;
  /** Wrong reads of processes with our client that others have given up. */
  readonly lateReads: number;
  /** What happened, if it was to be kept. */
  readonly history: readonly string[];
}

/** Plays one plan to its end, with the real broker and the real client, or with others. */
export async function play(
  plan: Plan,
  { broker = Broker as BrokerClass, client = Client as ClientClass, keepHistory = false } = {},
): Promise<Verdict> {
  const world = new World(plan, { Broker: broker, Client: client }, keepHistory);
  const { clock, checks } = world;
  new Waits(world, checks.verdicts, DATABASE);
  clock.schedule(plan.masterAt, () => world.startMaster());
  for (let index = 0; index < plan.workers; index++) world.startWorker();
  const rejected = (reason: unknown): void => {
    checks.verdicts.violation('unhandled rejection', String(reason));
  };
  process.on('unhandledRejection', rejected);
  try {
    await pass(world, plan.masterAt + plan.opensWithin + 2_500);
    for (const fault of plan.faults) await strike(world, fault);
    await recover(world);
    await rest(world);
    await end(world);
    // Node.js tells of them when it has nothing else to do.
    await eventLoop();
  } finally {
    process.off('unhandledRejection', rejected);
  }
  return {
    violations: checks.verdicts.violations,
    torn: [...checks.verdicts.torn],
    failures: world.failures,
    lateReads: checks.verdicts.lateReads,
    writes: [...checks.values.acknowledged.values()].reduce((sum, value) => sum + value, 0),
    history: world.history.lines,
  };
}

/** Lets time pass. */
async function pass({ clock }: World, milliseconds: number): Promise<void> {
  await clock.playUntil(milliseconds, () => false);
}

async function strike(world: World, fault: Fault): Promise<void> {
  await pass(world, fault.moment.after);
  const { message } = fault.moment;
  if (message !== undefined) {
    let isMet = false;
    world.onMessage = (process, what) => {
      if (isMet || !what.startsWith(message) || !isVictim(world, fault, process)) return;
      isMet = true;
      apply(world, fault, process);
    };
    await world.clock.playUntil(MOMENT_MS, () => isMet);
    world.onMessage = () => undefined;
    if (isMet) return;
  }
  const workers = world.workers;
  const victim =
    fault.victim === 'master' ? world.master : workers[fault.victim % Math.max(workers.length, 1)];
  apply(world, fault, victim);
}

function isVictim(world: World, { victim }: Fault, process: StockPeer): boolean {
  return victim === 'master' ? process === world.master : process instanceof Worker;
}

function apply(world: World, fault: Fault, victim: StockPeer | undefined): void {
  world.history.note(() => `FAULT: ${describeFault(fault)}: ${victim?.name ?? 'nobody'}`);
  if (fault.kind === 'second master') {
    world.startMaster(true);
    return;
  }
  if (fault.kind === 'restart server') {
    if (fault.how === 'drained slowly' && victim instanceof Worker) {
      victim.dawdles = DAWDLES_MS;
      victim.dialed?.break({ serverAfter: 0, processAfter: 0 });
    }
    world.restartServer(fault.how, fault.milliseconds);
    return;
  }
  if (fault.kind === 'everybody leaves') {
    world.everybodyLeaves(victim, fault.milliseconds, fault.survivorAfter);
    return;
  }
  if (victim === undefined) return;
  switch (fault.kind) {
    case 'kill':
      victim.die('killed');
      break;
    case 'exit':
      victim.exit();
      break;
    case 'create index':
      if (victim instanceof Worker) victim.createIndex();
      break;
    case 'break':
      victim.dialed?.break(fault);
      break;
    case 'stall':
      victim.dialed?.stall(fault.milliseconds);
      break;
    case 'pause':
      victim.pause(fault.milliseconds);
      break;
    case 'suspend':
      victim.suspend(fault.milliseconds);
      break;
    case 'cut off':
      world.cutOff(victim, fault.milliseconds);
      break;
    case 'dawdle':
      if (victim instanceof WorkingProcess) victim.dawdles = fault.milliseconds;
      break;
  }
}

/** The faults are over: everybody must work again. */
async function recover(world: World): Promise<void> {
  const { clock, checks, plan } = world;
  world.history.note(() => 'The faults are over');
  const since = clock.now();
  const bound = RECOVERY_MS + plan.lockTimeout * (plan.lockTimeout < 60_000 ? 2 : 0);
  world.calm = 1_000;
  // In some runs nobody moves the root any more: so what is wrong with it in the file remains.
  if (plan.seed % 2 === 0) world.rootMoves = 0;
  const works = (process: WorkingProcess): boolean => process.workedAt > since || checks.isStranded(process);
  const all = (): readonly WorkingProcess[] =>
    plan.masterLoops > 0 && world.master !== undefined ? [...world.workers, world.master] : world.workers;
  const isDone = (): boolean =>
    world.master !== undefined && world.workers.length === plan.workers && all().every(works);
  if (await clock.playUntil(bound, isDone)) return;
  for (const process of all()) {
    if (!works(process)) checks.verdicts.violation('does not work again', process.name);
  }
}

/** Everybody ends his work: nothing may be left open. */
async function rest(world: World): Promise<void> {
  const { checks } = world;
  world.isWorking = false;
  // Those who were away, or whose line is silent without anybody having noticed, are gone by then.
  await pass(world, RECOVERY_MS);
  checks.conclude();
  const { held, waiting } = world.server.overview.locks(DATABASE);
  const isHelpless = world.workers.some((worker) => checks.isStranded(worker));
  if (!isHelpless && held.length + waiting.length > 0) {
    checks.verdicts.violation('locks left', JSON.stringify({ held, waiting }));
  }
  checkPresence(world);
  // Whoever opens it next carries out what is outstanding.
  world.file.recover();
  checks.values.conclude(world.file, world.indexFiles.get('values.idx'));
}

/** Everybody knows everybody, and what the others want to hear. */
function checkPresence({ accepted, checks }: World): void {
  for (const one of accepted) {
    for (const other of accepted) {
      if (one === other || one.isExiting || other.isExiting) continue;
      const isKnown = one.peers.has(other.id);
      const isServed = [...other.subscriptions].every((it) => one.served.get(other.id)?.has(it));
      if ((isKnown && isServed) || checks.hadNoRoom(one)) continue;
      checks.verdicts.violation('unknown peer', `${one.name} does not know ${other.name}`);
    }
    for (const id of one.peers) {
      if (accepted.some((other) => other.id === id)) continue;
      checks.verdicts.violation('ghost', `${one.name} still knows ${id}`);
    }
  }
}

/** All processes end: the broker must forget everything, and leave no timer behind. */
async function end(world: World): Promise<void> {
  const { clock, checks, broker } = world;
  world.isSupervised = false;
  for (const process of [...world.processes]) process.die('the run is over');
  await pass(world, RECOVERY_MS + world.limits.lockTimeout * 3);
  if (broker.databases.length > 0) checks.verdicts.violation('database left', broker.databases.join());
  if (clock.pending > 0) checks.verdicts.violation('timers left', `${clock.pending}`);
}
