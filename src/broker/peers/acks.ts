import { stable } from '../../protocol/session.js';
import type { Cancel, Clock } from '../ports.js';
import type { Peer } from './peer.js';

/** Milliseconds between two looks at what has arrived everywhere. */
const SWEEP_MS = 100;

/**
 * Tells clients which of their messages have arrived everywhere, so that they need not keep them any longer
 * [PROTOCOL-14.7]: a client sends the others again if this server dies.
 *
 * The frames of a database are counted as they come. Whatever holds messages on their way knows up to which count nothing of
 * them is left in it: the outbox of each peer that is there or away, with what is parked for it, and what is held for a master
 * that has not opened its file. The least of these has arrived everywhere. Requests do not count: a client asks again for
 * what was not answered.
 */
export class Stability {
  readonly #clock: Clock;
  readonly #peers: ReadonlyMap<string, Peer>;
  readonly #heldUpTo: () => number;
  #count = 0;
  #cancelSweep: Cancel | undefined;

  /** @param heldUpTo up to how many frames nothing of what came of them is held for a master, but for requests */
  constructor(clock: Clock, peers: ReadonlyMap<string, Peer>, heldUpTo: () => number) {
    this.#clock = clock;
    this.#peers = peers;
    this.#heldUpTo = heldUpTo;
  }

  /** How many frames have come. */
  readonly now = (): number => this.#count;

  /** A frame came, and has not been passed on yet. */
  frameCame(sender: Peer): void {
    this.#count++;
    const { session } = sender;
    if (session === undefined) return;
    session.received++;
    this.#cancelSweep ??= this.#clock.schedule(SWEEP_MS, () => this.#sweep());
  }

  /** Looks no more, whatever comes. */
  stop(): void {
    this.#cancelSweep?.();
    // As if the next look were due already: none is scheduled any more.
    this.#cancelSweep = () => undefined;
  }

  #sweep(): void {
    this.#cancelSweep = undefined;
    let least = Math.min(this.#count, this.#heldUpTo());
    for (const peer of this.#peers.values()) least = Math.min(least, peer.outbox.caughtUpTo);
    let isMoreToCome = false;
    for (const peer of this.#peers.values()) {
      const { session } = peer;
      if (session === undefined) continue;
      session.check ??= { count: session.received, at: this.#count };
      if (session.check.at <= least && session.check.count > session.stable) {
        session.stable = session.check.count;
        peer.outbox.say(stable(session.stable));
      }
      if (session.check.at <= least) session.check = undefined;
      if (session.stable < session.received) isMoreToCome = true;
    }
    if (isMoreToCome) this.#cancelSweep = this.#clock.schedule(SWEEP_MS, () => this.#sweep());
  }
}
