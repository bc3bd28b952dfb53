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
  Findings,
  hasLogEntry,
  kindOf,
  outcomesOf,
  type PossibleOutcome,
  type Tree,
  type Verdict,
  writesBehind,
} from './verdict.js';
import type { LastChange } from './victim.js';
import { applied, type IndexKey, type Operation, workload } from './workload.js';

/** How much of what is wrong with indexes is told of each look: all processes find much the same. */
const MOST_FAULTS = 3;

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
  /** So many operations at one time, of different processes, in different places; 1 is one after the other. */
  readonly overlap: number;
  /** How long one step may take, which is an operation, or the start of a process, in milliseconds; and all of them ten times that. */
  readonly patienceMs: number;
}

/** What a process was doing when another one ended. */
export interface Doing {
  readonly actor: MemberName;
  readonly operation: Operation;
  /** Whether it was told that this failed: that may be, if nothing of it has happened, or all. */
  readonly hasFailed: boolean;
}

/** What became of a cluster of which a process ended. */
export interface ClusterVerdict extends Verdict {
  readonly victim: MemberName;
  readonly underWay: readonly Doing[];
  /** What the victim was about to change; `undefined` if it never came to that, and ended when it had closed its database. */
  readonly lastChange: string | undefined;
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
 * A server, a master and two workers do the workload of a seed on a fresh folder, until the victim has ended, at a change of
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
  readonly #progress: Progress;

  /** What is in the database: all that was acknowledged. */
  #tree: Tree = {};
  readonly #indexes = new Set<IndexKey>();
  readonly #acknowledged: number[] = [];
  readonly #dropped: number[] = [];
  /** What was begun and not acknowledged, by its number. */
  readonly #doubts = new Map<number, Operation>();

  #underWay: readonly Doing[] = [];
  #changes: readonly boolean[] = [];
  readonly #findings = new Findings();

  constructor(settings: ClusterSettings, point: CrashPoint | undefined, home: string, server: ServerProcess) {
    this.#settings = settings;
    this.#point = point;
    this.#server = server;
    this.folder = join(home, 'files');
    this.#lastWords = join(home, 'last-words.json');
    this.#random = new Random(settings.seed);
    this.#progress = new Progress(settings.patienceMs);
  }

  /** Does all that the cluster does. What goes wrong is noted. */
  async play(): Promise<void> {
    const playing = this.#play();
    // It ends when its processes are ended, if it has taken too long.
    playing.catch(() => undefined);
    try {
      await this.#progress.watch(playing);
    } catch (error) {
      const text = error instanceof Error ? error.message : String(error);
      const processes = this.#started.map((it) => it.describe().slice(0, 500));
      this.#findings.note('survivors fail', [`${this.#progress.step}: ${text.slice(0, 800)}`, ...processes]);
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
      underWay: this.#doubts,
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
      operation: this.#underWay[0]?.operation,
      underWay: this.#underWay,
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
      this.#progress.begin(`${name} closes`);
      await this.#member(name).close();
    }
  }

  async #join(name: MemberName): Promise<void> {
    this.#progress.begin(`${name} starts`);
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
    this.#progress.begin(`another ${this.#settings.victim} starts`);
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
    const { seed, operations, overlap } = this.#settings;
    let actors = this.#turns();
    let number = 0;
    for (const batch of apart(workload(seed, operations), overlap)) {
      if (this.#hasCrashed) return;
      // None of them has two things to do at one time.
      if (overlap > 1) actors = this.#turns();
      const doing = await Promise.all(
        batch.map((operation) => this.#attempt(actors.next().value, operation, number++)),
      );
      if (this.#hasCrashed) this.#underWay = doing;
    }
  }

  /** What the victim does fails when it ends; and what others are doing then may. */
  async #attempt(actor: MemberName, operation: Operation, number: number): Promise<Doing> {
    try {
      await this.#perform(actor, operation, number);
      return { actor, operation, hasFailed: false };
    } catch (error) {
      this.#mayFail(actor, error);
      return { actor, operation, hasFailed: true };
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
    this.#progress.begin(`${name} does operation ${number}, ${JSON.stringify(operation).slice(0, 100)}`);
    this.#doubts.set(number, operation);
    await this.#member(name).perform(operation, number);
    this.#doubts.delete(number);
    this.#happened(operation, number);
  }

  #happened(operation: Operation, number: number): void {
    if (hasLogEntry(this.#tree, operation)) this.#acknowledged.push(number);
    this.#tree = applied(this.#tree, operation) as Tree;
    if (operation.kind === 'index') this.#indexes.add(operation.key);
  }

  /** Only because the victim has ended. */
  #mayFail(name: MemberName, error: unknown): void {
    if (this.#hasCrashed) return;
    throw new Error(`${name} fails, though nobody was killed: ${String(error)}`, { cause: error });
  }

  /** It was not killed, though it may be while it closes. */
  async #closeVictim(): Promise<void> {
    const { victim } = this.#settings;
    if (this.#hasCrashed) return;
    this.#progress.begin(`${victim} closes`);
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
      this.#progress.begin(`${name} reads ${when}`);
      const { tree, faults } = await this.#member(name).look(this.#indexes);
      const its = (fault: string): string => `${name}, ${when}: ${fault}`;
      this.#findings.note('index wrong', faults.slice(0, MOST_FAULTS).map(its));
      const operations = [...this.#doubts.values()];
      const possible = outcomesOf(this.#tree, operations);
      const all = possible.map((it) => dataFaults(it.tree, tree));
      const found = possible.find((_, index) => all[index]?.length === 0);
      if (found === undefined) this.#findings.note(kindOf(all, operations), (all[0] ?? []).map(its));
      this.#settle(found, tree);
    }
  }

  /** Whoever reads first tells what became of the operations that were not acknowledged. */
  #settle(found: PossibleOutcome | undefined, tree: Tree): void {
    const doubts = [...this.#doubts];
    this.#doubts.clear();
    if (found === undefined) {
      this.#tree = tree;
      return;
    }
    for (const [number, operation] of doubts) {
      if (!changesAnything(this.#tree, operation)) continue;
      if (found.happened.has(operation)) this.#happened(operation, number);
      else if (operation.kind !== 'import') this.#dropped.push(number);
    }
  }
}

/** What is being done, and for how long. */
class Progress {
  readonly #patienceMs: number;
  readonly #late: Promise<never>;
  #isLate: (error: Error) => void = () => undefined;
  #timer: NodeJS.Timeout | undefined;
  #step = '';
  #isOver = false;

  constructor(patienceMs: number) {
    this.#patienceMs = patienceMs;
    this.#late = new Promise((_, reject) => {
      this.#isLate = reject;
    });
    this.#late.catch(() => undefined);
  }

  get step(): string {
    return this.#step;
  }

  begin(step: string): void {
    if (this.#isOver) return;
    clearTimeout(this.#timer);
    this.#step = step;
    this.#timer = setTimeout(
      () => this.#isLate(new Error(`it takes longer than ${this.#patienceMs} ms`)),
      this.#patienceMs,
    );
  }

  /** Rejects when a step takes too long, or all of them do. */
  async watch(steps: Promise<void>): Promise<void> {
    const all = Promise.race([steps, this.#late]);
    try {
      await within(10 * this.#patienceMs, () => 'all of it takes too long', all);
    } finally {
      this.#isOver = true;
      clearTimeout(this.#timer);
    }
  }
}

/** Operations that follow each other and change different places, none below another, as many as `most` at one time. An index is made alone. */
function* apart(operations: Iterable<Operation>, most: number): Generator<Operation[], void> {
  let batch: Operation[] = [];
  for (const operation of operations) {
    if (batch.length === most || batch.some((other) => !areApart(other, operation))) {
      yield batch;
      batch = [];
    }
    batch.push(operation);
  }
  if (batch.length > 0) yield batch;
}

function areApart(one: Operation, other: Operation): boolean {
  if (one.kind === 'index' || other.kind === 'index') return false;
  return !`${one.path}/`.startsWith(`${other.path}/`) && !`${other.path}/`.startsWith(`${one.path}/`);
}
