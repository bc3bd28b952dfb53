import type { RefusalCode } from '../../errors.js';
import type { ClientAnnouncement } from '../../protocol/session.js';
import type { Link, PeerProcess } from '../ports.js';
import type { Peer } from './peer.js';

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
}

/** What others may know of a peer. */
export function infoOf(database: string, peer: Peer): PeerInfo {
  const { id, address, connectedAt, isMaster, session, process } = peer;
  const role = isMaster ? 'master' : 'worker';
  return { database, id, role, address, connectedAt, client: session?.client.name, pid: process?.pid };
}

/** Is told of what happens, to pass it on to the user's program. */
export interface BrokerObserver {
  peerConnected(peer: PeerInfo): void;
  /** @param cause why, in a few words */
  peerDisconnected(peer: PeerInfo, cause: string): void;
}
