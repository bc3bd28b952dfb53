import type { ClosureCode } from '../../errors.js';
import { connected, helloFrom } from '../../protocol/frames.js';
import {
  FAREWELL_MS,
  FIRST_PROCESS_CHECK_MS,
  HOLDER_LOOK_MS,
  HOLDER_LOOKS,
  type Limits,
  MAX_GONE_IDS,
  PROCESS_CHECK_MS,
  SHORTEST_HOLDER_SILENCE_MS,
} from '../limits.js';
import type { BrokerObserver, Cancel, Clock, DatabaseRecord, Scope } from '../ports.js';
import { infoOf } from './admission.js';
import type { Delivery } from './delivery.js';
import type { Peer } from './peer.js';

/** Why a worker must not come back for which not everything could be kept. */
const NO_ROOM = 'there was no room to keep all that was said to it';

/** What absences ask of their database. */
export interface AbsencesHost {
  /** A worker has no line any more, and is waited for. @param silence milliseconds for which nothing was heard of it before */
  left(worker: Peer, cause: string, silence: number): void;
  /** A worker is gone for good. */
  depart(worker: Peer, cause: string): void;
}

/** What absences work with. */
export interface AbsencesSettings extends Pick<Scope, 'clock' | 'limits' | 'incidents'> {
  readonly locks: { isHolder(worker: Peer): boolean };
  readonly goneIds: GoneIds;
}

/**
 * Workers whose line broke, and who may come back (docs/PROTOCOL.md, section 13).
 *
 * A stock client cannot tell what of its last messages arrived, and asks for nothing again. So it must not go on if
 * that matters: if it held a lock (giving it back may have been lost), or if an answer may have reached it, or may not
 * (a second one would end it, and none would let it wait for ever). It is refused then, ends, and is started afresh.
 *
 * A client that has a session knows what arrived, and asks again for the rest: it comes back as it went, and a master
 * of that kind is waited for like a worker.
 */
export class Absences {
  readonly #settings: AbsencesSettings;
  readonly #host: AbsencesHost;
  readonly #grace = new Map<Peer, Cancel>();

  constructor(settings: AbsencesSettings, host: AbsencesHost) {
    this.#settings = settings;
    this.#host = host;
  }

  /**
   * The line of a worker that is present broke; with `code`, it is ended here.
   *
   * @param silence milliseconds for which nothing was heard of it before, and which are part of its time
   */
  begin(worker: Peer, cause: string, code: ClosureCode | undefined, silence: number): void {
    const { clock, limits } = this.#settings;
    // What still comes on the old line is not heard: its order against the new one is not known.
    worker.lostLine();
    if (code !== undefined) worker.outbox.closeLine(code);
    const isAllKept = worker.outbox.detach();
    if (limits.reconnectGrace === 0) {
      worker.outbox.discard();
      this.#host.depart(worker, cause);
      return;
    }
    worker.isAway(clock.now() - silence, this.#returnProblemOf(worker, isAllKept));
    if (worker.returnProblem !== undefined) worker.outbox.discard();
    const cancelGrace = clock.schedule(Math.max(0, limits.reconnectGrace - silence), () =>
      this.#isGone(worker, 'did not come back'),
    );
    const cancelWatch = this.#watch(worker);
    this.#grace.set(worker, () => {
      cancelGrace();
      cancelWatch();
    });
    this.#host.left(worker, cause, silence);
  }

  /** A worker that is away is at the door. @returns whether it may come in as it is */
  mayReturn(worker: Peer, address: string): boolean {
    if (worker.returnProblem === undefined) return true;
    const fields = { peer: worker.id, address, why: worker.returnProblem };
    this.#settings.incidents.record('unsafe-return', fields);
    return false;
  }

  /**
   * Too much is kept for a worker that is away: it must not come back. Its locks are its own all the same, until it must
   * have noticed that its line is broken: it may be writing.
   */
  dropMail(worker: Peer): void {
    const { incidents, limits } = this.#settings;
    incidents.record('mail-dropped', { peer: worker.id, maxMailPerPeer: limits.maxMailPerPeer });
    this.giveUp(worker);
  }

  /** Nothing more is kept for a peer that is away: it must not come back. */
  giveUp(peer: Peer, why = NO_ROOM): void {
    peer.outbox.discard();
    peer.returnProblem = why;
  }

  /** Right after its line broke: why it must not come back as it is. */
  #returnProblemOf(worker: Peer, isAllKept: boolean): string | undefined {
    if (!isAllKept) return NO_ROOM;
    if (worker.can('resume')) return undefined;
    if (worker.isMaster) return 'a stock master believes in locks that others may have by now';
    if (this.#settings.locks.isHolder(worker)) return 'it held a lock when its line broke';
    return worker.outbox.hasAnswerInDoubt ? 'an answer to it was under way when its line broke' : undefined;
  }

  /** Looks whether the process of a worker that is away has ended: then there is nothing to wait for. */
  #watch(worker: Peer): Cancel {
    const { clock } = this.#settings;
    let cancel: Cancel = () => undefined;
    const look = (): void => {
      if (worker.process?.hasEnded() === true) this.#isGone(worker, 'its process has ended');
      else cancel = clock.schedule(PROCESS_CHECK_MS, look);
    };
    // Its connection ends a moment before the process has.
    if (worker.process !== undefined) cancel = clock.schedule(FIRST_PROCESS_CHECK_MS, look);
    return () => cancel();
  }

  #isGone(worker: Peer, cause: string): void {
    if (!worker.isMaster) this.#settings.goneIds.add(worker.id);
    this.#host.depart(worker, cause);
  }

  /** The worker is back, or gone. */
  end(worker: Peer): void {
    this.#grace.get(worker)?.();
    this.#grace.delete(worker);
  }

  /** Nobody is waited for any more. */
  stop(): void {
    for (const cancel of this.#grace.values()) cancel();
    this.#grace.clear();
  }
}

/** The ids of workers that said goodbye. A process that did so must not come back under the same id [PROTOCOL-2.7]. */
export class GoneIds {
  readonly #ids = new Set<string>();

  /** Remembers an id; the oldest is forgotten when there are too many. */
  add(id: string): void {
    this.#ids.add(id);
    if (this.#ids.size <= MAX_GONE_IDS) return;
    for (const oldest of this.#ids) {
      this.#ids.delete(oldest);
      return;
    }
  }

  has(id: string): boolean {
    return this.#ids.has(id);
  }
}

/**
 * Ends the connections of masters that said goodbye, but not before they have answered what was passed on to them
 * earlier [PROTOCOL-9.5].
 *
 * A stock client that reads a close frame sends nothing any more, and it answers requests some turns after it has read
 * them: a close frame right behind a request swallows the answer, and a worker waits for ever. The answer to a ping
 * shows that the requests before it were read, and the close frame comes a round trip later.
 */
export class Farewells {
  readonly #clock: Clock;
  /** With what ends the time of each. */
  readonly #open = new Map<Peer, Cancel>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** A master said goodbye; nothing more is sent to it. */
  begin(master: Peer): void {
    const cancelTimeout = this.#clock.schedule(FAREWELL_MS, () => {
      this.#end(master);
      // Whatever it says when it wakes up, it says to a cluster that may have another master.
      master.end();
    });
    this.#open.set(master, cancelTimeout);
    master.whenRead(() => {
      if (this.#open.has(master)) this.#end(master);
    });
  }

  /** The peer's connection has ended by itself. */
  left(peer: Peer): void {
    this.#open.get(peer)?.();
    this.#open.delete(peer);
  }

  /** Ends them all now. */
  stop(): void {
    for (const peer of [...this.#open.keys()]) this.#end(peer);
  }

  #end(peer: Peer): void {
    this.left(peer);
    peer.outbox.close('IPC_CLOSED_GOODBYE');
  }
}

/** What it takes to introduce somebody. */
export interface Circle {
  readonly peers: ReadonlyMap<string, Peer>;
  /** The master, and whether it gets nothing yet. */
  readonly seat: { readonly master: Peer | undefined; readonly isHeld: boolean };
  readonly delivery: Delivery;
}

/** Brings a newcomer and everybody else together [PROTOCOL-8.1]. */
export function introduce(newcomer: Peer, { peers, seat, delivery }: Circle): void {
  const arrival = connected(newcomer.id);
  const hello = helloFrom(newcomer.id);
  // A master that settles hears of nobody yet; all are introduced to it when it gets its mail.
  const held = seat.isHeld ? seat.master : undefined;
  const settling = newcomer.isMaster ? newcomer : held;
  for (const other of peers.values()) {
    if (other === newcomer) continue;
    if (other !== settling) {
      delivery.send(other, arrival);
      delivery.send(other, hello);
    }
    if (newcomer !== settling) delivery.send(newcomer, helloFrom(other.id));
  }
}

/** What a membership log works with. */
export interface MembershipLogSettings extends Pick<Scope, 'database' | 'clock' | 'logger'> {
  readonly observer: BrokerObserver;
  readonly record: DatabaseRecord;
}

/** Writes down who comes and who goes: for the log, for the program that embeds the server, and for whoever looks back. */
export class MembershipLog {
  readonly #settings: MembershipLogSettings;
  #masterLeftAt: number;

  constructor(settings: MembershipLogSettings) {
    this.#settings = settings;
    this.#masterLeftAt = settings.clock.now();
  }

  /** When the last master that was connected lost its line; when the database was opened, if there was none. */
  get masterLeftAt(): number {
    return this.#masterLeftAt;
  }

  /** @param how in a few words; @param peers how many there are now */
  came(peer: Peer, how: 'connected' | 'connected again' | 'resumed its session', peers: number): void {
    const { database, logger, observer, record } = this.#settings;
    const { id, address, session } = peer;
    const fields = { database, peer: id, address, peers };
    const client = session?.client.name;
    logger.info(client === undefined ? fields : { ...fields, client }, `peer ${how}`);
    if (how !== 'connected') record.counters.reconnects++;
    if (how === 'resumed its session') record.counters.resumedSessions++;
    record.note('came', id, `${how}, from ${address}`);
    observer.peerConnected(infoOf(database, peer));
  }

  /** A peer has no line any more, and is waited for. */
  lostLine(peer: Peer, cause: string, silence: number): void {
    const { database, logger, observer, record } = this.#settings;
    const { id, address } = peer;
    logger.info({ database, peer: id, address, cause, silence }, 'peer disconnected; it may reconnect');
    record.note('away', id, `lost its line: ${cause}`);
    this.#isAbsent(peer);
    observer.peerDisconnected(infoOf(database, peer), cause);
  }

  /** A peer is gone; `wasPresent`, if it had a line until now. */
  went(peer: Peer, cause: string, peers: number, wasPresent: boolean): void {
    const { database, logger, observer, record } = this.#settings;
    const { id, address, outbox } = peer;
    logger.info({ database, peer: id, address, cause, peers }, 'peer disconnected');
    const { counters } = record;
    counters.sent += outbox.sent;
    counters.sentBytes += outbox.sentBytes;
    counters.droppedMail += outbox.dropped;
    record.note('went', id, cause);
    if (!wasPresent) return;
    this.#isAbsent(peer);
    observer.peerDisconnected(infoOf(database, peer), cause);
  }

  /** The master has opened its file, and gets what waited for it. */
  masterIsReady(master: Peer, mail: number): void {
    const { record } = this.#settings;
    const what = mail === 0 ? '' : `; ${mail} ${mail === 1 ? 'message' : 'messages'} waited for it`;
    record.note('master', master.id, `has its file open${what}`);
  }

  #isAbsent({ isMaster }: Peer): void {
    if (isMaster) this.#masterLeftAt = this.#settings.clock.now();
  }
}

/** How a heartbeat beats, and for whom. */
export interface HeartbeatSettings {
  readonly clock: Pick<Clock, 'schedule'>;
  readonly peers: ReadonlyMap<string, Peer>;
  /** Milliseconds between two beats. */
  readonly interval: number;
  /** Milliseconds of silence after which a peer is silent. */
  readonly timeout: number;
  /** Whether the silence of that peer, which is present, is looked at. When it is looked at again, its silence begins anew. */
  concerns(peer: Peer): boolean;
  /** Nothing came from a peer for `timeout`. @param silence {@link Heartbeat.silenceOf} */
  silent(peer: Peer, silence: number): void;
  /** A beat is over. */
  beaten?(): void;
}

/** What was known of a line at the last beat. */
interface Observation {
  readonly line: number;
  readonly bytes: number;
  /** How many beats before that one brought nothing. */
  readonly silentBeats: number;
}

/**
 * Finds peers whose line is dead though nobody said so (docs/PROTOCOL.md, section 13.5): who was silent since the last
 * beat is asked for a pong, which every WebSocket client gives by itself.
 *
 * Bytes are looked at, not frames: a large frame that is under way on a slow line is no silence. And beats are counted, not
 * milliseconds: a server that was itself stopped for a while must not blame its peers.
 */
export class Heartbeat {
  readonly #settings: HeartbeatSettings;
  #observations = new Map<Peer, Observation>();
  #cancelNext: Cancel | undefined;

  constructor(settings: HeartbeatSettings) {
    this.#settings = settings;
  }

  /** Beats from now on. */
  start(): void {
    this.#cancelNext ??= this.#settings.clock.schedule(this.#settings.interval, () => {
      this.#cancelNext = undefined;
      this.#beat();
    });
  }

  /** Beats no more. */
  stop(): void {
    this.#cancelNext?.();
    this.#cancelNext = undefined;
    this.#observations.clear();
  }

  /** Milliseconds for which nothing has come from that peer, by the beats that were counted: never more than have passed. */
  silenceOf(peer: Peer): number {
    const seen = this.#observations.get(peer);
    return seen === undefined || hasSpoken(peer, seen) ? 0 : seen.silentBeats * this.#settings.interval;
  }

  #beat(): void {
    const { peers, interval, timeout, concerns, silent, beaten } = this.#settings;
    const before = this.#observations;
    this.#observations = new Map();
    for (const peer of [...peers.values()]) {
      if (peer.state !== 'present' || !concerns(peer)) continue;
      const observation = observe(peer, before.get(peer));
      this.#observations.set(peer, observation);
      const silence = observation.silentBeats * interval;
      if (silence >= timeout) {
        silent(peer, silence);
        continue;
      }
      // One that is not pinged for what it has read is so here: how long its way is, somebody may want to know.
      if (silence > 0 || !peer.outbox.isTracked) peer.outbox.ping(peer.outbox.nextToken());
    }
    beaten?.();
    if (peers.size > 0) this.start();
  }
}

function observe(peer: Peer, before: Observation | undefined): Observation {
  const silentBeats = before === undefined || hasSpoken(peer, before) ? 0 : before.silentBeats + 1;
  return { line: peer.line, bytes: peer.outbox.bytesReceived, silentBeats };
}

/** Whether anything has come since, or on another line. */
function hasSpoken({ line, outbox }: Peer, before: Observation): boolean {
  return before.line !== line || before.bytes !== outbox.bytesReceived;
}

/**
 * When a client that has a lease, and that others wait for, is given up: its time begins when it falls silent. Its line is not ended before. It may be
 * stopped, or busy, and go on; if the line is dead, it comes on another one. Its lease ends before, since that counts from the last ping that was answered.
 *
 * @returns milliseconds: from look to look, and altogether
 */
export function holderPulse({ reconnectGrace }: Pick<Limits, 'reconnectGrace'>): {
  readonly interval: number;
  readonly timeout: number;
} {
  const timeout = Math.max(SHORTEST_HOLDER_SILENCE_MS, reconnectGrace);
  return { interval: Math.min(HOLDER_LOOK_MS, timeout / HOLDER_LOOKS), timeout };
}
