import type { LogFields, Logger } from '../../src/index.js';
import type { LogLine } from './server-process.js';
import { Arrivals } from './waiting.js';

/** A logger that keeps every line, whatever its level, in the form in which the command writes them. */
export class CollectedLog implements Logger {
  readonly #lines = new Arrivals<LogLine>();

  trace = this.#keep('trace');
  debug = this.#keep('debug');
  info = this.#keep('info');
  warn = this.#keep('warn');
  error = this.#keep('error');

  get lines(): readonly LogLine[] {
    return this.#lines.all;
  }

  /** The lines that call for somebody's attention. */
  get complaints(): readonly LogLine[] {
    return this.lines.filter(({ level }) => level === 'warn' || level === 'error');
  }

  /** The complaints that have a code: who was refused, and why. */
  get refusals(): readonly LogLine[] {
    return this.complaints.filter(({ code }) => code !== undefined);
  }

  /** The first line that fits, whether it is there already or still to come. */
  line(fits: (line: LogLine) => boolean): Promise<LogLine> {
    return this.#lines.first(fits);
  }

  #keep(level: string): (fields: LogFields, message: string) => void {
    return (fields, message) => this.#lines.add({ level, ...fields, msg: message });
  }
}
