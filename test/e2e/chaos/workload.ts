import { type AceBaseProcess, machineTime } from '../../support/acebase-process.js';
import type { Random } from '../../torture/random.js';
import type { Histories } from './history/histories.js';
import type { Operation } from './history/linearizability.js';
import { counterPath, type Finding, type Ledger, numberOf, sharedPaths, writtenValue } from './ledger.js';

/** Paths below its own top-level key that one worker writes to. */
const recordsPerWorker = 30;
/** Top-level keys of its own that one worker writes to: these make the root record change. */
const rootKeysPerWorker = 4;
/** Who asks decides how long it can wait. */
const commandTimeoutMs = 3_600_000;

type Times = Pick<Operation<unknown>, 'client' | 'invokedAt' | 'returnedAt'>;

/** What one process does, step by step, and what the ledger and the histories are told of it. */
export class Workload {
  /** What was read wrong, by what the ledger knows. */
  readonly misread: Finding[] = [];
  reads = 0;

  constructor(
    readonly name: string,
    readonly ledger: Ledger,
    readonly histories: Histories,
    readonly random: Random,
  ) {}

  /** One write or one read, at random. Resolves with true if it was a write, which is acknowledged then. */
  async step(process: AceBaseProcess): Promise<boolean> {
    const dice = this.random.fraction();
    if (dice < 0.25) await this.#set(process, `${this.name}/k${this.random.below(recordsPerWorker)}`);
    else if (dice < 0.3) await this.#set(process, `${this.name}-r${this.random.below(rootKeysPerWorker)}`);
    else if (dice < 0.6) await this.#set(process, this.#shared());
    else if (dice < 0.8) await this.#increment(process);
    else return this.read(process);
    return true;
  }

  /** One read, mostly of what all write. Resolves with false: it was no write. */
  async read(process: AceBaseProcess): Promise<boolean> {
    const dice = this.random.fraction();
    const { paths } = this.ledger;
    const any = paths[this.random.below(paths.length)];
    if (dice < 0.2 || any === undefined) await this.#readCounter(process);
    else await this.#readPath(process, dice < 0.6 ? this.#shared() : any);
    this.reads += 1;
    return false;
  }

  async #set(process: AceBaseProcess, path: string): Promise<void> {
    const n = this.ledger.attempt(path);
    const action = { kind: 'write', value: n } as const;
    await this.#change(process, 'set', { path, value: writtenValue(path, n) }, (times) =>
      this.histories.addToRegister(path, { ...times, action }),
    );
    if (!sharedPaths.includes(path)) this.ledger.acknowledge(path, n);
  }

  async #increment(process: AceBaseProcess): Promise<void> {
    this.ledger.attemptIncrement();
    const parameters = { path: counterPath, change: { increment: 1 } };
    const count = await this.#change<number>(process, 'transaction', parameters, (times, value) =>
      this.histories.addToCounter(counterPath, {
        ...times,
        action: { kind: 'increment', ...(value !== undefined && { value }) },
      }),
    );
    this.ledger.acknowledgeIncrement(count);
  }

  /** @param add tells a history of it; without a result if it failed, or was never answered: it may be done nevertheless */
  async #change<T = void>(
    process: AceBaseProcess,
    command: string,
    parameters: Readonly<Record<string, unknown>>,
    add: (times: Times, result?: T) => void,
  ): Promise<T> {
    const sentAt = machineTime();
    const { name: client } = this;
    try {
      const timed = await process.timed<T>(command, parameters, commandTimeoutMs);
      const { result, invokedAt, returnedAt } = timed;
      add({ client, invokedAt, returnedAt }, result);
      return result;
    } catch (error) {
      add({ client, invokedAt: sentAt, returnedAt: undefined });
      throw error;
    }
  }

  async #readCounter(process: AceBaseProcess): Promise<void> {
    const { result, ...times } = await process.timed('get', { path: counterPath }, commandTimeoutMs);
    const value = result ?? 0;
    if (typeof value === 'number') {
      const operation = { client: this.name, ...times, action: { kind: 'read', value } as const };
      this.histories.addToCounter(counterPath, operation);
    } else
      this.#misread({ kind: 'wrong', path: counterPath, reason: `${JSON.stringify(value)} is no count` });
  }

  /** What was acknowledged before a read begins, anyone must see. */
  async #readPath(process: AceBaseProcess, path: string): Promise<void> {
    const acknowledged = this.ledger.acknowledged(path);
    const { result, ...times } = await process.timed('get', { path }, commandTimeoutMs);
    const finding = this.ledger.judge(path, result, acknowledged);
    if (finding) this.#misread(finding);
    const value = finding?.kind === 'wrong' ? undefined : numberOf(result);
    if (value === undefined) return;
    const operation = { client: this.name, ...times, action: { kind: 'read', value } as const };
    this.histories.addToRegister(path, operation);
  }

  #misread(finding: Finding): void {
    this.misread.push({ ...finding, reason: `${this.name} read: ${finding.reason}` });
  }

  #shared(): string {
    return sharedPaths[this.random.below(sharedPaths.length)] as string;
  }
}
