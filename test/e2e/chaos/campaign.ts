import { setTimeout as delay } from 'node:timers/promises';
import type { AceBaseProcess } from '../../support/acebase-process.js';
import { knownOptions } from '../../support/known-options.js';
import { servingMaster } from '../../support/managed-master.js';
import { ServerProcess } from '../../support/server-process.js';
import { removeDirectory, temporaryDirectory } from '../../support/temporary-directory.js';
import { eventually, within } from '../../support/waiting.js';
import { Random } from '../../torture/random.js';
import { type FaultKind, faults, type Longest, longest, longestForStock, longFaults } from './faults.js';
import { judgeFreshOpen } from './fresh-open.js';
import { Histories, type Violation } from './history/histories.js';
import { type Finding, Ledger } from './ledger.js';
import { Member, type Restart } from './member.js';
import { flagsOf, type Mutant } from './mutants.js';
import { Progress, type Recovery } from './progress.js';
import { Striker } from './striking.js';
import { Workload } from './workload.js';

/** How a campaign goes. */
export interface ChaosOptions {
  /** Replays the faults and the writes. How they meet is up to the machine. */
  readonly seed: number;
  readonly milliseconds: number;
  /** So many faults strike and, when they are over, writing goes on until then, however slow the machine. */
  readonly atLeast?: { readonly faults: number; readonly writes: number };
  readonly workers: number;
  readonly kinds: readonly FaultKind[];
  /** Between two faults. */
  readonly leastWaitMs: number;
  readonly mostWaitMs: number;
  /** A command that takes longer hangs: its process is ended, and the report counts it. */
  readonly patienceMs: number;
  /** Whether all processes have the client of this package. */
  readonly client?: boolean;
  /** Whether the server runs the master itself. All have our client then, and a journal. */
  readonly managed?: boolean;
  /** How long partitions last, and how long processes are stopped, unless it is the usual. */
  readonly longest?: Longest;
  /** What all processes are without, on purpose. */
  readonly mutant?: Mutant | undefined;
  /** Milliseconds within which everyone must write again when the faults are over. */
  readonly settlingMs?: number;
  /** Options of the server; those that it does not know yet are left out. */
  readonly server?: Readonly<Record<string, unknown>>;
  /** Is told what happens, as it happens. */
  readonly onNews?: (news: string) => void;
}

/** What came of it. */
export interface ChaosReport {
  readonly acknowledged: number;
  readonly increments: number;
  readonly reads: number;
  readonly faults: Readonly<Partial<Record<FaultKind, number>>>;
  readonly recoveries: readonly Recovery[];
  /** Processes that ended, or had to be ended, though no fault killed them. */
  readonly restarts: readonly Restart[];
  /** Commands that took longer than was bearable, by their error. */
  readonly hangs: readonly string[];
  /** Errors that commands ended with while their process lived on. */
  readonly errors: ReadonlyMap<string, number>;
  readonly longestStallMs: number;
  readonly longestWaitMs: number;
  /** Operations whose order was looked for. */
  readonly operations: number;
  /** Keys for which there is none. */
  readonly violations: readonly Violation[];
  /** Reads during the campaign that did not see what was acknowledged. */
  readonly misread: readonly Finding[];
  /** What is wrong at the end: with the file, with the server, with how it all ended. */
  readonly findings: readonly Finding[];
  readonly unclosed: readonly string[];
}

/**
 * A master and some workers write to one database over a real server, each over a line of its own, while faults strike
 * them. At the end the faults stop, everyone must write again and close, and the file is opened fresh and compared with
 * what was acknowledged. What everyone has read of each key must fit one order of the writes.
 */
export async function chaos(options: ChaosOptions): Promise<ChaosReport> {
  const run = await Run.start(options);
  try {
    return await run.report();
  } finally {
    await run.end();
  }
}

class Run {
  readonly #options: ChaosOptions;
  readonly #folder: string;
  #server: ServerProcess;
  readonly #random: Random;
  readonly #ledger = new Ledger();
  readonly #histories = new Histories();
  readonly #progress: Progress;
  readonly #names: readonly string[];
  readonly #members: Member[] = [];
  readonly #restarts: Restart[] = [];
  readonly #hangs: string[] = [];
  readonly #errors = new Map<string, number>();
  readonly #findings: Finding[] = [];
  readonly #striker: Striker;
  #master: Member | undefined;
  #workers: readonly Member[] = [];
  #isWriting = true;

  private constructor(options: ChaosOptions, folder: string, server: ServerProcess) {
    this.#options = options;
    this.#folder = folder;
    this.#server = server;
    this.#random = new Random(options.seed);
    this.#names = Array.from({ length: options.workers }, (_, index) => `w${index}`);
    this.#progress = new Progress(this.#names);
    this.#striker = new Striker(this.#victims());
  }

  static async start(options: ChaosOptions): Promise<Run> {
    const folder = await temporaryDirectory('chaos');
    const all = options.managed === true ? { ...options, client: true } : options;
    return new Run(all, folder, await startServer(all, folder));
  }

  async report(): Promise<ChaosReport> {
    await this.#form();
    const workloads = this.#names.map((name, index) => this.#workload(name, index));
    const loops = this.#workers.flatMap((worker, index) => {
      const workload = workloads[index] as Workload;
      const reading = this.#workload(worker.name, this.#names.length + index);
      workloads.push(reading);
      return [this.#write(worker, workload), this.#read(() => worker, reading)];
    });
    // A stock master that starts reads beside others.
    if (this.#options.client === true && this.#options.managed !== true) {
      const reading = this.#workload('master', workloads.length);
      workloads.push(reading);
      loops.push(this.#read(() => this.#currentMaster, reading));
    }
    const counts = await this.#strike();
    await this.#untilEveryoneWrites();
    await this.#untilEnoughWrites();
    this.#progress.stop();
    this.#isWriting = false;
    await Promise.all(loops);
    const unclosed = await this.#close();
    const inFile = await judgeFreshOpen(this.#folder, this.#ledger, this.#histories);
    return {
      acknowledged: this.#progress.acknowledged,
      increments: this.#ledger.increments,
      reads: workloads.reduce((sum, { reads }) => sum + reads, 0),
      faults: counts,
      recoveries: this.#progress.recoveries,
      restarts: this.#restarts,
      hangs: this.#hangs,
      errors: this.#errors,
      longestStallMs: this.#progress.longestStallMs,
      longestWaitMs: this.#progress.longestWaitMs,
      operations: this.#histories.size,
      violations: this.#histories.judge(),
      misread: workloads.flatMap(({ misread }) => misread),
      findings: [...this.#findings, ...inFile],
      unclosed,
    };
  }

  async end(): Promise<void> {
    this.#isWriting = false;
    this.#striker.end();
    await Promise.all(this.#members.map((member) => member.end()));
    await this.#server.kill();
    await removeDirectory(this.#folder);
  }

  #workload(name: string, index: number): Workload {
    const random = new Random(this.#options.seed + (index + 1) * 0x9e3779b1);
    return new Workload(name, this.#ledger, this.#histories, random);
  }

  #victims() {
    const run = this;
    return {
      get master() {
        return run.#currentMaster;
      },
      set master(member: Member) {
        run.#master = member;
      },
      get workers() {
        return run.#workers;
      },
      startStandIn: () => (run.#options.client === true ? run.#join('master', 'master', true) : undefined),
      async killServer(milliseconds: number) {
        await run.#server.kill();
        await delay(milliseconds);
        run.#server = await startServer(run.#options, run.#folder, run.#server.port);
      },
      get childPid() {
        const line = run.#server.lines.findLast(({ msg }) => msg === 'starting the master of a database');
        return Number(line?.['masterPid']);
      },
      complain: (reason: string) => run.#found(reason),
    };
  }

  get #currentMaster(): Member {
    if (this.#master === undefined) throw new Error('There is no master yet');
    return this.#master;
  }

  #found(reason: string): void {
    this.#tell(reason);
    this.#findings.push({ kind: 'wrong', path: '', reason: reason.slice(0, 2000) });
  }

  async #form(): Promise<void> {
    if (this.#options.managed === true) await servingMaster(this.#server);
    else {
      this.#master = await this.#join('master', 'master');
      await this.#master.ready();
    }
    this.#workers = await Promise.all(this.#names.map((name) => this.#join(name, 'worker')));
    await Promise.all(this.#workers.map((worker) => worker.ready()));
  }

  async #join(name: string, role: 'master' | 'worker', isStandIn = false): Promise<Member> {
    const { kinds, client = false, mutant } = this.#options;
    const member = await Member.start({
      name,
      role,
      path: this.#folder,
      serverPort: this.#server.port,
      isBreakable: kinds.some((kind) => /^(cut|drop|stall|partition)-/.test(kind)),
      client,
      execArgv: flagsOf(mutant),
      isStandIn,
      random: new Random(this.#random.below(2 ** 32)),
      onRestart: (restart) => {
        this.#restarts.push(restart);
        this.#tell(`${restart.member} ended: ${restart.reason}`);
      },
    });
    this.#members.push(member);
    return member;
  }

  async #write(worker: Member, workload: Workload): Promise<void> {
    while (this.#isWriting && !worker.isHopeless) {
      let begunAt = 0;
      const isWrite = await this.#attempt(worker, (process) => {
        begunAt = performance.now();
        return workload.step(process);
      });
      if (isWrite) this.#progress.acknowledge(worker.name, begunAt);
    }
  }

  /** Now and then, so that what is read is mostly what others write. */
  async #read(member: () => Member, workload: Workload): Promise<void> {
    while (this.#isWriting && !member().isHopeless) {
      await this.#attempt(member(), (process) => workload.read(process));
      await delay(workload.random.below(60));
    }
  }

  async #attempt(member: Member, act: (process: AceBaseProcess) => Promise<boolean>): Promise<boolean> {
    try {
      return await this.#patiently(member, act(await member.ready()));
    } catch (error) {
      await this.#failed(member, String(error));
      return false;
    }
  }

  /** Whom a fault has struck may take longer. */
  async #patiently<T>(member: Member, promise: Promise<T>): Promise<T> {
    const { patienceMs } = this.#options;
    for (;;) {
      const since = performance.now();
      try {
        return await within(patienceMs, () => `${member.name} hangs`, promise);
      } catch (error) {
        if (!isHang(String(error)) || !this.#progress.wasStruck(member.name, since)) throw error;
      }
    }
  }

  async #failed(worker: Member, error: string): Promise<void> {
    if (isHang(error)) {
      this.#hangs.push(error);
      this.#tell(error);
      await worker.kill('a command hung');
    } else if (!/No answer: |^Error: Cannot |Ended before it was ready|is not ready/.test(error)) {
      const kind = error.split('\n')[0]?.replace(/[0-9a-z]{25}/g, '<id>') ?? '';
      this.#errors.set(kind, (this.#errors.get(kind) ?? 0) + 1);
    }
    // Its process has ended, or denies its service for the moment.
    await delay(50);
  }

  async #strike() {
    const { kinds, leastWaitMs, mostWaitMs, milliseconds, atLeast, client } = this.#options;
    const bearable = this.#options.longest ?? (client === true ? longest : longestForStock);
    const plan = { kinds, leastWaitMs, mostWaitMs, workers: this.#workers.length, longest: bearable };
    const counts: Partial<Record<FaultKind, number>> = {};
    const endAt = performance.now() + milliseconds;
    let count = 0;
    for (const fault of faults(this.#random, plan)) {
      if (count >= (atLeast?.faults ?? 0) && performance.now() + fault.waitMs > endAt) break;
      await delay(fault.waitMs);
      const { kind } = fault;
      const member = this.#striker.memberOf(fault);
      if (member?.isHopeless === true) break;
      count += 1;
      counts[kind] = (counts[kind] ?? 0) + 1;
      const seconds = longFaults.includes(kind) ? ` for ${(fault.durationMs / 1000).toFixed(1)} s` : '';
      this.#tell(`${kind}${kind.endsWith('worker') ? ` (${member?.name})` : ''}${seconds}`);
      this.#progress.fault(kind);
      if (member) this.#progress.strike(member.name);
      await this.#striker.apply(fault);
      if (member) this.#progress.release(member.name);
    }
    return counts;
  }

  async #untilEveryoneWrites(): Promise<void> {
    const { settlingMs = 150_000 } = this.#options;
    this.#tell('The faults are over');
    const describe = () => `Not everyone writes again: ${this.#members.map((it) => it.process.describe())}`;
    try {
      await within(settlingMs, describe, this.#progress.untilEveryoneWrites());
    } catch (error) {
      this.#found(String(error));
    }
  }

  async #untilEnoughWrites(): Promise<void> {
    const { writes = 0 } = this.#options.atLeast ?? {};
    await eventually(() => this.#progress.acknowledged > writes, { timeout: 300_000 });
  }

  async #close(): Promise<string[]> {
    const exit = await Promise.race([this.#server.exited, delay(0)]);
    if (exit) this.#found(this.#server.describe());
    const unclosed = await Promise.all(this.#workers.map((worker) => worker.close()));
    unclosed.push(
      this.#options.managed === true ? await this.#stopServer() : await this.#currentMaster.close(),
    );
    return unclosed.filter((it) => it !== undefined);
  }

  /** It closes the master that it runs. Gives what went wrong, if anything did. */
  async #stopServer(): Promise<string | undefined> {
    const { code, signal } = await this.#server.stop();
    const unclean = this.#server.lines.find(
      ({ msg }) => msg === 'the master of a database ended without having closed it',
    );
    return code === 0 && unclean === undefined
      ? undefined
      : `the server ended with ${code ?? signal}: ${JSON.stringify(unclean)}`;
  }

  #tell(news: string): void {
    this.#options.onNews?.(`${this.#progress.acknowledged} writes; ${news}`);
  }
}

async function startServer(
  { server = {}, managed = false }: ChaosOptions,
  path: string,
  port = 0,
): Promise<ServerProcess> {
  const masters = managed ? { masters: { mydb: { path, journal: 'process' } } } : {};
  const options = { logLevel: 'info', port, ...masters, ...(await knownOptions(server)) };
  return ServerProcess.start({ options });
}

function isHang(error: string): boolean {
  return error.includes('hangs (waited');
}
