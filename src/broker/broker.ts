import { Database, type DatabaseView } from './database.js';
import { Draining, refusalWhileDraining } from './drain.js';
import type { Invariant } from './invariants.js';
import { MasterDepartures } from './mastership.js';
import { FairShares } from './memory.js';
import type { Peer } from './peers/peer.js';
import type {
  ArrivalRequest,
  BrokerObserver,
  Cancel,
  Entrance,
  ManagedFolders,
  PeerInfo,
  Records,
  Scope,
} from './ports.js';
import { Usage, type User } from './usage.js';

/** What a broker works with. */
export interface BrokerSettings extends Pick<Scope, 'clock' | 'limits' | 'logger' | 'incidents'> {
  readonly observer: BrokerObserver;
  readonly records: Records;
  /** This run of this server, among all that there are: random. */
  readonly server: string;
  /** The masters that this server runs itself. Default: none. */
  readonly managed?: ManagedFolders;
}

/** How often, within `maxTotalBuffered`, the bytes in all queues are added up. */
const AUDITS_PER_TOTAL = 64;

/**
 * The part of `maxTotalBuffered` that what is kept may take, in all databases together: messages for peers that are disconnected,
 * or that are to be picked up; requests that wait, and locks. The rest is for what is under way.
 */
const KEPT_SHARE = 1 / 2;

/** How long there may be too many bytes in all queues before somebody is cut off, in milliseconds. */
const AUDIT_DELAY_MS = 1_000;

/**
 * The post office: databases by name, fully apart from each other. Pure: it is given its clock, its log and its lines,
 * and does nothing by itself but what it scheduled on that clock.
 */
export class Broker {
  readonly #settings: BrokerSettings;
  readonly #databases = new Map<string, Database>();
  readonly #kept: FairShares;
  readonly #departures: MasterDepartures;
  #bytesSinceAudit = 0;
  #cancelAudit: Cancel | undefined;
  #draining: Draining | undefined;
  /** Whether it drains, or was stopped: no database is opened any more. */
  #isClosing = false;
  /** @see Scope */
  #startedAt: number;
  #servedSince: number;
  /** The same of databases that ended though their peers were not given up: of sessions that began before, it is not known here what became of them. */
  readonly #begunAnew = new Map<string, number>();

  constructor(settings: BrokerSettings) {
    this.#settings = settings;
    this.#startedAt = settings.clock.now();
    this.#servedSince = settings.clock.wallTime();
    this.#departures = new MasterDepartures(settings.clock, settings.limits.reconnectGrace);
    this.#kept = new FairShares(settings.limits.maxTotalBuffered * KEPT_SHARE);
  }

  /** The server listens from now on: it may have been made long before, and have waited for its port. */
  begin(): void {
    this.#startedAt = this.#settings.clock.now();
    this.#servedSince = this.#settings.clock.wallTime();
  }

  /** The names of the databases that have peers. */
  get databases(): readonly string[] {
    return [...this.#databases.keys()];
  }

  /** Lets someone in, or not. @returns to be called if he goes away before `entrance` was used */
  arrive(request: ArrivalRequest, entrance: Entrance): Cancel {
    const existing = this.#databases.get(request.database);
    if (existing === undefined && this.#isClosing) {
      entrance.refuse(refusalWhileDraining(request));
      return () => undefined;
    }
    if (existing === undefined && this.#databases.size >= this.#settings.limits.maxDatabases) {
      entrance.refuse('IPC_REFUSED_TOO_MANY_DATABASES');
      return () => undefined;
    }
    const database = existing ?? this.#open(request.database);
    return database.arrive(request, entrance);
  }

  /** The peers of a database, in the order of their coming. */
  peers(database: string): PeerInfo[] {
    return this.#databases.get(database)?.infos() ?? [];
  }

  /** A database that has peers, to look at. */
  view(database: string): DatabaseView | undefined {
    return this.#databases.get(database)?.view;
  }

  /** All databases that have peers, to look at. */
  *views(): Iterable<DatabaseView> {
    for (const { view } of this.#databases.values()) yield view;
  }

  /** Bytes that are kept, or wait for connections, in all databases together. */
  get bufferedBytes(): number {
    let bytes = 0;
    for (const database of this.#databases.values()) bytes += database.bufferedBytes;
    return bytes;
  }

  /** Whether a peer with that id is connected to that database. */
  hasPeer(database: string, peerId: string): boolean {
    return this.lineOf(database, peerId) !== undefined;
  }

  /** The number of the line of a connected peer, which tells it from those before; `undefined` if it is not connected. */
  lineOf(database: string, peerId: string): number | undefined {
    return this.#databases.get(database)?.lineOf(peerId);
  }

  /** A frame came over HTTP, in the name of a peer that is connected [PROTOCOL-4.2]. @returns false if it was refused */
  post(databaseName: string, peerId: string, frame: Uint8Array): boolean {
    const database = this.#databases.get(databaseName);
    if (database === undefined) return false;
    const isDone = database.post(peerId, frame);
    this.#audit(frame.length);
    return isDone;
  }

  /** Hands out a message that was parked for that peer, once [PROTOCOL-4.3]. */
  pickUp(database: string, peerId: string, messageId: string): Uint8Array | undefined {
    return this.#databases.get(database)?.pickUp(peerId, messageId);
  }

  /**
   * Sends everybody to the next server (docs/PROTOCOL.md, section 11.5). To be called once. Nobody is let in any more
   * but those who were there, and whose line broke.
   *
   * @param timeout milliseconds in which those who are in the middle of something may finish it
   * @param done called once: when all connections have ended, or at {@link Broker.stop}
   * @param closeManaged called once, when it is the turn of masters: those that this server runs are to be closed. `mayBeUsed`: whether workers may be
   *   in the midst of something yet
   */
  drain(
    timeout: number,
    done: () => void,
    closeManaged: (mayBeUsed: boolean) => void = () => undefined,
  ): void {
    const { clock, logger } = this.#settings;
    this.#isClosing = true;
    const dismissals = [...this.#databases.values()].map(({ dismissal }) => dismissal);
    this.#draining = new Draining({ clock, logger, dismissals, timeout, done, closeManaged });
    this.#draining.begin();
  }

  /**
   * The first master that this server runs for that file has taken its folder: what workers have of servers from which this one has not got it is void
   * [PROTOCOL-9.8].
   */
  folderTaken(file: string): void {
    this.#databases.get(file)?.folderTaken();
  }

  /** Another server has the folder of that file, or has had it since this one did: what this one gave to workers is void [PROTOCOL-9.8]. */
  folderLost(file: string): void {
    this.#databases.get(file)?.folderLost();
  }

  /** Ends all connections. */
  stop(): void {
    this.#isClosing = true;
    this.#draining?.end();
    this.#cancelAudit?.();
    for (const database of this.#databases.values()) database.stop();
    this.#databases.clear();
  }

  #open(name: string): Database {
    const { managed } = this.#settings;
    const database: Database = new Database(name, {
      ...this.#settings,
      managed: managed?.has(name) === true ? managed : undefined,
      kept: this.#kept.open(() => this.#repay(database)),
      departures: this.#departures,
      startedAt: this.#startedAt,
      servedSince: this.#begunAnew.get(name) ?? this.#servedSince,
      record: this.#settings.records.open(name),
      heard: (bytes) => this.#audit(bytes),
      emptied: (emptied) => this.#close(emptied),
      broken: (broken, invariant) => this.#abandon(broken, invariant),
      beganAnew: (former, arrival) => {
        this.#close(former);
        this.#departures.forget(name);
        this.#peersMayComeBack(name);
        arrival.enter((request, entrance) => this.arrive(request, entrance));
      },
    });
    this.#databases.set(name, database);
    return database;
  }

  /** Nothing of it may be left: what is kept takes memory that all databases share. */
  #close(database: Database): void {
    database.stop();
    this.#forget(database.name);
  }

  /** An invariant of a database is broken. Its peers come back as they do to a server that was restarted; others do not notice. */
  #abandon(database: Database, invariant: Invariant): void {
    const { name } = database;
    this.#settings.incidents.record('broken-invariant', { database: name, invariant });
    database.abandon();
    if (this.#databases.get(name) === database) this.#forget(name);
    this.#startedAt = this.#settings.clock.now();
    this.#peersMayComeBack(name);
  }

  /** That database ended though its peers were not given up. Of one that is forgotten here, they come back as new ones. */
  #peersMayComeBack(name: string): void {
    const { clock, limits } = this.#settings;
    this.#begunAnew.delete(name);
    this.#begunAnew.set(name, clock.wallTime() + 1);
    const [oldest] = this.#begunAnew.keys();
    if (this.#begunAnew.size > limits.maxDatabases && oldest !== undefined) this.#begunAnew.delete(oldest);
  }

  #forget(name: string): void {
    this.#databases.delete(name);
    this.#settings.records.leave(name);
  }

  /**
   * Sees to it that all queues together hold no more than `maxTotalBuffered`.
   *
   * A large message waits for all its receivers at once, for as long as it takes to send it: so somebody is cut off only if there
   * is too much for a second, or at once if there is twice too much. The database that uses most pays.
   */
  #audit(newBytes: number): void {
    const { maxTotalBuffered } = this.#settings.limits;
    this.#bytesSinceAudit += newBytes;
    if (this.#bytesSinceAudit < maxTotalBuffered / AUDITS_PER_TOTAL) return;
    this.#bytesSinceAudit = 0;
    const total = totalOf(this.#usages());
    if (total > 2 * maxTotalBuffered) this.#cutDownTo(maxTotalBuffered);
    if (total > maxTotalBuffered) this.#cancelAudit ??= this.#scheduleAudit();
  }

  #scheduleAudit(): Cancel {
    return this.#settings.clock.schedule(AUDIT_DELAY_MS, () => {
      this.#cancelAudit = undefined;
      this.#cutDownTo(this.#settings.limits.maxTotalBuffered);
    });
  }

  #usages(): Usage<Database>[] {
    return [...this.#databases.values()].map((database) => new Usage(database));
  }

  /** All is counted once for as many as are cut off; and again, since locks that they may be writing under stay. */
  #cutDownTo(bytes: number): void {
    for (let before = Number.POSITIVE_INFINITY; ; ) {
      const cut = new Map<Database, Peer[]>();
      const usages = this.#usages();
      let total = totalOf(usages);
      if (total <= bytes || total >= before) return;
      before = total;
      for (let usage = largest(usages); usage !== undefined && total > bytes; usage = largest(usages)) {
        const { database, bytes: databaseBytes } = usage;
        const user = usage.takeLargest();
        if (user === undefined) {
          usages.splice(usages.indexOf(usage), 1);
          continue;
        }
        this.#recordCut(database, user, databaseBytes, total);
        const peers = cut.get(database) ?? [];
        peers.push(user.peer);
        cut.set(database, peers);
        total += usage.bytes - databaseBytes;
      }
      for (const [database, peers] of cut) database.cutOff(peers);
    }
  }

  /** Another database needs memory, and this one has most of what is kept: one after the other, its largest peers give theirs back. */
  *#repay(database: Database): Iterator<void> {
    for (const user of database.users(({ outbox }) => outbox.keptBytes)) {
      this.#recordCut(database, user, database.keptBytes, this.#kept.bytes);
      yield database.cutOff([user.peer]);
    }
  }

  #recordCut({ name }: Database, { peer, bytes }: User, databaseBytes: number, total: number): void {
    const fields = { database: name, peer: peer.id, peerBytes: bytes, databaseBytes, total };
    this.#settings.incidents.record('over-total', fields);
  }
}

function totalOf(usages: readonly Usage[]): number {
  return usages.reduce((sum, { bytes }) => sum + bytes, 0);
}

function largest(usages: readonly Usage<Database>[]): Usage<Database> | undefined {
  let largestOne: Usage<Database> | undefined;
  for (const usage of usages) {
    if (usage.bytes > (largestOne?.bytes ?? 0)) largestOne = usage;
  }
  return largestOne;
}
