/** What ran, and how long it took until the last of it had arrived. */
export interface Passed {
  /** Messages that were delivered. */
  readonly messages: number;
  readonly seconds: number;
}

/** How a flood is sent. */
export interface FloodSettings {
  /** Messages that are under way at one time. */
  readonly inFlight: number;
  /** To how many each is delivered. */
  readonly receivers: number;
  /** Sends that many. */
  send(count: number): void;
}

/** After that long, what has not arrived is lost. */
const DRAIN_TIMEOUT_MS = 20_000;

/** Keeps a number of messages under way: as some arrive, as many are sent. */
export class Flood {
  readonly #settings: FloodSettings;
  #isOn = false;
  #sent = 0;
  #delivered = 0;
  #drained: (() => void) | undefined;

  constructor(settings: FloodSettings) {
    this.#settings = settings;
  }

  /** Some messages arrived. */
  delivered(count: number): void {
    this.#delivered += count;
    const { inFlight, receivers, send } = this.#settings;
    const underWay = this.#sent * receivers - this.#delivered;
    if (underWay < 0) throw new Error('more messages arrived than were sent');
    if (!this.#isOn) {
      if (underWay === 0) this.#drained?.();
      return;
    }
    const room = Math.floor((inFlight * receivers - underWay) / receivers);
    if (room === 0) return;
    this.#sent += room;
    send(room);
  }

  /** Sends for that long, and waits for the last one. */
  async run(milliseconds: number): Promise<Passed> {
    const begin = performance.now();
    const before = this.#delivered;
    const drained = new Promise<void>((resolve) => {
      this.#drained = resolve;
    });
    this.#isOn = true;
    this.delivered(0);
    await new Promise((resolve) => setTimeout(resolve, milliseconds));
    this.#isOn = false;
    if (this.#sent * this.#settings.receivers > this.#delivered) await Promise.race([drained, this.#lost()]);
    return { messages: this.#delivered - before, seconds: (performance.now() - begin) / 1000 };
  }

  /** Rejects when what is under way does not arrive: a server that drops messages must not look fast. */
  async #lost(): Promise<never> {
    await new Promise((resolve) => setTimeout(resolve, DRAIN_TIMEOUT_MS).unref());
    throw new Error(`${this.#sent * this.#settings.receivers - this.#delivered} messages did not arrive`);
  }
}
