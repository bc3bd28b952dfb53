import { setTimeout as delay } from 'node:timers/promises';
import { knownOptions } from '../../support/known-options.js';
import { ServerProcess } from '../../support/server-process.js';
import { removeDirectory, temporaryDirectory } from '../../support/temporary-directory.js';
import { eventually, within } from '../../support/waiting.js';
import { Random } from '../../torture/random.js';
import { type Fault, type FaultKind, faults } from './faults.js';
import { judgeFreshOpen } from './fresh-open.js';
import { type Finding, Ledger } from './ledger.js';
import { Member, type Restart } from './member.js';
import { Progress, type Recovery } from './progress.js';
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
  /** Reads during the campaign that did not see what was acknowledged. */
  readonly misread: readonly Finding[];
  /** What is wrong at the end: with the file, with the server, with how it all ended. */
  readonly findings: readonly Finding[];
  readonly unclosed: readonly string[];
}

/**
 * A master and some workers write to one database over a real server, each over a line of its own, while faults strike
 * them. At the end the faults stop, everyone must write again and close, and the file is opened fresh and compared with
 * what was acknowledged.
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
  readonly #progress: Progress;
  readonly #names: readonly string[];
  readonly #members: Member[] = [];
  readonly #restarts: Restart[] = [];
  readonly #hangs: string[] = [];
  readonly #errors = new Map<string, number>();
  readonly #findings: Finding[] = [];
  readonly #paused = new Set<number>();
  #isWriting = true;

  private constructor(options: ChaosOptions, folder: string, server: ServerProcess) {
    this.#options = options;
    this.#folder = folder;
    this.#server = server;
    this.#random = new Random(options.seed);
    this.#names = Array.from({ length: options.workers }, (_, index) => `w${index}`);
    this.#progress = new Progress(this.#names);
  }

  static async start(options: ChaosOptions): Promise<Run> {
    const server = await startServer(options);
    return new Run(options, await temporaryDirectory('chaos'), server);
  }

  async report(): Promise<ChaosReport> {
    const [master, ...workers] = await this.#form();
    const workloads = this.#names.map((name, index) => {
      return new Workload(name, this.#ledger, new Random(this.#options.seed + (index + 1) * 0x9e3779b1));
    });
    const writers = workers.map((worker, index) => this.#write(worker, workloads[index] as Workload));
    const counts = await this.#strike(master, workers);
    await this.#untilEveryoneWrites();
    await this.#untilEnoughWrites();
    this.#progress.stop();
    this.#isWriting = false;
    await Promise.all(writers);
    const unclosed = await this.#close(master, workers);
    const inFile = await judgeFreshOpen(this.#folder, this.#ledger);
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
      misread: workloads.flatMap(({ misread }) => misread),
      findings: [...this.#findings, ...inFile],
      unclosed,
    };
  }

  async end(): Promise<void> {
    this.#isWriting = false;
    for (const pid of this.#paused) signal(pid, 'SIGCONT');
    await Promise.all(this.#members.map((member) => member.end()));
    await this.#server.kill();
    await removeDirectory(this.#folder);
  }

  async #form(): Promise<[Member, ...Member[]]> {
    const master = await this.#join('master', 'master');
    await master.ready();
    const workers = await Promise.all(this.#names.map((name) => this.#join(name, 'worker')));
    await Promise.all(workers.map((worker) => worker.ready()));
    return [master, ...workers];
  }

  async #join(name: string, role: 'master' | 'worker'): Promise<Member> {
    const member = await Member.start({
      name,
      role,
      path: this.#folder,
      serverPort: this.#server.port,
      isBreakable: this.#options.kinds.some((kind) => /^(cut|drop|stall)-/.test(kind)),
      client: this.#options.client ?? false,
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
      try {
        const process = await worker.ready();
        const begunAt = performance.now();
        const describe = () => `${worker.name} hangs`;
        const isWrite = await within(this.#options.patienceMs, describe, workload.step(process));
        if (isWrite) this.#progress.acknowledge(worker.name, begunAt);
      } catch (error) {
        await this.#failed(worker, String(error));
      }
    }
  }

  async #failed(worker: Member, error: string): Promise<void> {
    if (error.includes('hangs (waited')) {
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

  async #strike(master: Member, workers: readonly Member[]) {
    const { kinds, leastWaitMs, mostWaitMs, milliseconds, atLeast } = this.#options;
    const plan = { kinds, leastWaitMs, mostWaitMs, workers: workers.length };
    const counts: Partial<Record<FaultKind, number>> = {};
    const endAt = performance.now() + milliseconds;
    let count = 0;
    for (const fault of faults(this.#random, plan)) {
      if (count >= (atLeast?.faults ?? 0) && performance.now() + fault.waitMs > endAt) break;
      await delay(fault.waitMs);
      const member = fault.kind.endsWith('master') ? master : (workers[fault.worker] as Member);
      if (member.isHopeless) break;
      count += 1;
      counts[fault.kind] = (counts[fault.kind] ?? 0) + 1;
      this.#tell(`${fault.kind}${fault.kind.endsWith('worker') ? ` (${member.name})` : ''}`);
      this.#progress.fault(fault.kind);
      await this.#apply(fault, member);
    }
    return counts;
  }

  async #apply({ kind, durationMs }: Fault, member: Member): Promise<void> {
    switch (kind) {
      case 'kill-worker':
      case 'kill-master':
        return member.kill();
      case 'cut-worker':
      case 'cut-master':
        return member.line.cut();
      case 'drop-worker':
        member.line.drop();
        await delay(100);
        return member.line.cut();
      case 'stall-worker':
        member.line.stall();
        await delay(durationMs);
        return member.line.resume();
      case 'pause-worker':
      case 'pause-master': {
        const { pid } = member.process;
        this.#paused.add(pid);
        signal(pid, 'SIGSTOP');
        await delay(durationMs);
        signal(pid, 'SIGCONT');
        this.#paused.delete(pid);
        return;
      }
      case 'kill-server':
        await this.#server.kill();
        await delay(durationMs / 3);
        this.#server = await startServer(this.#options, this.#server.port);
        return;
    }
  }

  async #untilEveryoneWrites(): Promise<void> {
    this.#tell('The faults are over');
    const describe = () => `Not everyone writes again: ${this.#members.map((it) => it.process.describe())}`;
    try {
      await within(150_000, describe, this.#progress.untilEveryoneWrites());
    } catch (error) {
      this.#findings.push({ kind: 'wrong', path: '', reason: String(error).slice(0, 2000) });
    }
  }

  async #untilEnoughWrites(): Promise<void> {
    const { writes = 0 } = this.#options.atLeast ?? {};
    await eventually(() => this.#progress.acknowledged > writes, { timeout: 300_000 });
  }

  async #close(master: Member, workers: readonly Member[]): Promise<string[]> {
    const exit = await Promise.race([this.#server.exited, delay(0)]);
    if (exit)
      this.#findings.push({ kind: 'wrong', path: '', reason: this.#server.describe().slice(0, 2000) });
    const unclosed = await Promise.all(workers.map((worker) => worker.close()));
    unclosed.push(await master.close());
    return unclosed.filter((it) => it !== undefined);
  }

  #tell(news: string): void {
    this.#options.onNews?.(`${this.#progress.acknowledged} writes; ${news}`);
  }
}

async function startServer({ server = {} }: ChaosOptions, port = 0): Promise<ServerProcess> {
  return ServerProcess.start({ options: { logLevel: 'info', port, ...(await knownOptions(server)) } });
}

/** A process that has ended meanwhile needs no signal any more. */
function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch {}
}
