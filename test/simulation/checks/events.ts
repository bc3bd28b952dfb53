import type { StockPeer } from '../model/stock-peer.js';
import type { Verdicts } from './verdicts.js';

interface Raised {
  readonly sender: StockPeer;
  readonly receiver: StockPeer;
  isHeard: boolean;
}

/**
 * Between two processes with our client, an event is heard exactly once: whatever happens to lines and servers, unless one
 * of the two ends, or was away for longer than others wait.
 */
export class Events {
  readonly #verdicts: Verdicts;
  readonly #events = new Map<number, Raised>();
  /** The event that is about to be said. */
  #next: Omit<Raised, 'isHeard'> | undefined;

  constructor(verdicts: Verdicts) {
    this.#verdicts = verdicts;
  }

  /** The next message of that sender is an event for this receiver, if there is one. */
  raises(sender: StockPeer, receiver: StockPeer | undefined): void {
    const areOurs = sender.ours !== undefined && receiver?.ours !== undefined;
    const isPromised = areOurs && sender.isAlive && !receiver.isExiting;
    this.#next = isPromised ? { sender, receiver } : undefined;
  }

  said(number: number): void {
    if (this.#next !== undefined) this.#events.set(number, { ...this.#next, isHeard: false });
    this.#next = undefined;
  }

  neverSaid(number: number): void {
    this.#events.delete(number);
  }

  /** An event is handled. */
  heard(receiver: StockPeer, number: number | undefined): void {
    const event = number === undefined ? undefined : this.#events.get(number);
    if (event?.receiver !== receiver) return;
    if (event.isHeard) this.#verdicts.violation('event twice', `${receiver.name} by ${event.sender.name}`);
    event.isHeard = true;
  }

  /** What that process says and hears is of no interest any more. */
  releases(process: StockPeer): void {
    for (const [number, { sender, receiver, isHeard }] of this.#events) {
      if (!isHeard && (sender === process || receiver === process)) this.#events.delete(number);
    }
  }

  /** The run is over. */
  conclude(): void {
    for (const [number, { sender, receiver, isHeard }] of this.#events) {
      if (!isHeard)
        this.#verdicts.violation('event lost', `of ${sender.name} for ${receiver.name}, number ${number}`);
    }
  }
}
