import type { AceBaseProcess } from '../../support/acebase-process.js';
import type { Random } from '../../torture/random.js';
import { counterPath, type Finding, type Ledger, writtenValue } from './ledger.js';

/** Paths below its own top-level key that one worker writes to. */
const recordsPerWorker = 30;
/** Top-level keys of its own that one worker writes to: these make the root record change. */
const rootKeysPerWorker = 4;

/** What one worker does, step by step, and what the ledger is told of it. */
export class Workload {
  /** What others had written and was read wrong: the only thing here that is no write. */
  readonly misread: Finding[] = [];
  reads = 0;

  constructor(
    readonly name: string,
    readonly ledger: Ledger,
    readonly random: Random,
  ) {}

  /** One write or one read, at random. Resolves with true if it was a write, which is acknowledged then. */
  async step(process: AceBaseProcess): Promise<boolean> {
    const dice = this.random.fraction();
    if (dice < 0.6) await this.#set(process, `${this.name}/k${this.random.below(recordsPerWorker)}`);
    else if (dice < 0.65) await this.#set(process, `${this.name}-r${this.random.below(rootKeysPerWorker)}`);
    else if (dice < 0.8) await this.#increment(process);
    else return this.#read(process);
    return true;
  }

  async #set(process: AceBaseProcess, path: string): Promise<void> {
    const n = this.ledger.attempt(path);
    await process.set(path, writtenValue(path, n));
    this.ledger.acknowledge(path, n);
  }

  async #increment(process: AceBaseProcess): Promise<void> {
    this.ledger.attemptIncrement();
    this.ledger.acknowledgeIncrement(await process.transaction<number>(counterPath, { increment: 1 }));
  }

  /** What was acknowledged before a read begins, anyone must see. */
  async #read(process: AceBaseProcess): Promise<boolean> {
    const { paths } = this.ledger;
    const path = paths[this.random.below(paths.length)];
    if (path === undefined) return false;
    const acknowledged = this.ledger.acknowledged(path);
    const finding = this.ledger.judge(path, await process.get(path), acknowledged);
    this.reads += 1;
    if (finding) this.misread.push({ ...finding, reason: `${this.name} read: ${finding.reason}` });
    return false;
  }
}
