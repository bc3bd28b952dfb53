import type { Broker } from '../../src/broker/broker.js';
import type { Limits } from '../../src/broker/limits.js';
import type { LogFields } from '../../src/broker/ports.js';
import type { Client } from '../../src/client/core/client.js';
import { resolveOptions } from '../../src/options.js';
import { VirtualClock } from '../support/virtual-clock.js';
import { Random } from '../torture/random.js';
import { Checks } from './checks/checks.js';
import { History } from './history.js';
import { Line } from './line.js';
import { DatabaseFile } from './model/database-file.js';
import { Master } from './model/master.js';
import type { ModelProcess } from './model/process.js';
import type { StockPeer } from './model/stock-peer.js';
import { Worker } from './model/worker.js';
import type { Plan, ServerEnd } from './plan.js';
import { Server } from './server.js';

const DEFAULTS = resolveOptions();

/** Milliseconds that a server waits for processes to finish, when it drains: shorter and longer than for a line that broke. */
const DRAIN_MS = { drained: DEFAULTS.drainTimeout, 'drained slowly': 2 * DEFAULTS.reconnectGrace };

/** The name of the database in all runs. */
export const DATABASE = 'mydb_data';

/** What makes a broker, and a client: the real ones, or others with a fault in them. */
export type BrokerClass = typeof Broker;
export type ClientClass = typeof Client;

/** Everything that there is in one run: the broker, the processes, their lines, and the file that they share. */
export class World {
  readonly clock = new VirtualClock();
  readonly random: Random;
  readonly limits: Limits;
  readonly history: History;
  readonly checks: Checks;
  readonly file = new DatabaseFile();
  readonly indexFiles = new Map<string, Map<string, number>>();
  server: Server;
  /** Live processes that were let in at some time. */
  accepted: StockPeer[] = [];
  readonly processes = new Set<ModelProcess>();
  failures = 0;
  /** When a master was last let in. */
  masterCame = 0;
  /** When a master last ended. */
  lastMasterEnded: number | undefined;
  /** Told of each message as it is said or heard, and of steps of commits. */
  onMessage: (process: StockPeer, what: string) => void = () => undefined;
  /** Whether workers go on with the next operation. */
  isWorking = true;
  /** Whether processes that end are started again. */
  isSupervised = true;
  /** Milliseconds between two operations of a worker, on average. */
  calm = 100;
  /** How often a write to the root moves its record. */
  rootMoves: number;
  readonly #seated = new Map<string, StockPeer>();
  /** Those who were given up at the last server, and have come to another. */
  readonly #wereGivenUp = new Set<StockPeer>();
  readonly #absentSince = new Map<StockPeer, number>();
  /** The same of processes with our client that are back, and to which nothing was proved yet. */
  readonly #unusedSince = new Map<StockPeer, number>();
  /** When the server has noticed. */
  readonly #absenceNoticed = new WeakMap<StockPeer, number>();
  /** For how long the server had not heard the one whose line is over. */
  #silence = 0;
  /** To which server each process came first. */
  readonly #firstServers = new Map<StockPeer, Server>();
  /** To which it came last. */
  readonly #lastServers = new Map<StockPeer, Server>();
  readonly #formerServers: Server[] = [];
  /** Those that ran between the one to which each process came last and the one to which it had come before. */
  readonly #missedServers = new WeakMap<StockPeer, readonly Server[]>();
  /** Masters in whose place there was another one when a server ended. */
  readonly #replaced = new Set<StockPeer>();
  #names = 0;
  /** Of servers. */
  #runs = 0;
  #nobodyStartsUntil = 0;
  readonly #extraMasters = new Set<Master>();
  readonly #startServer: (isSuccessor: boolean) => Server;

  constructor(
    readonly plan: Plan,
    readonly classes: { readonly Broker: BrokerClass; readonly Client: ClientClass },
    isHistoryKept: boolean,
  ) {
    // What comes up on the way is drawn from other numbers than the plan, so that a plan without one of its faults
    // is much the same run.
    this.rootMoves = plan.rootMoves;
    this.random = new Random(plan.seed ^ 0x5bd1e995);
    this.limits = limitsOf(plan);
    this.history = new History(this.clock, isHistoryKept);
    this.checks = new Checks(this);
    const { limits } = this;
    const observer = {
      peerConnected: () => undefined,
      peerDisconnected: ({ id }: { id: string }) => {
        const process = this.#seated.get(id);
        // It may be there as another peer.
        if (process?.id === id) this.#isAbsent(process, this.#silence);
        this.#silence = 0;
      },
    };
    const logger = this.#logger();
    this.#startServer = (isSuccessor) =>
      new Server(this.clock, isSuccessor, logger, (clock, records) => {
        const { incidents } = records;
        const server = `run-${++this.#runs}`;
        return new classes.Broker({ clock, limits, logger, observer, incidents, records, server });
      });
    this.server = this.#startServer(false);
  }

  /** The broker of the server that is there, or was last. */
  get broker(): Broker {
    return this.server.broker;
  }

  /** The server ends, and another one takes its place. */
  restartServer(how: ServerEnd, milliseconds: number): void {
    if (!this.server.isUp) return;
    if (how === 'killed' || how === 'stopped') this.#endServer(how, milliseconds);
    else if (!this.server.isDraining) {
      // Its master goes before it ends.
      this.#lookForUntoldLocks();
      this.server.drain(DRAIN_MS[how], () => this.#endServer('stopped', milliseconds));
    }
  }

  /** The next server lets a master that it takes for the one before grant at once. */
  #lookForUntoldLocks(): void {
    const isAnyUntold = this.checks.beliefs.isHeldAbsentSince(this.lastMasterEnded ?? 0);
    if ((isAnyUntold || this.#isIncomplete()) && this.broker.hasPeer(DATABASE, '[master]')) {
      this.checks.verdicts.tear('the server was lost while a lock of the master before the last was held');
    }
  }

  /** A key that a dead master told of and did not write is known to its workers and to the server alone, which has the next one write it. */
  #lookForUnwrittenKeys(): void {
    if (this.broker.hasPeer(DATABASE, '[master]')) return;
    if (this.workers.every(({ keys }) => keys.length <= this.file.keys.length)) return;
    this.checks.verdicts.tear(
      'the server was lost before the next master had written the keys of the last one',
    );
  }

  #endServer(how: 'killed' | 'stopped', milliseconds: number): void {
    this.#lookForUntoldLocks();
    this.#lookForUnwrittenKeys();
    for (const process of this.processes) {
      if (process instanceof Master && this.#seated.get(process.id) !== process) this.#replaced.add(process);
    }
    for (const process of this.#seated.values()) {
      if (!this.#absentSince.has(process)) this.#isAbsent(process);
    }
    if (how === 'stopped') this.server.stop();
    else this.server.kill(() => this.random.fraction() * 20);
    this.accepted = [];
    this.checks.serverEnded();
    this.clock.schedule(milliseconds, () => {
      this.history.note(() => 'server starts');
      this.#formerServers.push(this.server);
      this.server = this.#startServer(true);
    });
  }

  /** Whether the master is new, and somebody who was there before has not told yet what he holds. */
  #isIncomplete(): boolean {
    const { server, clock, master } = this;
    if (!server.isSuccessor || clock.now() - server.startedAt >= this.limits.reconnectGrace) return false;
    if (master === undefined || this.#firstServers.get(master) !== server) return false;
    return this.workers.some(({ ours, id }) => ours !== undefined && !this.broker.hasPeer(DATABASE, id));
  }

  /** Whether the server waits for that process, whose line broke, to come back. */
  #isAwaited({ id, isMaster }: StockPeer): boolean {
    if (isMaster) return false;
    const peers = this.server.overview.report(DATABASE)?.listedPeers ?? [];
    return peers.some((peer) => peer.id === id && peer.state === 'away');
  }

  /**
   * The server has no line of that process any more: others wait for it for a while.
   *
   * @param silence milliseconds for which nothing was heard of it before, as the server says
   */
  #isAbsent(process: StockPeer, silence = 0): void {
    const { clock, limits, server } = this;
    const since = clock.now() - silence;
    this.#absentSince.set(process, since);
    this.#absenceNoticed.set(process, clock.now());
    if (process.ours === undefined) return;
    clock.schedule(limits.reconnectGrace - silence, () => {
      if (this.#absentSince.get(process) !== since) return;
      if (server === this.server && server.isUp) this.lostPlace(process);
      else this.checks.events.releases(process);
    });
  }

  /** The server has a connection of that process again. One with our client uses nothing before it was proved that the server goes on with it. */
  #isBack(process: StockPeer): void {
    const since = this.unusedSince(process);
    this.#absentSince.delete(process);
    if (since !== undefined && process.ours?.client.lease.isHeld === false)
      this.#unusedSince.set(process, since);
  }

  /** It was proved to that process. */
  leaseRegained(process: StockPeer): void {
    this.#unusedSince.delete(process);
  }

  /** A process with our client has lost its place: it will come again as another peer. */
  lostPlace(process: StockPeer): void {
    this.#unusedSince.delete(process);
    this.#wereGivenUp.delete(process);
    this.accepted = this.accepted.filter((other) => other !== process);
    this.checks.losesPlace(process);
  }

  /** What a process with our client does with the journal. From its number: what is drawn by others stays the same. */
  journalOf(name: string): 'kept' | 'looked at' | undefined {
    const { journals } = this.plan;
    if (journals === 0) return undefined;
    return ((Number(name.slice(1)) * 7) % 10) / 10 < journals ? 'kept' : 'looked at';
  }

  /** Whether the next process has our client. */
  #isNextOurs(): boolean {
    const { clients } = this.plan;
    return clients === 'ours' || (clients === 'mixed' && this.random.chance(0.5));
  }

  get workers(): Worker[] {
    return [...this.processes].filter((process) => process instanceof Worker);
  }

  /** The master that is supervised, if it lives. */
  get master(): Master | undefined {
    return [...this.processes].find(
      (process): process is Master => process instanceof Master && !this.#extraMasters.has(process),
    );
  }

  startWorker(): void {
    const opens = this.random.fraction() * this.plan.opensWithin;
    this.processes.add(new Worker(this, `W${++this.#names}`, opens, this.plan.loops, this.#isNextOurs()));
  }

  /** @param isExtra whether somebody starts it beside the one that is supervised */
  startMaster(isExtra = false): void {
    const opens = this.random.fraction() * this.plan.opensWithin;
    const master = new Master(this, `M${++this.#names}`, opens, this.#isNextOurs());
    this.processes.add(master);
    if (isExtra) this.#extraMasters.add(master);
  }

  /** A process connects. */
  dial(process: StockPeer): void {
    const latency = () => 0.2 + this.random.fraction() * 3;
    if (this.clock.now() < process.unreachableUntil) {
      // Either its own system knows, or nobody answers.
      if (this.random.chance(0.5)) process.after(latency(), () => process.dialFailed());
      return;
    }
    process.after(latency(), () => {
      const { server } = this;
      if (!server.isUp) {
        process.after(latency(), () => process.dialFailed());
        return;
      }
      const request = {
        database: DATABASE,
        peerId: process.id,
        address: process.name,
        client: process.ours?.announcement,
        process: this.plan.isLocal
          ? {
              pid: undefined,
              isSought: false,
              age: undefined,
              databaseFiles: [],
              hasEnded: () => !process.isAlive,
            }
          : undefined,
      };
      const served = (): void => void server.atDoor.delete(diesMeanwhile);
      const diesMeanwhile = (): void => void process.after(latency(), () => process.dialFailed());
      server.atDoor.add(diesMeanwhile);
      const isMasterThere = process.isMaster && server.broker.hasPeer(DATABASE, process.id);
      process.leaveDoor = server.broker.arrive(request, {
        accept: (visitor) => {
          served();
          this.#comes(process, server);
          this.checks.promises.letIn(process, isMasterThere);
          this.history.note(() => `server lets ${process.name} in`);
          this.#seated.set(process.id, process);
          this.#isBack(process);
          if (!this.accepted.includes(process)) this.accepted.push(process);
          if (process instanceof Master) {
            this.masterCame = this.clock.now();
            this.#takesOver(process);
          }
          // A master that comes again is a new one to the server: it is told anew who is there.
          if (process.isMaster && process.ours === undefined) this.checks.releases(process);
          const line = new Line(this, process, visitor);
          process.dialed = line;
          return line;
        },
        refuse: (code) => {
          served();
          if (code === 'IPC_REFUSED_DRAINING' && this.#isAwaited(process))
            this.checks.promises.turnedAway(process);
          this.clock.schedule(latency(), () => process.act(() => process.refused(code)));
        },
      });
    });
  }

  /** The live worker that has this id, and for which others wait if it is away. */
  processWith(id: string): StockPeer | undefined {
    const { limits, clock } = this;
    const isAwaited = (worker: Worker): boolean =>
      clock.now() - (this.absentSince(worker) ?? Number.POSITIVE_INFINITY) < limits.reconnectGrace;
    return this.workers.find((worker) => worker.id === id && isAwaited(worker));
  }

  /** Milliseconds for which the lock with that number has been held, as the server says; `undefined` if it knows of none. */
  heldFor(lockId: number): number | undefined {
    return this.server.overview.locks(DATABASE).held.find(({ id }) => id === lockId)?.heldFor;
  }

  /** Whether the server has a connection of that very process. */
  isPresent(process: StockPeer): boolean {
    return this.#seated.get(process.id) === process && this.broker.hasPeer(DATABASE, process.id);
  }

  processEnded(process: ModelProcess): void {
    this.processes.delete(process);
    this.accepted = this.accepted.filter((other) => other !== process);
    this.checks.ends(process as StockPeer);
    if (process instanceof Master) this.lastMasterEnded = this.clock.now();
    if (!this.isSupervised) return;
    const own = this.random.chance(0.1) ? 6_000 : 100 + this.random.fraction() * 1_500;
    const wait = Math.max(own, this.#nobodyStartsUntil - this.clock.now());
    if (process instanceof Worker) this.clock.schedule(wait, () => this.isSupervised && this.startWorker());
    else if (!this.#extraMasters.delete(process as Master)) {
      // One that was given up, and in whose place it was, may have come back.
      const isMissing = (): boolean => this.isSupervised && this.master === undefined;
      this.clock.schedule(wait, () => isMissing() && this.startMaster());
    }
  }

  /** All but one end, and are started again only after a while; that one reaches no server meanwhile, and lives on. */
  everybodyLeaves(survivor: StockPeer | undefined, milliseconds: number, unreachable: number): void {
    this.#nobodyStartsUntil = this.clock.now() + milliseconds;
    if (survivor !== undefined) this.cutOff(survivor, unreachable);
    for (const process of [...this.processes]) {
      if (process === survivor) continue;
      if (this.random.chance(0.5)) process.die('everybody leaves');
      else (process as StockPeer).exit();
    }
  }

  /** A process loses its line, and reaches no server for a while. */
  cutOff(process: StockPeer, milliseconds: number): void {
    process.unreachableUntil = this.clock.now() + milliseconds;
    const soon = this.random.fraction() * 50;
    const isNoticed = this.random.chance(0.5);
    process.dialed?.break({ serverAfter: isNoticed ? soon : undefined, processAfter: soon });
  }

  /** Since when the server has no connection of that process; `undefined` while it has one. */
  absentSince(process: StockPeer): number | undefined {
    return this.#absentSince.get(process);
  }

  /** Since when that process has used nothing of what it has locked: it was absent, or does not know yet whether the server goes on with it. */
  unusedSince(process: StockPeer): number | undefined {
    return this.#unusedSince.get(process) ?? this.absentSince(process);
  }

  /** When the server has noticed that it has no line of that process, if it has none. */
  absenceNoticed(process: StockPeer): number | undefined {
    return this.#absentSince.has(process) ? this.#absenceNoticed.get(process) : undefined;
  }

  /** A process writes to the file. One that the others have given up must not any more; our client keeps it from that, a stock one does not. */
  writesFile(process: StockPeer, write: () => void): void {
    const { verdicts } = this.checks;
    const what = `${process.name} writes, and others do not wait for it any more`;
    if (this.isCutOff(process) && process.ours !== undefined) verdicts.wrongFile('late write', what);
    else if (this.isCutOff(process)) verdicts.tear(what);
    write();
  }

  /** Whether others have given a process up, or another one is in its place: what it holds is theirs by then. */
  isCutOff(process: StockPeer): boolean {
    const since = this.absentSince(process);
    if (since !== undefined && this.clock.now() - since >= this.limits.reconnectGrace) return true;
    const isReplaced = process instanceof Master && this.#seated.get(process.id) !== process;
    return isReplaced && this.accepted.includes(process);
  }

  /** Milliseconds until a worker does the next thing. */
  pause(): number {
    return this.random.fraction() * 2 * this.calm;
  }

  operationFailed(worker: StockPeer, error: Error): void {
    this.failures += 1;
    this.checks.promises.failed(worker, error);
  }

  #comes(process: StockPeer, server: Server): void {
    const { ours, name } = process;
    if (!this.#firstServers.has(process)) this.#firstServers.set(process, server);
    const absent = this.clock.now() - (this.absentSince(process) ?? Number.POSITIVE_INFINITY);
    const last = this.#lastServers.get(process) ?? server;
    const isAnother = last !== server;
    if (isAnother)
      this.#missedServers.set(process, this.#formerServers.slice(this.#formerServers.indexOf(last) + 1));
    this.#lastServers.set(process, server);
    if (ours !== undefined && isAnother && absent >= this.limits.reconnectGrace) {
      this.#wereGivenUp.add(process);
    }
    if (ours === undefined || !server.isSuccessor) return;
    if (this.#replaced.has(process) && isAnother) {
      // Another one had taken its place at a server that is gone, and it has not noticed.
      this.checks.verdicts.tear(`${name} was replaced at one server, and is the master at the next one`);
    }
    server.cameAt = Math.min(server.cameAt, this.clock.now());
    if (ours.announcement?.received !== undefined)
      server.returnedAt = Math.min(server.returnedAt, this.clock.now());
  }

  /**
   * Whether the server could not know of locks from before it that stand in the way of this one: nobody had come to it who was there; or it
   * is one of a new master, whose own transactions do not wait for those who come after it.
   */
  mayNotKnowFor(holder: StockPeer, lockId: number): boolean {
    const { server, clock, limits } = this;
    if (!server.isSuccessor) return false;
    const isEarly = clock.now() - server.startedAt < limits.reconnectGrace;
    const isNewMaster = holder.isMaster && this.#firstServers.get(holder) === server;
    const grantedAt = clock.now() - (this.heldFor(lockId) ?? 0);
    return grantedAt <= server.returnedAt || (isNewMaster && isEarly);
  }

  /**
   * Whether the first who came to the server were all new, or to one that this process has missed: it could not know that
   * there had been others, and granted them what those held.
   */
  wereFirstNewTo(process: StockPeer): boolean {
    return [this.server, ...(this.#missedServers.get(process) ?? [])].some(
      ({ isSuccessor, cameAt, returnedAt }) => isSuccessor && cameAt < returnedAt,
    );
  }

  /** A process with our client goes on at the server that it has come to. */
  goesOn(process: StockPeer): void {
    // A worker that may have been given up goes on with nothing that it held, and reads everything anew.
    if (!this.#wereGivenUp.delete(process) || !process.isMaster) return;
    // It has heard something later than the server has, and so does not know; nor does this server.
    this.checks.verdicts.tear(`${process.name} was given up at one server, and comes back to another`);
  }

  /** Whoever is the master is supervised, and nobody else. */
  #takesOver(master: Master): void {
    const { master: former } = this;
    this.#extraMasters.delete(master);
    if (former === undefined || former === master) return;
    if (this.plan.masterLoops > 0) {
      // A new server cannot know that there is another one, which has lost its line and goes on with its own transactions.
      this.checks.verdicts.tear(
        `${master.name} comes to a new server before ${former.name}, and both are masters`,
      );
    }
    this.#extraMasters.add(former);
  }

  #logger() {
    const line = (level: string) => (fields: LogFields, message: string) => {
      this.history.note(() => `server ${level}: ${message} ${JSON.stringify(fields)}`);
      if (message === 'peer disconnected; it may reconnect') this.#silence = Number(fields['silence']);
    };
    const quiet = (): void => undefined;
    return {
      trace: quiet,
      debug: line('debug'),
      info: line('info'),
      warn: line('warn'),
      error: (fields: LogFields, message: string) => {
        line('error')(fields, message);
        const { incident, invariant } = fields;
        if (incident === 'broken-invariant')
          this.checks.verdicts.violation('broken invariant', String(invariant));
      },
    };
  }
}

/** What the server works with if nobody sets anything else, but for what the plan varies. */
function limitsOf({ lockTimeout, maxBuffered }: Plan): Limits {
  // A modelled process asks for little at one time: so that requests wait for their turn at all, there is one place.
  return { ...DEFAULTS, lockTimeout, maxBuffered, maxMailPerPeer: maxBuffered, maxOutstandingRequests: 1 };
}
