/**
 * Turns at the event loop. Frames leave together, once per turn, or at once where only one message is under way; and those who
 * share the loop have fair turns: who sends much waits for itself, and not the others.
 */

/** What can be flushed. */
export interface Flushable {
  /** Writes what waits; called once for each time it was queued. @returns how many bytes */
  flush(): number;
}

/** What can be flushed, and may wait for more to go with it. */
export interface PatientFlushable extends Flushable {
  /** What waits has waited for long enough: it is to be queued now, if it was not flushed since. */
  hurry(): void;
}

/** Who has input that came when its lane had had its turn. */
export interface InputHolder {
  /** Works off what it has held back, or as much of it as the lane has time for; the rest it is to hold again. */
  resume(): void;
}

/** What a loop works with. */
export interface LoopSettings {
  /** Calls back once, at the end of the turn: `setImmediate`, which comes after the polling for input. */
  later(callback: () => void): void;
  /** Monotonic milliseconds. */
  now(): number;
  /** Called when a lane has flushed everything. */
  flushed?(): void;
}

/** Input up to this length may be answered at once, in bytes: a message or a few. */
const SHORT_INPUT = 4 * 1024;

/** How long that waits for more to go with it which can wait, in milliseconds: short beside what a write of AceBase takes. */
export const PATIENCE_MS = 2;

/** How long a lane may work in one turn while others have input, too, in milliseconds; and while it is alone. */
export const SHARED_TURN_MS = 0.1;
export const LONE_TURN_MS = 4;

/**
 * The most that is handed to a socket at one time, while others have input, too, and while a lane is alone. The system takes as much as
 * the other end reads meanwhile, and that may be all of a long message.
 */
export const SHARED_PORTION_BYTES = 256 * 1024;
export const LONE_PORTION_BYTES = 4 * 1024 * 1024;

/** A lane is alone when no other has had input for so long, in milliseconds. */
const COMPANY_MS = 200;

/** What waits is written when a lane has worked on input for so long, in milliseconds: writes that are few and long cost less. */
const BATCH_MS = 4;

/** Units of work between two looks at the clock. A message, 1 KiB of it, and a delivery are one each. */
const UNITS_PER_LOOK = 16;

/** What a write costs, in the same units, and the bytes that cost as much as a unit. */
const UNITS_PER_WRITE = 4;
const WRITTEN_PER_UNIT = 64 * 1024;

/** The event loop, and the lanes that share it. */
export class Loop {
  readonly #settings: LoopSettings;
  readonly #run = (): void => this.#endTurn();
  readonly #hurry = (): void => {
    for (const item of this.#patient.splice(0)) item.hurry();
  };
  readonly #patient: PatientFlushable[] = [];
  /** Those that have something to do at the end of this turn. */
  #lanes: Lane[] = [];
  #isScheduled = false;
  #inputs = 0;
  #isCalm = true;
  /** The lane that had input last, and until when lanes have company. */
  #last: Lane | undefined;
  #companyUntil = Number.NEGATIVE_INFINITY;
  #turnMs = LONE_TURN_MS;

  constructor(settings: LoopSettings) {
    this.#settings = settings;
  }

  now(): number {
    return this.#settings.now();
  }

  /** How long a lane may work in one turn, in milliseconds. */
  get turnMs(): number {
    return this.#turnMs;
  }

  /** For lanes: it has input. */
  inputBegins(lane: Lane, now: number): void {
    if (lane !== this.#last) {
      if (this.#last !== undefined) this.#companyUntil = now + COMPANY_MS;
      this.#last = lane;
    }
    this.#turnMs = now < this.#companyUntil ? SHARED_TURN_MS : LONE_TURN_MS;
  }

  /** For lanes: some input was worked off. @returns whether what it gave may leave at once */
  inputEnds(bytes: number): boolean {
    this.#inputs++;
    this.#schedule();
    return this.#isCalm && this.#inputs === 1 && bytes <= SHORT_INPUT;
  }

  /** For lanes: it has something to do at the end of this turn. */
  add(lane: Lane): void {
    this.#lanes.push(lane);
    this.#schedule();
  }

  /** Lets `item` wait for more to go with it; it is hurried when that has not come. @param schedule calls back once, after so many milliseconds */
  addPatient(
    item: PatientFlushable,
    schedule: (milliseconds: number, callback: () => void) => unknown,
  ): void {
    if (this.#patient.push(item) === 1) schedule(PATIENCE_MS, this.#hurry);
  }

  flushed(): void {
    this.#settings.flushed?.();
  }

  #schedule(): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    this.#settings.later(this.#run);
  }

  #endTurn(): void {
    this.#isScheduled = false;
    this.#isCalm = this.#inputs <= 1;
    this.#inputs = 0;
    if (this.#lanes.length === 0) return;
    const lanes = this.#lanes;
    this.#lanes = [];
    // Those first that have little to do: they hardly keep the others waiting.
    const behind = lanes.length > 1 ? lanes.filter((lane) => lane.isBehind) : NO_LANES;
    const queue = behind.length > 0 ? [...lanes.filter((lane) => !lane.isBehind), ...behind] : lanes;
    let done = 0;
    try {
      for (const lane of queue) {
        done++;
        lane.takeTurn();
      }
    } finally {
      // What a handler throws ends the turn of its lane, and of no other.
      for (const lane of queue.slice(done)) this.add(lane);
    }
  }
}

const NO_LANES: readonly Lane[] = [];

/** One of those who share the loop, and get a fair part of it each: all connections of one database, for instance. */
export class Lane {
  readonly #loop: Loop;
  #outputs: Flushable[] = [];
  #held: InputHolder[] = [];
  /** Whether what waits is being written, in as many turns as it takes, and before further input. */
  #isFlushing = false;
  /** Whether it is to have a turn at the end of this one. */
  #isAdded = false;
  /** Milliseconds that it has worked in this turn, and on input since it has last flushed everything. */
  #spent = 0;
  #unflushed = 0;
  #began = 0;
  #until = 0;
  #credit = UNITS_PER_LOOK;

  constructor(loop: Loop) {
    this.#loop = loop;
  }

  /** Whether it has more to do than fits into a turn. */
  get isBehind(): boolean {
    return this.#held.length > 0 || this.#isFlushing;
  }

  /** The most that is to be handed to a socket at one time, in bytes. */
  get portionBytes(): number {
    return this.#loop.turnMs === LONE_TURN_MS ? LONE_PORTION_BYTES : SHARED_PORTION_BYTES;
  }

  /** Whether input that comes now must wait for a later turn: {@link hold}. */
  get isBusy(): boolean {
    return this.isBehind || this.#spent >= this.#loop.turnMs;
  }

  /** Queues a flush; it must not be queued already. */
  add(item: Flushable): void {
    this.#outputs.push(item);
    this.#ask();
  }

  /** Lets a flush wait for more to go with it, as {@link Loop.addPatient} does. */
  addPatient(...request: Parameters<Loop['addPatient']>): void {
    this.#loop.addPatient(...request);
  }

  /** Input that must wait, behind what waits already. */
  hold(holder: InputHolder): void {
    this.#held.push(holder);
    this.#ask();
  }

  /** Input is about to be worked off. */
  begin(): void {
    const now = this.#loop.now();
    this.#loop.inputBegins(this, now);
    this.#began = now;
    this.#until = now + this.#loop.turnMs - this.#spent;
    this.#credit = UNITS_PER_LOOK;
  }

  /** So much was done of the work at hand. */
  work(units: number): void {
    this.#credit -= units;
  }

  /** Whether the input at hand has had its time, and the rest of it is to be held. Cheap enough to be asked after each message. */
  get isOver(): boolean {
    if (this.#credit > 0) return false;
    this.#credit = UNITS_PER_LOOK;
    return this.#loop.now() >= this.#until;
  }

  /** The input was worked off, or held. */
  end(bytes: number): void {
    const worked = this.#loop.now() - this.#began;
    this.#spent += worked;
    this.#unflushed += worked;
    const isPrompt = this.#loop.inputEnds(bytes);
    if (isPrompt && !this.isBehind && this.#outputs.length > 0) this.#flush(Number.POSITIVE_INFINITY);
    this.#ask();
  }

  /** For the loop: it may do what waits, for as long as a turn is. */
  takeTurn(): void {
    this.#isAdded = false;
    this.#spent = 0;
    try {
      if (this.#held.length > 0 && !this.#isFlushing) this.#resume();
      const isDue = this.#held.length === 0 || this.#unflushed >= BATCH_MS;
      this.#isFlushing ||= isDue && this.#outputs.length > 0;
      // What was worked off in this turn is written in the next one, if that has taken all of its time.
      if (this.#isFlushing && this.#spent < this.#loop.turnMs) this.#writeForTheRest();
    } finally {
      if (this.isBehind || this.#outputs.length > 0) this.#ask();
      else this.#spent = 0;
    }
  }

  #writeForTheRest(): void {
    const began = this.#loop.now() - this.#spent;
    this.#flush(began + this.#loop.turnMs);
    this.#spent = this.#loop.now() - began;
  }

  #ask(): void {
    if (this.#isAdded) return;
    this.#isAdded = true;
    this.#loop.add(this);
  }

  #resume(): void {
    this.begin();
    let now = this.#began;
    try {
      while (this.#held.length > 0 && now < this.#until) {
        this.#held.shift()?.resume();
        now = this.#loop.now();
      }
    } finally {
      this.#spent = now - this.#began;
      this.#unflushed += this.#spent;
    }
  }

  /** Writes what waits, until that time. */
  #flush(until: number): void {
    const batch = this.#outputs;
    this.#outputs = [];
    let credit = UNITS_PER_LOOK;
    for (let index = 0; index < batch.length; index++) {
      credit -= UNITS_PER_WRITE + (batch[index] as Flushable).flush() / WRITTEN_PER_UNIT;
      if (credit > 0) continue;
      credit = UNITS_PER_LOOK;
      if (this.#loop.now() < until) continue;
      this.#outputs = [...batch.slice(index + 1), ...this.#outputs];
      this.#isFlushing = this.#outputs.length > 0;
      if (this.#isFlushing) return;
    }
    this.#isFlushing = false;
    this.#unflushed = 0;
    this.#loop.flushed();
  }
}
