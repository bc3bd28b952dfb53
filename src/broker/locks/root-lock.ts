/**
 * The lock that the server holds at the master, for all workers together (docs/PROTOCOL.md, section 12). The master's own
 * transactions take theirs from its own locker: while the server has the root lock for reading they only read, while it has
 * it for writing they wait.
 */

import { expiryOf, type MasterAnswer } from '../../protocol/messages.js';
import { rootRelease, rootRequest } from '../../protocol/server-messages.js';
import {
  ASK_PING_MS,
  DEAD_ROOT_MS,
  type Limits,
  LOCK_EXPIRY_TOLERANCE_MS,
  ROOT_LINGER_IF_TOLD_MS,
  ROOT_LINGER_MS,
  ROOT_TURN_MS,
} from '../limits.js';
import type { Delivery } from '../peers/delivery.js';
import type { Peer } from '../peers/peer.js';
import type { Cancel, Scope } from '../ports.js';
import type { ServerRequests } from '../server-requests.js';

/** What a lock is for. */
export type LockKind = 'read' | 'write';

/** What the root lock works with. */
export interface RootLockSettings extends Pick<Scope, 'clock' | 'incidents' | 'startedAt'> {
  readonly limits: Pick<Limits, 'lockTimeout' | 'reconnectGrace'>;
  readonly delivery: Pick<Delivery, 'send'>;
  readonly asked: ServerRequests;
  /** The master has answered what it was asked. */
  answered(): void;
  /** A master answers pings, and does not grant the root lock: a server that is gone holds it there. */
  masterIsStuck(master: Peer): void;
}

/** A request for it that is not answered yet. */
interface AskedRoot {
  /** A new one for each root lock: one that has expired once is refused for good, one that is kept jumps the master's own queue. */
  readonly tid: string;
  readonly isWrite: boolean;
  /** Whether it is for a transaction that has it for reading. */
  readonly isUpgrade: boolean;
  /** Whether the master may have granted it to a server that is gone. */
  readonly isInDoubt: boolean;
  /** A time at which it was not granted yet, by the broker's clock. */
  at: number;
  /** When the master is known to have read it. */
  readAt: number | undefined;
}

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
  #master: { readonly peer: Peer; refusedAt: number | undefined } | undefined;
  #granted: Granted | undefined;
  #asked: AskedRoot | undefined;
  /** Since when no worker has needed what is granted. */
  #idleSince: number | undefined;
  /** How often it was asked for. */
  #requests = 0;
  /** What is known of the locks that the master, or the last one, gave the server: the highest number, and the transaction. */
  #last: { highestId: number; tid: string | undefined } = { highestId: 0, tid: undefined };
  /** How many were given back to the master, which has not said that it knows. */
  #returning = 0;
  /** End the wait for the next ping while it is asked for, and for the pong to the last. */
  #cancelPing: Cancel | undefined;
  #cancelPong: Cancel | undefined;
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

  /** What is known of the locks that the master, or the last one, gave the server: its highest number, and the transaction. */
  get last(): { readonly highestId: number; readonly tid: string | undefined } {
    return this.#last;
  }

  /** Whether a request for it was sent that is not answered yet. */
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
    const { peer } = this.#master;
    const wantedSince = peer.can('turn') ? peer.wantsTurnSince : Number.NEGATIVE_INFINITY;
    if (wantedSince === undefined) return undefined;
    // One that wants it all the time has it between those of the workers.
    const end = Math.max(wantedSince, this.#granted.since + ROOT_TURN_MS);
    return end <= this.#settings.clock.now() ? end : undefined;
  }

  /**
   * Since when it is so old that only those who hold a lock get further ones: others would have too little time. By the broker's clock; `undefined` if it is
   * not.
   */
  get oldSince(): number | undefined {
    const at = this.#granted === undefined ? Number.POSITIVE_INFINITY : this.#oldAt(this.#granted);
    return at <= this.#settings.clock.now() ? at : undefined;
  }

  #oldAt({ since, notBefore }: Granted): number {
    return Math.min(since + this.#maxAge, notBefore + this.#settings.limits.lockTimeout / 2);
  }

  /**
   * When one of {@link RootLock.isAvailable}, {@link RootLock.turnOverSince}, {@link RootLock.oldSince}, its expiry, or whether it is given back for want of use
   * changes next by time alone, by the broker's clock; infinite if none does.
   */
  get changesAt(): number {
    const granted = this.#granted;
    const now = this.#settings.clock.now();
    const never = Number.POSITIVE_INFINITY;
    const ifLater = (at: number): number => (at > now ? at : never);
    if (granted === undefined) return ifLater((this.#master?.refusedAt ?? never) + REFUSAL_MS);
    return Math.min(
      ifLater(this.#oldAt(granted)),
      ifLater(granted.notBefore + this.#lifetime),
      ifLater(this.#mayWantTurn ? granted.since + ROOT_TURN_MS : never),
      ifLater((this.#idleSince ?? never) + this.#linger),
    );
  }

  /** When the root lock is given back, whoever has a lock under it, by the broker's clock; `undefined` if it is not held. */
  get expiresAt(): number | undefined {
    return this.#granted === undefined ? undefined : this.#granted.notBefore + this.#lifetime;
  }

  /** A time by the broker's clock, by that of the last master that granted the lock: milliseconds since 1970. */
  masterTime(at: number): number {
    return at + (this.#masterOffset ?? this.#settings.clock.wallTime() - this.#settings.clock.now());
  }

  /** A master is connected. */
  masterConnected(peer: Peer): void {
    this.masterLeft();
    this.#master = { peer, refusedAt: undefined };
    this.#last.highestId = 0;
  }

  /** The master is gone, and with it what it granted. @returns whether it may have granted this lock, and have it still */
  masterLeft(): boolean {
    const mayHold = this.#granted !== undefined || this.#asked !== undefined || this.#returning > 0;
    this.#endPings();
    this.#master = undefined;
    this.#granted = undefined;
    this.#asked = undefined;
    this.#idleSince = undefined;
    this.#returning = 0;
    return mayHold;
  }

  /** A master has granted what it was not asked for here: it goes back, unless it is what is held, told once more. */
  grantedUnasked(peer: Peer, lockId: number): void {
    const isHeld = this.#granted?.lockIds.includes(lockId) === true;
    if (this.#master?.peer === peer && !isHeld) this.#release(lockId);
  }

  /** Does what the demand asks for, if it can be done now: asks for the root lock, upgrades it, or gives it back. */
  meet({ kind, isInUse, isUpgrade }: RootDemand): void {
    const granted = this.#granted;
    if (granted !== undefined && this.#settings.clock.now() >= granted.notBefore + this.#lifetime)
      this.#giveBack();
    else if (granted !== undefined && !isInUse && this.#asked === undefined) {
      const isWrongKind = kind === 'write' && granted.kind === 'read';
      if (
        this.#isIdleForLong(kind) ||
        isWrongKind ||
        this.turnOverSince !== undefined ||
        this.oldSince !== undefined
      )
        this.#giveBack();
    } else this.#idleSince = undefined;
    if (kind === 'none' || this.#asked !== undefined || !this.isAvailable || this.#isClosed) return;
    const { name } = this.#settings.asked;
    if (this.#granted === undefined) this.#ask(`${name}root${this.#requests + 1}`, kind === 'write');
    else if (kind === 'write' && this.#granted.kind === 'read' && isUpgrade)
      this.#ask(this.#granted.tid, true, true);
  }

  /** The server stops: it is not asked for again. While a worker holds a lock, which it takes along to the next server, it is not given back. */
  close(isInUse: boolean): void {
    this.#isClosed = true;
    if (!isInUse) this.#giveBack();
  }

  /** The server stops. */
  stop(): void {
    this.#endPings();
  }

  #answered(asked: AskedRoot, { lockId }: MasterAnswer, message: Uint8Array): void {
    if (this.#asked !== asked) return;
    this.#asked = undefined;
    this.#endPings();
    if (lockId !== undefined) this.#hold(asked, lockId, expiryOf(message));
    // Of a transaction that held a lock it refuses a further one also if that has expired there.
    else if (asked.isUpgrade) this.#giveBack();
    else if (this.#master !== undefined) this.#master.refusedAt = this.#settings.clock.now();
    this.#settings.answered();
  }

  /** @param expires when, by the clock of the master, if it says so */
  #hold(asked: AskedRoot, lockId: number, expires: number | undefined): void {
    const { clock, limits } = this.#settings;
    this.#masterOffset =
      (expires ?? clock.wallTime() + limits.lockTimeout) - limits.lockTimeout - clock.now();
    const kind: LockKind = asked.isWrite ? 'write' : 'read';
    const former = this.#granted?.tid === asked.tid ? this.#granted : undefined;
    this.#granted = {
      tid: asked.tid,
      lockIds: [...(former?.lockIds ?? []), lockId],
      kind,
      since: former?.since ?? clock.now(),
      notBefore: former?.notBefore ?? asked.at,
    };
    this.#last.highestId = Math.max(this.#last.highestId, lockId);
    if (expires !== undefined) this.#compareClocks(expires);
  }

  /** If a lock does not expire when the server thinks, the clocks differ, or `lockTimeout` is not AceBase's `storage.lockTimeout`. */
  #compareClocks(expires: number): void {
    const { clock, limits, incidents } = this.#settings;
    const lasts = Math.round(expires - clock.wallTime());
    if (Math.abs(lasts - limits.lockTimeout) <= LOCK_EXPIRY_TOLERANCE_MS) return;
    incidents.record('lock-expiry', { lasts, lockTimeout: limits.lockTimeout });
  }

  #isIdleForLong(kind: RootDemand['kind']): boolean {
    const now = this.#settings.clock.now();
    this.#idleSince = kind === 'none' ? (this.#idleSince ?? now) : undefined;
    return this.#idleSince !== undefined && now - this.#idleSince >= this.#linger;
  }

  /** A master that wants its turn gets it as soon as no worker needs the lock; one that cannot say so, soon. */
  get #linger(): number {
    if (this.#master?.peer.can('turn') !== true) return ROOT_LINGER_MS;
    return this.#mayWantTurn ? 0 : ROOT_LINGER_IF_TOLD_MS;
  }

  get #mayWantTurn(): boolean {
    const peer = this.#master?.peer;
    return peer !== undefined && (!peer.can('turn') || peer.wantsTurnSince !== undefined);
  }

  get #maxAge(): number {
    return Math.min(MAX_ROOT_AGE_MS, this.#settings.limits.lockTimeout / 2);
  }

  get #lifetime(): number {
    return this.#settings.limits.lockTimeout - EXPIRY_MARGIN_MS;
  }

  #ask(tid: string, isWrite: boolean, isUpgrade = false): void {
    if (this.#master === undefined) return;
    const { peer } = this.#master;
    const { clock, delivery, limits, startedAt } = this.#settings;
    // A stock master that was there before this server may have the root lock of another one, which nobody gives back.
    const mayBeOlder = peer.session === undefined && clock.now() < startedAt + limits.reconnectGrace;
    const isInDoubt = ++this.#requests === 1 && mayBeOlder;
    const asked: AskedRoot = { tid, isWrite, isUpgrade, isInDoubt, at: clock.now(), readAt: undefined };
    this.#asked = asked;
    this.#last.tid = tid;
    const id = this.#settings.asked.open(peer, (answer, message) => this.#answered(asked, answer, message));
    delivery.send(peer, rootRequest(id, tid, isWrite, 'for its workers'));
    if (this.#asked !== asked) return;
    if (isInDoubt) this.#ping(peer, asked);
    else this.#pingLater(peer, asked);
  }

  /** So it is known, within a second or two, when the master has granted it: its time counts from then. */
  #ping(master: Peer, asked: AskedRoot): void {
    const { clock, startedAt, masterIsStuck } = this.#settings;
    const at = clock.now();
    this.#cancelPong = master.whenRead(() => {
      // What it had granted before, it would have said before.
      asked.at = at;
      asked.readAt ??= clock.now();
      // One that was started after the server has a long transaction of its own.
      const isYounger = (master.process?.age ?? Number.POSITIVE_INFINITY) < clock.now() - startedAt;
      const isStuck = asked.isInDoubt && clock.now() - asked.readAt >= DEAD_ROOT_MS && !isYounger;
      if (isStuck) masterIsStuck(master);
      else this.#pingLater(master, asked);
    });
  }

  #pingLater(master: Peer, asked: AskedRoot): void {
    this.#cancelPing = this.#settings.clock.schedule(ASK_PING_MS, () => this.#ping(master, asked));
  }

  #endPings(): void {
    this.#cancelPing?.();
    this.#cancelPong?.();
  }

  #giveBack(): void {
    const lockIds = this.#granted?.lockIds ?? [];
    this.#granted = undefined;
    this.#idleSince = undefined;
    for (const lockId of lockIds) this.#release(lockId);
  }

  #release(lockId: number): void {
    const { asked, delivery } = this.#settings;
    const master = this.#master;
    if (master === undefined) return;
    this.#returning++;
    const id = asked.open(master.peer, () => {
      if (this.#master === master) this.#returning--;
    });
    delivery.send(master.peer, rootRelease(id, lockId));
  }
}
