import type { Cancel, Clock } from '../../../src/broker/ports.js';
import type { LockDetails } from './messages.js';

type LockState = 'pending' | 'locked' | 'expired' | 'done';

/** One lock of a master. */
export class NodeLock {
  state: LockState = 'pending';
  expires = 0;
  cancelExpiry: Cancel = () => undefined;
  granted: ((lock: NodeLock) => void) | undefined;
  /** Called if it is not granted any more. */
  refused: () => void = () => undefined;

  constructor(
    readonly id: number,
    readonly details: LockDetails,
    readonly hasPriority: boolean,
    readonly requested: number,
  ) {}
}

/**
 * The lock table of AceBase's masters (`node-lock.js`): it knows no paths and no owners. A write lock is granted when no
 * other transaction holds a lock, a read lock when no other one holds a write lock; those with priority first, then
 * whoever may, in the order of asking. A lock that expired does not count, but its transaction gets no more.
 */
export class NodeLocker {
  #locks: NodeLock[] = [];
  #lastId = 0;

  constructor(
    readonly clock: Clock,
    /** Milliseconds. */
    readonly timeout: number,
  ) {}

  /** The lock that has this number. */
  find(id: number): NodeLock | undefined {
    return this.#locks.find((lock) => lock.id === id);
  }

  /** Those that are held. */
  held(): NodeLock[] {
    return this.#locks.filter(({ state }) => state === 'locked');
  }

  /** Calls `granted`, at once or later. @returns false if the transaction has let a lock expire */
  lock(
    details: LockDetails,
    granted: (lock: NodeLock) => void,
    hasPriority = false,
    refused: () => void = () => undefined,
  ): boolean {
    if (this.#locks.some((lock) => lock.details.tid === details.tid && lock.state === 'expired'))
      return false;
    const lock = new NodeLock(++this.#lastId, details, hasPriority, this.clock.now());
    lock.granted = granted;
    lock.refused = refused;
    this.#locks.push(lock);
    if (this.#isAllowed(details)) this.#grant(lock);
    return true;
  }

  unlock(lock: NodeLock, processesQueue = true): void {
    lock.state = 'done';
    lock.cancelExpiry();
    this.#locks = this.#locks.filter((other) => other !== lock);
    if (processesQueue) this.#processQueue();
  }

  /** As if it had expired; one that is waited for is not granted any more. @param id its number, if it was granted */
  revoke(tid: string, id: number | undefined): void {
    for (const lock of [...this.#locks]) {
      if (id === undefined && lock.state === 'pending' && lock.details.tid === tid) {
        this.#locks = this.#locks.filter((other) => other !== lock);
        lock.refused();
      } else if (lock.id === id) {
        lock.cancelExpiry();
        lock.state = 'expired';
      }
    }
    this.#processQueue();
  }

  /** Calls `moved` with the lock of the parent, which may have another number. */
  moveToParent(lock: NodeLock, moved: (lock: NodeLock) => void): boolean {
    const path = lock.details.path.slice(0, Math.max(lock.details.path.lastIndexOf('/'), 0));
    const details = { ...lock.details, path };
    if (this.#isAllowed(details)) {
      moved(Object.assign(lock, { details }));
      return true;
    }
    this.unlock(lock, false);
    return this.lock(details, moved, true);
  }

  /** The process has ended. */
  stop(): void {
    for (const lock of this.#locks) lock.cancelExpiry();
  }

  #isAllowed({ tid, write }: LockDetails): boolean {
    return !this.#locks.some(
      (other) => other.details.tid !== tid && other.state === 'locked' && (write || other.details.write),
    );
  }

  #grant(lock: NodeLock): void {
    lock.state = 'locked';
    lock.expires = this.clock.wallTime() + this.timeout;
    lock.cancelExpiry = this.clock.schedule(this.timeout, () => {
      lock.state = 'expired';
      this.#processQueue();
    });
    lock.granted?.(lock);
  }

  #processQueue(): void {
    const pending = this.#locks.filter(({ state }) => state === 'pending');
    pending.sort((a, b) => Number(b.hasPriority) - Number(a.hasPriority) || a.requested - b.requested);
    for (const lock of pending)
      if (lock.state === 'pending' && this.#isAllowed(lock.details)) this.#grant(lock);
  }
}
