import type { ClaimedLock } from '../../../src/broker/peers/session.js';
import type { Belief } from '../checks/beliefs.js';
import type { Lock, Question } from './messages.js';
import type { OpenRequest } from './stock-peer.js';

/** A lock that a master granted to a process with our client, and how many of its transaction are granted under it. */
export interface Anchor {
  readonly lock: Lock & { readonly epoch?: string };
  readonly belief: Belief;
  shares: number;
}

/**
 * The locks of a worker with our client, as `src/client/locks.ts` has them, whose promises have no place in virtual time:
 * a transaction that holds one gets further ones without asking, and each worker knows what to tell a new server.
 */
export class OurLocks {
  readonly #anchors = new Set<Anchor>();
  readonly #returning = new Set<Anchor>();
  readonly #lost = new Set<string>();
  readonly #throughGap = new Set<Anchor>();
  #lostAll: (() => void) | undefined;

  /** A lock of the transaction under which another one is certain to be granted, one share more of it. */
  share(tid: string, write: boolean, leastExpiry: number): Anchor | undefined {
    for (const anchor of this.#anchors) {
      const { lock } = anchor;
      if (lock.tid !== tid || (write && !lock.write) || lock.expires <= leastExpiry) continue;
      anchor.shares += 1;
      return anchor;
    }
    return undefined;
  }

  granted(lock: Lock, belief: Belief): Anchor {
    const anchor = { lock, belief, shares: 1 };
    this.#anchors.add(anchor);
    return anchor;
  }

  /** One share less. @returns whether the lock is to be given back to the master now */
  ends(anchor: Anchor): boolean {
    anchor.shares -= 1;
    if (anchor.shares > 0) return false;
    this.#anchors.delete(anchor);
    const { tid } = anchor.lock;
    if (!this.#lost.has(tid)) {
      this.#returning.add(anchor);
      return true;
    }
    this.#endLost();
    return false;
  }

  /** The master has said that it has it back. */
  returned(anchor: Anchor): void {
    this.#returning.delete(anchor);
  }

  isLost(tid: string): boolean {
    return this.#lost.has(tid);
  }

  claims(): ClaimedLock[] {
    return [...this.#anchors, ...this.#returning].map(({ lock }) => {
      const { id, tid, path, write, comment, epoch } = lock;
      return { id, tid, path, write, comment, epoch };
    });
  }

  /** News may have been missed; but nobody else wrote while one of these is held. */
  beginGap(): void {
    this.#throughGap.clear();
    for (const anchor of this.#anchors) if (anchor.lock.write) this.#throughGap.add(anchor);
  }

  get isHeldThroughGap(): boolean {
    for (const anchor of this.#throughGap) if (this.#anchors.has(anchor)) return true;
    return false;
  }

  /**
   * Others have given the locks back. `done` is called when all that goes on under them has ended.
   *
   * @returns the ids of requests that are to fail, before {@link OurLocks.toldLost}
   */
  lose(requests: Iterable<readonly [id: string, request: OpenRequest]>, done: () => void): readonly string[] {
    this.#returning.clear();
    for (const { lock } of this.#anchors) this.#lost.add(lock.tid);
    const ended: string[] = [];
    for (const [id, { question }] of requests) if (this.#isOfLost(question)) ended.push(id);
    this.#lostAll = done;
    return ended;
  }

  /** Those who wait for what was asked under a lost lock have been told. */
  toldLost(): void {
    this.#endLost();
  }

  #isOfLost({ type, data }: Question): boolean {
    if (type === 'lock-request') return this.#lost.has(data.tid);
    return type === 'request' && this.#lost.size > 0 && /^(fst.allocate|index.update)$/.test(data.type);
  }

  #endLost(): void {
    for (const { lock } of this.#anchors) if (this.#lost.has(lock.tid)) return;
    this.#lost.clear();
    const done = this.#lostAll;
    this.#lostAll = undefined;
    done?.();
  }
}
