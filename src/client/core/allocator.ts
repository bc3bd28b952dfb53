import { type AllocationAnswer, BulkSpace, cut } from './bulk-space.js';
import type { IPCPeer, Log, Message } from './host.js';
import type { Clock } from './ports.js';
import { type RecordRange, SpaceReserve } from './space-reserve.js';

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
  /**
   * How often this process has moved the root; and up to which time the master knows. What was set free since is part of the file as the others
   * know it, until they know of the new root: it must go by the master, who reads that first.
   */
  #rootMoves = 0;
  #knownRootMoves = 0;
  /** What was asked for ahead, until it is here. */
  readonly #coming = new Set<Promise<void>>();
  #isClosing = false;

  constructor(settings: SpaceSettings) {
    this.#settings = settings;
    this.#reserve = new SpaceReserve({
      clock: settings.clock,
      ask: (records, count) => this.#askAhead(records, count),
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
      const allocation = this.#mayUseReserve ? this.#reserve.take(records) : undefined;
      return allocation === undefined
        ? this.#bulk.allocate(records)
        : Promise.resolve({ ok: true, allocation });
    }
    if (type === 'fst.release') {
      // The unlock comes behind it: who waits for this answer keeps all others waiting.
      if (this.#mayUseReserve && this.#knownRootMoves === this.#rootMoves) this.#reserve.release(ranges);
      else this.#giveBack(ranges);
      return Promise.resolve({ ok: true });
    }
    return undefined;
  }

  /** This process tells where it has moved the root. */
  rootMoved(): void {
    this.#rootMoves++;
  }

  get #mayUseReserve(): boolean {
    return !this.#isClosing && this.#settings.isInTouch();
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

  #askAhead(records: number, count: number): void {
    const coming = this.#ask({ type: 'fst.allocate', records: records * count }).then(
      (answer) => {
        const { ok, allocation } = answer as { ok: boolean; allocation: RecordRange[] };
        if (!ok) this.#reserve.failed(records, count);
        else if (count === 1) this.#reserve.came(records, 1, [allocation]);
        else {
          const { pieces, rest } = cut(allocation, records);
          this.#reserve.came(
            records,
            count,
            pieces.map((piece) => [piece]),
          );
          if (rest.length > 0) this.#giveBack(rest);
        }
      },
      // Who needs space and finds none ready asks again, and is told why.
      () => this.#reserve.failed(records, count),
    );
    this.#coming.add(coming);
    void coming.finally(() => this.#coming.delete(coming));
  }

  #giveBack(ranges: readonly RecordRange[]): void {
    const moves = this.#rootMoves;
    this.#ask({ type: 'fst.release', ranges }).then(
      (answer) => {
        const isOfMaster = (answer as { isAssumed?: boolean }).isAssumed !== true;
        if (isOfMaster) this.#knownRootMoves = Math.max(this.#knownRootMoves, moves);
      },
      (error: unknown) => this.#settings.log.warn('Space in the file could not be given back:', error),
    );
  }

  async #allocate(records: number): Promise<AllocationAnswer> {
    const { ipc, log } = this.#settings;
    try {
      const answer = (await ipc.request(
        this.#messageOf({ type: 'fst.allocate', records }),
      )) as AllocationAnswer;
      // Its disk may be full. AceBase does not look.
      if (!answer.ok) throw new Error(`the master allots no space: ${answer.reason}`);
      return answer;
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
