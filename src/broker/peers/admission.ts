import { MASTER_ID } from '../../protocol/frames.js';
import { type ClientAnnouncement, Session } from '../../protocol/session.js';
import type { Limits } from '../limits.js';
import type { ArrivalRequest, Cancel, Clock, Entrance, Link, PeerInfo, Scope, Visitor } from '../ports.js';
import { Outbox, type OutboxSettings } from './outbox.js';
import { Peer } from './peer.js';

/** What others may know of a peer. */
export function infoOf(database: string, peer: Peer): PeerInfo {
  const { id, address, connectedAt, isMaster, session, process } = peer;
  const role = isMaster ? 'master' : 'worker';
  const keepsJournal = peer.can('journal');
  const [client, pid] = [session?.client.name, process?.pid];
  return { database, id, role, address, connectedAt, client, pid, keepsJournal };
}

/** What a newcomer is given. */
export interface NewcomerSettings extends Omit<OutboxSettings, 'peerId' | 'isTracked' | 'isCounted'> {
  readonly link: Link;
  /** Milliseconds since 1970. */
  readonly connectedAt: number;
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

/**
 * Whether a client that is not known here had a session that began here: it was given up, and perhaps forgotten with all others. Where
 * nobody is waited for, that says nothing. The time alone would not do: the clock may have been set back since that session began at the last server.
 */
export function wasGivenUp(
  client: ClientAnnouncement | undefined,
  {
    server,
    servedSince,
    limits,
  }: Pick<Scope, 'server' | 'servedSince'> & { readonly limits: Pick<Limits, 'reconnectGrace'> },
): boolean {
  if (client?.received === undefined || limits.reconnectGrace === 0) return false;
  return (client.server ?? server) === server && (client.since ?? 0) >= servedSince;
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

/** Somebody who asks to be let in. */
export interface Caller {
  readonly request: ArrivalRequest;
  readonly entrance: Entrance;
  /** When it came, by the broker's clock. */
  readonly since: number;
}

/** What somebody waits for: that the file is found that its process has open; that the journal is empty; or the seat of the master. */
export type Awaited = 'file' | 'journal' | 'seat';

/** Somebody has to wait. */
export interface Wait {
  readonly awaits: Awaited;
  /** When it is asked again at the latest, by the broker's clock. */
  readonly until: number;
  /** Is asked again after everything that happens in the database. @returns `undefined` if it has its answer: it was let in, or refused */
  again(): Wait | undefined;
  /** It has gone away by itself. */
  left?(): void;
}

/** One that waits. */
interface Waiting {
  readonly wait: Wait;
  readonly cancelTimer: Cancel;
}

/** Those who have asked to be let in, and have to wait. In the order of their coming, of those who wait for the same. */
export class Door {
  readonly #clock: Clock;
  readonly #waiting: Readonly<Record<Awaited, Map<Caller, Waiting>>> = {
    file: new Map(),
    journal: new Map(),
    seat: new Map(),
  };

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Whether anybody waits. */
  get isHolding(): boolean {
    return Object.values(this.#waiting).some(({ size }) => size > 0);
  }

  /** Whether anybody waits for that. @param peerId whether anybody does who wants to be that peer */
  isAnyoneWaitingFor(awaited: Awaited, peerId?: string): boolean {
    const callers = this.#waiting[awaited];
    if (peerId === undefined) return callers.size > 0;
    for (const { request } of callers.keys()) if (request.peerId === peerId) return true;
    return false;
  }

  /** Those who wait for that. */
  waitingFor(awaited: Awaited): readonly ArrivalRequest[] {
    return [...this.#waiting[awaited].keys()].map(({ request }) => request);
  }

  /** Somebody has come. @param wait `undefined` if it has its answer @returns to be called if it goes away */
  receive(caller: Caller, wait: Wait | undefined): Cancel {
    this.#keep(caller, undefined, wait);
    return () => {
      const former = this.#find(caller);
      former?.wait.left?.();
      this.#keep(caller, former, undefined);
    };
  }

  /**
   * To be called after everything that happens in the database: asks those again who wait for something that may be decided.
   *
   * @param decided what may be
   * @returns whether anybody waits no more, or for something else
   */
  review(decided: readonly Awaited[]): boolean {
    let hasChanged = false;
    for (const awaited of decided) {
      const callers = this.#waiting[awaited];
      // Asked with every frame, and hardly ever does anybody wait.
      if (callers.size === 0) continue;
      for (const [caller, waiting] of [...callers]) {
        if (callers.get(caller) !== waiting) continue;
        const next = waiting.wait.again();
        this.#keep(caller, this.#find(caller), next);
        if (next?.awaits !== awaited) hasChanged = true;
      }
    }
    return hasChanged;
  }

  #find(caller: Caller): Waiting | undefined {
    const { file, journal, seat } = this.#waiting;
    return file.get(caller) ?? journal.get(caller) ?? seat.get(caller);
  }

  #keep(caller: Caller, former: Waiting | undefined, wait: Wait | undefined, isDue = false): void {
    const isForTheSame = wait !== undefined && wait.awaits === former?.wait.awaits;
    if (former !== undefined && !isForTheSame) this.#waiting[former.wait.awaits].delete(caller);
    if (isForTheSame && !isDue && wait.until === former?.wait.until) {
      this.#waiting[wait.awaits].set(caller, { wait, cancelTimer: former.cancelTimer });
      return;
    }
    former?.cancelTimer();
    if (wait === undefined) return;
    const rest = Math.max(0, wait.until - this.#clock.now());
    const cancelTimer = this.#clock.schedule(rest, () => {
      const due = this.#find(caller);
      this.#keep(caller, due, due?.wait.again(), true);
    });
    this.#waiting[wait.awaits].set(caller, { wait, cancelTimer });
  }
}
