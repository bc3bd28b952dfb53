import type { History } from '../history.js';

/** Something that must not be. */
export interface Violation {
  /** The rule that was broken, in few words: violations of one kind have the same. */
  readonly rule: string;
  readonly details: string;
  /** Virtual milliseconds. */
  readonly at: number;
}

/** What a run comes to. */
export class Verdicts {
  readonly violations: Violation[] = [];
  /**
   * What no server can keep whole any more, by the reason: a process that was cut off for longer than others wait went on
   * writing, or what it said of its writing was lost with its line (docs/GUARANTEES.md, "What is not promised").
   */
  readonly torn = new Set<string>();
  readonly history: History;

  constructor(history: History) {
    this.history = history;
  }

  violation(rule: string, details: string): void {
    this.violations.push({ rule, details, at: this.history.clock.now() });
    this.history.note(() => `VIOLATION: ${rule}: ${details}`);
  }

  /** Wrong reads of processes with our client that others have given up, and of those whose lock ran out. */
  lateReads = 0;

  /** Such a process reads something that is wrong by then. */
  readsInVain(details: string): void {
    this.lateReads += 1;
    this.history.note(() => `Late: ${details}`);
  }

  /** A violation of what the file holds, which counts only as long as the file is whole. */
  wrongFile(rule: string, details: string): void {
    if (this.torn.size === 0) this.violation(rule, details);
    else this.history.note(() => `Torn (${[...this.torn].join()}): ${rule}: ${details}`);
  }

  tear(reason: string): void {
    this.history.note(() => `The file is torn: ${reason}`);
    this.torn.add(reason);
  }
}
