import type { LockDetails } from './host.js';
import type { Cancel, Clock } from './ports.js';
import type { Anchor } from './shared-lock.js';

/** Milliseconds from the end of one use of a lock to the next within which that came without a pause. */
const PAUSE_MS = 1;

/** How many writes in a row without a pause are a habit. */
const HABIT = 2;

/** Whether uses of locks follow each other without a pause: then one that nobody uses is kept until the end of the turn, to see if there is another one. */
export class Habit {
  readonly #clock: Pick<Clock, 'now'>;
  readonly #least: number;
  #endedAt = Number.NEGATIVE_INFINITY;
  #inARow = 0;

  /** @param least how many in a row make one */
  constructor(clock: Pick<Clock, 'now'>, least: number) {
    this.#clock = clock;
    this.#least = least;
  }

  get isThere(): boolean {
    return this.#inARow >= this.#least;
  }

  begins(): void {
    this.#inARow = this.#clock.now() - this.#endedAt < PAUSE_MS ? this.#inARow + 1 : 0;
  }

  ends(): void {
    this.#endedAt = this.#clock.now();
  }
}

/** What slices work with. */
export interface SlicesSettings {
  readonly clock: Clock;
  /** How long one lasts; `undefined` if there are none. */
  milliseconds(): number | undefined;
  /** Asks for a lock for writing. @param milliseconds after its grant for which transactions may begin under it */
  ask(details: LockDetails, milliseconds: number): Promise<Anchor>;
  /** Whether that lock has enough time left for another transaction. */
  hasTimeLeft(slice: Anchor): boolean;
  /** Grants a transaction a lock under it. */
  take(slice: Anchor, details: LockDetails): void;
}

/** A transaction that waits for its turn. */
interface Writer {
  readonly details: LockDetails;
  granted(slice: Anchor): void;
  refused(error: unknown): void;
}

/**
 * A slice: a lock for writing that serves the transactions of this process one after the other, until somebody else wants to read or has
 * waited for a while (docs/PROTOCOL.md, section 14.8). Nobody reads under it but the one that writes: what reads may wait for parts of itself that
 * ask for locks of their own.
 */
export class Slices {
  readonly #settings: SlicesSettings;
  /** Those that wait, in the order in which they came, from the head on. */
  #writers: Writer[] = [];
  #head = 0;
  /** The lock, until it is given back, lost, or has run out. */
  #slice: Anchor | undefined;
  #isAsked = false;
  /** The number of the lock that others were said to wait for. */
  #yielded: number | undefined;
  #cancelExpiry: Cancel | undefined;
  readonly #habit: Habit;

  constructor(settings: SlicesSettings) {
    this.#settings = settings;
    this.#habit = new Habit(settings.clock, HABIT);
  }

  /** Whether there are any, at the server that it is at. */
  get areThere(): boolean {
    return this.#settings.milliseconds() !== undefined;
  }

  /** Whether to keep a slice that nobody uses, to see if there is somebody in a moment: if writes come without a pause, and nobody else wants it. */
  isKept(slice: Anchor): boolean {
    return this.#habit.isThere && this.#yielded !== slice.granted.id;
  }

  /** A transaction comes that is to write. */
  writerComes(): void {
    this.#habit.begins();
  }

  /** A transaction that holds nothing waits for its turn to write. @returns the lock, which it has taken. @throws what the server refused it with */
  turn(details: LockDetails): Promise<Anchor> {
    return new Promise((resolve, refused) => {
      const granted = (slice: Anchor): void => {
        // At once: the slice may be lost before the transaction goes on.
        this.#settings.take(slice, details);
        resolve(slice);
      };
      this.#writers.push({ details, granted, refused });
      this.#serve();
    });
  }

  /** A transaction of this process wants to read: it waits for the one that writes, and for no further one. */
  readerComes(): void {
    this.#slice?.close();
  }

  /** Somebody else waits for that lock: no further transaction begins under it. */
  yield(lockId: number): void {
    this.#yielded = lockId;
    if (this.#slice?.granted.id === lockId) this.#slice.close();
  }

  /** A lock for writing that was granted under an anchor has ended. The next one has its turn under a slice. */
  released(anchor: Anchor): void {
    this.#habit.ends();
    if (anchor === this.#slice) this.#serve();
  }

  /** That lock, or whichever it is, is given back or lost. */
  isOver(anchor = this.#slice): void {
    if (anchor === undefined || anchor !== this.#slice) return;
    this.#cancelExpiry?.();
    this.#slice = undefined;
    this.#serve();
  }

  /** This process may not take part any more: who waits is told why. */
  end(error: Error): void {
    this.#refuse(this.#writers.length - this.#head, error);
  }

  #serve(): void {
    const slice = this.#slice;
    const isFree = slice?.isUsed === false && slice.isOpen(this.#settings.clock.now());
    if (slice === undefined) void this.#ask();
    else if (isFree && this.#settings.hasTimeLeft(slice)) this.#takeFirst()?.granted(slice);
  }

  async #ask(): Promise<void> {
    const first = this.#writers[this.#head];
    if (first === undefined || this.#isAsked) return;
    this.#isAsked = true;
    const waiting = this.#writers.length - this.#head;
    try {
      const slice = await this.#settings.ask(first.details, this.#settings.milliseconds() ?? 0);
      if (!slice.isLost) this.#begin(slice);
    } catch (error) {
      // It was asked for all of them: if each asked anew, the last one would wait for as long as all together.
      this.#refuse(waiting, error);
    }
    this.#isAsked = false;
    this.#serve();
  }

  #begin(slice: Anchor): void {
    const { clock } = this.#settings;
    this.#slice = slice;
    if (this.#yielded === slice.granted.id) slice.close();
    this.#cancelExpiry = clock.schedule(slice.granted.expires - clock.wallTime(), () => this.isOver(slice));
    // Whatever time has passed since: it was asked for it.
    this.#takeFirst()?.granted(slice);
  }

  /** So many, from the head on. */
  #refuse(count: number, error: unknown): void {
    for (let n = 0; n < count; n++) this.#takeFirst()?.refused(error);
  }

  #takeFirst(): Writer | undefined {
    const first = this.#writers[this.#head];
    if (first !== undefined) this.#head++;
    if (this.#head * 2 >= this.#writers.length) {
      this.#writers = this.#writers.slice(this.#head);
      this.#head = 0;
    }
    return first;
  }
}
