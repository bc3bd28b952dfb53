/*
 * Space in the database file that a worker has at hand. Pure.
 *
 * A worker asks the master for space in the middle of each write, under its lock, while all others wait, and the master writes its whole table
 * of free space before it answers. So a worker that writes often keeps some ready: what its own writes have set free, and, where that is not enough, what
 * it asks for ahead, much at one time. The master has noted it as taken, in the file: who has it may use it whenever he likes. If the process
 * dies, it stays taken.
 */

import type { Cancel, Clock } from './ports.js';

/** Records that follow each other in the file, as AceBase describes them. */
export interface RecordRange {
  readonly pageNr: number;
  readonly recordNr: number;
  readonly length: number;
}

/** One piece of space, mostly in one range. */
export type Piece = readonly RecordRange[];

/** What it works with. */
export interface SpaceReserveSettings {
  readonly clock: Pick<Clock, 'now'> & {
    /** As `schedule`, and keeps no process alive. */
    scheduleIdle(milliseconds: number, callback: () => void): Cancel;
  };
  /** Asks the master for so many pieces of so many records, soon; {@link SpaceReserve.came} or {@link SpaceReserve.failed} follows. */
  ask(records: number, count: number): void;
  /** Gives records back to the master. */
  giveBack(ranges: readonly RecordRange[]): void;
}

/** Pieces of the same length that are asked for ahead, at most; and that are kept of what is set free. */
export const MAX_READY = 16;
export const MAX_KEPT = 32;

/** Nothing longer is kept ready, in records; a record has 128 bytes unless the database says otherwise. */
export const MAX_RECORDS = 16;

/** Whoever takes twice within that time writes often; who has taken nothing for that long does not, in milliseconds. */
export const BUSY_MS = 1_000;

/** What is ready of one length. */
class Shelf {
  readonly records: number;
  readonly ready: Piece[] = [];
  /** How many are to be ready. */
  wanted = 0;
  /** How many were asked for and have not come. */
  coming = 0;
  /** Whether several at one time came in one piece each. */
  comesInPieces = true;
  lastTaken = Number.NEGATIVE_INFINITY;

  constructor(records: number) {
    this.records = records;
  }

  isBusy(now: number): boolean {
    return now - this.lastTaken < BUSY_MS;
  }
}

/** What is ready, by length: so the master fills gaps of the file with what is taken. */
export class SpaceReserve {
  readonly #settings: SpaceReserveSettings;
  readonly #shelves = new Map<number, Shelf>();
  #cancelLook: Cancel | undefined;

  constructor(settings: SpaceReserveSettings) {
    this.#settings = settings;
  }

  /** Takes a piece of so many records, if one is ready. If none is, the master is to be asked. */
  take(records: number): Piece | undefined {
    if (records > MAX_RECORDS) return undefined;
    const shelf = this.#shelfFor(records);
    const now = this.#settings.clock.now();
    const isBusy = shelf.isBusy(now);
    shelf.lastTaken = now;
    const taken = shelf.ready.shift();
    if (taken === undefined && isBusy) shelf.wanted = Math.min(Math.max(shelf.wanted * 2, 1), MAX_READY);
    this.#replenish(shelf);
    this.#cancelLook ??= this.#settings.clock.scheduleIdle(BUSY_MS, () => this.#look());
    return taken;
  }

  /** A write has set records free. Those that the next ones will take are kept, the rest goes back. */
  release(ranges: readonly RecordRange[]): void {
    const rest = ranges.flatMap((range) => this.#keep(range));
    if (rest.length > 0) this.#settings.giveBack(rest);
  }

  /** What was asked for is here: fewer pieces than were asked for, if they lie scattered. */
  came(records: number, count: number, pieces: readonly Piece[]): void {
    const shelf = this.#shelfFor(records);
    shelf.coming -= count;
    // One at a time fits anywhere.
    if (pieces.length * 2 < count) shelf.comesInPieces = false;
    for (const piece of pieces) {
      if (shelf.ready.length < shelf.wanted) shelf.ready.push(piece);
      else this.#settings.giveBack(piece);
    }
  }

  /** What was asked for will not come. */
  failed(records: number, count: number): void {
    this.#shelfFor(records).coming -= count;
  }

  /** Gives everything back; nothing more is kept ready until it is busy again. */
  clear(): void {
    this.#cancelLook?.();
    this.#cancelLook = undefined;
    this.#giveBackAllOf([...this.#shelves.values()]);
  }

  /** Asks for as much as is lacking when half of it is gone. */
  #replenish(shelf: Shelf): void {
    const lacking = shelf.wanted - shelf.ready.length - shelf.coming;
    if (lacking <= 0 || lacking * 2 < shelf.wanted) return;
    shelf.coming += lacking;
    if (shelf.comesInPieces) this.#settings.ask(shelf.records, lacking);
    else for (let count = 0; count < lacking; count++) this.#settings.ask(shelf.records, 1);
  }

  /** @returns what is not kept of it */
  #keep(range: RecordRange): RecordRange[] {
    let { recordNr, length } = range;
    while (length > 0) {
      const shelf = this.#shelfWithRoom(length);
      if (shelf === undefined) return [{ ...range, recordNr, length }];
      shelf.ready.push([{ ...range, recordNr, length: shelf.records }]);
      recordNr += shelf.records;
      length -= shelf.records;
    }
    return [];
  }

  /** Of what is taken often, and is not there in plenty, the longest that fits. */
  #shelfWithRoom(length: number): Shelf | undefined {
    const now = this.#settings.clock.now();
    let found: Shelf | undefined;
    for (const shelf of this.#shelves.values()) {
      const hasRoom = shelf.wanted > 0 && shelf.isBusy(now) && shelf.ready.length + shelf.coming < MAX_KEPT;
      if (hasRoom && shelf.records <= length && shelf.records > (found?.records ?? 0)) found = shelf;
    }
    return found;
  }

  #look(): void {
    this.#cancelLook = undefined;
    const { clock } = this.#settings;
    const now = clock.now();
    const shelves = [...this.#shelves.values()];
    this.#giveBackAllOf(shelves.filter((shelf) => !shelf.isBusy(now)));
    if (shelves.some((shelf) => shelf.isBusy(now)))
      this.#cancelLook = clock.scheduleIdle(BUSY_MS, () => this.#look());
  }

  #giveBackAllOf(shelves: readonly Shelf[]): void {
    for (const shelf of shelves) {
      shelf.wanted = 0;
      shelf.comesInPieces = true;
    }
    const ranges = shelves.flatMap(({ ready }) => ready.splice(0).flat());
    if (ranges.length > 0) this.#settings.giveBack(ranges);
  }

  #shelfFor(records: number): Shelf {
    let shelf = this.#shelves.get(records);
    if (shelf === undefined) {
      shelf = new Shelf(records);
      this.#shelves.set(records, shelf);
    }
    return shelf;
  }
}
