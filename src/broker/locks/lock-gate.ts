/**
 * Decides when a lock request may go to the master (docs/PROTOCOL.md, section 12): not while the grant would conflict
 * with a lock that a former master gave, and that this one does not know; not while a new index is built, for writers;
 * and, for readers, not at once while a writer waits.
 */

import type { ByteBudget } from '../byte-budget.js';
import type { IndexCreations } from '../file/index-creations.js';
import { type Limits, LOCK_TIMEOUT_MARGIN_MS } from '../limits.js';
import type { OpenRequest } from '../masters/requests.js';
import type { Peer } from '../peers/peer.js';
import type { Cancel, Clock } from '../ports.js';
import type { LockLedger } from './lock-ledger.js';
import { YieldNotices } from './yield-notices.js';

/** A lock request with its message. */
export interface LockMail {
  readonly open: OpenRequest;
  readonly payload: Uint8Array;
}

/** A lock request that waits, and the bytes that it takes from what all share. */
interface WaitingMail extends LockMail {
  readonly cost: number;
}

/** What the gate works with. */
export interface LockGateSettings {
  readonly clock: Clock;
  readonly limits: Limits;
  readonly kept: ByteBudget;
  readonly ledger: LockLedger;
  readonly indexCreations: IndexCreations;
  /** Whether no lock may be granted to a transaction that holds none. */
  isHoldingGrants(): boolean;
  /** Whether the master may have granted it already, and will say so again. */
  mayBeGranted(open: OpenRequest): boolean;
  /** A lock for writing of a former master counts no more, though this worker never gave it back: perhaps in the midst of a write. */
  ranOut(holder: Peer): void;
  /** Gives a request to the master that waited here. */
  pass(mail: LockMail): void;
  /** Something was passed outside of a call of a visitor. */
  sent(): void;
}

/** The gate of one database. */
export class LockGate {
  readonly #settings: LockGateSettings;
  #waiting: WaitingMail[] = [];
  /** Write requests that the master has, and has not answered. */
  readonly #writes = new Set<OpenRequest>();
  readonly #notices = new YieldNotices();
  #cancelReview: Cancel | undefined;
  #isReviewing = false;

  constructor(settings: LockGateSettings) {
    this.#settings = settings;
  }

  /** A lock is asked for. @returns whether it may be passed on now; else it waits here, or, if `full`, has no room */
  admit(mail: LockMail): 'now' | 'later' | 'full' {
    const isBehindOrphans = this.#waiting.some(({ open }) => this.#conflictsWithOrphan(open));
    if (this.#mayPass(mail.open, isBehindOrphans)) {
      this.#note(mail.open);
      return 'now';
    }
    const { open } = mail;
    if (open.request.isWrite) this.#notices.writerCame();
    // A request that is kept for the next master is not kept twice.
    const cost = open.payload === undefined ? mail.payload.length : 0;
    if (!this.#settings.kept.take(cost)) return 'full';
    this.#waiting.push({ open, payload: open.payload ?? new Uint8Array(mail.payload), cost });
    this.#scheduleReview();
    return 'later';
  }

  /** The master answered. */
  answered(open: OpenRequest): void {
    if (this.#writes.delete(open) && this.#writes.size === 0) this.review();
  }

  /** Something changed that requests may have waited for: those that may go, go, in order. */
  review(): void {
    if (this.#waiting.length === 0 || this.#isReviewing) return;
    this.#isReviewing = true;
    this.#expireOrphans();
    const waiting = this.#waiting;
    this.#waiting = [];
    let isBehindOrphans = false;
    for (const mail of waiting) {
      if (this.#mayPass(mail.open, isBehindOrphans)) {
        this.#settings.kept.give(mail.cost);
        this.#note(mail.open);
        this.#settings.pass(mail);
      } else {
        isBehindOrphans ||= this.#conflictsWithOrphan(mail.open);
        this.#waiting.push(mail);
      }
    }
    this.#isReviewing = false;
    this.#scheduleReview();
  }

  /** A worker is gone: it needs no lock. @returns how many requests were thrown away */
  discardRequestsOf(asker: Peer): number {
    this.#notices.gone(asker);
    const before = this.#waiting.length;
    const gone = this.#waiting.filter(({ open }) => open.asker === asker);
    for (const { cost } of gone) this.#settings.kept.give(cost);
    this.#waiting = this.#waiting.filter(({ open }) => open.asker !== asker);
    for (const open of this.#writes) if (open.asker === asker) this.#writes.delete(open);
    return before - this.#waiting.length;
  }

  /** The master is gone. @returns what waited, for the next one */
  end(): readonly LockMail[] {
    this.#cancelReview?.();
    this.#cancelReview = undefined;
    this.#writes.clear();
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const { cost } of waiting) this.#settings.kept.give(cost);
    return waiting;
  }

  #note(open: OpenRequest): void {
    if (!open.request.isWrite) {
      this.#notices.readerCame(open.asker);
      return;
    }
    this.#writes.add(open);
    this.#notices.writerCame();
  }

  #mayPass(open: OpenRequest, isBehindOrphans: boolean): boolean {
    const { ledger, indexCreations } = this.#settings;
    if (this.#conflictsWithOrphan(open)) return false;
    // Who holds something already must not wait for those who wait for him.
    if (open.request.tid === undefined || ledger.hasLocks(open.request.tid)) return true;
    if (isBehindOrphans || this.#settings.isHoldingGrants()) return false;
    if (!open.request.isWrite) return !this.#letsWritersGoFirst(open);
    return !indexCreations.holdsWriters || this.#settings.mayBeGranted(open);
  }

  #letsWritersGoFirst(open: OpenRequest): boolean {
    const { clock, limits } = this.#settings;
    return this.#writes.size > 0 && clock.now() < open.since + limits.readerDelay;
  }

  /** The rule of AceBase's masters [PROTOCOL-12.1], for locks that this master does not know. */
  #conflictsWithOrphan({ request }: OpenRequest): boolean {
    for (const orphan of this.#settings.ledger.orphans) {
      if (orphan.tid !== request.tid && (request.isWrite || orphan.isWrite)) return true;
    }
    return false;
  }

  #expireOrphans(): void {
    const { ledger, clock } = this.#settings;
    for (const orphan of [...ledger.orphans]) {
      if (this.#endOf(orphan.since) > clock.now()) continue;
      ledger.release(orphan);
      if (orphan.isWrite) this.#settings.ranOut(orphan.holder);
    }
  }

  #endOf(since: number): number {
    return since + this.#settings.limits.lockTimeout + LOCK_TIMEOUT_MARGIN_MS;
  }

  /** Looks again when the first thing happens that time alone brings. */
  #scheduleReview(): void {
    this.#cancelReview?.();
    this.#cancelReview = undefined;
    if (this.#waiting.length === 0) return;
    const { clock, limits, ledger } = this.#settings;
    const now = clock.now();
    let next = Number.POSITIVE_INFINITY;
    for (const { since } of ledger.orphans) next = Math.min(next, this.#endOf(since));
    for (const { open } of this.#waiting) {
      const end = open.since + limits.readerDelay;
      if (!open.request.isWrite && end > now) {
        next = Math.min(next, end);
        break;
      }
    }
    if (next === Number.POSITIVE_INFINITY) return;
    this.#cancelReview = clock.schedule(Math.max(next - now, 0), () => {
      this.#cancelReview = undefined;
      this.review();
      this.#settings.sent();
    });
  }
}
