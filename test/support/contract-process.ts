import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { type Exit, WatchedProcess } from './child-process.js';
import { WITHOUT_ES_BUILD } from './quick-start.js';
import { within } from './waiting.js';

const script = fileURLToPath(new URL('contract-worker.cjs', import.meta.url));
const register = fileURLToPath(new URL('../../dist/register.cjs', import.meta.url));

/** What to open. */
export interface ContractOptions {
  readonly name: string;
  readonly path: string;
  readonly database: string;
  /** Left out: one process by itself. */
  readonly ipc?: { readonly port: number; readonly role: 'master' | 'worker' };
}

/** A process with our client in which pieces of a program run. */
export class ContractProcess {
  readonly #process: WatchedProcess;
  readonly #child: ChildProcess;
  #last = 0;

  private constructor(options: ContractOptions) {
    const { name, ...rest } = options;
    this.#child = fork(script, [JSON.stringify(rest)], {
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
      serialization: 'advanced',
      execArgv: [...WITHOUT_ES_BUILD, '--require', register],
    });
    this.#process = new WatchedProcess(name, this.#child);
  }

  /** Starts it, and resolves when its database is open. */
  static async start(options: ContractOptions): Promise<ContractProcess> {
    const process = new ContractProcess(options);
    await process.#message((message) => message.kind === 'ready', 'is not ready');
    return process;
  }

  /** Runs a piece of program, with `db`, `bag` (kept between pieces) and `pause` in it. @returns what it returns */
  async run<T = unknown>(code: string): Promise<T> {
    const number = ++this.#last;
    const answer = this.#message((message) => message.number === number, `does not finish: ${code}`);
    this.#child.send({ number, code });
    const { error, result } = await answer;
    if (error !== undefined) throw new Error(`${this.#process.name}: ${error}`);
    return result as T;
  }

  /** Ends it by force. */
  kill(): Promise<Exit> {
    return this.#process.end('SIGKILL');
  }

  #message(fits: (message: Answer) => boolean, problem: string): Promise<Answer> {
    const found = new Promise<Answer>((resolve, reject) => {
      const listen = (message: Answer): void => {
        if (!fits(message)) return;
        this.#child.off('message', listen);
        resolve(message);
      };
      this.#child.on('message', listen);
      void this.#process.exited.then(() => reject(new Error(`${problem}: ${this.#process.describe()}`)));
    });
    return within(60_000, () => `${problem}: ${this.#process.describe()}`, found);
  }
}

interface Answer {
  readonly kind?: string;
  readonly number?: number;
  readonly result?: unknown;
  readonly error?: string;
}
