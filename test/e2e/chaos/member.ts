import { setTimeout as delay } from 'node:timers/promises';
import { AceBaseProcess } from '../../support/acebase-process.js';
import { LineProxy } from '../../support/line-proxy.js';
import { within } from '../../support/waiting.js';
import type { Random } from '../../torture/random.js';

/** Why a process was followed by another one. */
export interface Restart {
  readonly member: string;
  readonly reason: string;
}

/** What a member is made of. */
export interface MemberOptions {
  readonly name: string;
  readonly role: 'master' | 'worker';
  readonly path: string;
  readonly serverPort: number;
  /** Whether its line can be broken. Else it connects to the server itself, which can see when its process has ended. */
  readonly isBreakable: boolean;
  readonly client: boolean;
  /** Flags for Node. */
  readonly execArgv: readonly string[];
  /** Whether it may have to wait for its place for long. */
  readonly isStandIn?: boolean;
  readonly random: Random;
  /** Is told of each process that ended, but for those that were killed on purpose. */
  readonly onRestart: (restart: Restart) => void;
}

/** After so many processes in a row that never became ready, it is the file that is broken. */
const hopelessAfter = 20;
const readyWithinMs = 30_000;
/** One that stands in waits until the server has given the other one up. */
const standInWithinMs = 180_000;

/**
 * A place in the cluster, and the process that holds it. When the process ends, for whatever reason, another one is
 * started after a moment, as pm2 would do.
 */
export class Member {
  readonly name: string;
  readonly #options: MemberOptions;
  readonly #proxy: LineProxy;
  #process: AceBaseProcess;
  #ready: Promise<AceBaseProcess>;
  /** Those whose end needs no explanation any more. */
  readonly #killed = new WeakSet<AceBaseProcess>();
  readonly #patrol: NodeJS.Timeout;
  /** The process that was found refused at the last round. */
  #refused: AceBaseProcess | undefined;
  #isStopping = false;
  /** Nobody follows. */
  #isRetired = false;
  #failures = 0;
  readonly #supervision: Promise<void>;

  private constructor(options: MemberOptions, proxy: LineProxy) {
    this.name = options.name;
    this.#options = options;
    this.#proxy = proxy;
    this.#process = this.#spawn();
    this.#ready = this.#untilReady(this.#process);
    this.#supervision = this.#supervise();
    this.#patrol = setInterval(() => this.#endUndead(), 500);
  }

  /** Starts the first process; does not wait until it is ready. */
  static async start(options: MemberOptions): Promise<Member> {
    return new Member(options, await LineProxy.start(options.serverPort));
  }

  /** The line to the server. */
  get line(): LineProxy {
    return this.#proxy;
  }

  /** The process that holds the place now. */
  get process(): AceBaseProcess {
    return this.#process;
  }

  /** True when no process of this place can open the file any more. */
  get isHopeless(): boolean {
    return this.#failures >= hopelessAfter && this.#options.isStandIn !== true;
  }

  /** Whether it is refused, and is about to end or to be ended. */
  get isRefused(): boolean {
    return refusalIn(this.#process) !== undefined;
  }

  /** Resolves with a process that is ready; rejects if the present one ends before it is. */
  ready(): Promise<AceBaseProcess> {
    return this.#ready;
  }

  /** Ends the process with SIGKILL; another one follows. A `reason` is what the report will say about it. */
  async kill(reason?: string): Promise<void> {
    const process = this.#process;
    if (reason !== undefined && !this.#killed.has(process)) {
      this.#options.onRestart({ member: this.name, reason });
    }
    this.#killed.add(process);
    await process.kill();
  }

  /** Somebody else has its place: resolves when its process has ended, or had to be. Gives what was wrong, if anything was. */
  async retire(patienceMs: number): Promise<string | undefined> {
    this.#isRetired = true;
    try {
      await within(patienceMs, () => `${this.name} was replaced and lives on`, this.#process.exited);
      return undefined;
    } catch (error) {
      return `${String(error)}: ${this.#process.describe().slice(0, 600)}`;
    } finally {
      await this.end();
    }
  }

  /** Closes the database and waits until the process has ended. Gives what went wrong, if anything did. */
  async close(): Promise<string | undefined> {
    this.#isStopping = true;
    try {
      // One that has just been killed has nothing to close.
      if (this.#killed.has(this.#process)) return undefined;
      await within(25_000, () => `${this.name} does not close`, this.#process.closeAndEnd());
      return undefined;
    } catch (error) {
      return String(error).slice(0, 600);
    } finally {
      await this.end();
    }
  }

  /** Ends all that there is of it, now. */
  async end(): Promise<void> {
    this.#isStopping = true;
    clearInterval(this.#patrol);
    await this.#process.kill();
    await this.#supervision;
    await this.#proxy.close();
  }

  async #supervise(): Promise<void> {
    while (!this.isHopeless) {
      const process = this.#process;
      const exit = await process.exited;
      if (this.#isStopping) return;
      const isExplained = this.#killed.has(process);
      this.#killed.add(process);
      if (!isExplained) {
        const reason = reasonOf(process.complaints) ?? `ended with ${exit.code ?? exit.signal}`;
        this.#options.onRestart({ member: this.name, reason });
      }
      if (this.#isRetired) return;
      await delay(200 + this.#options.random.below(800));
      if (this.#isStopping || this.#isRetired) return;
      this.#process = this.#spawn();
      this.#ready = this.#untilReady(this.#process);
    }
  }

  /** A process that is refused at its first attempt closes its database and lives on; nobody but us would notice. */
  #endUndead(): void {
    const process = this.#process;
    if (this.#isStopping || this.#killed.has(process)) return;
    const refusal = refusalIn(process);
    if (refusal === undefined) return;
    // Refused at a later attempt it is about to end by itself.
    if (this.#refused === process) void this.kill(`lived on after: ${refusal}`);
    this.#refused = process;
  }

  #spawn(): AceBaseProcess {
    const { name, role, path, client, serverPort, isBreakable, execArgv } = this.#options;
    const ipc = { host: 'localhost', port: isBreakable ? this.#proxy.port : serverPort, role };
    return new AceBaseProcess({ name, database: 'mydb', path, ipc, client, execArgv });
  }

  #untilReady(process: AceBaseProcess): Promise<AceBaseProcess> {
    const patienceMs = this.#options.isStandIn === true ? standInWithinMs : readyWithinMs;
    const ready = within(patienceMs, () => `${this.name} is not ready`, process.ready()).then(() => {
      this.#failures = 0;
      return process;
    });
    ready.catch(() => {
      this.#failures += 1;
      if (process === this.#process && !this.#isStopping) void this.kill('did not get ready');
    });
    return ready;
  }
}

/** What the server has refused a process with. */
function refusalIn({ complaints }: AceBaseProcess): string | undefined {
  return /Cannot connect to IPC server: [\w ]+|does not let this process in\. [\w ]+/.exec(complaints)?.[0];
}

/** The error that a process died of, without what differs from one time to the next. */
function reasonOf(complaints: string): string | undefined {
  const errors = complaints.split('\n').filter((line) => /error|cannot|unable/i.test(line));
  const last = errors.filter((line) => !/^\s+at /.test(line)).at(-1);
  return last
    ?.trim()
    .replace(/[0-9a-z]{25}/g, '<id>')
    .slice(0, 160);
}
