import type { Clock } from '../../src/broker/ports.js';

/** What happened in a run, in lines for people; kept only when somebody will read it. */
export class History {
  readonly lines: string[] = [];

  constructor(
    readonly clock: Clock,
    readonly isKept: boolean,
  ) {}

  note(text: () => string): void {
    if (this.isKept) this.lines.push(`${(this.clock.now() / 1000).toFixed(4).padStart(9)}  ${text()}`);
  }
}
