import type { Delivery } from './delivery.js';
import type { Incidents } from './incidents.js';
import type { MasterSeat } from './master-seat.js';
import { parseNotification } from './message.js';
import type { Peer } from './peer.js';
import { AnnouncedKeys } from './presence.js';
import { RootRecord } from './root-record.js';

/**
 * What all processes must know of the database file: where its root is, and its key table. Passed on when it changes,
 * and told again to those who come later (docs/PROTOCOL.md, sections 7 and 8).
 *
 * Nobody hears of the root before his file is open: AceBase would write it into a file that it has not opened yet,
 * and the process would end. A worker's file is open when it is granted a lock, for it asks for none before; a
 * master's, when it has settled.
 */
export class FileNews {
  readonly #database: string;
  readonly #seat: MasterSeat;
  readonly #delivery: Delivery;
  readonly #incidents: Incidents;
  #root = new RootRecord();
  #keys = new AnnouncedKeys();

  constructor(database: string, seat: MasterSeat, delivery: Delivery, incidents: Incidents) {
    this.#database = database;
    this.#seat = seat;
    this.#delivery = delivery;
    this.#incidents = incidents;
  }

  /** Looks at a notification. @returns whether nothing remains to be done: it was passed on here, or stops here */
  handle(sender: Peer, message: Uint8Array): boolean {
    const notification = parseNotification(message);
    switch (notification.type) {
      case 'kit.new_key':
        // Only the master hands out indexes of the key table.
        if (sender.isMaster) this.#keys.remember(notification.index, message);
        return false;
      case 'root.update':
        if (this.#root.receive(sender.root, notification.address, message) === 'echo') {
          this.#incidents.record(
            'root-echo',
            { database: this.#database, from: sender.id },
            'an echo stops here',
          );
        } else {
          // Workers hear of it when they are next granted a lock: nobody needs it before, and a worker that is late
          // must not write an old root into the file behind a newer one.
          const { master } = this.#seat;
          if (master !== undefined && master !== sender && master.hasFileOpen) this.#sendRoot(master);
        }
        return true;
      case 'unknown':
        return false;
    }
  }

  /**
   * The peer's file is open, and it may be about to use it: it is told the root as it is now, and, the first time,
   * the keys [PROTOCOL-8.3].
   */
  bringUpToDate(peer: Peer): void {
    if (!peer.hasFileOpen) {
      peer.hasFileOpen = true;
      this.repeatKeys(peer);
    }
    if (this.#root.current !== undefined && peer.root.believes !== this.#root.current.address)
      this.#sendRoot(peer);
  }

  /** Tells a peer all keys that were announced. Hearing of a key twice is harmless. */
  repeatKeys(peer: Peer): void {
    for (const announcement of this.#keys.all()) this.#delivery.sendOwed(peer, announcement);
  }

  /** Nobody is connected: the file may be repaired or replaced, and nothing of the old one must be told. */
  forget(): void {
    this.#root = new RootRecord();
    this.#keys = new AnnouncedKeys();
  }

  /** The peer has read everything that was sent before its ping with that token. */
  acknowledge(peer: Peer, token: number): void {
    this.#root.confirm(peer.root, token);
  }

  #sendRoot(receiver: Peer): void {
    const { current } = this.#root;
    if (current === undefined) return;
    if (receiver.session?.can('no-echo') === true) {
      receiver.root.believes = current.address;
      this.#delivery.send(receiver, current.message);
      return;
    }
    const token = receiver.nextToken();
    const verdict = this.#root.relay(receiver.root, token);
    if (verdict === 'overdue') {
      this.#delivery.markOverdue(receiver);
      return;
    }
    this.#delivery.send(receiver, current.message);
    if (verdict === 'send-and-ping') receiver.outbox.ping(token);
  }
}
