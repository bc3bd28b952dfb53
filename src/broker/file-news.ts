import type { Delivery } from './delivery.js';
import type { Incidents } from './incidents.js';
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
  readonly #peers: ReadonlyMap<string, Peer>;
  readonly #delivery: Delivery;
  readonly #incidents: Incidents;
  readonly #root = new RootRecord();
  readonly #keys = new AnnouncedKeys();

  constructor(database: string, peers: ReadonlyMap<string, Peer>, delivery: Delivery, incidents: Incidents) {
    this.#database = database;
    this.#peers = peers;
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
          for (const receiver of this.#peers.values()) {
            if (receiver !== sender && receiver.hasFileOpen) this.#sendRoot(receiver);
          }
        }
        return true;
      case 'unknown':
        return false;
    }
  }

  /** The peer's file is known to be open: it is told the keys and the root as they are now [PROTOCOL-8.3]. */
  fileOpened(peer: Peer): void {
    peer.hasFileOpen = true;
    this.repeatKeys(peer);
    if (this.#root.current !== undefined && peer.root.believes !== this.#root.current.address)
      this.#sendRoot(peer);
  }

  /** Tells a peer all keys that were announced. Hearing of a key twice is harmless. */
  repeatKeys(peer: Peer): void {
    for (const announcement of this.#keys.all()) this.#delivery.sendOwed(peer, announcement);
  }

  /** The peer has read everything that was sent before its ping with that token. */
  acknowledge(peer: Peer, token: number): void {
    this.#root.confirm(peer.root, token);
  }

  #sendRoot(receiver: Peer): void {
    const { current } = this.#root;
    if (current === undefined) return;
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
