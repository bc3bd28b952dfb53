import { repeated, textFrame } from './frames.js';
import { Line } from './line.js';
import type { Load, LoadResult, LoadSpec } from './load.js';
import { directed, eventMessage, peerIdOf } from './messages.js';

type RateSpec = Extract<LoadSpec, { kind: 'rate' }>;

/** How often some more is sent, in milliseconds. */
const TICK_MS = 10;

/** One peer that sends to another one in a database of their own, at a fixed rate, whatever arrives. */
export class RateLoad implements Load {
  readonly #spec: RateSpec;
  readonly #sender: Line;
  readonly #receiver: Line;
  #arrived = 0;
  #awaited: { readonly count: number; readonly resolve: () => void } | undefined;

  private constructor(spec: RateSpec, sender: Line, receiver: Line) {
    this.#spec = spec;
    this.#sender = sender;
    this.#receiver = receiver;
    receiver.onText = () => {
      this.#arrived++;
      if (this.#arrived === this.#awaited?.count) this.#awaited.resolve();
    };
  }

  static async open(spec: RateSpec, port: number): Promise<RateLoad> {
    const sender = await Line.open({ port, database: 'flooded_data', id: peerIdOf(0) });
    const receiver = await Line.open({ port, database: 'flooded_data', id: peerIdOf(1) });
    await sender.settled();
    return new RateLoad(spec, sender, receiver);
  }

  async run(milliseconds: number): Promise<LoadResult> {
    const [from, to] = [peerIdOf(0), peerIdOf(1)];
    const { bytes, bytesPerSecond } = this.#spec;
    const frame = textFrame(directed(to, eventMessage(from, to, bytes)));
    const perTick = Math.max(1, Math.round((bytesPerSecond * TICK_MS) / 1000 / frame.length));
    const tick = repeated(frame, perTick);
    const before = this.#arrived;
    const begin = performance.now();
    let ticks = 0;
    while (performance.now() - begin < milliseconds) {
      for (; ticks * TICK_MS <= performance.now() - begin; ticks++) this.#sender.write(tick);
      await new Promise((resolve) => setTimeout(resolve, TICK_MS / 2));
    }
    const sent = before + ticks * perTick;
    if (this.#arrived < sent) {
      await new Promise<void>((resolve) => {
        this.#awaited = { count: sent, resolve };
      });
    }
    return { messages: this.#arrived - before, seconds: (performance.now() - begin) / 1000 };
  }

  end(): void {
    this.#sender.end();
    this.#receiver.end();
  }
}
