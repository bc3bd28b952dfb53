import type { LockDetails } from './host.js';
import type { Cancel, Clock } from './ports.js';
import type { Anchor } from './shared-lock.js';
import { Turns } from './turns.js';

/**
 * Milliseconds for which one that wants to read is kept back for those that came before it, at most, while others read: it may be part of what
 * one of them does, and that one must not wait for its end. As long as servers do, `readerDelay`.
 */
export const READER_DELAY_MS = 100;

/** Milliseconds from the end of one write to the next without which that came without a pause; and how many such in a row are a habit. */
const PAUSE_MS = 1;
const HABIT = 2;

/** What slices work with. */
export interface SlicesSettings {
  readonly clock: Pick<Clock, 'now' | 'schedule'>;
  /** How long one lasts; `undefined` if there are none. */
  milliseconds(): number | undefined;
  /** Asks for a lock for writing. @param milliseconds after its grant for which transactions may begin under it */
  ask(details: LockDetails, milliseconds: number): Promise<Anchor>;
  /** Grants a transaction a lock under it. */
  take(slice: Anchor, details: LockDetails): void;
  /** Gives it back. */
  giveBack(slice: Anchor): void;
}

/**
 * A slice: a lock for writing that serves the transactions of this process one after the other, until others have waited for a while
 * (docs/PROTOCOL.md, section 14.8). Those that read have their turn between those that write.
 */
export class Slices {
  readonly #settings: SlicesSettings;
  readonly #turns = new Turns<Anchor>();
  /** The lock, until it is given back. */
  #slice: Anchor | undefined;
  #isAsked = false;
  #ended: Error | undefined;
  /** The number of the lock that others were said to wait for. */
  #yielded: number | undefined;
  #cancelReaderDelay: Cancel | undefined;
  /** When the last write ended, and how many have come right after the one before. */
  #wroteAt = Number.NEGATIVE_INFINITY;
  #inARow = 0;

  constructor(settings: SlicesSettings) {
    this.#settings = settings;
  }

  /** The lock, if nobody waits for a turn under it. */
  get free(): Anchor | undefined {
    return this.#turns.first === undefined ? this.#slice : undefined;
  }

  /** Whether writes come one after the other without a pause. */
  get isHabit(): boolean {
    return this.#inARow >= HABIT;
  }

  /** Whether a transaction that holds nothing is to have a turn: one that wants to write, and, while there is a slice, one that wants to read. */
  areFor({ write }: LockDetails): boolean {
    return this.#settings.milliseconds() !== undefined && (write || this.#slice !== undefined);
  }

  /** Waits for its turn. @returns the lock, which it has taken; `undefined` if it is to ask for itself. @throws what the server refused it with */
  turn(details: LockDetails): Promise<Anchor | undefined> {
    const now = this.#settings.clock.now();
    if (this.#ended !== undefined) return Promise.reject(this.#ended);
    return new Promise((resolve, reject) => {
      const waiting = {
        details,
        granted: (slice: Anchor): void => {
          // At once: the slice may be lost before the transaction goes on.
          this.#settings.take(slice, details);
          resolve(slice);
        },
        alone: () => resolve(undefined),
        refused: reject,
      };
      this.#turns.add(waiting, now);
      this.#serve();
    });
  }

  /** A transaction comes that is to write. */
  writerComes(): void {
    const hasPaused = this.#settings.clock.now() - this.#wroteAt >= PAUSE_MS;
    this.#inARow = hasPaused ? 0 : this.#inARow + 1;
  }

  /** This process may not take part any more. */
  end(error: Error): void {
    this.#ended = error;
    for (let { first } = this.#turns; first !== undefined; { first } = this.#turns) {
      this.#turns.shift();
      first.refused(error);
    }
  }

  /** A lock that was granted under an anchor has ended. */
  released(anchor: Anchor, write: boolean): void {
    if (write) this.#wroteAt = this.#settings.clock.now();
    if (anchor === this.#slice) this.#serve();
  }

  /** Somebody else waits for that lock: no further transaction begins under it. */
  yield(lockId: number): void {
    this.#yielded = lockId;
    if (this.#slice?.granted.id === lockId) this.#slice.close();
  }

  /** That lock, or whichever it is, is given back or lost. */
  isOver(anchor = this.#slice): void {
    if (anchor === undefined || anchor !== this.#slice) return;
    this.#slice = undefined;
    for (const { alone } of this.#turns.takeReaders()) alone();
    this.#serve();
  }

  /** Who is next has its turn, as far as AceBase's rule allows. If there is no slice, one is asked for. */
  #serve(): void {
    const slice = this.#slice;
    if (slice === undefined) {
      void this.#ask();
      return;
    }
    const now = this.#settings.clock.now();
    for (let { first } = this.#turns; first !== undefined; { first } = this.#turns) {
      if (!slice.admits(first.details, now)) break;
      this.#turns.shift();
      first.granted(slice);
    }
    this.#watchReaders(slice, now);
  }

  /** While others read, one that wants to read waits for nobody else for long. */
  #watchReaders(slice: Anchor, now: number): void {
    this.#cancelReaderDelay?.();
    this.#cancelReaderDelay = undefined;
    const { readsSince } = this.#turns;
    if (readsSince === undefined || !slice.isUsed || !slice.isReadOnly) return;
    const left = readsSince + READER_DELAY_MS - now;
    if (left <= 0) for (const reader of this.#turns.takeReaders()) reader.granted(slice);
    else this.#cancelReaderDelay = this.#settings.clock.schedule(left, () => this.#serve());
  }

  async #ask(): Promise<void> {
    const { firstWriter } = this.#turns;
    if (firstWriter === undefined || this.#isAsked) return;
    this.#isAsked = true;
    try {
      this.#begin(await this.#settings.ask(firstWriter.details, this.#settings.milliseconds() ?? 0));
    } catch (error) {
      this.#turns.takeWriter()?.refused(error);
    }
    this.#isAsked = false;
    this.#serve();
  }

  #begin(slice: Anchor): void {
    this.#slice = slice;
    if (this.#yielded === slice.granted.id) slice.close();
    // Whatever time has passed since: it was asked for it.
    this.#turns.takeWriter()?.granted(slice);
  }
}
