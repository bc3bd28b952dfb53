import { OPEN_MS } from '../../../src/client/core/locks.js';
import type { ClaimedLock } from '../../../src/protocol/session.js';
import type { Belief } from '../checks/beliefs.js';
import type { Lock, Question } from './messages.js';
import type { OpenRequest } from './stock-peer.js';

/** A lock that a master granted to a process with our client, and how many locks each transaction has under it. */
export interface Anchor {
  readonly lock: Lock;
  readonly belief: Belief;
  readonly shares: Map<string, number>;
  /** Until when transactions that hold nothing may use it. */
  openUntil: number;
}

/** What a lock is asked for with. */
export interface Asked {
  readonly tid: string;
  readonly write: boolean;
}

/**
 * The locks of a worker with our client, as `src/client/locks.ts` has them, whose promises have no place in virtual time:
 * a transaction that holds one gets further ones without asking, all that read do so under one lock, and each worker knows
 * what to tell a new server.
 */
export class OurLocks {
  readonly #anchors = new Set<Anchor>();
  readonly #returning = new Set<Anchor>();
  readonly #lost = new Set<string>();
  readonly #lostAnchors = new Set<Anchor>();
  readonly #throughGap = new Set<Anchor>();
  #lostAll: (() => void) | undefined;
  #common: Anchor | undefined;
  /** Those who wait for the lock for reading that is asked for. */
  #joining: (() => void)[] | undefined;
  #isToYield = false;
  #writesAsked = 0;
  #names = 0;

  /** A lock under which this one is certain to be granted, one share more of it. */
  share({ tid, write }: Asked, leastExpiry: number, now: number): Anchor | undefined {
    const held = this.#heldBy(tid);
    const common = this.#common;
    const isOpen = common !== undefined && this.#mayJoin({ tid, write }) && now < common.openUntil;
    for (const anchor of isOpen ? [...held, common] : held) {
      const { lock, shares } = anchor;
      if ((write && !lock.write) || lock.expires <= leastExpiry) continue;
      shares.set(tid, (shares.get(tid) ?? 0) + 1);
      return anchor;
    }
    return undefined;
  }

  /** Who is to go on when the lock comes that another transaction asked for, and that serves this one as well. */
  joinersFor(asked: Asked): (() => void)[] | undefined {
    return this.#mayJoin(asked) ? this.#joining : undefined;
  }

  /** A lock is asked for. @returns the number by which the master is to know who holds it */
  asks({ tid, write }: Asked): { readonly name: string; readonly isCommon: boolean } {
    if (write) this.#writesAsked += 1;
    const [held] = this.#heldBy(tid).slice(-1);
    const isCommon = !write && held === undefined;
    if (isCommon) this.#joining ??= [];
    return { name: isCommon ? `${tid}.read${++this.#names}` : (held?.lock.tid ?? tid), isCommon };
  }

  /** The master has answered, and the process has made itself ready to use the lock, or failed. */
  answered({ write }: Asked, isCommon: boolean, anchor: Anchor | undefined): void {
    if (write) this.#writesAsked -= 1;
    if (!isCommon) return;
    if (anchor !== undefined && this.#anchors.has(anchor)) this.#common = anchor;
    const joining = this.#joining ?? [];
    this.#joining = undefined;
    for (const goOn of joining) goOn();
    if (this.#isToYield) this.yield();
    this.#isToYield = false;
  }

  granted(lock: Lock, belief: Belief, tid: string, openFrom: number | undefined): Anchor {
    const openUntil = openFrom === undefined ? Number.NEGATIVE_INFINITY : openFrom + OPEN_MS;
    const anchor = { lock, belief, shares: new Map([[tid, 1]]), openUntil };
    this.#anchors.add(anchor);
    return anchor;
  }

  /** Somebody wants to write. */
  yield(): void {
    if (this.#common !== undefined) this.#common.openUntil = Number.NEGATIVE_INFINITY;
    this.#isToYield = this.#joining !== undefined;
  }

  /** One share less. */
  ends({ shares }: Anchor, tid: string): void {
    const left = (shares.get(tid) ?? 0) - 1;
    if (left > 0) shares.set(tid, left);
    else shares.delete(tid);
    this.#endLost();
  }

  /** Nobody uses a lock, and nobody will. @returns whether it is to be given back to the master now */
  leaves(anchor: Anchor): boolean {
    if (!this.#anchors.delete(anchor)) return false;
    if (this.#common === anchor) this.#common = undefined;
    this.#returning.add(anchor);
    return true;
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
      const { id, tid, path, write, comment } = lock;
      return { id, tid, path, write, comment };
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
    const names = new Set<string>();
    for (const anchor of this.#anchors) {
      const { lock, shares } = anchor;
      for (const tid of shares.keys()) this.#lost.add(tid);
      names.add(lock.tid);
      this.#lostAnchors.add(anchor);
    }
    this.#anchors.clear();
    this.#returning.clear();
    this.#common = undefined;
    const ended: string[] = [];
    for (const [id, { question }] of requests) if (this.#isOfLost(question, names)) ended.push(id);
    this.#lostAll = done;
    return ended;
  }

  /** Those who wait for what was asked under a lost lock have been told. */
  toldLost(): void {
    this.#endLost();
  }

  #endLost(): void {
    for (const { shares } of this.#lostAnchors) if (shares.size > 0) return;
    this.#lost.clear();
    this.#lostAnchors.clear();
    const done = this.#lostAll;
    this.#lostAll = undefined;
    done?.();
  }

  #heldBy(tid: string): Anchor[] {
    return [...this.#anchors].filter(({ shares }) => shares.has(tid));
  }

  #mayJoin({ tid, write }: Asked): boolean {
    return !write && this.#writesAsked === 0 && this.#heldBy(tid).length === 0;
  }

  #isOfLost({ type, data }: Question, names: ReadonlySet<string>): boolean {
    if (type === 'lock-request') return names.has(data.tid);
    return type === 'request' && /^(fst.allocate|index.update)$/.test(data.type);
  }
}
