import type { Clock, Incident, Incidents, LogFields, Logger } from '../../broker/ports.js';

/**
 * Why the broker did not do what a message or a connection asked for, and how loudly that is said: what goes with
 * ordinary work is `trace`, what may help to find a fault is `debug`, what somebody should look at is `warn`, and what would have destroyed data `error`.
 */
const LEVELS = {
  'malformed-frame': 'warn',
  'foreign-from': 'trace',
  undeliverable: 'debug',
  'root-echo': 'trace',
  'mailbox-full': 'warn',
  'too-slow': 'warn',
  'over-total': 'warn',
  'answered-for-master': 'debug',
  'orphaned-request': 'debug',
  'parking-expired': 'warn',
  'too-many-requests': 'warn',
  'unasked-answer': 'debug',
  'locks-recovered': 'warn',
  'mail-dropped': 'warn',
  'unsafe-return': 'warn',
  'old-master': 'warn',
  'lock-expiry': 'warn',
  'file-unknown': 'warn',
  'other-file': 'error',
  'broken-invariant': 'error',
} as const satisfies Record<Incident, 'trace' | 'debug' | 'warn' | 'error'>;

/** A kind that somebody should look at. */
export type AlarmingIncident = {
  [Kind in Incident]: (typeof LEVELS)[Kind] extends 'warn' | 'error' ? Kind : never;
}[Incident];

/** Is told of an incident that somebody should look at. */
export type AlarmListener = (incident: AlarmingIncident, fields: LogFields, message: string) => void;

/** All kinds of incidents. */
export const INCIDENTS = Object.keys(LEVELS) as readonly Incident[];

/** Kinds of which each one is logged: there are few, and each says something else. */
const NEVER_LEFT_OUT: ReadonlySet<Incident> = new Set<Incident>(['broken-invariant']);

/** How often one kind of incident may be warned about, in milliseconds. */
const WARNING_INTERVAL_MS = 10_000;

/**
 * Counts what goes wrong, and says so without flooding the log: a warning of one kind appears at most once in ten
 * seconds and carries how many there were since the last.
 */
export class IncidentLog implements Incidents {
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #totals = new Map<Incident, number>();
  readonly #warnings = new Map<Incident, { at: number; total: number }>();
  readonly #alarm: AlarmListener;

  /** @param alarm is told of each incident that is worth a warning, also if the log leaves it out */
  constructor(clock: Clock, logger: Logger, alarm: AlarmListener = () => undefined) {
    this.#clock = clock;
    this.#logger = logger;
    this.#alarm = alarm;
  }

  /** Counts it, and logs it. @param times how often it happened at once */
  record(incident: Incident, fields: LogFields, message: string, times = 1): void {
    const total = (this.#totals.get(incident) ?? 0) + times;
    this.#totals.set(incident, total);
    const level = LEVELS[incident];
    if (level === 'warn' || level === 'error')
      this.#warn(incident as AlarmingIncident, total, fields, message);
    else this.#logger[level]({ incident, ...fields }, message);
  }

  /** How many there were of each kind since the start. */
  get totals(): ReadonlyMap<Incident, number> {
    return this.#totals;
  }

  #warn(incident: AlarmingIncident, total: number, fields: LogFields, message: string): void {
    this.#alarm(incident, fields, message);
    const now = this.#clock.now();
    const last = this.#warnings.get(incident);
    const isRecent = last !== undefined && now - last.at < WARNING_INTERVAL_MS;
    if (isRecent && !NEVER_LEFT_OUT.has(incident)) return;
    this.#warnings.set(incident, { at: now, total });
    this.#logger[LEVELS[incident]]({ incident, count: total - (last?.total ?? 0), ...fields }, message);
  }
}
