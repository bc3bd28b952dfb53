import { closeSync } from 'node:fs';
import type { Journal } from '../../../src/client/journal/journal.js';

/** Who writes the file in turns with others. */
export class Process {
  /** Whether others have its lock: it may write what it was about to, and nothing else. */
  isStopped = false;
  #hasEnded = false;

  constructor(
    readonly file: number,
    readonly journal: Journal<number> | undefined,
  ) {}

  /** Whether it gets no lock any more. */
  get isGone(): boolean {
    return this.#hasEnded || this.isStopped;
  }

  /** It ends as one that is killed. */
  end(): void {
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    this.journal?.close();
    closeSync(this.file);
  }
}
