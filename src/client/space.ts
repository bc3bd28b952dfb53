import { systemClock } from '../platform/clock.js';
import { loggerOf, type Message, type RemoteIPCPeer } from './acebase.js';
import { type AllocationAnswer, BulkSpace } from './bulk-space.js';
import { type RecordRange, SpaceReserve } from './space-reserve.js';

/** Milliseconds that a process which closes waits for what it asked for ahead, to give it back. */
const CLOSING_MS = 500;

/** What a worker's way to space works with. */
export interface SpaceSettings {
  readonly ipc: RemoteIPCPeer;
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
      clock: systemClock,
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
      cancel = systemClock.schedule(CLOSING_MS, resolve);
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
      loggerOf(this.#settings.ipc.storage).warn('Space in the file could not be given back:', error);
    });
  }

  async #allocate(records: number): Promise<AllocationAnswer> {
    const { ipc } = this.#settings;
    try {
      return (await ipc.request(this.#messageOf({ type: 'fst.allocate', records }))) as AllocationAnswer;
    } catch (error) {
      // As AceBase does where it asks itself.
      loggerOf(ipc.storage).error(error);
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
