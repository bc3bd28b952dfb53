import { Line } from './line.js';
import type { Load, LoadResult, LoadSpec } from './load.js';
import { inParallel, sourceAddress } from './many-lines.js';
import { peerIdOf } from './messages.js';

/** Peers that connect, and say nothing more. */
export class IdlePeers implements Load {
  readonly #lines: Line[] = [];
  readonly #spec: Extract<LoadSpec, { kind: 'idle' }>;
  readonly #port: number;
  #lost = 0;

  private constructor(spec: Extract<LoadSpec, { kind: 'idle' }>, port: number) {
    this.#spec = spec;
    this.#port = port;
  }

  /** The first tenth of them connect, so that what a server needs only once is there. */
  static async open(spec: Extract<LoadSpec, { kind: 'idle' }>, port: number): Promise<IdlePeers> {
    const load = new IdlePeers(spec, port);
    await load.#connectTo(Math.floor(spec.peers / 10));
    return load;
  }

  /** The others connect, and all are idle for that long. @returns how many came, and are still there */
  async run(milliseconds: number): Promise<LoadResult> {
    const begin = performance.now();
    const before = this.#lines.length;
    await this.#connectTo(this.#spec.peers);
    await new Promise((resolve) => setTimeout(resolve, milliseconds));
    if (this.#lost > 0) throw new Error(`${this.#lost} of ${this.#spec.peers} peers were not left connected`);
    return { messages: this.#lines.length - before, seconds: (performance.now() - begin) / 1000 };
  }

  end(): void {
    for (const line of this.#lines) line.end();
  }

  async #connectTo(count: number): Promise<void> {
    const { databases } = this.#spec;
    const first = this.#lines.length;
    await inParallel(count - first, async (index) => {
      const number = first + index;
      const line = await Line.open({
        port: this.#port,
        database: `bench${number % databases}_data`,
        id: peerIdOf(number),
        localAddress: sourceAddress(number),
      });
      line.onEnd = () => {
        this.#lost++;
      };
      this.#lines.push(line);
    });
  }
}
