import { MASTER_ID } from '../../protocol/frames.js';
import type { RecordAddress } from '../../protocol/messages.js';
import type { ClientAbility, Session } from '../../protocol/session.js';
import { invariant } from '../invariants.js';
import { EARLY_TIMER_MS } from '../limits.js';
import type { Cancel, PeerProcess } from '../ports.js';
import type { Outbox } from './outbox.js';
import { RootView } from './root-tracker.js';

/**
 * Where a peer stands: `present`; `away`, its line is broken, and it may come back; `leaving`, it gets nothing more,
 * but what it sent before its connection ends is still passed on (answers of a master that said goodbye, for
 * instance); `gone`, it is not heard any more.
 */
export type PeerState = 'present' | 'away' | 'leaving' | 'gone';

/** How a peer is connected. */
export interface PeerConnection {
  /** Where it connects from, for people to read. */
  readonly address: string;
  /** When it connected: milliseconds since 1970, for people to read. */
  readonly connectedAt: number;
  /** The process that it connects from, if it may be known whether that has ended. */
  readonly process?: PeerProcess | undefined;
}

/** What is to happen when a peer has read all that was sent before a ping. */
interface Awaited {
  readonly token: number;
  readonly act: () => void;
}

/**
 * One AceBase process at one database. A worker that comes back on a new line is the same peer; a master that does is
 * a new one. Where it stands changes here, by methods that name what has happened; what is noted of it besides are plain fields.
 */
export class Peer {
  readonly id: string;
  /** The id as it stands in messages. */
  readonly idBytes: Uint8Array;
  readonly outbox: Outbox;
  /** What it believes the root to be. */
  readonly root = new RootView();
  /** Its session, if it is a client of this package; stock clients have none. */
  readonly session: Session | undefined;
  /** Why it must not come back as it is; `undefined` if it may. */
  returnProblem: string | undefined;
  /**
   * Whether its database file is known to be open. Before that it must hear of no root (it would write it into a file
   * that it has not opened, and die), and what it hears of keys is overwritten by the table it reads from the file.
   */
  hasFileOpen = false;
  /** Whether it may take part: it has the file of the database, as far as is known [PROTOCOL-14.9]. */
  isAccepted = true;
  /** Whether it was found to have another file than the others, and must go. */
  hasOtherFile = false;
  /** Whether its client has said that its file is open, and where it found the root then, if it said so [PROTOCOL-14.5]. */
  isReady = false;
  openedRoot: RecordAddress | undefined;
  /** Since when it says, as a master, that its transactions wait for the lock of the workers, by the broker's clock [PROTOCOL-14.10]. */
  wantsTurnSince: number | undefined;
  /** Frames, and bytes, that came from it. */
  received = 0;
  receivedBytes = 0;
  /** The peer that it wrote to last: most write to the same one again. */
  lastReceiver: Peer | undefined;
  #connection: PeerConnection;
  #state: PeerState = 'present';
  #line = 1;
  #awaySince: number | undefined;
  /** In the order of the pings. */
  #awaited: Awaited[] = [];

  constructor(id: string, connection: PeerConnection, outbox: Outbox, session?: Session) {
    this.id = id;
    // In the memory that short buffers share.
    this.idBytes = Buffer.from(id);
    this.#connection = connection;
    this.outbox = outbox;
    this.session = session;
  }

  /** Whether it is the one that grants locks. */
  get isMaster(): boolean {
    return this.id === MASTER_ID;
  }

  /** Whether its client can do that; a stock client can nothing of the kind. */
  can(ability: ClientAbility): boolean {
    return this.session?.can(ability) === true;
  }

  get state(): PeerState {
    return this.#state;
  }

  /** The number of its line, from 1: what comes from an older one is not heard. */
  get line(): number {
    return this.#line;
  }

  /** Where it connected from, for people to read. */
  get address(): string {
    return this.#connection.address;
  }

  /** When it connected: milliseconds since 1970, for people to read. */
  get connectedAt(): number {
    return this.#connection.connectedAt;
  }

  /** The process that it connected from, if it may be known whether that has ended. */
  get process(): PeerProcess | undefined {
    return this.#connection.process;
  }

  /**
   * Whether one that is gone writes nothing under its locks any more: it has said that it ends, or the system says that it has; or
   * its time is over, in which it must have noticed that its line is lost. What it writes to another file concerns nobody here.
   *
   * @param now by the broker's clock
   * @param grace milliseconds: `reconnectGrace`
   */
  hasStopped(now: number, grace: number): boolean {
    if (this.#awaySince === undefined || this.hasOtherFile) return true;
    return now - this.#awaySince >= grace - EARLY_TIMER_MS || this.process?.hasEnded() === true;
  }

  /**
   * Sends a ping. Calls `act`, once, when the peer has read everything that was sent before it; on a later line, if this one is lost. It is
   * not called if the peer does not come back.
   *
   * @returns to be called if that does not matter any more
   */
  whenRead(act: () => void): Cancel {
    const awaited = { token: this.outbox.nextToken(), act };
    this.#awaited.push(awaited);
    this.outbox.ping(awaited.token);
    return () => {
      this.#awaited = this.#awaited.filter((other) => other !== awaited);
    };
  }

  /** The pong to the ping with that token came. */
  acknowledge(token: number): void {
    this.outbox.acknowledge(token);
    for (let [first] = this.#awaited; first !== undefined && first.token <= token; [first] = this.#awaited) {
      this.#awaited.shift();
      first.act();
    }
  }

  /** What still comes on its line is not heard: its order against what comes on the next one would not be known. */
  lostLine(): void {
    invariant(this.#state === 'present', 'peer-state');
    this.#line++;
  }

  /** Its line is lost, and it may come back. @param since by the broker's clock: nothing has been heard of it from then on */
  isAway(since: number, returnProblem: string | undefined): void {
    invariant(this.#state === 'present', 'peer-state');
    this.#state = 'away';
    this.#awaySince = since;
    this.returnProblem = returnProblem;
  }

  /** It is back, on a new line. */
  cameBack(connection: PeerConnection): void {
    invariant(this.#state === 'away', 'peer-state');
    this.#connection = connection;
    this.#state = 'present';
    this.#awaySince = undefined;
  }

  /** It is no longer part of its database. It may have a connection yet, on which it gets nothing more; one that is away has none. */
  leave(): void {
    invariant(isThere(this), 'peer-state');
    this.#state = this.#state === 'present' ? 'leaving' : 'gone';
  }

  /** It is not heard any more. */
  end(): void {
    invariant(!isThere(this), 'peer-state');
    this.#state = 'gone';
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

/** Whether a peer is a worker with a stock client, which does with what it hears what AceBase does. */
export function isStockWorker({ isMaster, session }: Peer): boolean {
  return !isMaster && session === undefined;
}

/** Whether a peer is connected that will not ask the next server again for what it has no answer to. */
export function asksOnlyHere(peer: Peer): boolean {
  return isPresent(peer) && !peer.can('resume');
}

/** Bytes that wait for the lines of these peers. */
export function lineBytesOf(peers: Iterable<Peer>): number {
  let bytes = 0;
  for (const peer of peers) bytes += peer.outbox.lineBytes;
  return bytes;
}
