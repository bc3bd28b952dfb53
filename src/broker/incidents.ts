import type { Clock, LogFields, Logger } from './ports.js';

/** Why the broker did not do what a message or a connection asked for. Every one is counted. */
export type Incident =
  | 'malformed-frame'
  | 'foreign-from'
  | 'undeliverable'
  | 'root-echo'
  | 'mailbox-full'
  | 'too-slow'
  | 'over-total'
  | 'answered-for-master'
  | 'orphaned-request'
  | 'second-master'
  | 'parking-expired';

/** How often one kind of incident may be warned about, in milliseconds. */
const WARNING_INTERVAL_MS = 10_000;

/**
 * Counts what goes wrong, and says so without flooding the log: a warning of one kind appears at most once in ten
 * seconds and carries how many there were since the last.
 */
export class Incidents {
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #totals = new Map<Incident, number>();
  readonly #warnings = new Map<Incident, { at: number; total: number }>();

  constructor(clock: Clock, logger: Logger) {
    this.#clock = clock;
    this.#logger = logger;
  }

  /** Counts, and logs at debug level: normal in small numbers. */
  note(incident: Incident, fields: LogFields, message: string): void {
    this.#count(incident);
    this.#logger.debug({ incident, ...fields }, message);
  }

  /** Counts, and warns, within the limit on warnings. */
  warn(incident: Incident, fields: LogFields, message: string): void {
    const total = this.#count(incident);
    const now = this.#clock.now();
    const last = this.#warnings.get(incident);
    if (last !== undefined && now - last.at < WARNING_INTERVAL_MS) return;
    this.#warnings.set(incident, { at: now, total });
    this.#logger.warn({ incident, count: total - (last?.total ?? 0), ...fields }, message);
  }

  /** How many there were of each kind since the start. */
  get totals(): ReadonlyMap<Incident, number> {
    return this.#totals;
  }

  #count(incident: Incident): number {
    const total = (this.#totals.get(incident) ?? 0) + 1;
    this.#totals.set(incident, total);
    return total;
  }
}
