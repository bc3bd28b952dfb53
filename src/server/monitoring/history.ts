import type { Clock, DatabaseRecord, LogFields, Logger, Records, TimelineKind } from '../../broker/ports.js';
import { DatabaseCounters } from './counters.js';
import { type AlarmingIncident, IncidentLog } from './incidents.js';

/** What is remembered of the last things that happened to one database. */
export const MAX_TIMELINE_ENTRIES = 100;

/** Databases that nobody is connected to, and of which is remembered what happened. */
export const MAX_REMEMBERED_DATABASES = 100;

/** Databases that are measured under their own names, as long as the server lives; all others are measured together. */
export const MAX_MEASURED_DATABASES = 100;

/** The name under which databases beyond {@link MAX_MEASURED_DATABASES} are measured. */
export const OTHER_DATABASES = 'other';

/** A kind of incident that somebody should look at, and when it happened last. */
export interface Alarm {
  readonly incident: AlarmingIncident;
  /** When it began: milliseconds by the broker's clock. */
  readonly since: number;
  /** When it happened last. */
  readonly last: number;
  /** How often since it began. */
  readonly count: number;
}

/** An alarm is over when it has not happened for so long, in milliseconds. */
export const ALARM_MS = 60_000;

/** What an incident is on the time-line. What is not here is a `warning`. */
const KINDS: Partial<Record<AlarmingIncident, TimelineKind>> = {
  'locks-recovered': 'recovered',
  'too-slow': 'slow',
  'over-total': 'slow',
  'old-master': 'master',
};

/** What is remembered of one database, also while nobody is connected to it. For people and for metrics alone. */
export class History implements DatabaseRecord {
  /** Under which name it is measured: its own, or {@link OTHER_DATABASES}. */
  readonly label: string;
  readonly counters = new DatabaseCounters();
  readonly #clock: Clock;
  readonly #timeline = new Timeline();
  readonly #alarms = new Map<AlarmingIncident, Alarm>();

  constructor(clock: Clock, label: string = OTHER_DATABASES) {
    this.#clock = clock;
    this.label = label;
  }

  get timeline(): Timeline['entries'] {
    return this.#timeline.entries;
  }

  /** The alarms that are not over, in the order in which they began. */
  get alarms(): readonly Alarm[] {
    const now = this.#clock.now();
    return [...this.#alarms.values()].filter(({ last }) => now - last < ALARM_MS);
  }

  /** Something happened to a peer, or to the database. */
  note(kind: TimelineKind, peer: string | null, message: string): void {
    this.#timeline.add({ at: this.#clock.wallTime(), kind, peer, message });
  }

  /** An incident that somebody should look at. */
  alarm(incident: AlarmingIncident, fields: LogFields, message: string): void {
    const now = this.#clock.now();
    const last = this.#alarms.get(incident);
    const goesOn = last !== undefined && now - last.last < ALARM_MS;
    this.#alarms.set(incident, {
      incident,
      since: goesOn ? last.since : now,
      last: now,
      count: goesOn ? last.count + 1 : 1,
    });
    // That one was refused is noted with its reason, as every refusal is.
    if (incident === 'unsafe-return') return;
    const peer = fields['peer'] ?? fields['from'];
    this.note(KINDS[incident] ?? 'warning', typeof peer === 'string' ? peer : null, message);
  }
}

/**
 * The histories of all databases. Those of databases that nobody is connected to are kept for a while: whoever looks
 * why a cluster has ended wants to read what came before.
 *
 * What is measured apart is bounded, too: the first databases under their own names, the rest together. A name keeps
 * its place, so that no counter ever goes back.
 */
export class Histories implements Records {
  /** How often each thing went wrong since the start, in all databases. */
  readonly incidents: IncidentLog;
  readonly #clock: Clock;
  readonly #histories = new Map<string, History>();
  /** Those that nobody is connected to, the one that was left first, first. */
  readonly #left = new Set<string>();
  readonly #labels = new Set<string>();
  /** What was counted of databases that are forgotten. */
  readonly #forgotten = new Map<string, DatabaseCounters>();

  constructor(clock: Clock, logger: Logger) {
    this.#clock = clock;
    this.incidents = new IncidentLog(clock, logger, (incident, fields, message) => {
      const { database } = fields;
      if (typeof database === 'string') this.#histories.get(database)?.alarm(incident, fields, message);
    });
  }

  open(database: string): History {
    this.#left.delete(database);
    let history = this.#histories.get(database);
    if (history === undefined) {
      history = new History(this.#clock, this.#labelFor(database));
      this.#histories.set(database, history);
    }
    return history;
  }

  leave(database: string): void {
    this.#left.add(database);
    if (this.#left.size <= MAX_REMEMBERED_DATABASES) return;
    for (const oldest of this.#left) {
      this.#forget(oldest);
      return;
    }
  }

  /** Somebody was refused at the door of a database. @param peerId if it is known */
  noteRefusal(database: string, peerId: string | undefined, why: string): void {
    this.#histories.get(database)?.note('refused', peerId ?? null, why);
  }

  /** The history of a database, if it has one. */
  of(database: string): History | undefined {
    return this.#histories.get(database);
  }

  /** The databases that nobody is connected to, and of which is known what happened. */
  get left(): Iterable<string> {
    return this.#left;
  }

  /** All that was counted, by the names under which it is measured, without what peers that are there count. */
  totals(): Map<string, DatabaseCounters> {
    const totals = new Map<string, DatabaseCounters>();
    const add = (label: string, counters: DatabaseCounters): void => {
      const total = totals.get(label) ?? new DatabaseCounters();
      total.add(counters);
      totals.set(label, total);
    };
    for (const [label, counters] of this.#forgotten) add(label, counters);
    for (const { label, counters } of this.#histories.values()) add(label, counters);
    return totals;
  }

  #labelFor(database: string): string {
    // A database may be called like the label itself.
    if (this.#labels.size < MAX_MEASURED_DATABASES && database !== OTHER_DATABASES)
      this.#labels.add(database);
    return this.#labels.has(database) ? database : OTHER_DATABASES;
  }

  #forget(database: string): void {
    const history = this.#histories.get(database);
    this.#left.delete(database);
    this.#histories.delete(database);
    if (history === undefined) return;
    const { label, counters } = history;
    const total = this.#forgotten.get(label) ?? new DatabaseCounters();
    total.add(counters);
    this.#forgotten.set(label, total);
  }
}

/** One thing that happened. */
export interface TimelineEntry {
  /** When: milliseconds since 1970. */
  readonly at: number;
  readonly kind: TimelineKind;
  /** The id of the peer that it happened to; `null` if it was none, or is not known. */
  readonly peer: string | null;
  /** In plain words. */
  readonly message: string;
}

interface Kept extends TimelineEntry {
  /** How often it happened in a row. */
  readonly count: number;
}

/** The kinds that clients cause again and again while something is wrong: each stands there once, with a number. */
const REPEATING: ReadonlySet<TimelineKind> = new Set(['refused', 'warning', 'slow']);

/** The last things that happened to one database, for people to read. */
export class Timeline {
  #entries: Kept[] = [];

  /** The entries, the newest last. */
  get entries(): readonly TimelineEntry[] {
    return this.#entries.map(({ at, kind, peer, message, count }) => {
      return { at, kind, peer, message: count === 1 ? message : `${message} (${count} times)` };
    });
  }

  /** Something happened. Beyond {@link MAX_TIMELINE_ENTRIES}, the oldest is forgotten. */
  add({ at, kind, peer, message }: TimelineEntry): void {
    let count = 1;
    if (REPEATING.has(kind)) {
      const isSame = (entry: Kept): boolean =>
        entry.kind === kind && entry.peer === peer && entry.message === message;
      const last = this.#entries.find(isSame);
      count += last?.count ?? 0;
      if (last !== undefined) this.#entries = this.#entries.filter((entry) => entry !== last);
    }
    this.#entries.push({ at, kind, peer, message, count });
    if (this.#entries.length > MAX_TIMELINE_ENTRIES) this.#entries.shift();
  }
}
