import { OTHER_DATABASES } from '../limits.js';
import type { Clock, LogFields } from '../ports.js';
import { DatabaseCounters } from './database-counters.js';
import type { AlarmingIncident } from './incidents.js';
import { Timeline, type TimelineKind } from './timeline.js';

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
export class History {
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
