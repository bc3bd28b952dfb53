import type { RecordRange } from './space-reserve.js';

/** What a master answers to a request for space: more than is needed here, and perhaps an error. */
export interface AllocationAnswer {
  readonly ok: boolean;
  readonly allocation?: readonly RecordRange[];
  readonly reason?: string;
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
        const isScattered = !this.#distribute(records, queue, askers, answer);
        // One alone is given what lies scattered; several would be given the same again.
        this.#ended(records, queue, isScattered ? 1 : undefined);
      },
      (error: unknown) => {
        for (const { reject } of askers) reject(error);
        this.#ended(records, queue);
      },
    );
  }

  /** @returns whether anybody got anything */
  #distribute(records: number, queue: Queue, askers: readonly Asker[], answer: AllocationAnswer): boolean {
    const { ok, allocation } = answer;
    if (!ok || allocation === undefined || askers.length === 1) {
      for (const { resolve } of askers) resolve(answer);
      return true;
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
    return pieces.length > 0;
  }

  #ended(
    records: number,
    queue: Queue,
    most: number = Math.max(Math.floor(MAX_BULK_RECORDS / records), 1),
  ): void {
    queue.underWay--;
    if (queue.length > 0) this.#ask(records, queue, Math.min(queue.length, most));
    else if (queue.underWay === 0) this.#queues.delete(records);
  }
}

/** Pieces of one length, each of records that follow each other, and what is left over. */
export function cut(
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
