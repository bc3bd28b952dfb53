/**
 * The ordered switch of one database: what comes in is passed on, in one go and in the order of its coming, to
 * everybody whom it concerns; so every peer sees causes before effects (docs/PROTOCOL.md, section 10).
 */

import type { Delivery } from './delivery.js';
import {
  ADDRESS_ALL,
  ADDRESS_START,
  addressEnd,
  asciiText,
  encode,
  envelopeOf,
  PONG,
  rangeEquals,
} from './envelope.js';
import type { FileNews } from './file-news.js';
import type { Incidents } from './incidents.js';
import type { IndexCreations } from './index-creations.js';
import type { MasterSeat } from './master-seat.js';
import {
  isFrom,
  isGranted,
  isMasterRequest,
  type MasterRequest,
  type MessageType,
  messageType,
  parseMasterRequest,
} from './message.js';
import type { Peer } from './peer.js';
import { MASTER_ID } from './peer-id.js';
import { answerFor } from './requests.js';

const MASTER_BYTES = encode(MASTER_ID);

/** What the switch works with. */
export interface SwitchSettings {
  readonly database: string;
  readonly peers: ReadonlyMap<string, Peer>;
  readonly seat: MasterSeat;
  readonly delivery: Delivery;
  readonly news: FileNews;
  readonly indexCreations: IndexCreations;
  readonly incidents: Incidents;
  /** A peer said goodbye, in its own name; the others know already. */
  goodbye(peer: Peer): void;
}

/** Passes messages on. */
export class Switch {
  readonly #settings: SwitchSettings;

  constructor(settings: SwitchSettings) {
    this.#settings = settings;
  }

  /** A frame came from a peer. @returns false if it is not of the protocol, or not in the peer's own name */
  route(sender: Peer, frame: Uint8Array): boolean {
    switch (envelopeOf(frame)) {
      case 'broadcast':
        return this.#broadcast(sender, frame);
      case 'directed':
        return this.#direct(sender, frame);
      case 'ping':
        this.#settings.delivery.send(sender, PONG);
        return true;
      case 'malformed':
        return this.#refuseFrame(sender, frame);
    }
  }

  #direct(sender: Peer, frame: Uint8Array): boolean {
    const end = addressEnd(frame);
    if (end < 0) return this.#refuseFrame(sender, frame);
    const message = frame.subarray(end + 1);
    if (rangeEquals(frame, ADDRESS_START, end, ADDRESS_ALL)) return this.#broadcast(sender, message);
    if (!isFrom(message, sender.idBytes)) return this.#refuseForeign(sender);
    if (this.#settings.seat.isHeld && rangeEquals(frame, ADDRESS_START, end, MASTER_BYTES)) {
      return this.#keepForMaster(sender, message);
    }
    const { seat, delivery, indexCreations, news } = this.#settings;
    const type = messageType(message);
    if (type === 'result' && sender === seat.master) {
      indexCreations.answered(message);
    }
    const receiver = this.#receiverOf(sender, frame, end);
    if (receiver === undefined) return this.#undeliverable(sender, type);
    if (receiver === seat.master && this.#asksInVain(sender, type)) return true;
    if (type === 'request' && receiver === seat.master) return this.#passRequest(sender, receiver, message);
    if (!receiver.hasFileOpen && type === 'lock-result' && isGranted(message)) news.fileOpened(receiver);
    delivery.send(receiver, message);
    return true;
  }

  /** Passes a request on to the master, in its turn. */
  #passRequest(sender: Peer, master: Peer, message: Uint8Array): boolean {
    const { delivery, indexCreations } = this.#settings;
    const mail = { senderId: sender.id, payload: message, isRequest: true };
    const turn = indexCreations.admit(mail);
    if (turn === 'now') delivery.send(master, message);
    if (turn !== 'full') return true;
    const request = parseMasterRequest('request', message);
    if (request === undefined) return this.#refuseFrame(sender, message);
    this.#answerThatMailboxIsFull(sender, request);
    return true;
  }

  /** The receiver of a directed frame; the last one of each sender is tried first. */
  #receiverOf(sender: Peer, frame: Uint8Array, end: number): Peer | undefined {
    const last = sender.lastReceiver;
    if (last?.state === 'present' && rangeEquals(frame, ADDRESS_START, end, last.idBytes)) return last;
    sender.lastReceiver = this.#settings.peers.get(asciiText(frame, ADDRESS_START, end));
    return sender.lastReceiver;
  }

  #broadcast(sender: Peer, message: Uint8Array): boolean {
    if (!isFrom(message, sender.idBytes)) return this.#refuseForeign(sender);
    const { peers, delivery, news, goodbye } = this.#settings;
    const type = messageType(message);
    // Its process may be back already: who is there, the server tells.
    if (type === 'bye' && sender.state !== 'present') return true;
    if (type === 'notification' && news.handle(sender, message)) return true;
    for (const receiver of peers.values()) {
      if (receiver !== sender) delivery.sendInOrder(receiver, sender.id, message);
    }
    if (type === 'bye') goodbye(sender);
    return true;
  }

  /** The master is absent or settling: what waits for an answer is kept, or gets one from the server. */
  #keepForMaster(sender: Peer, message: Uint8Array): boolean {
    const { seat, delivery } = this.#settings;
    const type = messageType(message);
    if (this.#asksInVain(sender, type)) return true;
    if (isMasterRequest(type)) return this.#keepRequest(sender, type, message);
    // Presence is told anew to each master, and events and results mean nothing to one that did not ask.
    if (seat.master === undefined) return this.#undeliverable(sender, type);
    delivery.sendInOrder(seat.master, sender.id, message);
    return true;
  }

  /** Whether a peer that is gone for good asks for something: what it would get, nobody would give back. */
  #asksInVain(sender: Peer, type: MessageType): boolean {
    const { peers, delivery } = this.#settings;
    if (sender.state === 'present' || (type !== 'lock-request' && type !== 'request')) return false;
    if (peers.has(sender.id)) return false;
    delivery.reportOrphanedRequests(sender.id, 1);
    return true;
  }

  #keepRequest(sender: Peer, type: MasterRequest['type'], message: Uint8Array): boolean {
    const request = parseMasterRequest(type, message);
    if (request === undefined) return this.#refuseFrame(sender, message);
    // Lock ids are the old master's: a new one does not know them, or, worse, knows them as somebody else's.
    const isAboutOldLock = type === 'unlock-request' || type === 'move-lock-request';
    const mail = { senderId: sender.id, payload: message, isRequest: true };
    if (isAboutOldLock) this.#answerForMaster(sender, request, lostLock(this.#settings.database));
    else if (!this.#settings.seat.keep(mail)) this.#answerThatMailboxIsFull(sender, request);
    return true;
  }

  #answerThatMailboxIsFull(sender: Peer, request: MasterRequest): void {
    this.#settings.delivery.reportFullMailbox(sender.id);
    this.#answerForMaster(sender, request, mailboxFull(this.#settings.database));
  }

  #answerForMaster(sender: Peer, request: MasterRequest, reason: string): void {
    const { database, peers, delivery, incidents } = this.#settings;
    const { type } = request;
    incidents.record(
      'answered-for-master',
      { database, to: sender.id, type },
      'the server answered for the master',
    );
    // Its process may have connected again meanwhile.
    delivery.send(peers.get(sender.id) ?? sender, answerFor(request, reason));
  }

  #refuseFrame(sender: Peer, frame: Uint8Array): false {
    const { database, incidents } = this.#settings;
    const fields = { database, from: sender.id, bytes: frame.length };
    incidents.record('malformed-frame', fields, 'dropped a frame that is not of the protocol');
    return false;
  }

  #refuseForeign(sender: Peer): false {
    const { database, incidents } = this.#settings;
    incidents.record(
      'foreign-from',
      { database, from: sender.id },
      'dropped a message in the name of somebody else',
    );
    return false;
  }

  #undeliverable(sender: Peer, type: MessageType): true {
    const { database, incidents } = this.#settings;
    incidents.record(
      'undeliverable',
      { database, from: sender.id, type },
      'dropped a message: its receiver is not there',
    );
    return true;
  }
}

function lostLock(database: string): string {
  return `IPC_REQUEST_LOCK_LOST: the master of database "${database}" is gone, and this lock with it. Try again.`;
}

function mailboxFull(database: string): string {
  return (
    `IPC_REQUEST_MAILBOX_FULL: no master is connected for database "${database}", and too many requests wait for it. ` +
    'Start the master.'
  );
}
