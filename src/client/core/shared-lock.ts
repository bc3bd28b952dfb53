import { elapsedSince, type Moment } from '../../elapsed.js';
import type { IPCLock, LockDetails } from './host.js';
import type { Clock } from './ports.js';

const LOCKED = 'locked';
const DONE = 'done';

/** A transaction of AceBase. */
export type TransactionId = string | number;

/** What the master answers to a request for a lock. */
export interface GrantedLock {
  readonly id: number;
  readonly tid: TransactionId;
  readonly path: string;
  readonly write: boolean;
  /** Milliseconds since 1970, by the clock of the master. */
  readonly expires: number;
  /** Milliseconds for which it lasted when it was granted; servers that know no sessions do not say it [PROTOCOL-14.12]. */
  readonly lasts?: number;
  /** When something was said that the server had answered before it granted it, by the clock of this process: noted here. */
  readonly heardAt?: Moment | undefined;
  readonly comment: string;
}

/**
 * A lock with the time at which it expires by the clock of this process: AceBase compares that with its own, which may be hours from that of the
 * master. That clock may be set meanwhile: what has passed since is measured.
 *
 * @param asked when it was asked for
 */
export function byOwnClock(granted: GrantedLock, asked: Moment, clock: Clock): GrantedLock {
  const { lasts, heardAt = asked } = granted;
  if (lasts === undefined) return granted;
  // It may have waited long for its turn, and its answer may have been on its way for a while.
  const since = heardAt.at > asked.at ? heardAt : asked;
  return {
    ...granted,
    get expires() {
      return clock.wallTime() + lasts - elapsedSince(clock, since);
    },
  };
}

/** A lock that the master granted, and those that were granted in this process under it. It goes back when the last one ends. */
export class Anchor {
  readonly granted: GrantedLock;
  readonly #shares = new Map<TransactionId, number>();
  #openUntil: number;
  #waiting: (() => void)[] = [];
  #isLost = false;

  /** @param openUntil until when, by `clock.now()`, transactions that hold no lock may use it too */
  constructor(granted: GrantedLock, openUntil: number) {
    this.granted = granted;
    this.#openUntil = openUntil;
  }

  /** Whether any lock is held under it. */
  get isUsed(): boolean {
    return this.#shares.size > 0;
  }

  /** Whether the master gave it to others, with the place in the cluster. */
  get isLost(): boolean {
    return this.#isLost;
  }

  /** The master gave it to others. */
  lose(): void {
    this.#isLost = true;
    this.#wake();
  }

  /** Whether a transaction that holds no lock may use it. */
  isOpen(now: number): boolean {
    return now < this.#openUntil;
  }

  /** Lets no further transaction use it. */
  close(): void {
    this.#openUntil = Number.NEGATIVE_INFINITY;
  }

  /** A transaction is granted a lock under it. */
  take(tid: TransactionId): void {
    this.#shares.set(tid, (this.#shares.get(tid) ?? 0) + 1);
  }

  /** A lock that was granted under it has ended. @returns whether it was the last one of that transaction */
  drop(tid: TransactionId): boolean {
    const left = (this.#shares.get(tid) ?? 0) - 1;
    if (left > 0) {
      this.#shares.set(tid, left);
      return false;
    }
    this.#shares.delete(tid);
    this.#wake();
    return true;
  }

  /** Whether others use it than that transaction. */
  isSharedBeside(tid: TransactionId): boolean {
    return this.#shares.size > (this.#shares.has(tid) ? 1 : 0);
  }

  /**
   * Waits until no other transaction uses it, or it is lost; it must be closed.
   *
   * @returns false if it ran out before, as locks do whose holders wait for one another
   */
  async becomesOnlyOf(tid: TransactionId, clock: Clock): Promise<boolean> {
    let hasRunOut = false;
    const cancel = clock.schedule(this.granted.expires - clock.wallTime(), () => {
      hasRunOut = true;
      this.#wake();
    });
    while (this.isSharedBeside(tid) && !hasRunOut && !this.#isLost) {
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
    cancel();
    return !hasRunOut;
  }

  #wake(): void {
    for (const look of this.#waiting.splice(0)) look();
  }
}

/**
 * A lock as AceBase uses it, that is granted under one of the master.
 *
 * @param ended called once, when it is given back
 */
export function lockUnder(
  { granted }: Anchor,
  { path, tid, write, comment = '' }: LockDetails,
  ended: () => void,
): IPCLock {
  let isHeld = true;
  /** Set from outside, where the lock is lost. */
  let expires: number | undefined;
  const lock: IPCLock = {
    id: granted.id,
    tid,
    path,
    forWriting: write,
    state: LOCKED,
    get expires() {
      return expires ?? granted.expires;
    },
    set expires(at) {
      expires = at;
    },
    comment,
    release: async () => {
      if (!isHeld) return;
      isHeld = false;
      lock.state = DONE;
      ended();
    },
    // A transaction that holds a lock may always have it on the parent: the master's rule looks at no path.
    moveToParent: async () => {
      lock.path = parentOf(lock.path);
      return lock;
    },
  };
  return lock;
}

function parentOf(path: string): string {
  const end = Math.max(path.lastIndexOf('/'), path.lastIndexOf('['));
  return path.slice(0, Math.max(end, 0));
}
