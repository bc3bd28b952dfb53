import type { Clock, Incident, Incidents, LogFields, Logger } from '../../broker/ports.js';

/**
 * Why the broker did not do what a message or a connection asked for: in which words that is said, and how loudly. What goes with
 * ordinary work is `trace`, what may help to find a fault is `debug`, what somebody should look at is `warn`, and what would have destroyed data `error`.
 */
const LINES = {
  'malformed-frame': { level: 'warn', message: 'dropped a frame that is not of the protocol' },
  'foreign-from': { level: 'trace', message: 'dropped a message in the name of somebody else' },
  undeliverable: { level: 'debug', message: 'dropped a message: its receiver is not there' },
  'root-echo': { level: 'trace', message: 'an echo stops here' },
  'mailbox-full': { level: 'warn', message: 'no room to keep more messages for the master' },
  'too-slow': { level: 'warn', message: 'a peer does not read its messages; its connection is ended' },
  'over-total': {
    level: 'warn',
    message:
      'maxTotalBuffered is used up; the database that uses most of it gives back: its largest peer is cut off',
  },
  'answered-for-master': { level: 'debug', message: 'the server answered for the master' },
  'orphaned-request': { level: 'debug', message: 'dropped requests to the master: who asked is gone' },
  'parking-expired': { level: 'warn', message: 'a large message was not picked up in time' },
  'too-many-requests': {
    level: 'warn',
    message:
      'no room to keep more requests of a worker that wait for the master; the server answers them with an error',
  },
  'unasked-answer': { level: 'debug', message: 'dropped an answer that nobody waits for' },
  'locks-recovered': {
    level: 'warn',
    message: 'a worker disconnected while holding locks; they were released',
  },
  'mail-dropped': {
    level: 'warn',
    message: 'queue full for a disconnected worker; it must be restarted',
  },
  'unsafe-return': { level: 'warn', message: 'refused a worker that came back: it must be started afresh' },
  'old-master': {
    level: 'warn',
    message: 'refused a reconnecting master that holds stale locks: it must be restarted',
  },
  'lock-expiry': {
    level: 'warn',
    message:
      'locks of the master run out at another time than expected: set lockTimeout to its storage.lockTimeout, or set the clocks',
  },
  'file-unknown': {
    level: 'warn',
    message: 'it cannot be known whether all processes of this database have the same file',
  },
  'other-file': {
    level: 'error',
    message:
      'refused a process that has another file under the name of this database than those that are connected',
  },
  'broken-invariant': {
    level: 'error',
    message:
      "internal error: an invariant is broken; the database's connections were closed and its state was reset",
  },
} as const satisfies Record<Incident, { level: 'trace' | 'debug' | 'warn' | 'error'; message: string }>;

/** A kind that somebody should look at. */
export type AlarmingIncident = {
  [Kind in Incident]: (typeof LINES)[Kind]['level'] extends 'warn' | 'error' ? Kind : never;
}[Incident];

/** Is told of an incident that somebody should look at. */
export type AlarmListener = (incident: AlarmingIncident, fields: LogFields, message: string) => void;

/** All kinds of incidents. */
export const INCIDENTS = Object.keys(LINES) as readonly Incident[];

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
  record(incident: Incident, fields: LogFields, times = 1): void {
    const total = (this.#totals.get(incident) ?? 0) + times;
    this.#totals.set(incident, total);
    const { level, message } = LINES[incident];
    if (level === 'warn' || level === 'error') this.#warn(incident as AlarmingIncident, total, fields);
    else this.#logger[level]({ incident, ...fields }, message);
  }

  /** How many there were of each kind since the start. */
  get totals(): ReadonlyMap<Incident, number> {
    return this.#totals;
  }

  #warn(incident: AlarmingIncident, total: number, fields: LogFields): void {
    const { level, message } = LINES[incident];
    this.#alarm(incident, fields, message);
    const now = this.#clock.now();
    const last = this.#warnings.get(incident);
    const isRecent = last !== undefined && now - last.at < WARNING_INTERVAL_MS;
    if (isRecent && !NEVER_LEFT_OUT.has(incident)) return;
    this.#warnings.set(incident, { at: now, total });
    this.#logger[level]({ incident, count: total - (last?.total ?? 0), ...fields }, message);
  }
}
