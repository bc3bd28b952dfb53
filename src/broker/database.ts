import type { ClosureCode } from '../errors.js';
import type { ByteBudget } from './byte-budget.js';
import { Delivery } from './delivery.js';
import type { ArrivalRequest, BrokerObserver, Entrance, PeerInfo, Visitor } from './entrance.js';
import { connected, disconnected, welcome } from './envelope.js';
import { Farewells } from './farewells.js';
import { FileNews } from './file-news.js';
import { GoneIds } from './gone-ids.js';
import type { Incidents } from './incidents.js';
import { IndexCreations } from './index-creations.js';
import { type Limits, MASTER_SECOND_REPLAY_MS } from './limits.js';
import type { Mail } from './mailbox.js';
import { MasterSeat } from './master-seat.js';
import { Outbox } from './outbox.js';
import { ParkingLot } from './parking-lot.js';
import { Peer } from './peer.js';
import type { Cancel, Clock, Logger } from './ports.js';
import { helloFrom } from './presence.js';
import { Switch } from './switch.js';

/** What a database works with; shared by all of a broker. */
export interface DatabaseSettings {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly limits: Limits;
  readonly incidents: Incidents;
  readonly kept: ByteBudget;
  readonly observer: BrokerObserver;
}

/** One database: who belongs to it, who comes and who goes. */
export class Database {
  readonly name: string;
  readonly #settings: DatabaseSettings;
  readonly #peers = new Map<string, Peer>();
  readonly #goneIds = new GoneIds();
  readonly #parkingLot: ParkingLot;
  readonly #farewells: Farewells;
  readonly #seat: MasterSeat;
  readonly #delivery: Delivery;
  readonly #news: FileNews;
  readonly #indexCreations: IndexCreations;
  readonly #switch: Switch;
  #cancelSecondReplay: Cancel | undefined;
  #formerMaster: Peer | undefined;

  constructor(name: string, settings: DatabaseSettings) {
    this.name = name;
    this.#settings = settings;
    const { clock, logger, limits, incidents, kept } = settings;
    this.#parkingLot = new ParkingLot(clock, incidents, kept);
    this.#farewells = new Farewells(clock);
    this.#seat = new MasterSeat(
      {
        database: name,
        clock,
        logger,
        settleMs: limits.masterSettle,
        maxMailBytes: limits.maxMailPerPeer,
        kept,
      },
      {
        evict: (master) => this.#evict(master),
        release: (master, mail) => this.#release(master, mail),
      },
    );
    this.#delivery = new Delivery(name, this.#seat, limits, incidents);
    this.#news = new FileNews(name, this.#peers, this.#delivery, incidents);
    this.#indexCreations = new IndexCreations(clock, limits, kept, (payload) => {
      if (this.#seat.master !== undefined) this.#delivery.send(this.#seat.master, payload);
      this.#cutOffOverdue();
    });
    this.#switch = new Switch({
      database: name,
      peers: this.#peers,
      seat: this.#seat,
      delivery: this.#delivery,
      news: this.#news,
      indexCreations: this.#indexCreations,
      incidents,
      goodbye: (peer) => this.#goodbye(peer),
    });
  }

  /** Whether nobody is connected. What was remembered must then be forgotten: the file may be replaced. */
  get isEmpty(): boolean {
    return this.#peers.size === 0;
  }

  /** Bytes that wait for the lines of the peers that are connected. */
  get bufferedBytes(): number {
    let bytes = 0;
    for (const peer of this.#peers.values()) bytes += peer.outbox.lineBytes;
    return bytes;
  }

  /** The peer for which most bytes wait. */
  get largestDebtor(): Peer | undefined {
    let largest: Peer | undefined;
    for (const peer of this.#peers.values()) {
      if (largest === undefined || peer.outbox.bytes > largest.outbox.bytes) largest = peer;
    }
    return largest;
  }

  /** The peers that are connected, in the order of their coming. */
  peers(): PeerInfo[] {
    return Array.from(this.#peers.values(), (peer) => this.#infoOf(peer));
  }

  /** Whether a peer with that id is connected. */
  hasPeer(peerId: string): boolean {
    return this.#peers.has(peerId);
  }

  /** Lets someone in, or not. @returns to be called if he goes away before `entrance` was used */
  arrive(request: ArrivalRequest, entrance: Entrance): Cancel {
    const older = this.#peers.get(request.peerId);
    if (this.#goneIds.has(request.peerId)) {
      entrance.refuse('IPC_REFUSED_PEER_GONE');
    } else if (older === undefined && this.#peers.size >= this.#settings.limits.maxPeers) {
      entrance.refuse('IPC_REFUSED_TOO_MANY_PEERS');
    } else if (older?.isMaster === true) {
      const challenger = {
        address: request.address,
        admit: () => {
          if (this.#peers.has(request.peerId)) entrance.refuse('IPC_REFUSED_SECOND_MASTER');
          else this.#admit(request, entrance);
        },
        refuse: entrance.refuse.bind(entrance),
      };
      return this.#seat.challenge(challenger, older);
    } else {
      if (older !== undefined) this.#depart(older, 'connected again', 'IPC_CLOSED_REPLACED');
      this.#admit(request, entrance);
    }
    return () => undefined;
  }

  /** A frame came over HTTP, in the name of a peer that is connected. @returns false if it was refused */
  post(peerId: string, frame: Uint8Array): boolean {
    const peer = this.#peers.get(peerId);
    return peer !== undefined && this.#receive(peer, frame);
  }

  /** Hands out a message that was parked for that peer, once. */
  pickUp(peerId: string, messageId: string): Uint8Array | undefined {
    return this.#parkingLot.pickUp(peerId, messageId);
  }

  /** Ends the connection of a peer that costs too much. */
  cutOff(peer: Peer): void {
    this.#depart(peer, 'too many bytes waited for it', 'IPC_CLOSED_TOO_SLOW');
    this.#cutOffOverdue();
  }

  /** Ends all connections; nobody is told of the others. */
  stop(): void {
    this.#seat.close();
    this.#cancelSecondReplay?.();
    this.#parkingLot.close();
    this.#farewells.close();
    this.#indexCreations.end();
    for (const peer of [...this.#peers.values()]) {
      this.#remove(peer, 'the server stops');
      peer.outbox.close('IPC_CLOSED_STOPPING');
    }
  }

  #admit(request: ArrivalRequest, entrance: Entrance): void {
    const { clock, logger, limits, observer } = this.#settings;
    const visitor: Visitor = {
      receive: (frame) => void this.#receive(peer, frame),
      acknowledge: (token) => this.#acknowledge(peer, token),
      left: (cause) => this.#left(peer, cause),
    };
    const link = entrance.accept(visitor);
    const outbox = new Outbox(link, limits, this.#parkingLot, request.peerId);
    const peer = new Peer(request.peerId, request.address, clock.wallTime(), outbox);
    this.#delivery.send(peer, welcome(limits.maxPayload));
    this.#peers.set(peer.id, peer);
    const fields = { database: this.name, peer: peer.id, address: peer.address, peers: this.#peers.size };
    logger.info(fields, 'peer connected');
    this.#introduce(peer);
    if (peer.isMaster) this.#seat.take(peer);
    observer.peerConnected(this.#infoOf(peer));
    this.#cutOffOverdue();
  }

  /** Brings a newcomer and everybody else together [PROTOCOL-8.1]. */
  #introduce(newcomer: Peer): void {
    const arrival = connected(newcomer.id);
    const hello = helloFrom(newcomer.id);
    // A master that settles hears of nobody yet; all are introduced to it when it gets its mail.
    const held = this.#seat.isHeld ? this.#seat.master : undefined;
    const settling = newcomer.isMaster ? newcomer : held;
    for (const other of this.#peers.values()) {
      if (other === newcomer) continue;
      if (other !== settling) {
        this.#delivery.send(other, arrival);
        this.#delivery.send(other, hello);
      }
      if (newcomer !== settling) this.#delivery.send(newcomer, helloFrom(other.id));
    }
  }

  /** Gives a master that has opened its file what it missed, then what waited for it [PROTOCOL-9.3]. */
  #release(master: Peer, mail: readonly Mail[]): void {
    // From here on this one speaks for the database. Its predecessor may still have a connection, for a moment.
    if (this.#formerMaster !== undefined) this.#formerMaster.state = 'gone';
    this.#formerMaster = undefined;
    for (const other of this.#peers.values()) {
      if (other !== master) this.#delivery.sendOwed(master, helloFrom(other.id));
    }
    this.#news.fileOpened(master);
    for (const item of mail) {
      if (this.#indexCreations.admit(item) !== 'later') this.#delivery.sendOwed(master, item.payload);
    }
    this.#cancelSecondReplay = this.#settings.clock.schedule(MASTER_SECOND_REPLAY_MS, () => {
      this.#news.repeatKeys(master);
      this.#cutOffOverdue();
    });
    this.#cutOffOverdue();
  }

  #receive(sender: Peer, frame: Uint8Array): boolean {
    if (sender.state === 'gone') return false;
    const isDone = this.#switch.route(sender, frame);
    this.#cutOffOverdue();
    return isDone;
  }

  #acknowledge(peer: Peer, token: number): void {
    this.#news.acknowledge(peer, token);
    this.#farewells.acknowledge(peer, token);
    this.#seat.acknowledge(peer, token);
  }

  #goodbye(peer: Peer): void {
    if (peer.state !== 'present') return;
    if (peer.isMaster) {
      this.#farewells.begin(peer);
      this.#depart(peer, 'said goodbye', undefined);
    } else {
      this.#goneIds.add(peer.id);
      this.#depart(peer, 'said goodbye', 'IPC_CLOSED_GOODBYE');
    }
  }

  #evict(master: Peer): void {
    this.#depart(master, 'answered no ping while another master waited', 'IPC_CLOSED_MASTER_REPLACED');
    // What it still sends is of an old time: it must not grant locks beside its successor.
    master.state = 'gone';
    this.#cutOffOverdue();
  }

  #left(peer: Peer, cause: string): void {
    this.#depart(peer, cause, undefined);
    this.#farewells.left(peer);
    peer.state = 'gone';
    this.#cutOffOverdue();
  }

  #cutOffOverdue(): void {
    for (
      let overdue = this.#delivery.takeOverdue();
      overdue.length > 0;
      overdue = this.#delivery.takeOverdue()
    ) {
      for (const peer of overdue) this.#depart(peer, 'did not read its messages', 'IPC_CLOSED_TOO_SLOW');
    }
  }

  /** A peer is no longer part of the database; its connection is ended, with `code` if it has not ended by itself. */
  #depart(peer: Peer, cause: string, code: ClosureCode | undefined): void {
    if (peer.state !== 'present') return;
    if (code !== undefined) peer.outbox.close(code);
    this.#remove(peer, cause);
    // The same process is about to be let in again, and still waits for its answers.
    if (code === 'IPC_CLOSED_REPLACED') return;
    this.#dropMailOf(peer);
    const departure = disconnected(peer.id);
    for (const other of this.#peers.values()) {
      this.#delivery.sendInOrder(other, peer.id, departure);
    }
    if (peer === this.#seat.master) {
      this.#cancelSecondReplay?.();
      this.#formerMaster = peer;
      this.#seat.dismissChallengerOf(peer);
      this.#seat.vacate();
      for (const mail of this.#indexCreations.end()) this.#seat.keep(mail);
    }
  }

  #dropMailOf(peer: Peer): void {
    this.#parkingLot.discardFor(peer.id);
    const count = this.#seat.discardRequestsOf(peer.id) + this.#indexCreations.discardRequestsOf(peer.id);
    if (count > 0) this.#delivery.reportOrphanedRequests(peer.id, count);
  }

  #remove(peer: Peer, cause: string): void {
    peer.state = 'leaving';
    this.#peers.delete(peer.id);
    const fields = {
      database: this.name,
      peer: peer.id,
      address: peer.address,
      cause,
      peers: this.#peers.size,
    };
    this.#settings.logger.info(fields, 'peer disconnected');
    this.#settings.observer.peerDisconnected(this.#infoOf(peer), cause);
  }

  #infoOf(peer: Peer): PeerInfo {
    const { id, address, connectedAt } = peer;
    return { database: this.name, id, role: peer.isMaster ? 'master' : 'worker', address, connectedAt };
  }
}
