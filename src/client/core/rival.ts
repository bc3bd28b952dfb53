import { elapsedSince, type Moment, momentOf } from '../../elapsed.js';
import type { Clock, Failure } from './ports.js';

/** Whoever is let in hears so at once: who waits for longer and is cut off then was kept waiting, in milliseconds. */
const WAITING_MS = 500;

/**
 * What a master that is not let in knows of another one. It tells the next server, which knows of none, and must not let it in while that other one
 * may be on its way there, and still write [PROTOCOL-9.2].
 */
export class Rival {
  readonly #clock: Clock;
  #seenAt: Moment | undefined;
  #dialedAt: Moment | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** A connection is tried. @returns what it says of that */
  dial(): Readonly<Record<string, string>> {
    this.#dialedAt = momentOf(this.#clock);
    if (this.#seenAt === undefined) return {};
    return { rival: String(Math.round(elapsedSince(this.#clock, this.#seenAt))) };
  }

  /** A server does not let this process in. */
  refused(code: string): void {
    if (code === 'IPC_REFUSED_MASTER_AWAY') this.#seenAt = momentOf(this.#clock);
  }

  /** An attempt failed without an answer: the server may have ended that let this process wait for another master. */
  failed({ code }: Failure): void {
    const isCutOff = code === 'ECONNRESET';
    const waited = this.#dialedAt === undefined ? 0 : elapsedSince(this.#clock, this.#dialedAt);
    if (isCutOff && waited >= WAITING_MS) this.#seenAt = momentOf(this.#clock);
  }

  /** This process is let in. */
  isOver(): void {
    this.#seenAt = undefined;
  }
}
