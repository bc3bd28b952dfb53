import type { AceBaseProcess } from './acebase-process.js';
import { Arrivals } from './waiting.js';

/** Several processes that write one item after the other, below `items`, until they are told to stop. */
export class WriteLoad {
  readonly #acknowledged = new Map<string, number>();
  readonly #news = new Arrivals<string>();
  readonly #writing: Promise<unknown>;
  #isOver = false;

  constructor(workers: readonly AceBaseProcess[]) {
    this.#writing = Promise.all(workers.map((worker, index) => this.#write(worker, `w${index}`)));
    // Told to who waits for progress, or for the end.
    this.#writing.catch(() => undefined);
  }

  /** What was acknowledged so far, by path. */
  get acknowledged(): ReadonlyMap<string, number> {
    return new Map(this.#acknowledged);
  }

  /** Resolves when so many more writes were acknowledged. */
  async progress(count: number): Promise<void> {
    const enough = this.#acknowledged.size + count;
    await Promise.race([
      this.#news.first(() => this.#acknowledged.size >= enough),
      this.#writing.then(() => Promise.reject(new Error('the load is over'))),
    ]);
  }

  /** Resolves with what was acknowledged, by path, when the last write is. */
  async stop(): Promise<ReadonlyMap<string, number>> {
    this.#isOver = true;
    await this.#writing;
    return this.#acknowledged;
  }

  async #write(worker: AceBaseProcess, name: string): Promise<void> {
    for (let n = 0; !this.#isOver; n++) {
      const path = `items/${name}_${n}`;
      await worker.set(path, { n });
      this.#acknowledged.set(path, n);
      this.#news.add(path);
    }
  }
}
