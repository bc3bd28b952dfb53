import type { Duplex } from 'node:stream';
import type { Cancel, Entrance, Link, Visitor } from '../broker/ports.js';
import type { RefusalCode } from '../errors.js';

/** What becomes of who asks to be let in. */
export interface SocketEntranceSettings {
  /** The peer is let in. */
  admit(visitor: Visitor): Link;
  /** It is not. */
  turnAway(code: RefusalCode, detail: string | undefined): void;
}

/**
 * The {@link Entrance} of one connection, and what it does while it waits there.
 *
 * Who is in may stay for weeks: of the request that let him in, nothing is kept.
 */
export class SocketEntrance implements Entrance {
  readonly #socket: Duplex;
  #settings: SocketEntranceSettings | undefined;
  readonly #goneEarly = (): void => this.#isGone();
  /** To be called if it goes away while it waits; set once that is known. */
  leave: Cancel | undefined;

  constructor(socket: Duplex, settings: SocketEntranceSettings) {
    this.#socket = socket;
    this.#settings = settings;
    // A process that is killed while it waits ends its side; the socket itself stays open for as long as ours does.
    socket.once('end', this.#goneEarly).once('close', this.#goneEarly);
  }

  accept(visitor: Visitor): Link {
    const settings = this.#close();
    if (settings === undefined) throw new TypeError('an entrance was used twice');
    return settings.admit(visitor);
  }

  refuse(code: RefusalCode, detail?: string): void {
    this.#close()?.turnAway(code, detail);
  }

  #close(): SocketEntranceSettings | undefined {
    const settings = this.#settings;
    this.#settings = undefined;
    this.#socket.off('end', this.#goneEarly).off('close', this.#goneEarly);
    return settings;
  }

  #isGone(): void {
    this.leave?.();
    this.#socket.destroy();
  }
}
