/**
 * Processes that write one file in turns, each commit in several steps: one may end before each step, or in the midst of a write, or be stopped there until others
 * have its lock. With the real journal, on a real file of a few cells: whoever has the lock next must find all of a commit, or nothing.
 */

import { constants, existsSync, openSync, readFileSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { setImmediate as eventLoop } from 'node:timers/promises';
import { countOf } from '../../../src/client/journal/database-file.js';
import { type Gate, Journal, OPEN_GATE } from '../../../src/client/journal/journal.js';
import { RedoLog } from '../../../src/client/journal/redo-log.js';
import type { Change } from '../../../src/client/journal/write-buffer.js';
import { MARKS } from '../../../src/client/patches/file-layout.js';
import { Random } from '../../torture/random.js';
import { half } from './half.js';
import { Process } from './process.js';

const CELLS = 6;
const CELLS_AT = 100;
const CELL_BYTES = 8;

/** How many processes there are at one time, and how often one of them has the lock. */
const PROCESSES = 3;
const TURNS = 30;

/** How often a process ends at a step, or is stopped there; ends while it looks; and goes on, at a step of another one, when it was stopped. */
const END_CHANCE = 0.06;
const STOP_CHANCE = 0.06;
const END_OF_LOOK_CHANCE = 0.1;
const WAKE_CHANCE = 0.3;

const LOST = 'its lock is lost';

/** How to play. */
export interface CommitsSettings {
  /** A folder that is empty. */
  readonly folder: string;
  /** Another journal than this repository's. */
  readonly JournalClass?: typeof Journal;
  /** Whether commits go through the journal. Default: they do */
  readonly isJournaled?: boolean;
}

/** What a commit makes of the file. */
interface State {
  readonly cells: readonly number[];
  /** What is to be done when it is there. */
  readonly notes: number | undefined;
  /** Whether that is done. */
  areNotesDone: boolean;
}

/**
 * A process that was stopped when it was about to claim its turn, or to write its record, and whose lock others have by now. It may write that yet, while the
 * next one has the lock: a record counts then, if nobody commits before it is found.
 */
interface Stopped {
  readonly before: State;
  readonly after: State;
  readonly turn: number;
  /** It goes on: with what it was about to write, or it learns first that its lock is lost. */
  goOn(isTooLate: boolean): void;
  hasGoneOn: boolean;
}

/** What becomes of a process at a step. */
type Fate = 'goes on' | 'ends' | 'stops';

/** Plays one seed. @returns what rule was broken, and in which turn; `undefined` if none was */
export async function playCommits(seed: number, settings: CommitsSettings): Promise<string | undefined> {
  const run = new Run(seed, settings);
  try {
    for (let turn = 0; turn < TURNS; turn++) {
      const fault = await run.turn(turn);
      if (fault !== undefined) return `${fault}, in turn ${turn}`;
    }
    return undefined;
  } finally {
    run.end();
  }
}

class Run {
  readonly #random: Random;
  readonly #settings: CommitsSettings;
  readonly #path: string;
  readonly #logPaths: readonly string[];
  /** Those that live, and those that did. */
  readonly #processes: Process[] = [];
  /** What may be in the file. */
  #possible: readonly State[] = [
    { cells: Array<number>(CELLS).fill(0), notes: undefined, areNotesDone: true },
  ];
  #commits = 0;
  #stopped: Stopped | undefined;
  #turn = 0;

  constructor(seed: number, settings: CommitsSettings) {
    this.#random = new Random(seed);
    this.#settings = settings;
    this.#path = join(settings.folder, 'data.db');
    this.#logPaths = ['data.redo', 'data.redo2'].map((name) => join(settings.folder, name));
    writeFileSync(this.#path, Buffer.alloc(CELLS_AT + CELLS * CELL_BYTES));
  }

  end(): void {
    for (const process of this.#processes) process.end();
  }

  /** Somebody has the lock. */
  async turn(turn: number): Promise<string | undefined> {
    this.#turn = turn;
    if (this.#stopped !== undefined && this.#stopped.turn < turn - 1) await this.#wake(true);
    const living = this.#processes.filter(({ isGone }) => !isGone);
    while (living.length < PROCESSES) living.push(this.#started());
    const process = this.#random.pick(living as [Process, ...Process[]]);
    const fault = this.#look(process);
    if (fault !== undefined || process.isGone) return fault;
    return await this.#commit(process).then(
      () => undefined,
      (error: unknown) => `cannot commit: ${error}`,
    );
  }

  #started(): Process {
    const { JournalClass = Journal, isJournaled = true } = this.#settings;
    const file = openSync(this.#path, 'r+');
    const settings = { file, logPaths: this.#logPaths, mark: MARKS.data, isSynced: false, isLone: false };
    const process = new Process(file, isJournaled ? new JournalClass<number>(settings) : undefined);
    this.#processes.push(process);
    return process;
  }

  /** What others have left is completed, and is all of it. */
  #look(process: Process): string | undefined {
    const { journal } = process;
    let writes = this.#random.chance(END_OF_LOOK_CHANCE) ? this.#random.below(4) : Number.POSITIVE_INFINITY;
    const gate: Gate = {
      get isOpen() {
        writes -= 1;
        return writes >= 0;
      },
      wait: () => Promise.resolve(),
    };
    let notes: number | undefined;
    try {
      notes = journal?.look(() => true, gate)?.notes;
    } catch (error) {
      if (writes >= 0) return `cannot look: ${error}`;
      process.end();
      return undefined;
    }
    const cells = this.#cells();
    const found = this.#possible.findLast((state) => state.cells.join() === cells.join());
    if (found === undefined) {
      const allowed = this.#possible.map((state) => state.cells.join(' ')).join(', or ');
      return `half a commit: ${cells.join(' ')} for ${allowed}`;
    }
    this.#possible = [found];
    if (found.areNotesDone || journal === undefined) return undefined;
    if (notes !== found.notes) return `lost notes: ${notes} for ${found.notes}`;
    journal.lookIsOver(OPEN_GATE);
    found.areNotesDone = true;
    return undefined;
  }

  /** Some cells become others. */
  async #commit(process: Process): Promise<void> {
    const [before] = this.#possible as readonly [State];
    const number = ++this.#commits;
    const changed = new Set(Array.from({ length: 3 }, () => this.#random.below(CELLS)));
    const cells = before.cells.map((value, cell) => (changed.has(cell) ? number : value));
    const notes = this.#random.chance(0.5) ? number : undefined;
    const after: State = { cells, notes, areNotesDone: notes === undefined };
    const former = this.#stopped;
    this.#possible = [before, ...(former?.before === before ? [former.after] : []), after];
    const changes = [...changed].map((cell) => ({
      position: CELLS_AT + cell * CELL_BYTES,
      before: bytesOf(before.cells[cell]),
      after: bytesOf(cells[cell]),
    }));
    const fate = await this.#inSteps(process, { before, after }, (gate) =>
      process.journal === undefined
        ? writeInPlace(process.file, changes, gate)
        : process.journal.commit({ changes, notes }, gate),
    );
    if (fate !== 'goes on') return;
    this.#possible = [after];
    if (former?.hasGoneOn === true) this.#stopped = undefined;
    if (this.#random.chance(END_CHANCE)) process.end();
    else if (notes !== undefined) {
      process.journal?.done(OPEN_GATE);
      after.areNotesDone = true;
    }
  }

  /** Resolves when the commit is made, or the process has ended, or was stopped. */
  #inSteps(
    process: Process,
    states: Pick<Stopped, 'before' | 'after'>,
    commit: (gate: Gate) => Promise<void>,
  ): Promise<Fate> {
    return new Promise((resolve, reject) => {
      let filesBefore = this.#files();
      const mark = this.#mark();
      const wait = async (): Promise<void> => {
        if (process.isStopped) throw new Error(LOST);
        const isAlone = !(await this.#othersGoOn());
        const isLogged = process.journal === undefined || this.#isLogged(mark);
        const fate = this.#fate(isLogged);
        if (fate === 'goes on') {
          filesBefore = this.#files();
          return;
        }
        resolve(fate);
        if (fate === 'ends') {
          if (isAlone && this.#random.chance(0.5)) this.#tear(filesBefore);
          process.end();
          return await new Promise(() => undefined);
        }
        process.isStopped = true;
        if (isLogged) throw new Error(LOST);
        await this.#untilWoken(states);
      };
      commit({ isOpen: false, wait }).then(
        () => resolve('goes on'),
        (error: unknown) => (process.isStopped ? process.end() : reject(error)),
      );
    });
  }

  /** @param isLogged whether its record is in the log; before that, one at a time is stopped */
  #fate(isLogged: boolean): Fate {
    const dice = this.#random.fraction();
    if (dice < END_CHANCE) return 'ends';
    const mayStop = isLogged || this.#stopped === undefined;
    return mayStop && dice < END_CHANCE + STOP_CHANCE ? 'stops' : 'goes on';
  }

  #untilWoken(states: Pick<Stopped, 'before' | 'after'>): Promise<void> {
    return new Promise((resolve, reject) => {
      const goOn = (isTooLate: boolean): void => (isTooLate ? reject(new Error(LOST)) : resolve());
      this.#stopped = { ...states, turn: this.#turn, goOn, hasGoneOn: false };
    });
  }

  /** Whoever was stopped writes its record now, perhaps. @returns whether it did */
  async #othersGoOn(): Promise<boolean> {
    const stopped = this.#stopped;
    const isNext = stopped?.turn === this.#turn - 1 && !stopped.hasGoneOn;
    if (!isNext || !this.#random.chance(WAKE_CHANCE)) return false;
    await this.#wake(false);
    return true;
  }

  async #wake(isTooLate: boolean): Promise<void> {
    const stopped = this.#stopped;
    if (stopped === undefined) return;
    if (!stopped.hasGoneOn) stopped.goOn(isTooLate);
    stopped.hasGoneOn = true;
    if (isTooLate) this.#stopped = undefined;
    await eventLoop();
  }

  /** Of what was written last, only a half is there. */
  #tear(before: ReadonlyMap<string, Buffer>): void {
    for (const [path, after] of this.#files())
      writeFileSync(path, half(before.get(path) ?? Buffer.alloc(0), after));
  }

  /** Whether a record is there that would follow that mark. */
  #isLogged(mark: bigint): boolean {
    return this.#logPaths.some((path) => {
      if (!existsSync(path)) return false;
      const log = new RedoLog(path, false, 0, constants.O_RDONLY);
      const head = log.head();
      log.close();
      return head !== undefined && (mark === 0n || head.mark === mark + 1n);
    });
  }

  #mark(): bigint {
    const { position, length } = MARKS.data;
    return countOf(readFileSync(this.#path).subarray(position, position + length));
  }

  #files(): ReadonlyMap<string, Buffer> {
    const paths = [this.#path, ...this.#logPaths].filter((path) => existsSync(path));
    return new Map(paths.map((path) => [path, readFileSync(path)]));
  }

  #cells(): number[] {
    const file = readFileSync(this.#path);
    return Array.from({ length: CELLS }, (_, cell) =>
      Number(file.readBigUInt64BE(CELLS_AT + cell * CELL_BYTES)),
    );
  }
}

function bytesOf(cell: number | undefined): Buffer {
  const bytes = Buffer.alloc(CELL_BYTES);
  bytes.writeBigUInt64BE(BigInt(cell ?? 0));
  return bytes;
}

/** As AceBase does. */
async function writeInPlace(file: number, changes: readonly Change[], gate: Gate): Promise<void> {
  for (const { position, after } of changes) {
    await gate.wait();
    writeSync(file, after, 0, after.length, position);
  }
}
