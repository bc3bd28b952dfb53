import { elapsedSince, type Moment } from '../../elapsed.js';
import type { Cancel, Clock } from './ports.js';

/** Milliseconds of waiting after which it is told: who was only busy, or has just connected, is proved sooner. */
export const NOTICE_MS = 500;

/** What a lease works with. */
export interface LeaseSettings {
  readonly clock: Pick<Clock, 'now' | 'wallTime' | 'uptime' | 'schedule'>;
  /** When the last ping was sent that the server has answered; `undefined` if none was. */
  proof(): Moment | undefined;
  /** Milliseconds for which what is under way waits for the next proof. */
  patience(): number;
  /** What fails then, fails with this. */
  impatience(): Error;
  /** Something has waited for {@link NOTICE_MS}. */
  lapsed(): void;
  /** What waited goes on, if that was told. @param milliseconds for how long it waited at most */
  regained(milliseconds: number): void;
}

/** Something that waits for a lease. */
interface Waiting {
  goOn(): void;
  fail(error: Error): void;
}

/**
 * For how long a process may use its locks, and the file, without a word of the server (docs/PROTOCOL.md, section 14.11): the server gives
 * them to others no earlier than `reconnectGrace` after it has last heard this process, and the lease ends before. What is
 * under way then waits, and goes on where it was if the server says that it has kept the place.
 *
 * It is asked before each use, not by a timer: in a process that was stopped, what was due comes in any order.
 */
export class Lease {
  readonly #settings: LeaseSettings;
  /** `undefined` as long as no server has told one: then there is none. */
  #length: number | undefined;
  /** Others have got what this process held: why nothing of that may be used. */
  #lost: Error | undefined;
  /** How often that was so. */
  losses = 0;
  #waiting: Waiting[] = [];
  /** Since when something waits. */
  #waitsSince: number | undefined;
  #isTold = false;
  #cancelTimers: Cancel | undefined;

  constructor(settings: LeaseSettings) {
    this.#settings = settings;
  }

  /** Whether locks, and the file, may be used now. */
  get isHeld(): boolean {
    return this.#lost === undefined && (this.#length === undefined || this.#lasts(this.#length));
  }

  /** Whether others have got what this process held. */
  get isLost(): boolean {
    return this.#lost !== undefined;
  }

  /** The server tells how long it lasts: milliseconds; `undefined` if it knows none. */
  begin(length: number | undefined): void {
    this.#length = length;
    this.#lost = undefined;
    this.proved();
  }

  /** The server has answered a ping. */
  proved(): void {
    if (!this.isHeld) return;
    const { clock, regained } = this.#settings;
    const since = this.#waitsSince;
    const wasTold = this.#isTold;
    const waiting = this.#end();
    this.#isTold = false;
    if (wasTold) regained(clock.now() - (since ?? clock.now()));
    for (const { goOn } of waiting) goOn();
  }

  /** Others have got what this process held, until the next {@link Lease.begin}. */
  lose(error: Error): void {
    this.losses += 1;
    this.#lost = error;
    this.#isTold = false;
    this.#failAll(error);
  }

  /** This process has said goodbye. Of what others could have by now it uses nothing any more: what waits for the lease fails. */
  end(): void {
    if (this.isHeld) this.begin(undefined);
    else this.lose(this.#lost ?? this.#settings.impatience());
  }

  /** Calls `goOn` now, or when it is held again; or `fail`, once, if that will not be. In the order of the calls. */
  whenHeld(goOn: () => void, fail: (error: Error) => void): void {
    if (this.isHeld && this.#waiting.length === 0) goOn();
    else if (this.#lost !== undefined) fail(this.#lost);
    else {
      this.#waiting.push({ goOn, fail });
      this.#waits();
    }
  }

  /** As {@link Lease.whenHeld}; `undefined` if it is held. */
  wait(): Promise<void> | undefined {
    if (this.isHeld) return undefined;
    return new Promise((resolve, reject) => this.whenHeld(resolve, reject));
  }

  #lasts(length: number): boolean {
    const { clock, proof } = this.#settings;
    const proved = proof();
    return proved !== undefined && elapsedSince(clock, proved) < length;
  }

  #waits(): void {
    if (this.#cancelTimers !== undefined) return;
    const { clock, patience, impatience, lapsed } = this.#settings;
    this.#waitsSince ??= clock.now();
    const cancelNotice = clock.schedule(NOTICE_MS, () => {
      if (this.#isTold) return;
      this.#isTold = true;
      lapsed();
    });
    const cancelPatience = clock.schedule(patience(), () => this.#failAll(impatience()));
    this.#cancelTimers = () => {
      cancelNotice();
      cancelPatience();
    };
  }

  #failAll(error: Error): void {
    for (const { fail } of this.#end()) fail(error);
  }

  /** Nothing waits any more. @returns what did */
  #end(): readonly Waiting[] {
    this.#cancelTimers?.();
    this.#cancelTimers = undefined;
    this.#waitsSince = undefined;
    const waiting = this.#waiting;
    this.#waiting = [];
    return waiting;
  }
}

/** Several leases, all of which are needed at one time. */
export interface JointLease {
  readonly isOpen: boolean;
  /** Resolves when all are held. @throws what one of them fails with */
  wait(): Promise<void>;
}

/** @param leases those that there are whenever it is asked */
export function jointLease(leases: readonly Pick<Lease, 'isHeld' | 'wait'>[]): JointLease {
  return {
    get isOpen() {
      return leases.every(({ isHeld }) => isHeld);
    },
    async wait() {
      // While one is waited for, another one may lapse.
      while (!this.isOpen) for (const lease of leases) await lease.wait();
    },
  };
}
