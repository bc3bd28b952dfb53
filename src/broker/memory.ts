/** Memory that is shared: what many use together, who gives back when there is not enough of it, and copies of what is kept. */

import { Slab } from '../protocol/slab.js';
import { invariant } from './invariants.js';

/** Longer copies get memory of their own. */
const SHARED_MAX = 1024;

const slab = new Slab();

/** A copy of bytes that are to be kept, so that they do not keep the long chunk alive that they are a part of. */
export function keptCopy(bytes: Uint8Array): Uint8Array {
  const { length } = bytes;
  if (length > SHARED_MAX) return new Uint8Array(bytes);
  return slab.begin(length).add(bytes).end();
}

/** A number of bytes that several who keep messages share. */
export class ByteBudget {
  readonly #max: number;
  #bytes = 0;

  /** @param max the bytes that may be taken at one time, all together */
  constructor(max: number) {
    this.#max = max;
  }

  /** The bytes that are taken. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Takes room. @returns false if there is not that much */
  take(bytes: number): boolean {
    if (!this.hasRoom(bytes)) return false;
    this.#bytes += bytes;
    return true;
  }

  /** Whether there is that much room, as things are. */
  hasRoom(bytes: number): boolean {
    return this.#bytes + bytes <= this.#max;
  }

  /** Gives room back. */
  give(bytes: number): void {
    this.#bytes -= bytes;
  }
}

/** How many times as much as is free one user may have: one alone takes three quarters at most, and leaves a quarter for all others. */
const TIMES_OF_FREE = 3;

/** What takes room of memory that is shared, and gives it back. */
export type Room = Pick<ByteBudget, 'take' | 'give'>;

/** Memory that is taken for moments, and by nobody in whole: so nobody has to give back for somebody else. */
export class TransientMemory {
  readonly #max: number;
  readonly #byUser = new Map<string, number>();
  #bytes = 0;

  /** @param max the bytes that may be taken at one time, all together */
  constructor(max: number) {
    this.#max = max;
  }

  /** The room of one user. */
  of(user: string): Room {
    return {
      take: (bytes) => this.#take(user, bytes),
      give: (bytes) => this.#add(user, -bytes),
    };
  }

  #take(user: string, bytes: number): boolean {
    const free = this.#max - this.#bytes - bytes;
    if ((this.#byUser.get(user) ?? 0) + bytes > TIMES_OF_FREE * free) return false;
    this.#add(user, bytes);
    return true;
  }

  #add(user: string, bytes: number): void {
    const its = (this.#byUser.get(user) ?? 0) + bytes;
    this.#bytes += bytes;
    if (its === 0) this.#byUser.delete(user);
    else this.#byUser.set(user, its);
  }
}

/**
 * Memory that several users share, each with an account of its own. Whoever wants some gets it while there is any. When there is
 * none left, the user that has most gives back, as long as it has more than the one that asks would then have; so each user can
 * always get as much as an equal share, and may have more while nobody else needs it.
 */
export class FairShares extends ByteBudget {
  readonly #accounts = new Set<Account>();
  #isReclaiming = false;

  /**
   * Opens an account.
   *
   * @param repay begins to give back: at each step what the largest debtor of this user takes, if it can, then the next one's; within
   *   another account's `take`, in which it may end early
   */
  open(repay: () => Iterator<unknown>): Account {
    const account = new Account(this, repay);
    this.#accounts.add(account);
    return account;
  }

  /** An account is not used any more. */
  closed(account: Account): void {
    this.#accounts.delete(account);
  }

  /** Has the others give back, if they have to. @returns whether there is room for that account now */
  makeRoom(asker: Account, bytes: number): boolean {
    if (this.hasRoom(bytes)) return true;
    // Whoever gives back may have to keep something meanwhile: not at the cost of a third one.
    if (this.#isReclaiming) return false;
    this.#isReclaiming = true;
    const exempt = new Set([asker]);
    const repayments = new Map<Account, Iterator<unknown>>();
    try {
      while (!this.hasRoom(bytes)) {
        const payer = this.#largestBut(exempt);
        const before = payer?.bytes ?? 0;
        if (payer === undefined || before <= asker.bytes + bytes) return false;
        const repayment = repayments.get(payer) ?? payer.repay();
        repayments.set(payer, repayment);
        repayment.next();
        if (payer.bytes >= before) exempt.add(payer);
      }
      return true;
    } finally {
      this.#isReclaiming = false;
    }
  }

  #largestBut(exempt: ReadonlySet<Account>): Account | undefined {
    let largest: Account | undefined;
    for (const account of this.#accounts) {
      if (!exempt.has(account) && account.bytes > (largest?.bytes ?? 0)) largest = account;
    }
    return largest;
  }
}

/** What one user has of shared memory. */
export class Account extends ByteBudget {
  /** Begins to give back, at each step what one debtor takes, if it can. */
  readonly repay: () => Iterator<unknown>;
  readonly #shares: FairShares;

  constructor(shares: FairShares, repay: () => Iterator<unknown>) {
    super(Number.POSITIVE_INFINITY);
    this.#shares = shares;
    this.repay = repay;
  }

  override take(bytes: number): boolean {
    return this.#shares.makeRoom(this, bytes) && super.take(bytes) && this.#shares.take(bytes);
  }

  override hasRoom(bytes: number): boolean {
    return this.#shares.hasRoom(bytes);
  }

  override give(bytes: number): void {
    super.give(bytes);
    this.#shares.give(bytes);
    invariant(this.bytes >= 0, 'kept-bytes');
  }

  /** Its user is gone; everything must have been given back. */
  close(): void {
    this.#shares.closed(this);
    invariant(this.bytes === 0, 'kept-bytes');
  }
}

/** What is kept for each of several owners, up to a limit for each. */
export class BytesByOwner<Owner extends object> {
  readonly #kept: ByteBudget;
  readonly #maxPerOwner: number;
  readonly #bytes = new Map<Owner, number>();

  /**
   * @param kept the account from which it is taken
   * @param maxPerOwner in bytes
   */
  constructor(kept: ByteBudget, maxPerOwner: number) {
    this.#kept = kept;
    this.#maxPerOwner = maxPerOwner;
  }

  /** What is kept for an owner. */
  of(owner: Owner): number {
    return this.#bytes.get(owner) ?? 0;
  }

  /** Takes room for an owner. @returns false if there is not that much */
  take(owner: Owner, bytes: number): boolean {
    const before = this.of(owner);
    if (before + bytes > this.#maxPerOwner || !this.#kept.take(bytes)) return false;
    this.#bytes.set(owner, before + bytes);
    return true;
  }

  /** Gives room back; nothing happens if that owner has none any more. */
  give(owner: Owner, bytes: number): void {
    const before = this.#bytes.get(owner);
    if (before === undefined) return;
    this.#kept.give(bytes);
    if (before === bytes) this.#bytes.delete(owner);
    else this.#bytes.set(owner, before - bytes);
  }

  /** That owner is gone. */
  giveAllOf(owner: Owner): void {
    this.#kept.give(this.of(owner));
    this.#bytes.delete(owner);
  }

  /** Gives everything back. */
  clear(): void {
    for (const owner of [...this.#bytes.keys()]) this.giveAllOf(owner);
  }
}
