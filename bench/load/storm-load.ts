import { textFrame } from './frames.js';
import { Line, type LineTarget } from './line.js';
import type { Load, LoadResult, LoadSpec, Phase } from './load.js';
import { inParallel, sourceAddress } from './many-lines.js';
import { directed, eventMessage, peerIdOf } from './messages.js';

type StormSpec = Extract<LoadSpec, { kind: 'storm' }>;

/** How often some of the peers write, in milliseconds. */
const TICK_MS = 10;

/** Peers that all come at once, write now and then, and all go and come back at once. */
export class StormLoad implements Load {
  readonly #spec: StormSpec;
  readonly #port: number;
  #lines: Line[] = [];
  #arrived = 0;
  #lost = 0;
  /** Who was not let in; the server says why. */
  #refused = 0;

  constructor(spec: StormSpec, port: number) {
    this.#spec = spec;
    this.#port = port;
  }

  /** @param milliseconds how long the steady trickle between the two storms lasts */
  async run(milliseconds: number): Promise<LoadResult> {
    const begin = performance.now();
    const phases = [
      await timed('all come', () => this.#connectAll()),
      await timed('a trickle of messages', () => this.#trickle(milliseconds)),
      await timed('all go and come back', async () => {
        this.end();
        await this.#connectAll();
      }),
    ];
    // Who is back too late, on a slow machine, is refused: then there is nobody to write to.
    if (this.#refused === 0) {
      phases.push(await timed('a trickle of messages', () => this.#trickle(milliseconds)));
    }
    if (this.#lost > 0) throw new Error(`${this.#lost} of ${this.#spec.peers} peers were not left connected`);
    return { messages: this.#arrived, seconds: (performance.now() - begin) / 1000, phases };
  }

  end(): void {
    for (const line of this.#lines) line?.end();
  }

  async #connectAll(): Promise<void> {
    const { peers, databases } = this.#spec;
    const lines: Line[] = [];
    await inParallel(peers, async (number) => {
      const line = await this.#open({
        port: this.#port,
        database: `bench${number % databases}_data`,
        id: peerIdOf(number),
        localAddress: sourceAddress(number),
      });
      if (line === undefined) return;
      line.onEnd = () => {
        this.#lost++;
      };
      lines[number] = line;
    });
    this.#lines = lines;
    await Promise.all(lines.filter((line) => line !== undefined).map((line) => line.settled()));
  }

  async #open(target: LineTarget): Promise<Line | undefined> {
    try {
      return await Line.open(target);
    } catch {
      this.#refused++;
      return undefined;
    }
  }

  /** A thousand messages a second, from all peers in turn to a neighbour each. */
  async #trickle(milliseconds: number): Promise<void> {
    const { peers, databases, messagesPerSecond } = this.#spec;
    const perTick = Math.max(1, Math.round((messagesPerSecond * TICK_MS) / 1000));
    let expected = this.#arrived;
    let sent = 0;
    for (const line of this.#lines) {
      line.onText = () => {
        this.#arrived++;
      };
    }
    for (let left = milliseconds; left > 0; left -= TICK_MS) {
      for (let index = 0; index < perTick; index++, sent++) {
        const number = sent % peers;
        const neighbour = (number + databases) % peers;
        const [from, to] = [peerIdOf(number), peerIdOf(neighbour)];
        this.#lines[number]?.write(textFrame(directed(to, eventMessage(from, to, 200))));
        expected++;
      }
      await new Promise((resolve) => setTimeout(resolve, TICK_MS));
    }
    await Promise.all(this.#lines.map((line) => line.settled()));
    if (this.#arrived !== expected) {
      throw new Error(`${expected} messages were sent in the trickle, ${this.#arrived} arrived`);
    }
  }
}

async function timed(what: string, act: () => Promise<void>): Promise<Phase> {
  const begin = performance.now();
  await act();
  return { what, seconds: (performance.now() - begin) / 1000 };
}
