import type { ClosureCode } from '../errors.js';
import { refused } from '../protocol/file-identity.js';
import { disconnected, MASTER_ID, welcome } from '../protocol/frames.js';
import { type ClientAnnouncement, sessionWelcome, type WelcomeFacts } from '../protocol/session.js';
import { Bulkhead, type BulkheadHost } from './bulkhead.js';
import { Dismissal, refusalWhileDraining } from './drain.js';
import { FileNews } from './file-metadata.js';
import type { PriorMember } from './identity/challenge.js';
import { FileIdentity } from './identity/file-identity.js';
import { longestAtDoor } from './identity/folder-checks.js';
import { HOLD_LOOK_MS } from './identity/open-files.js';
import { BrokenInvariant, type Invariant } from './invariants.js';
import { type JournalState, JournalSwitch } from './journal-switch.js';
import { JOURNAL_WAIT_MS } from './limits.js';
import { LockService, type LocksView } from './locks/lock-service.js';
import { MasterAbsence, type MasterDepartures, MasterSeat } from './mastership.js';
import type { Account } from './memory.js';
import {
  type Awaited,
  type Caller,
  Door,
  infoOf,
  isSameSession,
  isSuperseded,
  LineVisitor,
  newcomer,
  type PeerHost,
  positionOf,
  type Wait,
} from './peers/admission.js';
import { Delivery, Stability } from './peers/delivery.js';
import {
  Absences,
  Farewells,
  GoneIds,
  Heartbeat,
  holderPulse,
  introduce,
  MembershipLog,
} from './peers/membership.js';
import { isPresent, isThere, lineBytesOf, type Peer } from './peers/peer.js';
import type {
  ArrivalRequest,
  BrokerObserver,
  Cancel,
  DatabaseRecord,
  Entrance,
  Incidents,
  ManagedFolders,
  PeerInfo,
  Scope,
} from './ports.js';
import { RequestCoordinator } from './requests/coordinator.js';
import { RequestTable } from './requests/request-table.js';
import { Router } from './router.js';
import { ServerRequests } from './server-requests.js';
import { Succession } from './succession.js';
import { ReceivedBytes, type User } from './usage.js';

/** What a database works with; shared by all of a broker. */
export interface DatabaseSettings extends Omit<Scope, 'database' | 'kept' | 'counters' | 'isClosing'> {
  readonly kept: Account;
  readonly observer: BrokerObserver;
  readonly record: DatabaseRecord;
  readonly departures: MasterDepartures;
  /** If this server runs its master itself. */
  readonly managed: ManagedFolders | undefined;
  /** A frame came, and was passed on. */
  heard(bytes: number): void;
  /** Nobody is connected, at the door, or waited for: it is to be forgotten, and stopped. */
  emptied(database: Database): void;
  /** An invariant does not hold: it is to be forgotten, by {@link Database.abandon}. */
  broken(database: Database, invariant: Invariant): void;
  /** This one is to be forgotten, whoever is in it; and then that client comes, to a new one. */
  beganAnew(database: Database, arrival: PriorMember): void;
}

/** One database, to look at: nothing of it is to be changed. */
export interface DatabaseView {
  readonly name: string;
  /** Those that take part, in the order of their coming. */
  readonly peers: ReadonlyMap<string, Peer>;
  readonly seat: Pick<MasterSeat, 'master' | 'isHeld'>;
  readonly requests: Pick<RequestTable, 'heldCount' | 'heldBytes' | 'count'>;
  readonly locks: LocksView;
  readonly journal: JournalState;
  /** What it has of what all databases share for what is kept, in bytes. */
  readonly keptBytes: number;
  /** When the last master that was connected lost its line; when the database was opened, if there was none. By the broker's clock. */
  readonly masterLeftAt: number;
}

/** Numbers of locks begin at the time at which the database was first connected to, in hundredths of a millisecond: no other server gave them. */
const IDS_PER_MS = 100;

/** Milliseconds that a client may need to hear a refusal, and to come again. */
const RIVAL_TOLERANCE_MS = 1_000;

/** Asked with every frame: no list is made. */
const DECIDED = {
  all: ['file', 'journal', 'seat'],
  seat: ['seat'],
  seatAndJournal: ['journal', 'seat'],
} as const satisfies Record<string, readonly Awaited[]>;

/** One database: who belongs to it, who comes and who goes. */
export class Database {
  readonly name: string;
  /** How its peers are sent to the next server. */
  readonly dismissal: Dismissal;
  readonly received: ReceivedBytes;
  readonly #settings: DatabaseSettings;
  readonly #bulkhead: Bulkhead;
  readonly #peers = new Map<string, Peer>();
  readonly #host: PeerHost;
  readonly #goneIds = new GoneIds();
  readonly #door: Door;
  readonly #farewells: Farewells;
  readonly #seat: MasterSeat;
  readonly #delivery: Delivery;
  readonly #journal: JournalSwitch;
  readonly #news: FileNews;
  readonly #locks: LockService;
  readonly #table: RequestTable;
  readonly #requests: RequestCoordinator;
  readonly #masterAbsence: MasterAbsence;
  readonly #absences: Absences;
  readonly #heartbeat: Heartbeat;
  /** For those that others wait for. */
  readonly #holdersHeartbeat: Heartbeat | undefined;
  readonly #router: Router;
  readonly #succession: Succession;
  readonly #stability: Stability;
  readonly #identity: FileIdentity;
  readonly #book: MembershipLog;
  /** How many messages were to be picked up so far. */
  #pickUps = 0;
  /** Whether somebody has left, or lost its line, since it was last looked whether anybody is still connected. */
  #hasAnyoneGone = false;
  /** Whether it was stopped, or abandoned. */
  #isOver = false;

  constructor(name: string, given: DatabaseSettings) {
    this.name = name;
    const host: BulkheadHost = {
      settle: () => {
        let isSettled = false;
        while (!isSettled) {
          // Whoever waits for a seat that is free comes in before anything follows from its being free.
          const hasDoorChanged = this.#door.review(this.#decided);
          this.#lookWhetherAlone();
          const hasJournalChanged = this.#journal.review();
          if (this.#journal.isMasterWaiting) this.#requests.failOfHolders();
          this.#locks.settle();
          isSettled = !this.#cutOffOverdue() && !hasDoorChanged && !hasJournalChanged;
        }
        if (this.#isOver) return;
        this.#requests.settle();
        this.#masterAbsence.review();
        this.#forgetIfEmpty();
      },
      broken: (invariant) => given.broken(this, invariant),
    };
    this.#bulkhead = new Bulkhead(host, given.clock);
    const { clock } = this.#bulkhead;
    const { limits, observer, record, managed, departures } = given;
    const wasServed = departures.wasServed(name);
    const isManaged = managed !== undefined;
    const incidents: Incidents = {
      record: (incident, fields, times) =>
        given.incidents.record(incident, { database: name, ...fields }, times),
    };
    this.#settings = { ...given, clock, incidents };
    const isClosing = (): boolean => this.#isClosing;
    const scope: Scope = { ...this.#settings, database: name, counters: record.counters, isClosing };
    const peers = this.#peers;
    this.received = new ReceivedBytes(limits.maxTotalBuffered);
    this.#door = new Door(clock);
    this.#book = new MembershipLog({ ...scope, observer, record });
    this.#host = {
      receive: (sender, frame) => {
        this.#receive(sender, frame);
        given.heard(frame.length);
      },
      left: (sender, cause) => this.#left(sender, cause),
      isPlaceKept: ({ session }) => managed?.keepsPlace(name, session?.isReturning === true) !== false,
    };
    this.#identity = new FileIdentity({
      ...scope,
      peers,
      dismiss: (peer) => this.#dismiss(peer),
      accepted: (peer) => {
        if (peer.isMaster) this.#succession.masterCame(peer);
        if (peer.isReady) this.#seat.ready(peer);
      },
      mayEnter: (client) =>
        client.enter((request, entrance) => {
          const caller = { request, entrance, since: clock.now() };
          return this.#door.receive(caller, this.#admitHeld(caller));
        }),
      beginAnew: (client) => given.beganAnew(this, client),
    });
    this.#stability = new Stability(clock, peers, () => this.#table.caughtUpTo);
    this.#table = new RequestTable({ ...scope, framesSoFar: this.#stability.now });
    this.#farewells = new Farewells(clock);
    this.#seat = new MasterSeat(scope, {
      settled: (master) => this.#succession.settled(master),
      release: (master) => {
        this.#book.masterIsReady(master, this.#table.heldCount);
        this.#succession.release(master);
      },
      admit: (caller) => this.#admitOrHold({ ...caller, since: clock.now() }),
      describe: (master) => this.#identity.describeMaster(master),
    });
    // Each part is given those below it, of which it takes what its settings name.
    const base = { ...scope, peers, seat: this.#seat, table: this.#table };
    this.#delivery = new Delivery(base);
    this.#masterAbsence = new MasterAbsence({
      ...base,
      waiting: () => this.#table.heldRequests + this.#locks.view.queue.size,
      isManaged,
    });
    this.#journal = new JournalSwitch({
      ...base,
      delivery: this.#delivery,
      door: this.#door,
      isAnyoneAwaited: () => this.#locks.claims.isAnyoneAwaited,
      isAnyHeld: () => this.#locks.isAnyHeld,
    });
    const firstId = Math.floor(clock.wallTime() * IDS_PER_MS);
    const asked = new ServerRequests(firstId);
    const told = { ...base, delivery: this.#delivery, journal: this.#journal, asked };
    const news = new FileNews(told);
    this.#news = news;
    this.#locks = new LockService({
      ...told,
      news,
      firstId,
      masterIsStuck: (master) => this.#succession.sendAway(master),
      placeIsLost: (worker, cause) => this.#losesPlace(worker, cause),
      wasServed,
      longestAtDoor: longestAtDoor(limits.reconnectGrace),
      isAnyoneAtDoor: () => this.#identity.checks.isHolding,
    });
    const locks = this.#locks;
    this.#requests = new RequestCoordinator({ ...told, news, locks });
    const all = { ...told, news, locks, requests: this.#requests, wasServed };
    this.#succession = new Succession({ ...all, dismiss: this.#depart.bind(this) });
    this.#absences = new Absences(
      { ...all, goneIds: this.#goneIds },
      {
        left: (worker, cause, silence) => {
          locks.isAway(worker);
          this.#book.lostLine(worker, cause, silence);
          this.#identity.checks.isAway(worker);
          this.#hasAnyoneGone = true;
        },
        depart: (worker, cause) => this.#depart(worker, cause, undefined),
      },
    );
    this.#router = new Router({
      ...all,
      identity: this.#identity,
      goodbye: (peer) => this.#goodbye(peer),
    });
    this.dismissal = new Dismissal({
      ...all,
      stability: this.#stability,
      isManaged,
      inside: (act, otherwise) => this.#bulkhead.run(act, otherwise),
      remove: (peer, cause) => {
        this.#remove(peer, cause);
        this.#identity.left(peer);
      },
    });
    const watched = { clock, peers };
    this.#heartbeat = new Heartbeat({
      ...watched,
      interval: limits.heartbeatInterval,
      timeout: limits.heartbeatTimeout,
      concerns: () => true,
      silent: (peer, silence) =>
        this.#isSilent(peer, silence, 'a peer answers no ping; its connection is ended'),
      beaten: () => this.#identity.look(),
    });
    // A client that has a lease knows when to stop: it is given up earlier while others wait for it.
    const holders = new Heartbeat({
      ...watched,
      ...holderPulse(limits),
      concerns: (peer) => peer.session !== undefined && this.#isWaitedFor(peer),
      silent: (peer, silence) =>
        this.#isSilent(peer, silence, 'others wait for a peer that answers no ping; it is given up'),
    });
    this.#holdersHeartbeat = limits.lease === 0 ? undefined : holders;
  }

  /** Whether nobody is connected, at the door, or waited for. What was remembered must then be forgotten: the file may be replaced. */
  get #isEmpty(): boolean {
    if (this.#peers.size > 0 || this.#door.isHolding || this.#identity.checks.isHolding) return false;
    return !this.#locks.claims.isHolding;
  }

  get view(): DatabaseView {
    const { name } = this;
    const [seat, locks, journal] = [this.#seat, this.#locks.view, this.#journal.state];
    const { keptBytes } = this;
    const { masterLeftAt } = this.#book;
    return { name, peers: this.#peers, seat, requests: this.#table, locks, journal, keptBytes, masterLeftAt };
  }

  /**
   * The peers that are connected, and the master also while it is away: its seat is not free [PROTOCOL-9.2]. In the order of
   * their coming.
   */
  infos(): PeerInfo[] {
    return [...this.#peers.values()]
      .filter((peer) => peer.isMaster || isPresent(peer))
      .map((peer) => infoOf(this.name, peer));
  }

  /** The peers that take memory, those first that take most. @param own what counts of a peer's own, in bytes, beside its requests and locks */
  users(own: (peer: Peer) => number): User[] {
    const users: User[] = [];
    for (const peer of this.#peers.values()) {
      const bytes = own(peer) + this.#askedBytes(peer);
      if (bytes > 0) users.push({ peer, bytes });
    }
    return users.sort((one, other) => other.bytes - one.bytes);
  }

  /** What is kept on account of a peer, in bytes. */
  keptFor(peer: Peer): number {
    return peer.outbox.keptBytes + this.#askedBytes(peer);
  }

  /** What the requests and the locks of a peer take. */
  #askedBytes(peer: Peer): number {
    return this.#locks.bytesOf(peer) + this.#table.bytesOf(peer);
  }

  /** Bytes that are kept, all together. */
  get keptBytes(): number {
    return this.#settings.kept.bytes;
  }

  /** Bytes that are kept, or wait for connections. */
  get bufferedBytes(): number {
    return this.keptBytes + lineBytesOf(this.#peers.values());
  }

  /** The number of a peer's line; `undefined` if it is not connected. */
  lineOf(peerId: string): number | undefined {
    const peer = this.#peers.get(peerId);
    return peer?.state === 'present' ? peer.line : undefined;
  }

  /** Whether the server drains, or stops. */
  get #isClosing(): boolean {
    return this.#isOver || this.dismissal.hasBegun;
  }

  /** What may be decided now that somebody at the door waits for. Their own times are looked at when they come. */
  get #decided(): readonly Awaited[] {
    if (this.#isClosing) return DECIDED.all;
    return this.#journal.isInUse ? DECIDED.seat : DECIDED.seatAndJournal;
  }

  /** Lets someone in, or not. @returns to be called if he goes away before `entrance` was used */
  arrive(request: ArrivalRequest, entrance: Entrance): Cancel {
    return this.#bulkhead.arrive(entrance, (contained) => {
      const caller = { request, entrance: contained, since: this.#settings.clock.now() };
      return this.#door.receive(caller, this.#arrive(caller));
    });
  }

  /** Somebody has come. @returns how long it waits; `undefined` if it has its answer, or is being checked */
  #arrive(caller: Caller): Wait | undefined {
    const { request, entrance } = caller;
    const refusal = this.dismissal.refusal(request);
    const known = this.#peers.get(request.peerId);
    // While its old line seems to be there, it is not known whom it will not have been compared with.
    if (known !== undefined && refusal === undefined && isSameSession(known, request))
      this.#lineBroke(known, 'connected again', 'IPC_CLOSED_REPLACED', 0);
    if (refusal !== undefined) entrance.refuse(refusal);
    else if (this.#identity.refuses(request)) entrance.refuse('IPC_REFUSED_OTHER_FILE');
    else if (this.#identity.checks.isToBeChecked(request)) {
      // What it holds is not known yet, whether it comes in now or later.
      this.#locks.claims.isAtDoor(request);
      this.#identity.checks.receive(request, entrance);
    } else if (!this.#identity.isToBeHeld(request)) return this.#enter(caller);
    else return this.#awaitFile(caller);
    return undefined;
  }

  /** The file that its process has open is looked for. */
  #awaitFile(caller: Caller): Wait | undefined {
    const { request, entrance, since } = caller;
    const mayEnter = this.#isOver ? false : this.#identity.mayEnter(request, since);
    if (mayEnter === true) return this.#admitHeld(caller);
    if (mayEnter === undefined) {
      const looks = Math.floor((this.#settings.clock.now() - since) / HOLD_LOOK_MS) + 1;
      return { awaits: 'file', until: since + looks * HOLD_LOOK_MS, again: () => this.#awaitFile(caller) };
    }
    entrance.refuse(this.#isOver ? 'IPC_REFUSED_DRAINING' : 'IPC_REFUSED_OTHER_FILE');
    return undefined;
  }

  /** Meanwhile the server may have begun to drain. */
  #admitHeld(caller: Caller): Wait | undefined {
    const refusal = this.dismissal.refusal(caller.request);
    if (refusal === undefined) return this.#enter(caller);
    caller.entrance.refuse(refusal);
    return undefined;
  }

  #enter(caller: Caller): Wait | undefined {
    const { request, entrance } = caller;
    let older = this.#peers.get(request.peerId);
    if (older?.isMaster === true && isSuperseded(older, request)) {
      this.#depart(older, 'another master came', isPresent(older) ? 'IPC_CLOSED_MASTER_REPLACED' : undefined);
      this.#succession.formerEnded();
      older = this.#peers.get(request.peerId);
    }
    const isTooLate = older === undefined && this.#locks.claims.isTooLate(request);
    if (
      isTooLate ||
      (older === undefined && !this.#inherits(request.client)) ||
      this.#goneIds.has(request.peerId)
    ) {
      entrance.refuse('IPC_REFUSED_PEER_GONE');
    } else if (older === undefined && this.#peers.size >= this.#settings.limits.maxPeers) {
      entrance.refuse('IPC_REFUSED_TOO_MANY_PEERS');
    } else if (older?.isMaster === true && !isSameSession(older, request)) {
      this.#identity.checks.inquire(older);
      return this.#seat.challenge(caller, older);
    } else if (older !== undefined) {
      return this.#takeBack(older, caller);
    } else if (this.#mayHaveRival(request)) {
      entrance.refuse('IPC_REFUSED_MASTER_EXPECTED');
    } else if (request.peerId === MASTER_ID && this.#succession.refuses(request.client)) {
      entrance.refuse('IPC_REFUSED_OLD_MASTER');
    } else {
      return this.#admitOrHold(caller);
    }
    return undefined;
  }

  /** Whether what a client has of another server may be good here. */
  #inherits(client: ClientAnnouncement | undefined): boolean {
    const { managed } = this.#settings;
    return client?.received === undefined || managed?.inherits(this.name, client.server) !== false;
  }

  /** @see Broker.folderTaken */
  folderTaken(): void {
    this.#haveLeave(({ session }) => !this.#inherits(session?.client));
  }

  /** @see Broker.folderLost */
  folderLost(): void {
    this.#haveLeave(() => true);
  }

  #haveLeave(isMeant: (worker: Peer) => boolean): void {
    this.#bulkhead.run(() => {
      for (const peer of [...this.#peers.values()])
        if (!peer.isMaster && isMeant(peer))
          this.#losesPlace(peer, 'another server has had the folder of the database');
    }, undefined);
  }

  /**
   * Whether another master may be on its way here, and still write: an earlier server has told this one of it, so lately; or its folder is in use, and
   * this server was just started. Unless that one was here, and has left.
   */
  #mayHaveRival({ peerId, client }: ArrivalRequest): boolean {
    if (peerId !== MASTER_ID || client === undefined) return false;
    const { clock, limits, departures, startedAt } = this.#settings;
    const { rival = Number.POSITIVE_INFINITY, isFolderInUse } = client;
    const isYoung = clock.now() - startedAt < limits.reconnectGrace;
    if (isFolderInUse === true && isYoung && !departures.isWithin(this.name)) return true;
    // It may have left while the client that heard of it was on its way here.
    return rival < limits.reconnectGrace && !departures.isWithin(this.name, rival + RIVAL_TOLERANCE_MS);
  }

  /** Lets a newcomer in, at once or when the journal is empty that it does not read [PROTOCOL-16.4]. */
  #admitOrHold(caller: Caller): Wait | undefined {
    if (this.#journal.isToBeHeld(caller.request)) return this.#awaitJournal(caller);
    this.#admit(caller);
    return undefined;
  }

  #awaitJournal(caller: Caller): Wait | undefined {
    const until = caller.since + JOURNAL_WAIT_MS;
    if (this.#isClosing) caller.entrance.refuse(refusalWhileDraining(caller.request));
    else if (!this.#journal.isInUse) return this.#admitHeld(caller);
    else if (this.#settings.clock.now() >= until) caller.entrance.refuse('IPC_REFUSED_JOURNAL');
    else return { awaits: 'journal', until, again: () => this.#awaitJournal(caller) };
    return undefined;
  }

  /** A frame came over HTTP, in the name of a peer that is connected. @returns false if it was refused */
  post(peerId: string, frame: Uint8Array): boolean {
    const peer = this.#peers.get(peerId);
    return peer?.state === 'present' && this.#bulkhead.run(() => this.#receive(peer, frame), false);
  }

  /** Hands out a message that was parked for that peer, once. */
  pickUp(peerId: string, messageId: string): Uint8Array | undefined {
    return this.#peers.get(peerId)?.outbox.pickUp(messageId);
  }

  /** Ends the connections of peers that take too much memory, and keeps nothing for them but the locks that they may be writing under. */
  cutOff(peers: readonly Peer[]): void {
    this.#bulkhead.run(() => {
      // None of them is told of the others.
      for (const { outbox } of peers) outbox.discard();
      for (const peer of peers) this.#giveUp(peer, 'it took too much memory', 'IPC_CLOSED_OVER_SHARE');
    }, undefined);
  }

  /** Ends all connections; nobody is told of the others. */
  stop(): void {
    this.#isOver = true;
    this.#bulkhead.run(() => {
      for (const end of this.#ends('the server stops')) end();
      this.#settings.kept.close();
    }, undefined);
  }

  /** An invariant is broken: nothing is sent or kept any more. The connections are ended by the bulkhead. */
  abandon(): void {
    this.#isOver = true;
    for (const { outbox } of this.#peers.values()) outbox.discard();
    for (const end of this.#ends('an invariant was broken')) {
      try {
        end();
      } catch (error) {
        // That more is wrong is no news: what it has taken of what all share is given back below.
        if (!(error instanceof BrokenInvariant)) throw error;
      }
    }
    const { kept } = this.#settings;
    kept.give(kept.bytes);
    kept.close();
  }

  /** What ends each of its parts, then each of its peers. */
  *#ends(cause: string): Iterable<() => void> {
    yield () => this.#seat.stop();
    yield () => void this.#door.review(this.#decided);
    const parts: { stop(): void }[] = [this.#succession, this.#stability];
    parts.push(this.#farewells, this.#locks, this.#requests, this.#masterAbsence);
    parts.push(this.#absences, this.#heartbeat, this.#identity);
    if (this.#holdersHeartbeat !== undefined) parts.push(this.#holdersHeartbeat);
    for (const part of parts) yield () => part.stop();
    for (const peer of [...this.#peers.values()]) {
      yield () => {
        this.#remove(peer, cause);
        this.#identity.left(peer);
        peer.outbox.close('IPC_CLOSED_STOPPING');
        peer.end();
      };
    }
  }

  #admit({ request, entrance }: Caller): void {
    const { clock, limits } = this.#settings;
    const visitor = new LineVisitor(1, this.#host);
    const link = entrance.accept(visitor);
    const nextMessageNumber = (): number => ++this.#pickUps;
    const given = { ...this.#settings, framesSoFar: this.#stability.now, nextMessageNumber };
    const peer = newcomer(request, { ...given, link, connectedAt: clock.wallTime() });
    visitor.peer = peer;
    const isAccepted = this.#identity.checks.enters(peer);
    const facts = { ...this.#factsFor(this.#journal.came(peer)), resumed: false, isAccepted };
    if (peer.session === undefined) this.#delivery.send(peer, welcome(limits.maxPayload));
    else peer.outbox.say(sessionWelcome(peer.session, facts, limits));
    this.#peers.set(peer.id, peer);
    this.#locks.claims.came(peer);
    this.#heartbeat.start();
    this.#holdersHeartbeat?.start();
    this.#hasCome(peer, 'connected');
  }

  /** A worker whose line broke is back, on a new one. */
  #takeBack(peer: Peer, caller: Caller): Wait | undefined {
    const { request, entrance } = caller;
    if (peer.state === 'present') this.#lineBroke(peer, 'connected again', 'IPC_CLOSED_REPLACED');
    const { received, isKnown } = positionOf(peer, request);
    if (peer.state !== 'away') {
      // Nobody waits for it: it comes as a new one.
      return this.#enter({ ...caller, since: this.#settings.clock.now() });
    }
    const hasAll = received === undefined || peer.outbox.canResumeAfter(received);
    if (!hasAll || !this.#absences.mayReturn(peer, request.address)) {
      entrance.refuse('IPC_REFUSED_UNSAFE_RETURN');
      return undefined;
    }
    const { clock, limits } = this.#settings;
    this.#absences.end(peer);
    const visitor = new LineVisitor(peer.line, this.#host);
    visitor.peer = peer;
    const link = entrance.accept(visitor);
    peer.cameBack({ address: request.address, connectedAt: clock.wallTime(), process: request.process });
    if (peer.session !== undefined && received !== undefined) {
      if (!isKnown) peer.session.beginAgain();
      const { isAccepted } = peer;
      const facts = { ...this.#factsFor(this.#journal.isBack(peer)), resumed: isKnown, isAccepted };
      peer.outbox.resume(link, sessionWelcome(peer.session, facts, limits), received);
      this.#isBack(peer, 'resumed its session');
    } else {
      peer.outbox.attach(link, welcome(limits.maxPayload));
      this.#hasCome(peer, 'connected again');
    }
    this.#locks.isBack(peer);
    return undefined;
  }

  /** What a welcome says of the database. @param journal whether the journal is in force, if that concerns the client */
  #factsFor(journal: boolean | undefined): Omit<WelcomeFacts, 'resumed' | 'isAccepted'> {
    const { managed: all, server } = this.#settings;
    const managed = all && { log: all.has(this.name.replace(/_data$/, '_transaction')) };
    return { folderSince: this.#identity.checks.since, journal, managed, server };
  }

  #hasCome(peer: Peer, how: 'connected' | 'connected again'): void {
    introduce(peer, { peers: this.#peers, seat: this.#seat, delivery: this.#delivery });
    if (peer.isMaster) {
      if (peer.isAccepted) this.#succession.masterCame(peer);
      this.#seat.take(peer);
    }
    this.#isBack(peer, how);
  }

  #isBack(peer: Peer, how: Parameters<MembershipLog['came']>[1]): void {
    this.#book.came(peer, how, this.#peers.size);
    this.#identity.came(peer);
  }

  #receive(sender: Peer, frame: Uint8Array): boolean {
    if (sender.state === 'gone') return false;
    sender.received++;
    sender.receivedBytes += frame.length;
    this.#stability.frameCame(sender);
    this.received.add(frame.length, this.#stability.now());
    return this.#router.route(sender, frame);
  }

  #goodbye(peer: Peer): void {
    if (peer.state !== 'present') return;
    if (peer.isMaster) this.#farewells.begin(peer);
    else this.#goneIds.add(peer.id);
    this.#depart(peer, 'said goodbye', peer.isMaster ? undefined : 'IPC_CLOSED_GOODBYE');
  }

  /** Ends the connection of a peer that has another file: nothing that it said, or says, is passed on any more. */
  #dismiss(peer: Peer): void {
    peer.hasOtherFile = true;
    this.#depart(peer, 'it has another file', isPresent(peer) ? 'IPC_CLOSED_OTHER_FILE' : undefined);
    if (peer.isMaster) this.#succession.formerEnded();
    peer.end();
  }

  #left(peer: Peer, cause: string): void {
    this.#lineBroke(peer, cause, undefined);
    if (peer.state !== 'away') {
      this.#farewells.left(peer);
      peer.end();
      this.#succession.connectionEnded(peer);
    }
  }

  #isSilent(peer: Peer, silence: number, message: string): void {
    const { id, address } = peer;
    this.#settings.logger.warn({ database: this.name, peer: id, address, silence }, message);
    this.#lineBroke(peer, 'answered no ping', 'IPC_CLOSED_SILENT');
  }

  /** The line of a peer is over. A worker that did not say goodbye may come back [PROTOCOL-13.1]. */
  #lineBroke(
    peer: Peer,
    cause: string,
    code: ClosureCode | undefined,
    silence = this.#holdersHeartbeat?.silenceOf(peer) ?? 0,
  ): void {
    if (peer.state === 'present') this.#absences.begin(peer, cause, code, silence);
  }

  /** Ends the line of a peer, which must not come back. Nothing is kept for it but the locks that it may be writing under. */
  #giveUp(peer: Peer, cause: string, code: ClosureCode): void {
    peer.outbox.discard();
    this.#lineBroke(peer, cause, code);
    if (peer.state !== 'away') return;
    this.#absences.giveUp(peer, cause);
    this.#locks.dropRequestsOf(peer);
    this.#requests.gone(peer);
  }

  /** What a worker believes to have is not its own any more. */
  #losesPlace(worker: Peer, cause: string): void {
    // At once: it must not claim the same at another server before it has been refused here.
    if (worker.can('identify')) worker.outbox.say(refused('IPC_REFUSED_UNSAFE_RETURN', cause));
    this.#giveUp(worker, cause, 'IPC_CLOSED_CONNECT_AGAIN');
  }

  /** Whether others may be waiting for that peer: whoever is to be served needs the master, sooner or later. */
  #isWaitedFor(peer: Peer): boolean {
    if (this.#identity.checks.isWaitedFor(peer) || this.#journal.isWaitedFor(peer)) return true;
    if (peer !== this.#seat.master) return this.#locks.isWaitedFor(peer);
    const { isMasterAsked, heldRequests } = this.#table;
    return isMasterAsked || heldRequests > 0 || this.#locks.isAnybodyWaiting || this.#seat.isAwaited;
  }

  #forgetIfEmpty(): void {
    if (!this.#isEmpty) return;
    this.#succession.allHaveGone(() => {
      // Somebody may have come since.
      if (this.#isEmpty) this.#settings.emptied(this);
    });
  }

  /** Whoever does not read what was passed on to him just now is cut off. @returns whether anybody was */
  #cutOffOverdue(): boolean {
    let overdue = this.#delivery.takeOverdue();
    if (overdue.length === 0) return false;
    for (; overdue.length > 0; overdue = this.#delivery.takeOverdue()) {
      for (const peer of overdue) {
        if (peer.state === 'away') this.#absences.dropMail(peer);
        else this.#lineBroke(peer, 'did not read its messages', 'IPC_CLOSED_TOO_SLOW');
      }
    }
    return true;
  }

  /** A peer is no longer part of the database; its connection is ended, with `code` if it has not ended by itself. */
  #depart(peer: Peer, cause: string, code: ClosureCode | undefined): void {
    if (!isThere(peer)) return;
    const wasPresent = peer.state === 'present';
    if (code !== undefined) peer.outbox.close(code);
    this.#absences.end(peer);
    this.#remove(peer, cause, wasPresent);
    const departure = disconnected(peer.id);
    for (const other of this.#peers.values()) {
      this.#delivery.sendInOrder(other, peer.id, departure);
    }
    if (peer.isMaster) this.#locks.claims.isGone(peer);
    if (peer === this.#seat.master) {
      // A stock client does not say whether it has.
      const hasServed = peer.isReady || peer.session === undefined;
      if (peer.isAccepted) this.#settings.departures.left(this.name, hasServed);
      this.#succession.masterLeft(peer);
      if (!wasPresent) this.#succession.connectionEnded(peer);
    } else if (!peer.isMaster) {
      this.#succession.workerLeft(peer);
      this.#locks.isGone(peer);
      this.#requests.gone(peer);
    }
    this.#hasAnyoneGone = true;
    // Last: whoever waits to be compared may come in now.
    this.#identity.left(peer);
  }

  /** With nobody connected, and nobody let in meanwhile, what is known of the file may be of another one soon. */
  #lookWhetherAlone(): void {
    if (this.#hasAnyoneGone) this.#news.forgetIfAlone();
    this.#hasAnyoneGone = false;
  }

  #remove(peer: Peer, cause: string, wasPresent = peer.state === 'present'): void {
    peer.leave();
    if (wasPresent) peer.outbox.dropParked();
    else peer.outbox.discard();
    this.#peers.delete(peer.id);
    this.#journal.left(peer);
    this.#book.went(peer, cause, this.#peers.size, wasPresent);
  }
}
