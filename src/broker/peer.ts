import { encode } from './envelope.js';
import type { Outbox } from './outbox.js';
import { MASTER_ID } from './peer-id.js';
import { RootView } from './root-record.js';

/**
 * Where a peer stands: `present`; `leaving`, it gets nothing more, but what it sent before its connection ends is
 * still passed on (answers of a master that said goodbye, for instance); `gone`, it is not heard any more.
 */
export type PeerState = 'present' | 'leaving' | 'gone';

/** One connection of an AceBase process to one database. A process that connects again is a new peer of the same id. */
export class Peer {
  readonly id: string;
  /** The id as it stands in messages. */
  readonly idBytes: Uint8Array;
  /** Where it connected from, for people to read. */
  readonly address: string;
  /** When it connected: milliseconds since 1970, for people to read. */
  readonly connectedAt: number;
  readonly outbox: Outbox;
  /** What it believes the root to be. */
  readonly root = new RootView();
  state: PeerState = 'present';
  /**
   * Whether its database file is known to be open. Before that it must hear of no root (it would write it into a file
   * that it has not opened, and die), and what it hears of keys is overwritten by the table it reads from the file.
   */
  hasFileOpen = false;
  /** The peer that it wrote to last: most write to the same one again. */
  lastReceiver: Peer | undefined;
  #lastToken = 0;

  constructor(id: string, address: string, connectedAt: number, outbox: Outbox) {
    this.id = id;
    this.idBytes = encode(id);
    this.address = address;
    this.connectedAt = connectedAt;
    this.outbox = outbox;
  }

  /** Whether it is the one that grants locks. */
  get isMaster(): boolean {
    return this.id === MASTER_ID;
  }

  /** A token for the next ping, higher than all before. */
  nextToken(): number {
    return ++this.#lastToken;
  }
}
