import {
  MAX_MEASURED_DATABASES,
  MAX_REMEMBERED_DATABASES,
  MAX_TIMELINE_ENTRIES,
  OTHER_DATABASES,
} from './limits.js';
import { type BrokerObserver, infoOf } from './peers/admission.js';
import type { Peer } from './peers/peer.js';
import type { Clock, LogFields, Logger } from './ports.js';
import { DatabaseCounters } from './stats/counters.js';
import type { AlarmingIncident } from './stats/incidents.js';

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

/**
 * The histories of all databases. Those of databases that nobody is connected to are kept for a while: whoever looks
 * why a cluster has ended wants to read what came before.
 *
 * What is measured apart is bounded, too: the first databases under their own names, the rest together. A name keeps
 * its place, so that no counter ever goes back.
 */
export class Histories {
  readonly #clock: Clock;
  readonly #histories = new Map<string, History>();
  /** Those that nobody is connected to, the one that was left first, first. */
  readonly #left = new Set<string>();
  readonly #labels = new Set<string>();
  /** What was counted of databases that are forgotten. */
  readonly #forgotten = new Map<string, DatabaseCounters>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Somebody comes to a database. */
  open(database: string): History {
    this.#left.delete(database);
    let history = this.#histories.get(database);
    if (history === undefined) {
      history = new History(this.#clock, this.#labelFor(database));
      this.#histories.set(database, history);
    }
    return history;
  }

  /** Nobody is connected to a database any more. */
  leave(database: string): void {
    this.#left.add(database);
    if (this.#left.size <= MAX_REMEMBERED_DATABASES) return;
    for (const oldest of this.#left) {
      this.#forget(oldest);
      return;
    }
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

/**
 * What happened to a database: somebody `came`, is `away` (lost its line, and may come back), `went`, or was `refused`;
 * locks were `recovered`; a peer is `slow`; the `master` may work, or must not; or another `warning`.
 */
export type TimelineKind = 'came' | 'away' | 'went' | 'refused' | 'recovered' | 'slow' | 'master' | 'warning';

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

/** What a guest book works with. */
export interface GuestBookSettings {
  readonly database: string;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly observer: BrokerObserver;
  readonly history: History;
}

/** Writes down who comes and who goes: for the log, for the program that embeds the server, and for whoever looks back. */
export class GuestBook {
  readonly #settings: GuestBookSettings;
  #masterLeftAt: number;

  constructor(settings: GuestBookSettings) {
    this.#settings = settings;
    this.#masterLeftAt = settings.clock.now();
  }

  /** When the last master that was connected lost its line; when the database was opened, if there was none. */
  get masterLeftAt(): number {
    return this.#masterLeftAt;
  }

  /** @param how in a few words; @param peers how many there are now */
  came(peer: Peer, how: 'connected' | 'connected again' | 'resumed its session', peers: number): void {
    const { database, logger, observer, history } = this.#settings;
    const { id, address, session } = peer;
    const fields = { database, peer: id, address, peers };
    const client = session?.client.name;
    logger.info(client === undefined ? fields : { ...fields, client }, `peer ${how}`);
    if (how !== 'connected') history.counters.reconnects++;
    if (how === 'resumed its session') history.counters.resumedSessions++;
    history.note('came', id, `${how}, from ${address}`);
    observer.peerConnected(infoOf(database, peer));
  }

  /** A peer has no line any more, and is waited for. */
  lostLine(peer: Peer, cause: string, silence: number): void {
    const { database, logger, observer, history } = this.#settings;
    const { id, address } = peer;
    logger.info({ database, peer: id, address, cause, silence }, 'peer lost its line');
    history.note('away', id, `lost its line: ${cause}`);
    this.#isAbsent(peer);
    observer.peerDisconnected(infoOf(database, peer), cause);
  }

  /** A peer is gone; `wasPresent`, if it had a line until now. */
  went(peer: Peer, cause: string, peers: number, wasPresent: boolean): void {
    const { database, logger, observer, history } = this.#settings;
    const { id, address, outbox } = peer;
    logger.info({ database, peer: id, address, cause, peers }, 'peer disconnected');
    const { counters } = history;
    counters.sent += outbox.sent;
    counters.sentBytes += outbox.sentBytes;
    counters.droppedMail += outbox.dropped;
    history.note('went', id, cause);
    if (!wasPresent) return;
    this.#isAbsent(peer);
    observer.peerDisconnected(infoOf(database, peer), cause);
  }

  /** The master has opened its file, and gets what waited for it. */
  masterIsReady(master: Peer, mail: number): void {
    const { history } = this.#settings;
    const what = mail === 0 ? '' : `; ${mail} ${mail === 1 ? 'message' : 'messages'} waited for it`;
    history.note('master', master.id, `has its file open${what}`);
  }

  #isAbsent({ isMaster }: Peer): void {
    if (isMaster) this.#masterLeftAt = this.#settings.clock.now();
  }
}
