import type { DatabaseView } from '../../broker/database.js';
import type { JournalState } from '../../broker/journal-switch.js';
import { isPresent, type Peer } from '../../broker/peers/peer.js';
import type { Alarm, History, TimelineEntry } from './history.js';
import { type LockCounts, type LockList, lockListOf, NO_LOCKS } from './lock-list.js';

/** Peers of one database that a report lists. */
export const MAX_LISTED_PEERS = 500;

/** Locks of one database that a report lists: so many that are held, and so many that are waited for. */
export const MAX_LISTED_LOCKS = 200;

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

/** A database in numbers. @param now by the broker's clock */
export function summaryOf(view: DatabaseView, history: History, now: number): DatabaseSummary {
  const { peers, seat, requests, locks } = view;
  const { table, queue } = locks;
  const states = noPeers();
  const masterMail = { messages: requests.heldCount, bytes: requests.heldBytes };
  let { messages, bytes } = masterMail;
  let bufferedBytes = 0;
  for (const peer of peers.values()) {
    states[roleOf(peer)][stateOf(peer, seat)]++;
    const { mail, lineBytes } = peer.outbox;
    messages += mail.messages;
    bytes += mail.bytes;
    bufferedBytes += lineBytes;
  }
  const hasMaster = seat.master !== undefined && isPresent(seat.master);
  const counts = requests.count();
  const waitingWorkers = new Set(counts.workers);
  for (const { requester } of queue.all()) waitingWorkers.add(requester);
  return {
    name: view.name,
    label: history.label,
    hasMaster,
    masterAbsentFor: hasMaster ? undefined : now - view.masterLeftAt,
    peers: states,
    peerCount: peers.size,
    journal: view.journal,
    heldLocks: { held: table.size, expired: table.expiredCount },
    waitingLocks: queue.size,
    oldestWaitingLock: queue.first === undefined ? undefined : now - queue.first.since,
    waitingRequests: counts.requests + queue.size,
    waitingWorkers: waitingWorkers.size,
    mail: { messages, bytes },
    masterMail,
    keptBytes: view.keptBytes,
    bufferedBytes,
    traffic: trafficOf(history, peers.values()),
  };
}

/** A database as it is. @param now by the broker's clock */
export function reportOf(view: DatabaseView, history: History, now: number): DatabaseReport {
  const listedPeers: PeerReport[] = [];
  for (const peer of view.peers.values()) {
    if (listedPeers.length >= MAX_LISTED_PEERS) break;
    listedPeers.push(peerReportOf(peer, view));
  }
  return {
    ...summaryOf(view, history, now),
    listedPeers,
    locks: lockListOf(view.locks, now, MAX_LISTED_LOCKS),
    ...reportOfHistory(history),
  };
}

function stateOf(peer: Peer, seat: DatabaseView['seat']): ReportedState {
  if (!isPresent(peer)) return 'away';
  return peer === seat.master && seat.isHeld ? 'settling' : 'connected';
}

function peerReportOf(peer: Peer, { seat, requests }: DatabaseView): PeerReport {
  const { id, session, address, process, connectedAt, outbox, received, receivedBytes } = peer;
  const state = stateOf(peer, seat);
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
    mail: state === 'settling' ? { messages: requests.heldCount, bytes: requests.heldBytes } : outbox.mail,
    buffered: state === 'away' ? 0 : outbox.bytes,
  };
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
    journal: { isInForce: false, without: [], withoutCount: 0 },
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
    locks: NO_LOCKS,
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
