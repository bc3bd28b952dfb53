import { MASTER_ID } from '../../protocol/frames.js';
import type { Session } from '../../protocol/session.js';
import type { PeerProcess } from '../ports.js';
import type { Outbox } from './outbox.js';
import { RootView } from './root-tracker.js';

/**
 * Where a peer stands: `present`; `away`, its line is broken, and it may come back; `leaving`, it gets nothing more,
 * but what it sent before its connection ends is still passed on (answers of a master that said goodbye, for
 * instance); `gone`, it is not heard any more.
 */
export type PeerState = 'present' | 'away' | 'leaving' | 'gone';

/**
 * One AceBase process at one database. A worker that comes back on a new line is the same peer; a master that does is
 * a new one.
 */
export class Peer {
  readonly id: string;
  /** The id as it stands in messages. */
  readonly idBytes: Uint8Array;
  readonly outbox: Outbox;
  /** Where it connected from, for people to read. */
  address: string;
  /** When it connected: milliseconds since 1970, for people to read. */
  connectedAt: number;
  /** What it believes the root to be. */
  readonly root = new RootView();
  /** Its session, if it is a client of this package; stock clients have none. */
  session: Session | undefined;
  /** The process that it connected from, if it may be known whether that has ended. */
  process: PeerProcess | undefined;
  state: PeerState = 'present';
  /** The number of its line, from 1: what comes from an older one is not heard. */
  line = 1;
  /** Why it must not come back as it is; `undefined` if it may. */
  returnProblem: string | undefined;
  /** Whether anything came from it since the last heartbeat, and how many heartbeats it has been silent. */
  wasHeard = true;
  silentBeats = 0;
  /**
   * Whether its database file is known to be open. Before that it must hear of no root (it would write it into a file
   * that it has not opened, and die), and what it hears of keys is overwritten by the table it reads from the file.
   */
  hasFileOpen = false;
  /** Whether it may take part: it has the file of the database, as far as is known [PROTOCOL-14.9]. */
  isAccepted = true;
  /** Whether its client has said that its file is open [PROTOCOL-14.5]. */
  isReady = false;
  /** Frames, and bytes, that came from it. */
  received = 0;
  receivedBytes = 0;
  /** The peer that it wrote to last: most write to the same one again. */
  lastReceiver: Peer | undefined;

  constructor(id: string, address: string, connectedAt: number, outbox: Outbox) {
    this.id = id;
    // In the memory that short buffers share.
    this.idBytes = Buffer.from(id);
    this.address = address;
    this.connectedAt = connectedAt;
    this.outbox = outbox;
  }

  /** Whether it is the one that grants locks. */
  get isMaster(): boolean {
    return this.id === MASTER_ID;
  }

  /** A token for the next ping, higher than all before. */
  nextToken(): number {
    return this.outbox.nextToken();
  }
}

/** Whether a peer is part of its database: connected, or expected back. */
export function isThere({ state }: Peer): boolean {
  return state === 'present' || state === 'away';
}

/** Whether a peer is connected. */
export function isPresent({ state }: Peer): boolean {
  return state === 'present';
}

/** Bytes that wait for the lines of these peers. */
export function lineBytesOf(peers: Iterable<Peer>): number {
  let bytes = 0;
  for (const peer of peers) bytes += peer.outbox.lineBytes;
  return bytes;
}
