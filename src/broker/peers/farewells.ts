import { FAREWELL_MS } from '../limits.js';
import type { Cancel, Clock } from '../ports.js';
import type { Peer } from './peer.js';

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
  readonly #open = new Map<Peer, { readonly token: number; readonly cancelTimeout: Cancel }>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** A master said goodbye; nothing more is sent to it. */
  begin(master: Peer): void {
    const token = master.nextToken();
    const cancelTimeout = this.#clock.schedule(FAREWELL_MS, () => {
      this.#end(master);
      // Whatever it says when it wakes up, it says to a cluster that may have another master.
      master.state = 'gone';
    });
    this.#open.set(master, { token, cancelTimeout });
    master.outbox.ping(token);
  }

  /** The peer answered the ping with that token. */
  acknowledge(peer: Peer, token: number): void {
    const farewell = this.#open.get(peer);
    if (farewell !== undefined && token >= farewell.token) this.#end(peer);
  }

  /** The peer's connection has ended by itself. */
  left(peer: Peer): void {
    this.#open.get(peer)?.cancelTimeout();
    this.#open.delete(peer);
  }

  /** Ends them all now. */
  close(): void {
    for (const peer of [...this.#open.keys()]) this.#end(peer);
  }

  #end(peer: Peer): void {
    this.left(peer);
    peer.outbox.close('IPC_CLOSED_GOODBYE');
  }
}
