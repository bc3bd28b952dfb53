import type { LockDetails } from './host.js';

/** A transaction of this process that holds no lock, and waits for one. */
export interface Waiting<Lock> {
  readonly details: LockDetails;
  /** Its turn has come. */
  readonly granted: (lock: Lock) => void;
  /** It is to ask for itself: only who wants to read is told so. */
  readonly alone: () => void;
  /** What was asked for on its behalf was refused. */
  readonly refused: (error: unknown) => void;
}

/** A queue of which the first leaves first, each in constant time. */
class Fifo<Item> {
  #items: Item[] = [];
  #head = 0;

  get first(): Item | undefined {
    return this.#items[this.#head];
  }

  push(item: Item): void {
    this.#items.push(item);
  }

  shift(): void {
    this.#head++;
    if (this.#head * 2 < this.#items.length) return;
    this.#items = this.#items.slice(this.#head);
    this.#head = 0;
  }

  takeAll(): readonly Item[] {
    const items = this.#items.slice(this.#head);
    this.#items = [];
    this.#head = 0;
    return items;
  }
}

interface Entry<Lock> {
  readonly number: number;
  readonly since: number;
  readonly waiting: Waiting<Lock>;
}

/**
 * The transactions of this process that wait for their turn under a lock for writing that it has, or asks for, in the order in which
 * they came. Those that write stay here from one such lock to the next.
 */
export class Turns<Lock> {
  readonly #reads = new Fifo<Entry<Lock>>();
  readonly #writes = new Fifo<Entry<Lock>>();
  #last = 0;

  /** Who is next. */
  get first(): Waiting<Lock> | undefined {
    return this.#next.first?.waiting;
  }

  /** Who is the next one that wants to write. */
  get firstWriter(): Waiting<Lock> | undefined {
    return this.#writes.first?.waiting;
  }

  /** Since when the first one waits that wants to read, by the clock of who added it; `undefined` if none does. */
  get readsSince(): number | undefined {
    return this.#reads.first?.since;
  }

  /** Adds one behind all others. @param since when it came */
  add(waiting: Waiting<Lock>, since: number): void {
    const queue = waiting.details.write ? this.#writes : this.#reads;
    queue.push({ number: ++this.#last, since, waiting });
  }

  /** Takes out who is next. */
  shift(): void {
    this.#next.shift();
  }

  /** Takes out the next one that wants to write. */
  takeWriter(): Waiting<Lock> | undefined {
    const { first } = this.#writes;
    if (first !== undefined) this.#writes.shift();
    return first?.waiting;
  }

  /** Takes out all that want to read. */
  takeReaders(): readonly Waiting<Lock>[] {
    return this.#reads.takeAll().map(({ waiting }) => waiting);
  }

  get #next(): Fifo<Entry<Lock>> {
    const read = this.#reads.first?.number ?? Number.POSITIVE_INFINITY;
    const write = this.#writes.first?.number ?? Number.POSITIVE_INFINITY;
    return read < write ? this.#reads : this.#writes;
  }
}
