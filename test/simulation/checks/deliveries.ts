import type { Message } from '../model/messages.js';
import type { StockPeer } from '../model/stock-peer.js';
import type { Verdicts } from './verdicts.js';

interface Expected {
  readonly message: Message;
  readonly receivers: Set<StockPeer>;
}

/**
 * What has reached the server reaches everybody whom it concerns, if he lives on; requests get one answer. Root updates are
 * left out: only the newest one counts, which {@link Values} sees to.
 */
export class Deliveries {
  readonly #verdicts: Verdicts;
  readonly #expected = new Map<number, Expected>();
  /** Requests that have reached the server, by their askers. */
  readonly #asked = new Map<StockPeer, Map<string, string>>();

  constructor(verdicts: Verdicts) {
    this.#verdicts = verdicts;
  }

  /** A message has reached the server, and concerns these. */
  expects(message: Message, number: number, receivers: readonly StockPeer[]): void {
    if (receivers.length > 0) this.#expected.set(number, { message, receivers: new Set(receivers) });
  }

  asks(asker: StockPeer, id: string, type: string): void {
    if (!asker.isAlive) return;
    const asked = this.#asked.get(asker) ?? new Map<string, string>();
    this.#asked.set(asker, asked.set(id, type));
  }

  answered(asker: StockPeer, id: string): void {
    this.#asked.get(asker)?.delete(id);
  }

  /** Whether it has not reached that process yet, and should. */
  isExpected(receiver: StockPeer, number: number): boolean {
    return this.#expected.get(number)?.receivers.has(receiver) ?? false;
  }

  hears(receiver: StockPeer, number: number): void {
    const expected = this.#expected.get(number);
    expected?.receivers.delete(receiver);
    if (expected?.receivers.size === 0) this.#expected.delete(number);
  }

  /** Nothing more is expected to reach this process. */
  releases(process: StockPeer): void {
    for (const [number, { receivers }] of this.#expected) {
      receivers.delete(process);
      if (receivers.size === 0) this.#expected.delete(number);
    }
    if (!process.isAlive) this.#asked.delete(process);
  }

  /** The server has ended: what it had for others, it may have lost. */
  serverEnded(): void {
    this.#expected.clear();
  }

  /**
   * The run is over: nothing may be outstanding.
   *
   * @param isExcused whether the server said that it had no room for what it was to keep for that process
   */
  conclude(isExcused: (receiver: StockPeer) => boolean): void {
    for (const { message, receivers } of this.#expected.values()) {
      const without = [...receivers].filter((receiver) => !isExcused(receiver));
      if (without.length === 0) continue;
      const names = without.map(({ name }) => name).join();
      this.#verdicts.violation('not delivered', `${message.type} of ${message.from} to ${names}`);
    }
    for (const [{ name }, requests] of this.#asked) {
      for (const [id, type] of requests) this.#verdicts.violation('never answered', `${name}: ${type} ${id}`);
    }
  }
}
