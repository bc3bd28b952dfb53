import type { Broker } from '../../src/broker/broker.js';
import type { Cancel, Clock, Logger } from '../../src/broker/ports.js';
import { Histories } from '../../src/server/monitoring/history.js';
import { Overview } from '../../src/server/monitoring/overview.js';
import type { Line } from './line.js';

/** A clock of which a process that is dead hears nothing any more. */
class MortalClock implements Clock {
  readonly #clock: Clock;
  readonly #isAlive: () => boolean;

  constructor(clock: Clock, isAlive: () => boolean) {
    this.#clock = clock;
    this.#isAlive = isAlive;
  }

  now(): number {
    return this.#clock.now();
  }

  wallTime(): number {
    return this.#clock.wallTime();
  }

  schedule(milliseconds: number, callback: () => void): Cancel {
    return this.#clock.schedule(milliseconds, () => {
      if (this.#isAlive()) callback();
    });
  }
}

/** One process of the IPC server: a broker, and the lines that end in it. */
export class Server {
  isUp = true;
  isDraining = false;
  /** Whether it was stopped, in the midst of draining perhaps: it does not end once more then. */
  #isStopping = false;
  /** When somebody first came, whoever it was; and when somebody did that was there before it. */
  cameAt = Number.POSITIVE_INFINITY;
  returnedAt = Number.POSITIVE_INFINITY;
  /** By the clock of the run. */
  readonly startedAt: number;
  readonly broker: Broker;
  readonly histories: Histories;
  readonly overview: Overview;
  readonly lines = new Set<Line>();
  /** Those who have asked to be let in, and have no answer: called when the server dies. */
  readonly atDoor = new Set<() => void>();

  constructor(
    clock: Clock,
    /** Whether it took the place of another one. */
    readonly isSuccessor: boolean,
    logger: Logger,
    makeBroker: (clock: Clock, histories: Histories) => Broker,
  ) {
    this.startedAt = clock.now();
    const mortal = new MortalClock(clock, () => this.isUp);
    this.histories = new Histories(mortal, logger);
    this.broker = makeBroker(mortal, this.histories);
    this.overview = new Overview(this.broker, this.histories, mortal);
  }

  /** It lets nobody in any more who is new, and sends those who are there to the next one. @param done when they have gone */
  drain(timeout: number, done: () => void): void {
    this.isDraining = true;
    this.broker.drain(timeout, () => {
      if (this.isUp && !this.#isStopping) done();
    });
  }

  /** It ends all connections, and then itself. */
  stop(): void {
    this.#isStopping = true;
    this.broker.stop();
    this.isUp = false;
    this.#closeDoor();
  }

  /** It dies. @param noticedAfter milliseconds until the process at the other end of a line notices */
  kill(noticedAfter: () => number): void {
    this.isUp = false;
    for (const line of this.lines) line.break({ serverAfter: undefined, processAfter: noticedAfter() });
    this.#closeDoor();
  }

  #closeDoor(): void {
    for (const tell of this.atDoor) tell();
    this.atDoor.clear();
    this.lines.clear();
  }
}
