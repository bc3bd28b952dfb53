import type { MasterSeat } from '../masters/master-seat.js';
import type { OpenRequest } from '../masters/requests.js';
import { encode } from '../messages/envelope.js';
import type { ArrivalRequest } from '../peers/entrance.js';
import type { Peer } from '../peers/peer.js';
import { MASTER_ID } from '../peers/peer-id.js';
import { parseClaim } from '../peers/session.js';
import type { Cancel, Clock } from '../ports.js';
import type { Lock, LockLedger } from './lock-ledger.js';

/** What it works with. */
export interface OlderLocksSettings {
  readonly clock: Clock;
  readonly seat: MasterSeat;
  readonly ledger: LockLedger;
  /** Milliseconds: `reconnectGrace`. */
  readonly grace: number;
  /** Gives a lock back to the master that is there. */
  giveBack(lockId: number): void;
  /** More requests may be passed on than before. */
  review(): void;
  /** Something was passed on outside of a call of a visitor. */
  sent(): void;
}

/**
 * Locks from before this server was started. It saw none of them granted.
 *
 * Clients that have a session come back and tell theirs [PROTOCOL-14.6]. A master that was there before knows its locks
 * by itself. A new one does not: until all have had the time to come back, it may grant nothing.
 */
export class OlderLocks {
  readonly #settings: OlderLocksSettings;
  /** Whether all locks are known: no later master leaves such that are not. */
  #areKnown = false;
  /** Whether the master that had granted them has said that all have ended. */
  #haveEnded = false;
  #hold: { cancel: Cancel } | undefined;
  #hasHeld = false;
  /** Whether anybody came that was there before. */
  #hasSeenReturn = false;
  /** Locks that ended before the master that may have granted them was back. */
  #endedEarly: Lock[] = [];

  /** When those who were there before have had the time to come back. */
  readonly #returnUntil: number;

  constructor(settings: OlderLocksSettings) {
    this.#settings = settings;
    this.#returnUntil = settings.clock.now() + settings.grace;
  }

  /** Whether a worker comes from before this server, and so late that the others do not wait for it any more. */
  isTooLate({ peerId, client }: ArrivalRequest): boolean {
    const { clock, grace } = this.#settings;
    if (client?.received === undefined || peerId === MASTER_ID || grace === 0) return false;
    return clock.now() > this.#returnUntil;
  }

  /** Whether no lock may be granted to a transaction that holds none. */
  get isHoldingGrants(): boolean {
    return this.#hold !== undefined;
  }

  /** A master has left: what was granted since is in the ledger. */
  masterLeft({ session }: Pick<Peer, 'session'>): void {
    this.#areKnown = true;
    this.#endedEarly = [];
    if (session?.isReturning === true && session.hasCleared) this.#haveEnded = true;
    if (this.#haveEnded) return;
    // It knew its locks of before; its successor does not, and their holders may not be back yet.
    const left = this.#returnUntil - this.#settings.clock.now();
    if (this.#hasSeenReturn && left > 0) this.#holdFor(left);
  }

  /** Whether a lock that the ledger does not know may have been granted before the server was started. */
  mayInclude({ asker, request }: OpenRequest): boolean {
    const { seat, ledger } = this.#settings;
    // A client with a session that was at a server before says which locks it has of then; one that was not has none.
    const hasOnlyKnown =
      asker.session !== undefined && (!asker.session.isReturning || asker.session.hasClaimed);
    if (seat.isHeld || request.lockId === undefined || hasOnlyKnown) return false;
    return !this.#areKnown && ledger.lockWith(request.lockId) === undefined;
  }

  /**
   * Whether the master that is there may have granted it before this server was started, and will say so again: nobody
   * knows of that lock, and others wait for it.
   */
  mayBeGranted({ asker }: OpenRequest): boolean {
    const { seat, clock } = this.#settings;
    const areBoth = asker.session?.isReturning === true && seat.master?.session?.isReturning === true;
    return areBoth && clock.now() < this.#returnUntil;
  }

  /** A client came that had a session at a server before this one. */
  returned({ isMaster }: Pick<Peer, 'isMaster'>): void {
    const { seat, grace } = this.#settings;
    this.#hasSeenReturn = true;
    if (isMaster) this.#endHold();
    else if (!this.#areKnown && !this.#hasHeld && seat.master?.session?.isReturning !== true) {
      this.#hasHeld = true;
      this.#holdFor(grace);
    }
  }

  /** A client tells which locks it holds. @returns false if it may not, or what it says is malformed */
  claim(worker: Peer, frame: Uint8Array): boolean {
    const { session } = worker;
    const { clock, ledger, seat, review } = this.#settings;
    if (session === undefined || worker.isMaster || session.hasClaimed) return false;
    const locks = parseClaim(frame);
    if (locks === undefined) return false;
    session.hasClaimed = true;
    for (const lock of locks) {
      const { id, tid, path, write, comment, epoch } = lock;
      const message = encode(JSON.stringify({ data: { id, path, tid, write, comment } }));
      ledger.claim(worker, { id, tid, isWrite: write }, clock.now(), message, epoch);
    }
    if (seat.master !== undefined) this.adopt(seat.master);
    review();
    return true;
  }

  /** Whether an orphan may belong to the master that comes next: it was there before this server. */
  mayBeOfNext({ epoch }: Lock): boolean {
    return epoch !== undefined && !this.#areKnown && this.#settings.seat.isHeld;
  }

  /** A lock that the present master does not know has ended. If its own master comes yet, it must be told. */
  ended(orphan: Lock): void {
    if (orphan.epoch !== undefined && !this.#areKnown) this.#endedEarly.push(orphan);
  }

  /** Locks that this master granted before the server was started are its own again. */
  adopt({ session }: Peer): void {
    if (session === undefined) return;
    this.#settings.ledger.adopt(session.id);
    const ended = this.#endedEarly.filter(({ epoch }) => epoch === session.id);
    this.#endedEarly = [];
    for (const { id } of ended) this.#settings.giveBack(id);
  }

  /** The server stops. */
  stop(): void {
    this.#endHold();
  }

  #holdFor(milliseconds: number): void {
    const { clock, review, sent } = this.#settings;
    this.#endHold();
    const cancel = clock.schedule(milliseconds, () => {
      this.#endHold();
      review();
      sent();
    });
    this.#hold = { cancel };
  }

  #endHold(): void {
    this.#hold?.cancel();
    this.#hold = undefined;
  }
}
