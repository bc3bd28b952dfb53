import type { ChildProcess } from 'node:child_process';
import { Arrivals, within } from './waiting.js';

/** How a process ended. */
export interface Exit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** A child process that is watched from its start: what it says on stderr, and how it ends. */
export class WatchedProcess {
  /** Resolves when the process has ended and its output is read to the end. */
  readonly exited: Promise<Exit>;
  #exit: Exit | undefined;
  #complaints = '';
  readonly #news = new Arrivals<string>();

  constructor(
    readonly name: string,
    readonly child: ChildProcess,
  ) {
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      // Enough to see why a process died; a storm of errors must not fill the memory of the test.
      this.#complaints = (this.#complaints + text).slice(-20_000);
      this.#news.add(text);
    });
    // A test run that is interrupted must not leave servers behind.
    const endWithUs = () => child.kill('SIGKILL');
    process.once('exit', endWithUs);
    child.once('close', () => process.off('exit', endWithUs));
    this.exited = new Promise((resolve, reject) => {
      child.once('error', reject);
      child.once('close', (code, signal) => {
        this.#exit = { code, signal };
        resolve(this.#exit);
      });
    });
    this.exited.catch(() => {});
  }

  get pid(): number {
    const { pid } = this.child;
    if (pid === undefined) throw new Error(`${this.name} was not started`);
    return pid;
  }

  /** How it ended, or `undefined` while it runs. */
  get exit(): Exit | undefined {
    return this.#exit;
  }

  /** What the process wrote to stderr: its errors, and the exception it died of. */
  get complaints(): string {
    return this.#complaints;
  }

  /** Resolves once stderr holds a match. */
  async complains(pattern: RegExp): Promise<void> {
    await this.#news.first(() => pattern.test(this.#complaints));
  }

  /** For the message of a failing test. */
  describe(): string {
    const state = this.#exit ? `ended (code ${this.#exit.code}, signal ${this.#exit.signal})` : 'runs';
    return `${this.name} (pid ${this.child.pid}) ${state}${this.#complaints ? `; stderr:\n${this.#complaints}` : ''}`;
  }

  /** Sends a signal, and resolves when the process has ended. It is killed if it ignores the signal. */
  async end(signal: NodeJS.Signals, patience = 60_000): Promise<Exit> {
    if (!this.#exit) this.child.kill(signal);
    return this.endedWithin(patience);
  }

  /** Resolves when the process has ended by itself; kills it and rejects if it does not. */
  async endedWithin(patience: number): Promise<Exit> {
    try {
      return await within(patience, () => `waiting for the end: ${this.describe()}`, this.exited);
    } catch (error) {
      this.child.kill('SIGKILL');
      await this.exited;
      throw error;
    }
  }
}
