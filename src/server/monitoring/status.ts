import type { Clock } from '../../broker/ports.js';
import type { ManagedMasterReport } from '../../managed-masters/managed-master.js';
import type { TimelineEntry } from './history.js';
import type { HeldLock, RootState, WaitingLock } from './lock-list.js';
import { type ManagedMasterStatus, masterStatus } from './master-status.js';
import type { Overview } from './overview.js';
import { type Problem, type ProblemLimits, problemsOf } from './problems.js';
import type { DatabaseReport, KeptMail, PeerReport, ReportedState } from './report.js';

/** How the server is, and all databases that whoever asks may see (docs/PROTOCOL.md, section 4). */
export interface Status {
  readonly server: ServerStatus;
  /** By name; {@link MAX_LISTED_DATABASES} at most. */
  readonly databases: readonly DatabaseStatus[];
  /** The masters that the server runs itself, also such as never came to serve. */
  readonly masters: readonly ManagedMasterStatus[];
}

/** The server as a whole. */
export interface ServerStatus {
  readonly version: string;
  /** When it began to listen, and now: milliseconds since 1970. */
  readonly startedAt: number;
  readonly now: number;
  /** Whether it stops, and lets nobody in any more. */
  readonly draining: boolean;
  /** Milliseconds that 99 of 100 waits for its event loop were below, in the last 10 to 20 s. */
  readonly eventLoopDelayP99: number;
  /** Bytes that wait in all queues of all databases. */
  readonly bufferedBytes: number;
  /** TCP connections. */
  readonly connections: number;
  /** The option. */
  readonly maxConnections: number;
  /** File descriptors that its process has and may have; `null` where that is not known: Linux alone tells. */
  readonly descriptors: { readonly used: number; readonly limit: number } | null;
  /** Databases that whoever asks may see, those that are not listed among them. */
  readonly databaseCount: number;
  /** What is wrong outside of any database: who was refused lately, the most frequent first. */
  readonly problems: readonly Problem[];
}

/** One peer. */
export interface PeerStatus {
  readonly id: string;
  readonly role: 'master' | 'worker';
  readonly state: ReportedState;
  /** Name and version of its client; `null` for a stock one. */
  readonly client: string | null;
  /** Whether it keeps a journal while that is in force (docs/PROTOCOL.md, section 16). */
  readonly keepsJournal: boolean;
  readonly address: string;
  /** The number of its process, if that is on the machine of the server and was found (`watchProcesses`). */
  readonly pid: number | null;
  /** Milliseconds since 1970. */
  readonly connectedAt: number;
  /** Milliseconds that its last ping took; `null` before the first answer. */
  readonly roundTrip: number | null;
  /** Since it came. */
  readonly messagesIn: number;
  readonly messagesOut: number;
  readonly bytesIn: number;
  readonly bytesOut: number;
  /** What is kept for it while it is away, or settles. */
  readonly mail: KeptMail;
  /** Bytes that were sent, and that it has not read, as far as is known. */
  readonly buffered: number;
}

/** One database. */
export interface DatabaseStatus {
  /** By its name on the wire: `mydb_data`. */
  readonly name: string;
  /** The id of the master that is connected. */
  readonly master: string | null;
  /** Milliseconds for which none has been connected; `null` if there is one, or nobody at all. */
  readonly masterAbsentFor: number | null;
  /** In the order of their coming, 500 at most. */
  readonly peers: readonly PeerStatus[];
  /** All, those that are not listed among them. */
  readonly peerCount: number;
  /** Whether the file is crash-safe (docs/PROTOCOL.md, section 16). */
  readonly journal: {
    /** Whether the journal is in force: no process that ends leaves a write half done. */
    readonly inForce: boolean;
    /** The ids of peers, and of newcomers that wait, that keep no journal; 2 at most. */
    readonly without: readonly string[];
    /** All, those that are not named among them. */
    readonly withoutCount: number;
  };
  /** Oldest first, 200 of each at most. */
  readonly locks: {
    /** The lock that the server has at the master, for all workers together; `null` if it has none. */
    readonly root: RootState | null;
    readonly held: readonly HeldLock[];
    readonly waiting: readonly WaitingLock[];
    /** All, those that are not listed among them. */
    readonly heldCount: number;
    readonly waitingCount: number;
  };
  /** All that is kept: for a master that is absent or settles, and for peers that are away. */
  readonly mail: KeptMail;
  /** Its part of what all databases share for what is kept, in bytes: that mail, messages that are to be picked up, requests that wait, and locks. */
  readonly keptBytes: number;
  /** Since the server was started. `lockWaitSum` in milliseconds. */
  readonly totals: {
    readonly messagesIn: number;
    readonly messagesOut: number;
    readonly bytesIn: number;
    readonly bytesOut: number;
    readonly lockWaitCount: number;
    readonly lockWaitSum: number;
  };
  /** What is wrong, the worst first. */
  readonly problems: readonly Problem[];
  /** The last things that happened, the newest last, 100 at most. */
  readonly timeline: readonly TimelineEntry[];
}

/** Databases that a status lists. */
export const MAX_LISTED_DATABASES = 100;

/** What the server says of itself. */
export type ServerFacts = Pick<
  ServerStatus,
  | 'version'
  | 'startedAt'
  | 'draining'
  | 'eventLoopDelayP99'
  | 'bufferedBytes'
  | 'connections'
  | 'maxConnections'
  | 'descriptors'
  | 'problems'
>;

/** What a status board works with. */
export interface StatusBoardSettings {
  readonly overview: Pick<Overview, 'report' | 'databases'>;
  readonly clock: Clock;
  readonly limits: ProblemLimits;
  server(): ServerFacts;
  readonly masters: readonly ManagedMasterReport[];
}

/** Says how the server is at one moment, to as many as ask; each database is looked at once. */
export class StatusBoard {
  readonly #settings: StatusBoardSettings;
  readonly #databases = new Map<string, DatabaseStatus>();
  readonly #texts = new Map<string, string>();
  readonly #server: ServerStatus;
  readonly #names: readonly string[];
  readonly #masters: readonly ManagedMasterStatus[];

  /** Looks now. */
  constructor(settings: StatusBoardSettings) {
    const { overview, clock } = settings;
    this.#settings = settings;
    this.#names = overview.databases.toSorted();
    const moment = { monotonic: clock.now(), wall: clock.wallTime() };
    this.#masters = settings.masters.map((report) => masterStatus(report, moment));
    this.#server = {
      ...settings.server(),
      now: Math.round(clock.wallTime()),
      databaseCount: 0,
    };
  }

  /** What somebody sees who may see these databases. */
  status(sees: (database: string) => boolean): Status {
    const names = this.#names.filter(sees);
    const listed = names.slice(0, MAX_LISTED_DATABASES).map((name) => this.#database(name));
    return {
      server: { ...this.#server, databaseCount: names.length },
      databases: listed.filter((database) => database !== undefined),
      masters: this.#masters.filter(({ database }) => sees(`${database}_data`)),
    };
  }

  /** {@link StatusBoard.status} as JSON. Each database is written once, for all who see it. */
  text(sees: (database: string) => boolean): string {
    const { server, databases, masters } = this.status(sees);
    const texts = databases.map((database) => {
      const text = this.#texts.get(database.name) ?? JSON.stringify(database);
      this.#texts.set(database.name, text);
      return text;
    });
    return `{"server":${JSON.stringify(server)},"databases":[${texts.join(',')}],"masters":${JSON.stringify(masters)}}`;
  }

  #database(name: string): DatabaseStatus | undefined {
    const known = this.#databases.get(name);
    if (known !== undefined) return known;
    const { overview, limits, clock } = this.#settings;
    const report = overview.report(name);
    if (report === undefined) return undefined;
    const now = { monotonic: clock.now(), wall: clock.wallTime() };
    const status = databaseStatus(report, problemsOf(report, limits, now));
    this.#databases.set(name, status);
    return status;
  }
}

function databaseStatus(report: DatabaseReport, problems: readonly Problem[]): DatabaseStatus {
  const { name, hasMaster, masterAbsentFor, listedPeers, peerCount, locks, heldLocks } = report;
  const { mail, keptBytes, traffic, lockWait, timeline, waitingLocks, journal } = report;
  return {
    name,
    master: hasMaster ? (listedPeers.find(({ role }) => role === 'master')?.id ?? '[master]') : null,
    masterAbsentFor: masterAbsentFor === undefined ? null : Math.round(masterAbsentFor),
    peers: listedPeers.map(peerStatus),
    peerCount,
    journal: {
      inForce: journal.isInForce,
      without: journal.without,
      withoutCount: journal.withoutCount,
    },
    locks: {
      root: locks.root ?? null,
      held: locks.held,
      waiting: locks.waiting,
      heldCount: heldLocks.held + heldLocks.expired,
      waitingCount: waitingLocks,
    },
    mail,
    keptBytes,
    totals: { ...traffic, lockWaitCount: lockWait.count, lockWaitSum: Math.round(lockWait.sum) },
    problems,
    timeline: timeline.map((entry) => ({ ...entry, at: Math.round(entry.at) })),
  };
}

function peerStatus(peer: PeerReport): PeerStatus {
  const { id, role, state, client, address, pid, connectedAt, roundTrip, mail, buffered } = peer;
  const { messagesIn, messagesOut, bytesIn, bytesOut, keepsJournal } = peer;
  return {
    id,
    role,
    state,
    client: client ?? null,
    keepsJournal,
    address,
    pid: pid ?? null,
    connectedAt: Math.round(connectedAt),
    roundTrip: roundTrip === undefined ? null : Math.round(roundTrip * 10) / 10,
    messagesIn,
    messagesOut,
    bytesIn,
    bytesOut,
    mail,
    buffered,
  };
}
