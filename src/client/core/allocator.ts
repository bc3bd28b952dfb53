import type { IPCPeer, Log, Message } from './host.js';
import type { Cancel, Clock } from './ports.js';

/** Milliseconds that a process which closes waits for what it asked for ahead, to give it back. */
const CLOSING_MS = 500;

/** What a worker's way to space works with. */
export interface SpaceSettings {
  readonly ipc: IPCPeer;
  readonly clock: Clock;
  readonly log: Log;
  /** Makes an id for a request. */
  createId(): string;
  /**
   * Whether the server was heard a moment ago. If not, this process was stopped, perhaps, and others write by now: the
   * master is asked, and that waits.
   */
  isInTouch(): boolean;
  /** The message may leave with the next one. */
  letWait(message: Message): void;
}

/** How a worker gets space in the file from the master, and gives it back, in the place of AceBase's own way. */
export class Space {
  readonly #settings: SpaceSettings;
  readonly #reserve: SpaceReserve;
  readonly #bulk: BulkSpace;
  /** What was asked for ahead, until it is here. */
  readonly #coming = new Set<Promise<void>>();
  #isClosing = false;

  constructor(settings: SpaceSettings) {
    this.#settings = settings;
    this.#reserve = new SpaceReserve({
      clock: settings.clock,
      ask: (records) => this.#askAhead(records),
      giveBack: (ranges) => this.#giveBack(ranges),
    });
    this.#bulk = new BulkSpace({
      ask: (allocation) => this.#allocate(allocation),
      giveBack: (ranges) => this.#giveBack(ranges),
    });
  }

  /**
   * Does what AceBase asks of the master, if it is about space.
   *
   * @returns the master's answer; `undefined` if it is about something else
   */
  request(data: unknown): Promise<unknown> | undefined {
    const { type, records, ranges } = data as { type: string; records: number; ranges: RecordRange[] };
    if (type === 'fst.allocate') {
      const mayTake = !this.#isClosing && this.#settings.isInTouch();
      const allocation = mayTake ? this.#reserve.take(records) : undefined;
      return allocation === undefined
        ? this.#bulk.allocate(records)
        : Promise.resolve({ ok: true, allocation });
    }
    if (type === 'fst.release') {
      // The unlock comes behind it: who waits for this answer keeps all others waiting.
      this.#giveBack(ranges);
      return Promise.resolve({ ok: true });
    }
    return undefined;
  }

  /** The process is about to say goodbye: what it has ready goes back, and what is about to come. */
  close(): Promise<void> | undefined {
    this.#isClosing = true;
    this.#reserve.clear();
    return this.#coming.size === 0 ? undefined : this.#allCame();
  }

  async #allCame(): Promise<void> {
    let cancel: (() => void) | undefined;
    const longEnough = new Promise<void>((resolve) => {
      cancel = this.#settings.clock.schedule(CLOSING_MS, resolve);
    });
    await Promise.race([Promise.all(this.#coming), longEnough]);
    cancel?.();
  }

  #askAhead(records: number): void {
    const coming = this.#ask({ type: 'fst.allocate', records }).then(
      (answer) => {
        const { ok, allocation } = answer as { ok: boolean; allocation: RecordRange[] };
        if (ok) this.#reserve.came(records, allocation);
        else this.#reserve.failed(records);
      },
      // Who needs space and finds none ready asks again, and is told why.
      () => this.#reserve.failed(records),
    );
    this.#coming.add(coming);
    void coming.finally(() => this.#coming.delete(coming));
  }

  #giveBack(ranges: readonly RecordRange[]): void {
    this.#ask({ type: 'fst.release', ranges }).catch((error: unknown) => {
      this.#settings.log.warn('Space in the file could not be given back:', error);
    });
  }

  async #allocate(records: number): Promise<AllocationAnswer> {
    const { ipc, log } = this.#settings;
    try {
      return (await ipc.request(this.#messageOf({ type: 'fst.allocate', records }))) as AllocationAnswer;
    } catch (error) {
      // As AceBase does where it asks itself.
      log.error(error);
      throw error;
    }
  }

  #ask(data: object): Promise<unknown> {
    const { ipc, letWait } = this.#settings;
    const message = this.#messageOf(data);
    letWait(message);
    return ipc.request(message);
  }

  #messageOf(data: object): Message {
    const { ipc, createId } = this.#settings;
    return { type: 'request', id: createId(), from: ipc.id, to: ipc.masterPeerId, data };
  }
}

/*
 * Space in the database file that a worker has at hand. Pure.
 *
 * A worker asks the master for space in the middle of each write, under its lock, while all others wait; with those two
 * trips in it, a short write takes twice as long. So a worker that writes often asks for the next write's while it does this
 * one's. The master has noted space as taken, in the file, before it answers: who has it may use it whenever he likes.
 */

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

/** What a master answers to a request for space: more than is needed here, and perhaps an error. */
export interface AllocationAnswer {
  readonly ok: boolean;
  readonly allocation?: readonly RecordRange[];
}

/** What it works with. */
export interface BulkSpaceSettings {
  /** Asks the master for that many records at one time. */
  ask(records: number): Promise<AllocationAnswer>;
  /** Gives records back to the master. */
  giveBack(ranges: readonly RecordRange[]): void;
}

/** Requests of one length that are under way before further ones are put together. */
export const MAX_SINGLE = 8;

/** The records of one request that several were put together into: half a page, which AceBase gives in one piece. */
export const MAX_BULK_RECORDS = 512;

/** Who waits for a piece. */
interface Asker {
  resolve(answer: AllocationAnswer): void;
  reject(error: unknown): void;
}

/** Requests for pieces of one length. */
class Queue {
  readonly waiting: Asker[] = [];
  /** How many of `waiting`, from the first, were asked for. */
  head = 0;
  underWay = 0;

  get length(): number {
    return this.waiting.length - this.head;
  }

  take(count: number): Asker[] {
    const taken = this.waiting.slice(this.head, this.head + count);
    this.head += taken.length;
    if (this.head === this.waiting.length) {
      this.waiting.length = 0;
      this.head = 0;
    }
    return taken;
  }
}

/**
 * Space for very many records at one time. Pure.
 *
 * A `set()` of 10,000 new children asks the master for space 10,000 times in one turn, and for each the master writes its
 * whole table of free space. Here the first few ask by themselves, so that the master fills the gaps of the file with them.
 * While these are under way further ones wait, and the next request is for all of them: the master gives it in one piece, or in a
 * few, and everybody gets a part in one piece.
 */
export class BulkSpace {
  readonly #settings: BulkSpaceSettings;
  readonly #queues = new Map<number, Queue>();

  constructor(settings: BulkSpaceSettings) {
    this.#settings = settings;
  }

  /** Gets so many records. Resolves and rejects as the master answers. */
  allocate(records: number): Promise<AllocationAnswer> {
    let queue = this.#queues.get(records);
    if (queue === undefined) {
      queue = new Queue();
      this.#queues.set(records, queue);
    }
    const { waiting } = queue;
    const answer = new Promise<AllocationAnswer>((resolve, reject) => waiting.push({ resolve, reject }));
    if (queue.underWay < MAX_SINGLE) this.#ask(records, queue, 1);
    return answer;
  }

  #ask(records: number, queue: Queue, count: number): void {
    const askers = queue.take(count);
    queue.underWay++;
    this.#settings.ask(records * askers.length).then(
      (answer) => {
        this.#distribute(records, queue, askers, answer);
        this.#ended(records, queue);
      },
      (error: unknown) => {
        for (const { reject } of askers) reject(error);
        this.#ended(records, queue);
      },
    );
  }

  #distribute(records: number, queue: Queue, askers: readonly Asker[], answer: AllocationAnswer): void {
    const { ok, allocation } = answer;
    if (!ok || allocation === undefined || askers.length === 1) {
      for (const { resolve } of askers) resolve(answer);
      return;
    }
    const { pieces, rest } = cut(allocation, records);
    askers.forEach((asker, index) => {
      const piece = pieces[index];
      // What lies scattered in the file gives fewer pieces: the others wait for the next request.
      if (piece === undefined) queue.waiting.push(asker);
      else asker.resolve({ ok: true, allocation: [piece] });
    });
    const unused = [...pieces.slice(askers.length), ...rest];
    if (unused.length > 0) this.#settings.giveBack(unused);
  }

  #ended(records: number, queue: Queue): void {
    queue.underWay--;
    const most = Math.max(Math.floor(MAX_BULK_RECORDS / records), 1);
    if (queue.length > 0) this.#ask(records, queue, Math.min(queue.length, most));
    else if (queue.underWay === 0) this.#queues.delete(records);
  }
}

/** Pieces of one length, each of records that follow each other, and what is left over. */
function cut(
  allocation: readonly RecordRange[],
  records: number,
): { readonly pieces: RecordRange[]; readonly rest: RecordRange[] } {
  const pieces: RecordRange[] = [];
  const rest: RecordRange[] = [];
  for (const { pageNr, recordNr, length } of allocation) {
    let used = 0;
    for (; length - used >= records; used += records) {
      pieces.push({ pageNr, recordNr: recordNr + used, length: records });
    }
    if (used < length) rest.push({ pageNr, recordNr: recordNr + used, length: length - used });
  }
  return { pieces, rest };
}
