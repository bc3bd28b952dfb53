import { existsSync, readFileSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { ServerProcess } from '../support/server-process.js';
import { removeDirectory, temporaryDirectory } from '../support/temporary-directory.js';
import { within } from '../support/waiting.js';
import { Random } from '../torture/random.js';
import type { Checker } from './checker-process.js';
import { dataFaults } from './checks.js';
import { type MemberOrder, MemberProcess } from './member-process.js';
import {
  type CrashPoint,
  changesAnything,
  expectedOf,
  Findings,
  kindOf,
  type Tree,
  type Verdict,
  writesBehind,
} from './verdict.js';
import type { LastChange } from './victim.js';
import { applied, type IndexKey, type Operation, workload } from './workload.js';

/** The processes of a cluster, in the order in which they start. */
export const MEMBERS = ['master', 'worker1', 'worker2'] as const;

export type MemberName = (typeof MEMBERS)[number];

/** What is done by a cluster, and which process of it ends in the midst. */
export interface ClusterSettings {
  readonly seed: number;
  /** How many operations the workload has. */
  readonly operations: number;
  readonly victim: MemberName;
  /** Whether the database has a transaction log. */
  readonly isLogged: boolean;
  /** The journal of the client in all processes; what is its default if `undefined`. */
  readonly journal: 'off' | 'process' | 'power' | undefined;
  /** How long all that the processes do may take, in milliseconds. */
  readonly patienceMs: number;
}

/** What became of a cluster of which a process ended. */
export interface ClusterVerdict extends Verdict {
  readonly victim: MemberName;
  /** Which process did the operation that was being done. */
  readonly actor: MemberName | undefined;
  /** What the victim was about to change; `undefined` if it never came to that, and ended when it had closed its database. */
  readonly lastChange: string | undefined;
  /** Whether the operation that another process was doing meanwhile failed: that may be, if nothing of it has happened, or all. */
  readonly hasFailed: boolean;
}

/** A run of a cluster. */
export interface ClusterReport {
  readonly verdict: ClusterVerdict;
  /** Tells of each change that the victim made, if it ended properly, whether it had halves. */
  readonly changes: readonly boolean[];
}

/**
 * Only for a process that ends before it has its file open: of all others, the server sees that they have ended. It is longer than a process stands
 * still on a busy machine.
 */
const SERVER = { logLevel: 'info', reconnectGrace: '5s' };

/**
 * A server, a master and two workers do the workload of a seed, one operation at a time, on a fresh folder, until the victim has ended, at a change of
 * its files, or properly when all is done. Another process takes its place, and all three go on writing. What they read is compared with what was
 * acknowledged. Then all close, and the files are judged as those that a lone process has left.
 *
 * @param checker of the same settings
 */
export async function runCluster(
  settings: ClusterSettings,
  point: CrashPoint | undefined,
  checker: Checker,
): Promise<ClusterReport> {
  const home = await temporaryDirectory('crash');
  try {
    const server = await ServerProcess.start({ options: SERVER });
    const run = new ClusterRun(settings, point, home, server);
    try {
      await mkdir(run.folder);
      await run.play();
    } finally {
      await run.end();
    }
    return await run.report(checker);
  } finally {
    await removeDirectory(home);
  }
}

class ClusterRun {
  /** The folder that the database's folder is in. */
  readonly folder: string;
  readonly #settings: ClusterSettings;
  readonly #point: CrashPoint | undefined;
  readonly #server: ServerProcess;
  /** Where the victim writes what it is about to change, when it ends itself. */
  readonly #lastWords: string;
  readonly #random: Random;
  readonly #members = new Map<MemberName, MemberProcess>();
  readonly #started: MemberProcess[] = [];
  /** Resolves when another process has the place of the victim. */
  #replaced: Promise<MemberProcess> | undefined;
  #isOver = false;
  /** What is waited for. */
  #step = '';

  /** What is in the database: all that was acknowledged. */
  #tree: Tree = {};
  readonly #indexes = new Set<IndexKey>();
  readonly #acknowledged: number[] = [];
  readonly #dropped: number[] = [];
  /** What was begun and not acknowledged. */
  #doubt: { readonly operation: Operation; readonly number: number } | undefined;

  #atCrash: Pick<ClusterVerdict, 'operation' | 'actor' | 'hasFailed'> = {
    operation: undefined,
    actor: undefined,
    hasFailed: false,
  };
  #changes: readonly boolean[] = [];
  readonly #findings = new Findings();

  constructor(settings: ClusterSettings, point: CrashPoint | undefined, home: string, server: ServerProcess) {
    this.#settings = settings;
    this.#point = point;
    this.#server = server;
    this.folder = join(home, 'files');
    this.#lastWords = join(home, 'last-words.json');
    this.#random = new Random(settings.seed);
  }

  /** Does all that the cluster does. What goes wrong is noted. */
  async play(): Promise<void> {
    const playing = this.#play();
    // It ends when its processes are ended, if it has taken too long.
    playing.catch(() => undefined);
    try {
      await within(this.#settings.patienceMs, () => 'it takes too long', playing);
    } catch (error) {
      const text = error instanceof Error ? error.message : String(error);
      const processes = this.#started.map((it) => it.describe().slice(0, 500));
      this.#findings.note('survivors fail', [`${this.#step}: ${text.slice(0, 800)}`, ...processes]);
    }
  }

  /** Ends every process that is still there. */
  async end(): Promise<void> {
    this.#isOver = true;
    await Promise.all(this.#started.map((it) => it.kill()));
    await this.#server.kill();
  }

  /** Has the files judged, and tells of all that was found. */
  async report(checker: Checker): Promise<ClusterReport> {
    const expectation = {
      before: this.#tree,
      operation: this.#doubt?.operation,
      number: this.#doubt?.number ?? -1,
      indexes: this.#indexes,
      acknowledged: this.#acknowledged,
      dropped: this.#dropped,
    };
    const judgement = await checker.judge({ home: this.folder, expectation });
    if (judgement === undefined) throw new Error('What is there must be judged');
    this.#findings.add(judgement);
    const last = this.#lastChange();
    const verdict = {
      change: this.#point?.change ?? this.#changes.length,
      isHalf: last?.isHalf ?? false,
      outcome: this.#findings.outcome,
      leaked: judgement.leaked,
      faults: this.#findings.faults,
      victim: this.#settings.victim,
      lastChange: last?.change,
      ...this.#atCrash,
    };
    return { verdict, changes: this.#changes };
  }

  async #play(): Promise<void> {
    // Workers look for the file once a second only, if it is not there.
    await this.#join('master');
    await Promise.all([this.#join('worker1'), this.#join('worker2')]);
    await this.#work();
    await this.#closeVictim();
    await this.#untilReplaced();
    await this.#compare('right behind it');
    await this.#writeBehind();
    await this.#compare('after more writes');
    for (const name of [...MEMBERS].reverse()) {
      this.#step = `${name} closes`;
      await this.#member(name).close();
    }
  }

  async #join(name: MemberName): Promise<void> {
    this.#step = `${name} starts`;
    const { victim } = this.#settings;
    const process = this.#start(name, name === victim);
    if (name === victim) {
      this.#replaced = process.exited.then(() => this.#replace());
      this.#replaced.catch(() => undefined);
    }
    try {
      await process.ready();
    } catch (error) {
      this.#mayFail(name, error);
      await this.#untilReplaced();
    }
  }

  #start(name: MemberName, isVictim: boolean): MemberProcess {
    if (this.#isOver) throw new Error('All is over');
    const { isLogged, journal } = this.#settings;
    const order: MemberOrder = {
      folder: this.folder,
      ipc: {
        host: 'localhost',
        port: this.#server.port,
        role: name === 'master' ? 'master' : 'worker',
      },
      isLogged,
      journal,
      ...(isVictim && { victim: { point: this.#point, lastWords: this.#lastWords } }),
    };
    const process = new MemberProcess(name, order);
    this.#started.push(process);
    this.#members.set(name, process);
    return process;
  }

  async #replace(): Promise<MemberProcess> {
    const process = this.#start(this.#settings.victim, false);
    await process.ready();
    return process;
  }

  async #untilReplaced(): Promise<void> {
    this.#step = `another ${this.#settings.victim} starts`;
    await this.#replaced;
  }

  #member(name: MemberName): MemberProcess {
    const member = this.#members.get(name);
    if (member === undefined) throw new Error(`There is no ${name}`);
    return member;
  }

  /** The victim says so before it ends; others learn that it has ended some time later. */
  get #hasCrashed(): boolean {
    return existsSync(this.#lastWords);
  }

  #lastChange(): LastChange | undefined {
    return this.#hasCrashed ? (JSON.parse(readFileSync(this.#lastWords, 'utf8')) as LastChange) : undefined;
  }

  async #work(): Promise<void> {
    const { seed, operations } = this.#settings;
    const actors = this.#turns();
    let number = 0;
    for (const operation of workload(seed, operations)) {
      if (this.#hasCrashed) return;
      const actor = actors.next().value;
      try {
        await this.#perform(actor, operation, number++);
      } catch (error) {
        this.#mayFail(actor, error);
      }
      if (!this.#hasCrashed) continue;
      const isVictim = actor === this.#settings.victim;
      this.#atCrash = { operation, actor, hasFailed: this.#doubt !== undefined && !isVictim };
    }
  }

  /** Each process in turn, in the order of the seed. */
  *#turns(): Generator<MemberName, never> {
    for (;;) {
      const left = [...MEMBERS];
      while (left.length > 0) yield left.splice(this.#random.below(left.length), 1)[0] as MemberName;
    }
  }

  async #perform(name: MemberName, operation: Operation, number: number): Promise<void> {
    this.#step = `${name} does operation ${number}, ${JSON.stringify(operation).slice(0, 100)}`;
    this.#doubt = { operation, number };
    await this.#member(name).perform(operation, number);
    this.#doubt = undefined;
    this.#happened(operation, number);
  }

  #happened(operation: Operation, number: number): void {
    if (changesAnything(this.#tree, operation)) this.#acknowledged.push(number);
    this.#tree = applied(this.#tree, operation) as Tree;
    if (operation.kind === 'index') this.#indexes.add(operation.key);
  }

  /** What the victim does fails when it ends; and what others were doing then may. */
  #mayFail(name: MemberName, error: unknown): void {
    if (this.#hasCrashed) return;
    throw new Error(`${name} fails, though nobody was killed`, { cause: error });
  }

  /** It was not killed, though it may be while it closes. */
  async #closeVictim(): Promise<void> {
    const { victim } = this.#settings;
    if (this.#hasCrashed) return;
    this.#step = `${victim} closes`;
    try {
      this.#changes = await this.#member(victim).close();
    } catch (error) {
      this.#mayFail(victim, error);
    }
  }

  async #writeBehind(): Promise<void> {
    const actors = this.#turns();
    let number = this.#settings.operations;
    for (const operation of writesBehind()) await this.#perform(actors.next().value, operation, number++);
  }

  /** Compares what each process reads with what there must be. */
  async #compare(when: string): Promise<void> {
    for (const name of MEMBERS) {
      this.#step = `${name} reads ${when}`;
      const { tree, faults } = await this.#member(name).look(this.#indexes);
      const its = (fault: string): string => `${name}, ${when}: ${fault}`;
      this.#findings.note('index wrong', faults.map(its));
      const operation = this.#doubt?.operation;
      const expected = expectedOf(this.#tree, operation);
      const all = expected.map((it) => dataFaults(it, tree));
      const found = all.findIndex((differences) => differences.length === 0);
      if (found < 0) this.#findings.note(kindOf(all, operation), (all[0] ?? []).map(its));
      this.#settle(found, tree);
    }
  }

  /** Whoever reads first tells what became of the operation that was not acknowledged. */
  #settle(found: number, tree: Tree): void {
    const doubt = this.#doubt;
    this.#doubt = undefined;
    if (found < 0) {
      this.#tree = tree;
      return;
    }
    if (doubt === undefined || !changesAnything(this.#tree, doubt.operation)) return;
    if (found > 0) this.#happened(doubt.operation, doubt.number);
    else if (doubt.operation.kind !== 'import') this.#dropped.push(doubt.number);
  }
}
