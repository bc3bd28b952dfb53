/**
 * Space in the database file that a worker has at hand. Pure.
 *
 * A worker asks the master for space in the middle of each write, under its lock, while all others wait; with those two
 * trips in it, a short write takes twice as long. So a worker that writes often asks for the next write's while it does this
 * one's. The master has noted space as taken, in the file, before it answers: who has it may use it whenever he likes.
 */

import type { Cancel, Clock } from '../broker/ports.js';

/** Records that follow each other in the file, as AceBase describes them. */
export interface RecordRange {
  readonly pageNr: number;
  readonly recordNr: number;
  readonly length: number;
}

/** What it works with. */
export interface SpaceReserveSettings {
  readonly clock: Pick<Clock, 'now'> & {
    /** As `schedule`, and keeps no process alive. */
    scheduleIdle(milliseconds: number, callback: () => void): Cancel;
  };
  /** Asks the master for that many records, soon; {@link SpaceReserve.came} or {@link SpaceReserve.failed} follows. */
  ask(records: number): void;
  /** Gives records back to the master. */
  giveBack(ranges: readonly RecordRange[]): void;
}

/** Allocations of the same length that are kept ready: as many as a write of a small object takes. */
export const MAX_READY = 4;

/** Nothing longer is kept ready, in records; a record has 128 bytes unless the database says otherwise. */
export const MAX_RECORDS = 16;

/** Whoever takes twice within that time writes often; who has taken nothing for that long does not, in milliseconds. */
export const BUSY_MS = 1_000;

/** What is ready of one length. */
class Shelf {
  readonly ready: (readonly RecordRange[])[] = [];
  /** How many are to be ready. */
  wanted = 0;
  /** How many were asked for and have not come. */
  coming = 0;
  lastTaken = Number.NEGATIVE_INFINITY;
}

/** What is ready, by length: so the master fills gaps of the file as if it were asked each time. */
export class SpaceReserve {
  readonly #settings: SpaceReserveSettings;
  readonly #shelves = new Map<number, Shelf>();
  #cancelLook: Cancel | undefined;

  constructor(settings: SpaceReserveSettings) {
    this.#settings = settings;
  }

  /** Takes an allocation of so many records, if one is ready. If none is, the master is to be asked. */
  take(records: number): readonly RecordRange[] | undefined {
    if (records > MAX_RECORDS) return undefined;
    const shelf = this.#shelfFor(records);
    const now = this.#settings.clock.now();
    const isBusy = now - shelf.lastTaken < BUSY_MS;
    shelf.lastTaken = now;
    const taken = shelf.ready.shift();
    if (taken === undefined && isBusy) shelf.wanted = Math.min(shelf.wanted + 1, MAX_READY);
    for (; shelf.ready.length + shelf.coming < shelf.wanted; shelf.coming++) this.#settings.ask(records);
    this.#cancelLook ??= this.#settings.clock.scheduleIdle(BUSY_MS, () => this.#look());
    return taken;
  }

  /** What was asked for is here. */
  came(records: number, allocation: readonly RecordRange[]): void {
    const shelf = this.#shelfFor(records);
    shelf.coming--;
    if (shelf.ready.length < shelf.wanted) shelf.ready.push(allocation);
    else this.#settings.giveBack(allocation);
  }

  /** What was asked for will not come. */
  failed(records: number): void {
    this.#shelfFor(records).coming--;
  }

  /** Gives everything back; nothing more is kept ready until it is busy again. */
  clear(): void {
    this.#cancelLook?.();
    this.#cancelLook = undefined;
    for (const shelf of this.#shelves.values()) this.#clearShelf(shelf);
  }

  #look(): void {
    this.#cancelLook = undefined;
    const { clock } = this.#settings;
    let isBusy = false;
    for (const shelf of this.#shelves.values()) {
      if (clock.now() - shelf.lastTaken < BUSY_MS) isBusy = true;
      else this.#clearShelf(shelf);
    }
    if (isBusy) this.#cancelLook = clock.scheduleIdle(BUSY_MS, () => this.#look());
  }

  #clearShelf(shelf: Shelf): void {
    shelf.wanted = 0;
    const ranges = shelf.ready.splice(0).flat();
    if (ranges.length > 0) this.#settings.giveBack(ranges);
  }

  #shelfFor(records: number): Shelf {
    let shelf = this.#shelves.get(records);
    if (shelf === undefined) {
      shelf = new Shelf();
      this.#shelves.set(records, shelf);
    }
    return shelf;
  }
}
