import { MASTER_ID } from '../../protocol/frames.js';
import { type Claim, type ClaimedLock, LONGEST_GRACE_MS, parseClaim } from '../../protocol/session.js';
import type { FileNews } from '../file-metadata.js';
import type { Limits } from '../limits.js';
import { wasGivenUp } from '../peers/admission.js';
import { isPresent, type Peer } from '../peers/peer.js';
import type { ArrivalRequest, Cancel, Scope } from '../ports.js';

/** What it works with. */
export interface LockClaimsSettings extends Pick<Scope, 'clock' | 'server' | 'servedSince'> {
  readonly limits: Pick<Limits, 'reconnectGrace'>;
  readonly news: Pick<FileNews, 'rootIsClaimed'>;
  /** Whether somebody who was there before is at the door, and not let in yet. */
  isAnyoneAtDoor(): boolean;
  /** Notes a lock. @returns false if there is no room for what this worker holds */
  claim(worker: Peer, lock: ClaimedLock): boolean;
  /** Whether others have used the database at this server of late, and all have left it: what they were granted is not known any more. */
  readonly wasServed: boolean;
  /** For how long somebody may be at the door, in milliseconds. */
  readonly longestAtDoor: number;
  /** Whether this server has granted, be it over by now, what is in the way of that lock. */
  isAnyInTheWayOf(lock: Pick<ClaimedLock, 'write'>): boolean;
  /** A worker holds what others may be given, or have been: it must not go on as what it was. */
  placeIsLost(worker: Peer, cause: string): void;
}

/** How many peers are noted at most. */
const MAX_MEMBERS = 10_000;

/** Who was at the door when the time was over has so long to say what he holds when he has come in, in milliseconds. */
const LAST_WORD_MS = 2_000;

/**
 * Locks that another server granted before this one was started [PROTOCOL-14.6].
 *
 * Clients that have a session come back and tell theirs, and who else was there. Until all of those have told theirs, or have
 * had the time to, nothing is granted that might conflict.
 */
export class LockClaims {
  readonly #settings: LockClaimsSettings;
  readonly #firstCameAt: number;
  /** Until when those who were there before, and reach nobody, may use what the last servers gave them. */
  #usableUntil: number;
  /** Peers that were there before and have not told what they hold, and those that have, by their ids. */
  readonly #awaited = new Set<string>();
  readonly #told = new Set<string>();
  /** Whether more are awaited than is noted: then nothing is granted before the time is over. */
  #areMore = false;
  /** Whether somebody has told who else was there; and whether somebody who was has gone before anybody did. */
  #isAnythingClaimed = false;
  #isAnyoneUnknown = false;
  /** Whether the master was there before, and has not said yet who else was. It holds none of these locks itself. */
  #isMasterSilent = false;
  #cancelHold: Cancel | undefined;
  /** The number of the lock whose holder has said where the root is. */
  #rootKnownBy = Number.NEGATIVE_INFINITY;

  constructor(settings: LockClaimsSettings) {
    this.#settings = settings;
    this.#firstCameAt = settings.clock.now();
    this.#usableUntil = this.#firstCameAt + settings.limits.reconnectGrace;
  }

  /**
   * Whether a worker that is not known comes from before this server, and so late that the others do not wait for it any more; or from
   * this one, which has given it up, and may have forgotten it with all others.
   */
  isTooLate({ peerId, client }: ArrivalRequest): boolean {
    const { reconnectGrace } = this.#settings.limits;
    if (client?.received === undefined || peerId === MASTER_ID || reconnectGrace === 0) return false;
    return wasGivenUp(client, this.#settings) || this.#isOver;
  }

  /** Whether locks are held back for those who may come back: no transaction begins. */
  get isHolding(): boolean {
    return this.#cancelHold !== undefined;
  }

  /** Whether peers from before a restart are waited for, or a master is about to say which ones there were. */
  get isAnyoneAwaited(): boolean {
    return this.isHolding || (this.#isMasterSilent && !this.#isOver);
  }

  /** A peer that was there before is at the door, and is not let in yet. */
  isAtDoor({ peerId, client }: ArrivalRequest): void {
    this.#waitFor(client?.grace);
    this.#await(peerId);
  }

  /** A peer has come. */
  came({ id, session }: Pick<Peer, 'id' | 'session'>): void {
    // Stock clients cannot tell what they hold, and a new process holds nothing.
    if (session?.isReturning !== true) {
      this.#hasTold(id);
      return;
    }
    this.#waitFor(session.client.grace);
    if (id === MASTER_ID) this.#isMasterSilent = true;
    this.#await(id);
  }

  /**
   * A client tells which locks it holds, and who else was there. If they cannot be noted, all of them and in time, it must not go on under them:
   * the pong to the ping behind its claim would be a new lease.
   *
   * @returns false if it may not, or what it says is malformed
   */
  claim(peer: Peer, frame: Uint8Array): boolean {
    const { session } = peer;
    // What one that has said goodbye holds, nobody would ever give back.
    if (!isPresent(peer) || session?.isReturning !== true || session.hasClaimed) return false;
    session.hasClaimed = true;
    if (peer.isMaster) this.#isMasterSilent = false;
    const claim = parseClaim(frame);
    if (claim === undefined || (peer.isMaster && claim.held.length > 0)) {
      if (!peer.isMaster) this.#settings.placeIsLost(peer, 'it did not say properly which locks it holds');
      return false;
    }
    if (claim.held.length > 0 && this.#isClosed) {
      this.#settings.placeIsLost(peer, 'it said too late which locks it holds');
      return true;
    }
    const { wasServed, isAnyInTheWayOf } = this.#settings;
    if (claim.held.length > 0 && (wasServed || claim.held.some(isAnyInTheWayOf))) {
      this.#settings.placeIsLost(peer, 'others were given what it holds before it came');
      return true;
    }
    for (const lock of claim.held) {
      if (this.#settings.claim(peer, lock)) continue;
      this.#settings.placeIsLost(peer, 'there is no room for the locks that it holds');
      return true;
    }
    this.#hearRoot(claim);
    this.#isAnythingClaimed = true;
    this.#isAnyoneUnknown = false;
    for (const id of claim.peers) this.#await(id);
    this.#hasTold(peer.id);
    return true;
  }

  /** Where the root is knows who was granted a lock last: the lock of another one may have run out before that moved it. */
  #hearRoot({ held, root }: Claim): void {
    const lockId = Math.max(...held.map(({ id }) => id));
    if (root === undefined || lockId <= this.#rootKnownBy) return;
    this.#rootKnownBy = lockId;
    this.#settings.news.rootIsClaimed(root);
  }

  /** That peer is gone for good. If it was there before, and could have told who else was, nobody knows that: whoever it was is waited for. */
  isGone({ id, session }: Pick<Peer, 'id' | 'session'>): void {
    if (id === MASTER_ID) this.#isMasterSilent = false;
    if (session?.isReturning === true && !this.#isAnythingClaimed) {
      this.#isAnyoneUnknown = true;
      this.#begin();
    }
    // Longer than this server waits for it, it may use what the last one gave it.
    const isGivenUpEarly = this.#usableUntil > this.#firstCameAt + this.#settings.limits.reconnectGrace;
    const hasNotSaid = session?.isReturning === true && !session.hasClaimed;
    if (!(isGivenUpEarly && hasNotSaid)) this.#hasTold(id);
  }

  /** The server stops. */
  stop(): void {
    this.#cancelHold?.();
  }

  #await(id: string): void {
    // The master holds no locks of this server.
    if (this.#isOver || id === MASTER_ID || this.#told.has(id)) return;
    if (this.#awaited.size < MAX_MEMBERS) this.#awaited.add(id);
    else this.#areMore = true;
    this.#begin();
  }

  /** The last servers may have waited longer than this one: so long may those who cannot reach any use what they gave. */
  #waitFor(grace = 0): void {
    const until = this.#firstCameAt + Math.min(grace, LONGEST_GRACE_MS);
    if (this.#isClosed || until <= Math.max(this.#usableUntil, this.#settings.clock.now())) return;
    this.#usableUntil = until;
    if (this.#cancelHold !== undefined) this.#endIn(until - this.#settings.clock.now());
  }

  #endIn(milliseconds: number): void {
    this.#cancelHold?.();
    this.#cancelHold = this.#settings.clock.schedule(milliseconds, () => this.#end());
  }

  /** Whether others have been given what was not claimed. Where nobody is waited for, that is so from the beginning, and hurts nobody. */
  get #isClosed(): boolean {
    return this.#isOver && this.#usableUntil > this.#firstCameAt;
  }

  get #isOver(): boolean {
    return this.#cancelHold === undefined && this.#settings.clock.now() >= this.#usableUntil;
  }

  #begin(): void {
    if (this.#isOver || this.#cancelHold !== undefined) return;
    this.#endIn(this.#usableUntil - this.#settings.clock.now());
  }

  #hasTold(id: string): void {
    if (this.#isOver) return;
    this.#awaited.delete(id);
    if (this.#told.size < MAX_MEMBERS) this.#told.add(id);
    if (this.#awaited.size > 0 || this.#areMore || this.#isAnyoneUnknown) return;
    this.#release();
  }

  /** Who came in time, and was kept at the door by others, is not late. Who came after him is. */
  #end(): void {
    const { isAnyoneAtDoor, longestAtDoor, clock } = this.#settings;
    if (isAnyoneAtDoor() && clock.now() < this.#usableUntil + longestAtDoor) {
      this.#endIn(LAST_WORD_MS);
      return;
    }
    this.#awaited.clear();
    this.#told.clear();
    this.#release();
  }

  #release(): void {
    this.#cancelHold?.();
    this.#cancelHold = undefined;
  }
}
