/**
 * The ordered router of one database: what comes in is passed on, in one go and in the order of its coming, to
 * everybody whom it concerns; so every peer sees causes before effects (docs/PROTOCOL.md, section 10).
 */

import {
  ADDRESS_ALL,
  ADDRESS_START,
  addressEnd,
  asciiText,
  encode,
  envelopeOf,
  isAddressedTo,
  MASTER_ID,
  PONG,
  rangeEquals,
} from '../protocol/frames.js';
import {
  isMasterAnswer,
  isMasterRequest,
  type MasterAnswerType,
  type MessageType,
  messageTypeFrom,
} from '../protocol/messages.js';
import { parseReady } from '../protocol/session.js';
import type { FileNews } from './file-metadata.js';
import type { FileIdentity } from './identity/file-identity.js';
import type { JournalSwitch } from './journal-switch.js';
import type { LockService } from './locks/lock-service.js';
import type { MasterSeat } from './mastership.js';
import type { Delivery } from './peers/delivery.js';
import { isStockWorker, isThere, type Peer } from './peers/peer.js';
import type { Counters, Scope } from './ports.js';
import type { RequestCoordinator } from './requests/coordinator.js';

const MASTER_BYTES = encode(MASTER_ID);

/** What the router works with. */
export interface RouterSettings extends Pick<Scope, 'incidents' | 'counters'> {
  readonly peers: ReadonlyMap<string, Peer>;
  readonly seat: MasterSeat;
  readonly delivery: Delivery;
  readonly news: FileNews;
  readonly requests: RequestCoordinator;
  readonly locks: LockService;
  readonly identity: Pick<FileIdentity, 'checks' | 'answer'>;
  readonly journal: Pick<JournalSwitch, 'looked'>;
  /** A peer said goodbye, in its own name; the others know already. */
  goodbye(peer: Peer): void;
}

/** Passes messages on. */
export class Router {
  readonly #settings: RouterSettings;
  readonly #tallies: Counters['frames'];

  constructor(settings: RouterSettings) {
    this.#settings = settings;
    this.#tallies = settings.counters.frames;
  }

  /** A frame came from a peer. @returns false if it is not of the protocol, or not in the peer's own name */
  route(sender: Peer, frame: Uint8Array): boolean {
    switch (envelopeOf(frame)) {
      case 'broadcast':
        return this.#broadcast(sender, frame, frame.length);
      case 'directed':
        return this.#direct(sender, frame);
      case 'ping':
        this.#tallies.ping.came(frame.length);
        this.#settings.delivery.send(sender, PONG);
        return true;
      case 'ready':
        return this.#sessionWord(sender, frame, this.#ready(sender, frame));
      case 'claim':
        return this.#sessionWord(sender, frame, this.#settings.locks.claims.claim(sender, frame));
      case 'identity':
        return this.#sessionWord(sender, frame, this.#settings.identity.answer(sender, frame));
      case 'turn':
        return this.#sessionWord(sender, frame, this.#settings.locks.hearTurn(sender, frame));
      case 'written':
        return this.#sessionWord(sender, frame, this.#written(sender));
      case 'looked':
        return this.#sessionWord(sender, frame, this.#settings.journal.looked(sender));
      case 'malformed':
        return this.#refuseFrame(sender, frame);
    }
  }

  /** A word of a client that has a session came. @param isTaken whether it was one that this client may say now */
  #sessionWord(sender: Peer, frame: Uint8Array, isTaken: boolean): boolean {
    if (!isTaken) return this.#refuseFrame(sender, frame);
    this.#tallies.session.came(frame.length);
    return true;
  }

  #written(sender: Peer): boolean {
    if (!sender.isMaster || sender.session === undefined) return false;
    this.#settings.news.rootIsWritten(sender);
    return true;
  }

  #ready(sender: Peer, frame: Uint8Array): boolean {
    const word = sender.session === undefined ? undefined : parseReady(frame);
    if (word === undefined) return false;
    sender.isReady = true;
    sender.openedRoot = word.root;
    this.#settings.identity.checks.ready(sender);
    if (sender.isAccepted) this.#settings.seat.ready(sender);
    return true;
  }

  #direct(sender: Peer, frame: Uint8Array): boolean {
    const last = sender.lastReceiver;
    const isForLast = last !== undefined && isThere(last) && isAddressedTo(frame, last.idBytes);
    const end = isForLast ? ADDRESS_START + last.idBytes.length : addressEnd(frame);
    if (end < 0) return this.#refuseFrame(sender, frame);
    const message = frame.subarray(end + 1);
    if (rangeEquals(frame, ADDRESS_START, end, ADDRESS_ALL))
      return this.#broadcast(sender, message, frame.length);
    const type = messageTypeFrom(message, sender.idBytes);
    if (type === undefined) return this.#refuseForeign(sender, frame.length);
    this.#tallies[type].came(frame.length);
    if (rangeEquals(frame, ADDRESS_START, end, MASTER_BYTES)) return this.#toMaster(sender, type, message);
    const receiver = isForLast ? last : this.#receiverOf(sender, frame, end);
    if (isMasterAnswer(type)) return this.#answer(sender, receiver, type, message);
    if (receiver === undefined) return this.#undeliverable(sender, type);
    this.#tallies[type].goes(message.length, 1);
    this.#settings.delivery.send(receiver, message);
    return true;
  }

  /** Something for the master, that may be absent or settling. */
  #toMaster(sender: Peer, type: MessageType, message: Uint8Array): boolean {
    const { seat, delivery, requests, locks } = this.#settings;
    if (isMasterRequest(type)) {
      if (sender.isMaster) return this.#undeliverable(sender, type);
      if (this.#asksInVain(sender)) return true;
      const isTaken =
        type === 'request' ? requests.ask(sender, message) : locks.receive(sender, type, message);
      if (!isTaken) return this.#dropFrame(sender, message);
      this.#tallies[type].goes(message.length, 1);
      return true;
    }
    // Presence is told anew to each master, and events and results mean nothing to one that did not ask.
    if (seat.master === undefined) return this.#undeliverable(sender, type);
    this.#tallies[type].goes(message.length, 1);
    delivery.sendInOrder(seat.master, sender.id, message);
    return true;
  }

  /** An answer reaches a worker only if it comes from the master, and the worker waits for it. */
  #answer(sender: Peer, receiver: Peer | undefined, type: MasterAnswerType, message: Uint8Array): boolean {
    if (!sender.isMaster) return this.#undeliverable(sender, type);
    if (this.#settings.requests.answer(sender, receiver, type, message) && receiver !== undefined) {
      this.#tallies[type].goes(message.length, 1);
      this.#settings.delivery.send(receiver, message);
    }
    return true;
  }

  /** The receiver of a directed frame; it is tried first for the next one. */
  #receiverOf(sender: Peer, frame: Uint8Array, end: number): Peer | undefined {
    sender.lastReceiver = this.#settings.peers.get(asciiText(frame, ADDRESS_START, end));
    return sender.lastReceiver;
  }

  /** @param frameBytes the bytes of the frame that it came in */
  #broadcast(sender: Peer, message: Uint8Array, frameBytes: number): boolean {
    const type = messageTypeFrom(message, sender.idBytes);
    if (type === undefined) return this.#refuseForeign(sender, frameBytes);
    const tally = this.#tallies[type];
    tally.came(frameBytes);
    const { peers, delivery, news, locks, goodbye } = this.#settings;
    // Its process may be back already: who is there, the server tells.
    if (type === 'bye' && sender.state !== 'present') return true;
    const fate = type === 'notification' ? news.handle(sender, message) : 'goes on';
    if (fate === 'is done') return true;
    const canWait = type === 'notification' || type === 'cache-news';
    let receivers = 0;
    for (const receiver of peers.values()) {
      if (receiver === sender) continue;
      receivers++;
      delivery.sendInOrder(receiver, sender.id, message, canWait);
      if (fate === 'is to be read' && isStockWorker(receiver)) locks.holdUntilRead(receiver);
    }
    tally.goes(message.length, receivers);
    if (type === 'bye') goodbye(sender);
    return true;
  }

  /** Whether a worker that is gone for good asks for something: what it would get, nobody would give back. */
  #asksInVain(sender: Peer): boolean {
    if (sender.state === 'present') return false;
    this.#settings.delivery.reportOrphanedRequests(sender.id, 1);
    return true;
  }

  #refuseFrame(sender: Peer, frame: Uint8Array): false {
    this.#tallies.refused.came(frame.length);
    return this.#dropFrame(sender, frame);
  }

  #dropFrame(sender: Peer, frame: Uint8Array): false {
    const fields = { from: sender.id, bytes: frame.length };
    this.#settings.incidents.record('malformed-frame', fields);
    return false;
  }

  #refuseForeign(sender: Peer, frameBytes: number): false {
    this.#tallies.refused.came(frameBytes);
    this.#settings.incidents.record('foreign-from', { from: sender.id });
    return false;
  }

  #undeliverable(sender: Peer, type: MessageType): true {
    this.#settings.incidents.record('undeliverable', { from: sender.id, type });
    return true;
  }
}
