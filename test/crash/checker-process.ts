import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { QUICK_START } from '../support/quick-start.js';
import { within } from '../support/waiting.js';
import type { CrashPoint, Expectation, Verdict } from './verdict.js';

/** What is found, wherever the crash was. */
export type Judgement = Omit<Verdict, keyof CrashPoint>;

/** A database that is there, which is removed when it has been judged. */
export interface Remains {
  /** The folder that its folder is in. */
  readonly home: string;
  readonly expectation: Expectation;
}

/** What a damaged file may make a process do for ever, without looking at the time: milliseconds until it is ended. */
const LONGEST_MS = 300_000;

/** Judges databases after crashes, one after the other, in a process of its own. */
export class Checker {
  readonly #order: object;
  #process: ChildProcess | undefined;

  /** @param order what `checker.js` is started with */
  constructor(order: object) {
    this.#order = order;
  }

  /** @returns `undefined` if there is no such crash */
  async judge(asked: CrashPoint | Remains): Promise<Judgement | undefined> {
    this.#process ??= await this.#start();
    const process = this.#process;
    const answer = new Promise<Judgement | undefined>((resolve) => {
      process.once('message', ({ verdict }: { verdict?: Judgement }) => resolve(verdict));
      process.once('exit', (code, signal) => resolve(unreadable(`it ends the process: ${code ?? signal}`)));
    });
    process.send(asked);
    try {
      const verdict = await within(LONGEST_MS, () => 'it stands still', answer).catch((error: Error) =>
        unreadable(error.message),
      );
      // What did not open, or ended the process, may have left anything behind in it.
      if (verdict?.outcome === 'unreadable') await this.end();
      return verdict;
    } finally {
      process.removeAllListeners('message');
      process.removeAllListeners('exit');
    }
  }

  async end(): Promise<void> {
    const process = this.#process;
    this.#process = undefined;
    if (process === undefined || process.exitCode !== null || process.signalCode !== null) return;
    process.kill('SIGKILL');
    await once(process, 'exit');
  }

  async #start(): Promise<ChildProcess> {
    const started = fork(
      fileURLToPath(new URL('checker.js', import.meta.url)),
      [JSON.stringify(this.#order)],
      {
        stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
        serialization: 'advanced',
        execArgv: [...QUICK_START],
      },
    );
    await once(started, 'message');
    return started;
  }
}

/** Of a database that cannot be used. */
export function unreadable(fault: string): Judgement {
  return { outcome: 'unreadable', faults: [`unreadable: ${fault}`], leaked: 0, operation: undefined };
}
