import type { Alarm, GuestBook, History, TimelineEntry } from './history.js';
import { type JournalState, type JournalSwitch, NO_JOURNAL } from './journal-switch.js';
import { MAX_LISTED_LOCKS, MAX_LISTED_PEERS } from './limits.js';
import type { LockCounts, LockList } from './locks/lock-list.js';
import type { LockService } from './locks/lock-service.js';
import type { MasterSeat } from './mastership.js';
import type { ByteBudget } from './memory.js';
import { infoOf, type PeerInfo } from './peers/admission.js';
import { isPresent, type Peer } from './peers/peer.js';
import type { Clock } from './ports.js';
import type { RequestTable } from './requests/request-table.js';
import { type LargestUser, largestUser } from './shares.js';
import type { DatabaseCounters } from './stats/counters.js';

/** Messages that are kept. */
export interface KeptMail {
  readonly messages: number;
  readonly bytes: number;
}

/** Where a peer stands: a master that is `settling` gets nothing yet; one that is `away` may come back. */
export type ReportedState = 'connected' | 'settling' | 'away';

/** What came and went, since some time. */
export interface Traffic {
  readonly messagesIn: number;
  readonly messagesOut: number;
  readonly bytesIn: number;
  readonly bytesOut: number;
}

/** One database in numbers. Cheap enough to be asked for each second, however many peers there are. */
export interface DatabaseSummary {
  /** By its name on the wire. */
  readonly name: string;
  /** The name under which it is measured. */
  readonly label: string;
  /** Whether a master is connected, settled or not. */
  readonly hasMaster: boolean;
  /** Milliseconds for which none has been; `undefined` if there is one. */
  readonly masterAbsentFor: number | undefined;
  /** Workers and masters, by where they stand. */
  readonly peers: Readonly<Record<'master' | 'worker', Readonly<Record<ReportedState, number>>>>;
  readonly peerCount: number;
  readonly journal: JournalState;
  readonly heldLocks: LockCounts;
  /** Requests for locks that are not answered, and for how many milliseconds the oldest waits. */
  readonly waitingLocks: number;
  readonly oldestWaitingLock: number | undefined;
  /** Requests of any kind that are not answered, and the workers that wait for them. */
  readonly waitingRequests: number;
  readonly waitingWorkers: number;
  /** What is kept for a master that is absent or settling, and for peers that are away. */
  readonly mail: KeptMail;
  /** The part of that which is kept for a master that is absent or settling. */
  readonly masterMail: KeptMail;
  /**
   * What the database has of the part of `maxTotalBuffered` that all databases share for what is kept, in bytes: messages for peers that
   * are disconnected, or that are to be picked up; requests that wait, and locks.
   */
  readonly keptBytes: number;
  /** Bytes that wait for the lines of peers. */
  readonly bufferedBytes: number;
  /** Since the server was started. */
  readonly traffic: Traffic;
}

/** One peer, as it is now. */
export interface PeerReport extends Traffic {
  readonly id: string;
  readonly role: 'master' | 'worker';
  readonly state: ReportedState;
  /** Name and version of its client; `undefined` if it does not say. */
  readonly client: string | undefined;
  /** Whether it keeps a journal while that is in force. */
  readonly keepsJournal: boolean;
  readonly address: string;
  /** The number of its process, if it was found on this machine. */
  readonly pid: number | undefined;
  /** Milliseconds since 1970. */
  readonly connectedAt: number;
  /** Milliseconds that the last ping took; `undefined` if none was answered. */
  readonly roundTrip: number | undefined;
  readonly mail: KeptMail;
  /** Bytes that were sent, and that it has not read, as far as is known. */
  readonly buffered: number;
}

/** One database as it is now, with {@link MAX_LISTED_PEERS} peers and {@link MAX_LISTED_LOCKS} locks at most. */
export interface DatabaseReport extends DatabaseSummary {
  readonly listedPeers: readonly PeerReport[];
  readonly locks: LockList;
  readonly lockWait: { readonly count: number; readonly sum: number };
  readonly alarms: readonly Alarm[];
  readonly timeline: readonly TimelineEntry[];
}

/** What a survey looks at. */
export interface SurveySettings {
  readonly database: string;
  readonly clock: Clock;
  readonly peers: ReadonlyMap<string, Peer>;
  readonly seat: MasterSeat;
  readonly table: Pick<RequestTable, 'heldCount' | 'heldBytes' | 'count' | 'addUsageTo'>;
  readonly locks: LockService;
  readonly journal: Pick<JournalSwitch, 'state'>;
  readonly kept: Pick<ByteBudget, 'bytes'>;
  readonly book: GuestBook;
  readonly history: History;
}

/** Looks at one database, and changes nothing. */
export class Survey {
  readonly #settings: SurveySettings;

  constructor(settings: SurveySettings) {
    this.#settings = settings;
  }

  /**
   * The peers that are connected, and the master also while it is away: its seat is not free [PROTOCOL-9.2]. In the order of
   * their coming.
   */
  peers(): PeerInfo[] {
    const { database, peers } = this.#settings;
    return [...peers.values()]
      .filter((peer) => peer.isMaster || isPresent(peer))
      .map((peer) => infoOf(database, peer));
  }

  /** Who holds locks, and who waits for one. */
  locks(): LockList {
    return this.#settings.locks.list();
  }

  /** The peer that takes most memory. @param own what counts of its own, in bytes, beside its requests and locks */
  largestUser(own: (peer: Peer) => number): LargestUser | undefined {
    const { peers, locks, table } = this.#settings;
    return largestUser(peers.values(), own, [locks, table]);
  }

  summary(): DatabaseSummary {
    const { database, clock, peers, seat, table, locks, journal, kept, book, history } = this.#settings;
    const states = noPeers();
    const masterMail = { messages: table.heldCount, bytes: table.heldBytes };
    let { messages, bytes } = masterMail;
    let bufferedBytes = 0;
    for (const peer of peers.values()) {
      states[roleOf(peer)][this.#stateOf(peer)]++;
      const { mail, lineBytes } = peer.outbox;
      messages += mail.messages;
      bytes += mail.bytes;
      bufferedBytes += lineBytes;
    }
    const hasMaster = seat.master !== undefined && isPresent(seat.master);
    const requests = table.count();
    const waitingWorkers = new Set([...requests.workers, ...locks.waitingWorkers()]);
    const now = clock.now();
    return {
      name: database,
      label: history.label,
      hasMaster,
      masterAbsentFor: hasMaster ? undefined : now - book.masterLeftAt,
      peers: states,
      peerCount: peers.size,
      journal: journal.state,
      heldLocks: locks.heldCounts,
      waitingLocks: locks.waitingCount,
      oldestWaitingLock: locks.oldestRequest === undefined ? undefined : now - locks.oldestRequest.since,
      waitingRequests: requests.requests + locks.waitingCount,
      waitingWorkers: waitingWorkers.size,
      mail: { messages, bytes },
      masterMail,
      keptBytes: kept.bytes,
      bufferedBytes,
      traffic: trafficOf(history, peers.values()),
    };
  }

  report(): DatabaseReport {
    const { peers, locks, history } = this.#settings;
    const listedPeers: PeerReport[] = [];
    for (const peer of peers.values()) {
      if (listedPeers.length >= MAX_LISTED_PEERS) break;
      listedPeers.push(this.#reportOf(peer));
    }
    return {
      ...this.summary(),
      listedPeers,
      locks: locks.list(MAX_LISTED_LOCKS),
      ...reportOfHistory(history),
    };
  }

  /** Adds what the peers that are there have counted by themselves to what was counted of their database. */
  addTo(totals: ReadonlyMap<string, DatabaseCounters>): void {
    const { history, peers } = this.#settings;
    const counters = totals.get(history.label);
    if (counters === undefined) return;
    for (const { outbox } of peers.values()) {
      counters.sent += outbox.sent;
      counters.sentBytes += outbox.sentBytes;
      counters.droppedMail += outbox.dropped;
    }
  }

  #stateOf(peer: Peer): ReportedState {
    if (!isPresent(peer)) return 'away';
    const { seat } = this.#settings;
    return peer === seat.master && seat.isHeld ? 'settling' : 'connected';
  }

  #reportOf(peer: Peer): PeerReport {
    const { id, session, address, process, connectedAt, outbox, received, receivedBytes } = peer;
    const { table } = this.#settings;
    const state = this.#stateOf(peer);
    return {
      id,
      role: roleOf(peer),
      state,
      client: session?.client.name,
      keepsJournal: session?.can('journal') === true,
      address,
      pid: process?.pid,
      connectedAt,
      roundTrip: outbox.roundTrip,
      messagesIn: received,
      messagesOut: outbox.sent,
      bytesIn: receivedBytes,
      bytesOut: outbox.sentBytes,
      mail: state === 'settling' ? { messages: table.heldCount, bytes: table.heldBytes } : outbox.mail,
      buffered: state === 'away' ? 0 : outbox.bytes,
    };
  }
}

/** A database that nobody is connected to. */
export function reportOfLeft(name: string, history: History): DatabaseReport {
  return {
    name,
    label: history.label,
    hasMaster: false,
    masterAbsentFor: undefined,
    peers: noPeers(),
    peerCount: 0,
    journal: NO_JOURNAL,
    heldLocks: { held: 0, expired: 0 },
    waitingLocks: 0,
    oldestWaitingLock: undefined,
    waitingRequests: 0,
    waitingWorkers: 0,
    mail: { messages: 0, bytes: 0 },
    masterMail: { messages: 0, bytes: 0 },
    keptBytes: 0,
    bufferedBytes: 0,
    traffic: trafficOf(history, []),
    listedPeers: [],
    locks: { root: undefined, held: [], waiting: [] },
    ...reportOfHistory(history),
  };
}

function noPeers(): Record<'master' | 'worker', Record<ReportedState, number>> {
  return {
    master: { connected: 0, settling: 0, away: 0 },
    worker: { connected: 0, settling: 0, away: 0 },
  };
}

function roleOf({ isMaster }: Peer): 'master' | 'worker' {
  return isMaster ? 'master' : 'worker';
}

function trafficOf({ counters }: History, peers: Iterable<Peer>): Traffic {
  const { frames, bytes } = counters.received;
  let messagesOut = counters.sent;
  let bytesOut = counters.sentBytes;
  for (const { outbox } of peers) {
    messagesOut += outbox.sent;
    bytesOut += outbox.sentBytes;
  }
  return { messagesIn: frames, bytesIn: bytes, messagesOut, bytesOut };
}

function reportOfHistory({ counters, alarms, timeline }: History) {
  const { count, sum } = counters.lockWait;
  return { lockWait: { count, sum }, alarms, timeline };
}
