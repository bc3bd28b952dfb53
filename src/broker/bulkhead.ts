import type { ClosureCode } from '../errors.js';
import { BrokenInvariant, type Invariant } from './invariants.js';
import type { Cancel, Clock, Entrance, Link, Visitor } from './ports.js';

/** The code with which all connections of a database end that is ended. */
const CODE: ClosureCode = 'IPC_CLOSED_INVARIANT';

/** What a bulkhead asks of its database. */
export interface BulkheadHost {
  /** Something has happened in the database: what it caused outside of itself is to be done. */
  settle(): void;
  /** Called once: the database is to be forgotten, and what it has taken of what all share, given back. */
  broken(invariant: Invariant): void;
}

/**
 * The walls of one database: whatever happens in it (its peers send something, a timer is due, the broker asks something of it) begins
 * here. If an invariant breaks, nothing happens in it any more, and all of its connections are ended; others go on.
 */
export class Bulkhead {
  readonly #host: BulkheadHost;
  readonly #links = new Set<Link>();
  /** Those who have asked to be let in, and have no answer. */
  readonly #doors = new Set<Entrance>();
  /** A clock whose callbacks happen in the database, and which stands still while something happens there: that is one event, at one time. */
  readonly clock: Clock;
  #depth = 0;
  /** The time of what is happening, once somebody has asked for it. */
  #now: number | undefined;
  #isBroken = false;

  constructor(host: BulkheadHost, clock: Clock) {
    this.#host = host;
    this.clock = {
      now: () => {
        if (this.#depth === 0) return clock.now();
        this.#now ??= clock.now();
        return this.#now;
      },
      wallTime: () => clock.wallTime(),
      schedule: (milliseconds, callback) => clock.schedule(milliseconds, () => this.run(callback, undefined)),
    };
  }

  /** Does something in the database. @returns `otherwise` if it is broken, or breaks */
  run<T>(act: () => T, otherwise: T): T {
    if (!this.enter()) return otherwise;
    try {
      const result = act();
      this.settle();
      return result;
    } catch (error) {
      this.caught(error);
      return otherwise;
    } finally {
      this.leave();
    }
  }

  /** Something begins in the database. @returns false if it must not: nothing happens in it any more */
  enter(): boolean {
    if (this.#isBroken) return false;
    if (this.#depth++ === 0) this.#now = undefined;
    return true;
  }

  /** What began in the database is done: what it caused is settled, so that nobody has to remember it. */
  settle(): void {
    if (this.#depth === 1) this.#host.settle();
  }

  /** What began in the database is over. */
  leave(): void {
    this.#depth--;
  }

  /** An error was thrown in the database: the outermost call that is running ends it. Any other error is none of its own. */
  caught(error: unknown): void {
    if (!(error instanceof BrokenInvariant) || this.#depth > 1) throw error;
    this.#isBroken = true;
    try {
      this.#host.broken(error.invariant);
    } finally {
      for (const link of this.#links) link.close(CODE);
      for (const door of this.#doors) door.refuse('IPC_REFUSED_INVARIANT');
      this.#links.clear();
      this.#doors.clear();
    }
  }

  /** Somebody is at the door: what he says when he is let in happens in the database. */
  arrive(entrance: Entrance, arrive: (entrance: Entrance) => Cancel): Cancel {
    this.#doors.add(entrance);
    const cancel = this.run(
      () =>
        arrive({
          accept: (visitor) => {
            this.#doors.delete(entrance);
            const contained = new ContainedVisitor(this, visitor, () => this.#links.delete(link));
            const link = entrance.accept(contained);
            this.#links.add(link);
            return link;
          },
          refuse: (code, detail) => {
            this.#doors.delete(entrance);
            entrance.refuse(code, detail);
          },
        }),
      () => undefined,
    );
    return () => {
      this.#doors.delete(entrance);
      this.run(cancel, undefined);
    };
  }
}

/** A visitor whose words are heard in the database. */
class ContainedVisitor implements Visitor {
  readonly #bulkhead: Bulkhead;
  readonly #visitor: Visitor;
  readonly #hasLeft: () => void;

  constructor(bulkhead: Bulkhead, visitor: Visitor, hasLeft: () => void) {
    this.#bulkhead = bulkhead;
    this.#visitor = visitor;
    this.#hasLeft = hasLeft;
  }

  // For every frame: no closure is made here.
  receive(frame: Uint8Array): void {
    if (!this.#bulkhead.enter()) return;
    try {
      this.#visitor.receive(frame);
      this.#bulkhead.settle();
    } catch (error) {
      this.#bulkhead.caught(error);
    } finally {
      this.#bulkhead.leave();
    }
  }

  acknowledge(token: number): void {
    this.#bulkhead.run(() => this.#visitor.acknowledge(token), undefined);
  }

  get isPlaceKept(): boolean {
    return this.#visitor.isPlaceKept;
  }

  left(cause: string): void {
    this.#hasLeft();
    this.#bulkhead.run(() => this.#visitor.left(cause), undefined);
  }
}
