import { Line } from './line.js';
import type { Load, LoadResult, LoadSpec } from './load.js';
import { LockWorker } from './lock-worker.js';
import { peerIdOf } from './messages.js';
import { ScriptedMaster } from './scripted-master.js';

/** Workers that do nothing but lock, unlock, and lock again, and a master that always says yes. */
export class LockLoad implements Load {
  readonly #workers: readonly LockWorker[];
  readonly #master: ScriptedMaster;

  private constructor(workers: readonly LockWorker[], master: ScriptedMaster) {
    this.#workers = workers;
    this.#master = master;
  }

  /** Lets master and workers in, and waits until the master has settled. */
  static async open(spec: Extract<LoadSpec, { kind: 'locks' }>, port: number): Promise<LockLoad> {
    const { database = 'bench_data' } = spec;
    const master = await ScriptedMaster.open(port, database);
    const isTimed = spec.workers * spec.inFlightEach === 1;
    const workers: LockWorker[] = [];
    for (let number = 1; number <= spec.workers; number++) {
      const id = peerIdOf(number);
      const line = await Line.open({ port, database, id });
      workers.push(new LockWorker(line, id, spec.inFlightEach, isTimed));
    }
    const load = new LockLoad(workers, master);
    // The first answer comes when the master has settled.
    await load.run(1);
    return load;
  }

  async run(milliseconds: number): Promise<LoadResult> {
    const begin = performance.now();
    const results = await Promise.all(this.#workers.map((worker) => worker.run(milliseconds)));
    return {
      messages: results.reduce((total, { messages }) => total + messages, 0),
      seconds: (performance.now() - begin) / 1000,
      roundTrips: results.flatMap(({ roundTrips }) => roundTrips),
    };
  }

  end(): void {
    for (const worker of this.#workers) worker.end();
    this.#master.end();
  }
}
