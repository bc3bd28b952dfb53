/**
 * The lock that the server holds at the master, for all workers together (docs/PROTOCOL.md, section 12). The master's own
 * transactions take theirs from its own locker: while the server has the root lock for reading they only read, while it has
 * it for writing they wait.
 */

import type { Clock } from '../ports.js';

/** What a lock is for. */
export type LockKind = 'read' | 'write';

/** What the root lock works with. */
export interface RootLockSettings {
  readonly clock: Clock;
  /** Milliseconds after which the master, if it wants its turn or cannot say that it does, is given one. */
  readonly masterTurn: number;
  /**
   * Milliseconds for which it stays here though no worker needs it, since the next lock is often asked for at once: if the
   * master cannot say that it wants its turn, and if it can.
   */
  readonly linger: number;
  readonly lingerIfTold: number;
  /** Milliseconds after which the master lets a lock expire. */
  readonly lockTimeout: number;
  /** Asks the master for a lock on everything. {@link RootLock.answered} is called with the same id. */
  ask(request: RootRequest): void;
  /** Gives a lock back to the master. */
  release(lockId: number): void;
}

/** A request to the master for the root lock. */
export interface RootRequest {
  readonly id: number;
  /** A new one for each root lock: one that has expired once is refused for good, one that is kept jumps the master's own queue. */
  readonly tid: string;
  readonly isWrite: boolean;
}

/** A request for it that is not answered yet. */
interface AskedRoot extends RootRequest {
  /** A time at which it was not granted yet, by the broker's clock. */
  at: number;
  /** Whether it is for a transaction that has it for reading. */
  readonly isUpgrade: boolean;
}

/** What the master answered: `undefined` if it refuses, since it is about to exit. */
export type RootAnswer = { readonly lockId: number; readonly expires: number } | undefined;

/** What workers need the root lock for, as things are. */
export interface RootDemand {
  /** `none`: nobody holds a lock, and nobody waits for one that may be granted. */
  readonly kind: LockKind | 'none';
  /** Whether any worker holds a lock. */
  readonly isInUse: boolean;
  /** Whether the transaction that waits for a lock for writing is the only one that holds any: it reads, and the root lock is upgraded. */
  readonly isUpgrade: boolean;
}

/** Milliseconds after which nobody who holds nothing is served under the same root lock: the master warns of it 10 s later. */
export const MAX_ROOT_AGE_MS = 20_000;

/**
 * Milliseconds after which a master that has refused it is asked again: it exits, and then it does not matter; or the transaction in whose
 * name it was asked had expired there.
 */
export const REFUSAL_MS = 2_000;

/** Milliseconds before the master lets the root lock expire at which it is given back. */
const EXPIRY_MARGIN_MS = 1_000;

/** A root lock that the master has granted: one lock, or two of the same transaction where one for reading was upgraded. */
interface Granted {
  readonly tid: string;
  readonly lockIds: readonly number[];
  readonly kind: LockKind;
  /** When the first of its locks was granted, as far as is known here, by the broker's clock. */
  readonly since: number;
  /** A time at which it was not granted yet: the answer may have been on its way for long. */
  readonly notBefore: number;
}

/** The root lock of one database. */
export class RootLock {
  readonly #settings: RootLockSettings;
  /** `canSay`: whether it says when it wants its turn. */
  #master:
    | { readonly canSay: boolean; wantsTurnSince: number | undefined; refusedAt: number | undefined }
    | undefined;
  #granted: Granted | undefined;
  #asked: AskedRoot | undefined;
  /** Since when no worker has needed what is granted. */
  #idleSince: number | undefined;
  #lastId = 0;
  /** How far the wall clock of the master is ahead of the broker's. */
  #masterOffset: number | undefined;
  #isClosed = false;

  constructor(settings: RootLockSettings) {
    this.#settings = settings;
  }

  /** Whether it may be asked for: a master is connected, and does not exit. */
  get isAvailable(): boolean {
    if (this.#master === undefined) return false;
    const { refusedAt } = this.#master;
    return refusedAt === undefined || this.#settings.clock.now() >= refusedAt + REFUSAL_MS;
  }

  /** What is held of it; `undefined` if nothing is. */
  get kind(): LockKind | undefined {
    return this.#granted?.kind;
  }

  /** Whether the lock of that number is part of what is held. */
  has(lockId: number): boolean {
    return this.#granted?.lockIds.includes(lockId) === true;
  }

  /** When a request for it was sent that is not answered yet. */
  get isAsked(): boolean {
    return this.#asked !== undefined;
  }

  /** When it was granted, by the broker's clock; `undefined` if it is not held. */
  get since(): number | undefined {
    return this.#granted?.since;
  }

  /** Whether a lock may be granted to a worker under it, as far as the master is concerned. */
  covers(isWrite: boolean): boolean {
    const { expiresAt = 0 } = this;
    if (this.#settings.clock.now() >= expiresAt) return false;
    const kind = this.#granted?.kind;
    return kind === 'write' || (kind === 'read' && !isWrite);
  }

  /**
   * Since when the master is to get its turn as soon as no worker holds a lock, by the broker's clock; `undefined` if it is not
   * its turn.
   */
  get turnOverSince(): number | undefined {
    if (this.#granted === undefined || this.#master === undefined) return undefined;
    const wantedSince = this.#master.canSay ? this.#master.wantsTurnSince : Number.NEGATIVE_INFINITY;
    if (wantedSince === undefined) return undefined;
    // One that wants it all the time has it between those of the workers.
    const end = Math.max(wantedSince, this.#granted.since + this.#settings.masterTurn);
    return end <= this.#settings.clock.now() ? end : undefined;
  }

  /** Whether it is so old that only transactions that hold a lock get further ones: others would have too little time. */
  get isOld(): boolean {
    const granted = this.#granted;
    return granted !== undefined && this.#settings.clock.now() >= this.#oldAt(granted);
  }

  #oldAt({ since, notBefore }: Granted): number {
    return Math.min(since + this.#maxAge, notBefore + this.#settings.lockTimeout / 2);
  }

  /** The master has not granted yet what it was asked for. @param time by the broker's clock */
  notGrantedBefore(time: number): void {
    if (this.#asked !== undefined) this.#asked.at = Math.max(this.#asked.at, time);
  }

  /**
   * When one of {@link RootLock.isAvailable}, {@link RootLock.turnOverSince}, {@link RootLock.isOld}, its expiry, or whether it is given back for want of use
   * changes next by time alone, by the broker's clock; `undefined` if none does.
   */
  get changesAt(): number | undefined {
    const granted = this.#granted;
    const now = this.#settings.clock.now();
    if (granted === undefined) {
      const again = (this.#master?.refusedAt ?? Number.NEGATIVE_INFINITY) + REFUSAL_MS;
      return again > now ? again : undefined;
    }
    const { masterTurn } = this.#settings;
    const { since } = granted;
    const ifLater = (at: number): number => (at > now ? at : Number.POSITIVE_INFINITY);
    const next = Math.min(
      ifLater(this.#oldAt(granted)),
      ifLater(granted.notBefore + this.#lifetime),
      this.#mayWantTurn ? ifLater(since + masterTurn) : Number.POSITIVE_INFINITY,
      this.#idleSince === undefined ? Number.POSITIVE_INFINITY : ifLater(this.#idleSince + this.#linger),
    );
    return next === Number.POSITIVE_INFINITY ? undefined : next;
  }

  /** When the root lock is given back, whoever has a lock under it, by the broker's clock; `undefined` if it is not held. */
  get expiresAt(): number | undefined {
    return this.#granted === undefined ? undefined : this.#granted.notBefore + this.#lifetime;
  }

  /** A time by the broker's clock, by that of the last master that granted the lock: milliseconds since 1970. */
  masterTime(at: number): number {
    return at + (this.#masterOffset ?? this.#settings.clock.wallTime() - this.#settings.clock.now());
  }

  /** A master is connected. @param canSay whether it says when it wants its turn */
  masterConnected(canSay: boolean): void {
    this.masterLeft();
    this.#master = { canSay, wantsTurnSince: undefined, refusedAt: undefined };
  }

  /** The master is gone, and with it what it granted. */
  masterLeft(): void {
    this.#master = undefined;
    this.#granted = undefined;
    this.#asked = undefined;
    this.#idleSince = undefined;
  }

  /** The master wants its turn, or needs none any more. */
  masterWantsTurn(wantsTurn: boolean): void {
    if (this.#master === undefined) return;
    const since = this.#master.wantsTurnSince ?? this.#settings.clock.now();
    this.#master.wantsTurnSince = wantsTurn ? since : undefined;
  }

  /** Does what the demand asks for, if it can be done now: asks for the root lock, upgrades it, or gives it back. */
  meet({ kind, isInUse, isUpgrade }: RootDemand): void {
    const granted = this.#granted;
    if (granted !== undefined && this.#settings.clock.now() >= granted.notBefore + this.#lifetime)
      this.#giveBack();
    else if (granted !== undefined && !isInUse && this.#asked === undefined) {
      const isWrongKind = kind === 'write' && granted.kind === 'read';
      if (this.#isIdleForLong(kind) || isWrongKind || this.turnOverSince !== undefined || this.isOld)
        this.#giveBack();
    } else this.#idleSince = undefined;
    if (kind === 'none' || this.#asked !== undefined || !this.isAvailable || this.#isClosed) return;
    if (this.#granted === undefined) this.#ask(`root${this.#lastId + 1}`, kind === 'write');
    else if (kind === 'write' && this.#granted.kind === 'read' && isUpgrade)
      this.#ask(this.#granted.tid, true, true);
  }

  /** The server stops: it is not asked for again. While a worker holds a lock, which it takes along to the next server, it is not given back. */
  close(isInUse: boolean): void {
    this.#isClosed = true;
    if (!isInUse) this.#giveBack();
  }

  /** The master answered a request. @returns whether it was for the root lock, and is the one that is waited for */
  answered(id: number, answer: RootAnswer): boolean {
    const asked = this.#asked;
    if (asked === undefined || asked.id !== id) return false;
    this.#asked = undefined;
    if (answer === undefined) {
      // Of a transaction that held a lock it refuses a further one also if that has expired there.
      if (asked.isUpgrade) this.#giveBack();
      else if (this.#master !== undefined) this.#master.refusedAt = this.#settings.clock.now();
      return true;
    }
    this.#masterOffset = answer.expires - this.#settings.lockTimeout - this.#settings.clock.now();
    const kind: LockKind = asked.isWrite ? 'write' : 'read';
    const former = this.#granted?.tid === asked.tid ? this.#granted : undefined;
    this.#granted = {
      tid: asked.tid,
      lockIds: [...(former?.lockIds ?? []), answer.lockId],
      kind,
      since: former?.since ?? this.#settings.clock.now(),
      notBefore: former?.notBefore ?? asked.at,
    };
    return true;
  }

  #isIdleForLong(kind: RootDemand['kind']): boolean {
    const now = this.#settings.clock.now();
    this.#idleSince = kind === 'none' ? (this.#idleSince ?? now) : undefined;
    return this.#idleSince !== undefined && now - this.#idleSince >= this.#linger;
  }

  /** A master that wants its turn gets it as soon as no worker needs the lock; one that cannot say so, soon. */
  get #linger(): number {
    const { linger, lingerIfTold } = this.#settings;
    if (this.#master?.canSay !== true) return linger;
    return this.#mayWantTurn ? 0 : lingerIfTold;
  }

  get #mayWantTurn(): boolean {
    return this.#master?.canSay === false || this.#master?.wantsTurnSince !== undefined;
  }

  get #maxAge(): number {
    return Math.min(MAX_ROOT_AGE_MS, this.#settings.lockTimeout / 2);
  }

  get #lifetime(): number {
    return this.#settings.lockTimeout - EXPIRY_MARGIN_MS;
  }

  #ask(tid: string, isWrite: boolean, isUpgrade = false): void {
    this.#asked = { id: ++this.#lastId, tid, isWrite, isUpgrade, at: this.#settings.clock.now() };
    this.#settings.ask(this.#asked);
  }

  #giveBack(): void {
    const lockIds = this.#granted?.lockIds ?? [];
    this.#granted = undefined;
    this.#idleSince = undefined;
    for (const lockId of lockIds) this.#settings.release(lockId);
  }
}
