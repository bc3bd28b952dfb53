import { fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { type Exit, WatchedProcess } from '../support/child-process.js';
import { QUICK_START } from '../support/quick-start.js';
import type { Membership } from './database.js';
import type { CrashPoint } from './verdict.js';
import type { IndexKey, Operation, Value } from './workload.js';

/** What a process of a cluster is started with. */
export interface MemberOrder {
  /** The folder that the database's folder is in. */
  readonly folder: string;
  readonly ipc: Membership;
  readonly isLogged: boolean;
  /** As its client takes it; as that has it by default if `undefined`. */
  readonly journal: 'off' | 'process' | 'power' | undefined;
  /** Its changes of files are counted, and it ends itself at this one, if one is given. */
  readonly victim?: { readonly point: CrashPoint | undefined; readonly lastWords: string };
}

/** What a process reads: all data, and what is wrong with the answers of its indexes. */
export interface Look {
  readonly tree: Readonly<Record<string, Value>>;
  readonly faults: readonly string[];
}

interface Open {
  resolve(result: unknown): void;
  reject(error: Error): void;
}

/** How long a process that has closed its database may take to end, in milliseconds. */
const ENDING_MS = 20_000;

/** A process of a cluster. */
export class MemberProcess {
  readonly #process: WatchedProcess;
  readonly #open = new Map<number, Open>();
  readonly #ready: Promise<unknown>;
  #lastNumber = 0;

  constructor(name: string, order: MemberOrder) {
    const program = fileURLToPath(new URL('member.js', import.meta.url));
    const child = fork(program, [JSON.stringify(order)], {
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
      serialization: 'advanced',
      execArgv: [...QUICK_START],
    });
    this.#process = new WatchedProcess(name, child);
    this.#ready = this.#answerTo(0);
    this.#ready.catch(() => undefined);
    child.on('message', ({ number, result, error }: { number: number; result?: unknown; error?: string }) => {
      const open = this.#open.get(number);
      this.#open.delete(number);
      if (error === undefined) open?.resolve(result);
      else open?.reject(new Error(`${name}: ${error}`));
    });
    void this.#process.exited.then(() => {
      for (const { reject } of this.#open.values()) reject(new Error(this.describe()));
      this.#open.clear();
    });
  }

  get name(): string {
    return this.#process.name;
  }

  /** Resolves when it has ended, and all that it sent has arrived. */
  get exited(): Promise<Exit> {
    return this.#process.exited;
  }

  describe(): string {
    return this.#process.describe();
  }

  /** Resolves when its database is open. */
  async ready(): Promise<void> {
    await this.#ready;
  }

  async perform(operation: Operation, number: number): Promise<void> {
    await this.#ask('perform', { operation, number });
  }

  /** @param indexes those that must be there */
  async look(indexes: ReadonlySet<IndexKey>): Promise<Look> {
    return (await this.#ask('look', { indexes })) as Look;
  }

  /** Closes the database, and resolves when the process has ended by itself. @returns for each change that it has counted, whether it had halves */
  async close(): Promise<readonly boolean[]> {
    const changes = (await this.#ask('close', {})) as readonly boolean[];
    const exit = await this.#process.endedWithin(ENDING_MS);
    if (exit.code !== 0) throw new Error(this.describe());
    return changes;
  }

  async kill(): Promise<void> {
    await this.#process.end('SIGKILL');
  }

  #ask(command: string, parameters: object): Promise<unknown> {
    if (this.#process.exit !== undefined) return Promise.reject(new Error(this.describe()));
    const number = ++this.#lastNumber;
    const answer = this.#answerTo(number);
    this.#process.child.send({ number, command, parameters }, () => undefined);
    return answer;
  }

  #answerTo(number: number): Promise<unknown> {
    return new Promise((resolve, reject) => this.#open.set(number, { resolve, reject }));
  }
}
