import { Arrivals, within } from './waiting.js';

export interface DatabaseEvent {
  readonly path: string;
  readonly value: unknown;
}

/** What a subscription needs of the process that holds it. */
interface Subscriber {
  /** For the message of a failing test: which subscription, and how the process is. */
  describe(): string;
  stop(): Promise<void>;
  /** How long to wait for an event before the test is taken to hang. */
  readonly timeoutMs: number;
}

/** Events of one subscription, as its process received them. */
export class Subscription {
  readonly #arrivals = new Arrivals<DatabaseEvent>();
  readonly #subscriber: Subscriber;

  constructor(subscriber: Subscriber) {
    this.#subscriber = subscriber;
  }

  /** All that have come, in order. */
  get events(): readonly DatabaseEvent[] {
    return this.#arrivals.all;
  }

  /** For the process that holds the subscription. */
  receive(event: DatabaseEvent): void {
    this.#arrivals.add(event);
  }

  /** The first event that fits, whether it is here already or still to come. */
  event(fits: (event: DatabaseEvent) => boolean): Promise<DatabaseEvent> {
    return this.#wait('no such event', this.#arrivals.first(fits));
  }

  /** Resolves once this many events have come. */
  atLeast(count: number): Promise<readonly DatabaseEvent[]> {
    return this.#wait(`fewer than ${count} events`, this.#arrivals.atLeast(count));
  }

  stop(): Promise<void> {
    return this.#subscriber.stop();
  }

  #wait<T>(failure: string, arrival: Promise<T>): Promise<T> {
    const seen = () => this.events.map((event) => event.path).join(' ') || 'none';
    const describe = () => `${failure}; seen: ${seen()}; ${this.#subscriber.describe()}`;
    return within(this.#subscriber.timeoutMs, describe, arrival);
  }
}
