import type { RefusalCode } from '../../errors.js';
import { MASTER_ID } from '../../protocol/frames.js';
import { type ClientAnnouncement, Session } from '../../protocol/session.js';
import type { Link, PeerProcess, Scope } from '../ports.js';
import { Outbox } from './outbox.js';
import { Peer } from './peer.js';

/** Someone asks to join a database. Name, id, version and token were checked before. */
export interface ArrivalRequest {
  readonly database: string;
  readonly peerId: string;
  /** Where the connection comes from, for people to read. */
  readonly address: string;
  /** What it says of itself; stock clients say nothing. */
  readonly client?: ClientAnnouncement | undefined;
  /** Its process, if it may be known whether that has ended. */
  readonly process?: PeerProcess | undefined;
}

/**
 * The door at which one connection waits. Exactly one of the two is called, once; `refuse` also later than `arrive`
 * returned, and so is `accept` (a second master waits for some seconds).
 */
export interface Entrance {
  /** Completes the handshake. The visitor is not called before this returns. */
  accept(visitor: Visitor): Link;
  /** Answers the handshake with the status of that error. @param detail in the place of its summary */
  refuse(code: RefusalCode, detail?: string): void;
}

/** What the shell tells the broker about a connection that was accepted. */
export interface Visitor {
  /** A text frame came. The bytes never change afterwards. */
  receive(frame: Uint8Array): void;
  /** The pong to a ping with that token came. */
  acknowledge(token: number): void;
  /** Whether the pong to a ping of the peer may tell it that its place is kept [PROTOCOL-14.11]. */
  readonly isPlaceKept: boolean;
  /** The connection is over, for whatever reason. Later calls are ignored. */
  left(cause: string): void;
}

/** A connection that was accepted, as others may know of it. */
export interface PeerInfo {
  readonly database: string;
  readonly id: string;
  readonly role: 'master' | 'worker';
  /** Where it connects from. */
  readonly address: string;
  /** When it connected: milliseconds since 1970. */
  readonly connectedAt: number;
  /** Name and version of its client; `undefined` if it does not say, as stock clients. */
  readonly client: string | undefined;
  /** The number of its process, if that is on this machine and was found (`watchProcesses`). */
  readonly pid: number | undefined;
  /** Whether its client keeps a journal while it is in force (docs/PROTOCOL.md, section 16). */
  readonly keepsJournal: boolean;
}

/** What others may know of a peer. */
export function infoOf(database: string, peer: Peer): PeerInfo {
  const { id, address, connectedAt, isMaster, session, process } = peer;
  const role = isMaster ? 'master' : 'worker';
  const keepsJournal = session?.can('journal') === true;
  const [client, pid] = [session?.client.name, process?.pid];
  return { database, id, role, address, connectedAt, client, pid, keepsJournal };
}

/** Is told of what happens, to pass it on to the user's program. */
export interface BrokerObserver {
  peerConnected(peer: PeerInfo): void;
  /** @param cause why, in a few words */
  peerDisconnected(peer: PeerInfo, cause: string): void;
}

/** What a newcomer is given. */
export interface NewcomerSettings extends Pick<Scope, 'clock' | 'limits' | 'incidents' | 'kept'> {
  readonly link: Link;
  /** Milliseconds since 1970. */
  readonly connectedAt: number;
  /** How many frames have come to the database so far. */
  readonly framesSoFar: () => number;
  /** A number for a message that is to be picked up, which no other one of the database had. */
  readonly nextMessageNumber: () => number;
}

/** A peer that has just been let in. Nothing was said to it. */
export function newcomer(
  { peerId, address, client, process }: ArrivalRequest,
  settings: NewcomerSettings,
): Peer {
  const { link, connectedAt } = settings;
  // What a stock master has read matters to nobody: it is never given its mail again.
  const isTracked = peerId !== MASTER_ID || client !== undefined;
  const outbox = new Outbox(link, { ...settings, peerId, isTracked, isCounted: client !== undefined });
  const session = client && new Session(client, connectedAt);
  return new Peer(peerId, { address, connectedAt, process }, outbox, session);
}

/** What a database does for its peers. */
export interface PeerHost {
  receive(sender: Peer, frame: Uint8Array): void;
  left(peer: Peer, cause: string): void;
  isPlaceKept(peer: Peer): boolean;
}

/** The visitor for one line of a peer: what comes on another line of it is not heard. */
export class LineVisitor implements Visitor {
  /** To be set before anything is heard. */
  peer: Peer | undefined;
  readonly #line: number;
  readonly #host: PeerHost;

  /** @param line its number */
  constructor(line: number, host: PeerHost) {
    this.#line = line;
    this.#host = host;
  }

  receive(frame: Uint8Array): void {
    if (this.peer?.line === this.#line) this.#host.receive(this.peer, frame);
  }

  acknowledge(token: number): void {
    if (this.peer?.line === this.#line) this.peer.acknowledge(token);
  }

  get isPlaceKept(): boolean {
    return this.peer === undefined || this.#host.isPlaceKept(this.peer);
  }

  left(cause: string): void {
    if (this.peer?.line === this.#line) this.#host.left(this.peer, cause);
  }
}

/** Since when a server serves. */
export interface Service {
  /** When it was started, or last ended a database whose peers come back as after a restart; by the broker's clock. */
  readonly startedAt: number;
  /** The same in milliseconds since 1970: a session that began here since and is not known was given up. */
  readonly servedSince: number;
}

/**
 * Whether a client that is not known here had a session that began here: it was given up, and perhaps forgotten with all others. Where
 * nobody is waited for, that says nothing.
 */
export function wasGivenUp(
  client: ClientAnnouncement | undefined,
  servedSince: number,
  reconnectGrace: number,
): boolean {
  return client?.received !== undefined && reconnectGrace > 0 && (client.since ?? 0) >= servedSince;
}

/** Whether that peer is at the door again, in the session that it has here. */
export function isSameSession({ session }: Peer, { client }: ArrivalRequest): boolean {
  return session !== undefined && client?.session === session.id;
}

/**
 * Whether that master has to go when another one is at the door: both were at a server that is gone, and the one that has come
 * later there had taken the place of the other, which has not noticed [PROTOCOL-14.5].
 */
export function isSuperseded(master: Peer, request: ArrivalRequest): boolean {
  if (isSameSession(master, request)) return false;
  const [its, other] = [master.session?.client, request.client];
  if (its?.received === undefined || other?.received === undefined) return false;
  return (other.since ?? 0) > (its.since ?? 0);
}

/**
 * How many frames a client that comes back has read of its session here: none, if the line broke before it had read the
 * welcome. `undefined` for a client that has no session here.
 */
export function positionOf(
  peer: Peer,
  request: ArrivalRequest,
): { readonly received: number | undefined; readonly isKnown: boolean } {
  const { client } = request;
  if (client === undefined || !isSameSession(peer, request)) return { received: undefined, isKnown: false };
  const isKnown = peer.session?.isKnownTo(client) === true;
  return { received: isKnown ? client.received : 0, isKnown };
}
