import type { Lock } from '../model/messages.js';
import type { StockPeer } from '../model/stock-peer.js';
import type { World } from '../world.js';
import type { Verdicts } from './verdicts.js';

/** A lock that a worker believes to hold. */
export interface Belief {
  readonly holder: StockPeer;
  readonly tid: string;
  readonly write: boolean;
  /** Milliseconds since 1970; the lock is nobody's afterwards. */
  readonly expires: number;
}

/** No two transactions of live workers believe in locks that conflict by AceBase's rule, unless one has run out. */
export class Beliefs {
  readonly #beliefs = new Set<Belief>();
  readonly #world: World;
  readonly #verdicts: Verdicts;

  constructor(world: World, verdicts: Verdicts) {
    this.#world = world;
    this.#verdicts = verdicts;
  }

  /** Whether somebody who is away since before that time holds a lock that has not run out. */
  isHeldAbsentSince(time: number): boolean {
    return [...this.#beliefs].some(
      (belief) =>
        this.#counts(belief) && (this.#world.absentSince(belief.holder) ?? Number.POSITIVE_INFINITY) < time,
    );
  }

  /** A worker has got a lock. */
  begins(holder: StockPeer, { id, tid, write, expires }: Lock): Belief {
    if (![...this.#beliefs].some((other) => other.tid === tid)) this.#beginsTransaction(holder, id, tid);
    const belief = { holder, tid, write, expires };
    // Who was given up may find a grant that was under way to him, and no server can take it back.
    const others = this.#counts(belief) ? this.#beliefs : [];
    for (const other of others) {
      if (other.tid === tid || !(write || other.write) || !this.#counts(other)) continue;
      const [mine, its] = [describe(belief), describe(other)];
      if (this.#world.mayNotKnowFor(holder, id))
        this.#verdicts.tear('a new server met new processes first, and one of before held a lock');
      // Who writes with a lock that ran out may give back another one by its number.
      this.#verdicts.wrongFile('conflicting locks', `${mine} while ${its}`);
    }
    this.#beliefs.add(belief);
    return belief;
  }

  /** The first lock of a transaction of a worker. The server gives none while a master opens its file [PROTOCOL-12.3]. */
  #beginsTransaction(holder: StockPeer, lockId: number, tid: string): void {
    const { master, masterCame, clock } = this.#world;
    if (holder.isMaster || master === undefined || master.isFileOpen || !this.#world.isPresent(master))
      return;
    const heldFor = this.#world.heldFor(lockId);
    // Times are told in whole milliseconds.
    if (heldFor === undefined || clock.now() - heldFor <= masterCame + 1) return;
    this.#verdicts.violation(
      'begins too early',
      `${holder.name} (${tid}): ${master.name} opens its file yet`,
    );
  }

  ends(belief: Belief): void {
    this.#beliefs.delete(belief);
  }

  /** A process writes, in a transaction: its lock must not have run out, and with our client nobody else may hold one by then. */
  writes(writer: StockPeer): void {
    const now = this.#world.clock.wallTime();
    for (const { holder, write, expires } of this.#beliefs) {
      if (holder === writer && write && now >= expires)
        this.#verdicts.tear(`${writer.name} writes though its lock ran out`);
    }
    if (writer.ours === undefined) return;
    for (const other of this.#beliefs) {
      if (other.holder === writer || !this.#counts(other)) continue;
      this.#verdicts.wrongFile('late write', `${writer.name} writes, while ${describe(other)}`);
      return;
    }
  }

  /** Whether a lock of that process has run out, that it goes on with: what it reads under it may be old. */
  hasRunOut(holder: StockPeer): boolean {
    const now = this.#world.clock.wallTime();
    return [...this.#beliefs].some((belief) => belief.holder === holder && now >= belief.expires);
  }

  /** Whether that worker holds a lock for writing, as far as it knows. */
  isWriting(holder: StockPeer): boolean {
    for (const belief of this.#beliefs) if (belief.holder === holder && belief.write) return true;
    return false;
  }

  /**
   * Nobody waits for the dead, nor for longer than the grace for who is stopped; nor for who has lost his line and does
   * not notice, since he was stopped meanwhile, or is exiting: a stock client does not watch its line then.
   */
  #counts({ holder, tid, expires }: Belief): boolean {
    const { clock, limits } = this.#world;
    if (!holder.isAlive || clock.wallTime() >= expires) return false;
    // It is told so as soon as it goes on; what it writes all the same is a late write.
    if (holder.ours?.client.lost.has(tid) === true) return false;
    const absentSince = this.#world.unusedSince(holder) ?? Number.POSITIVE_INFINITY;
    // Our client does not end itself; what it writes by then tears the file.
    if (holder.ours !== undefined && clock.now() - absentSince >= limits.reconnectGrace) return false;
    const { pausedAt = Number.POSITIVE_INFINITY, resumedAt = 0, isExiting } = holder;
    const isBlind = isExiting || absentSince < resumedAt || pausedAt < Number.POSITIVE_INFINITY;
    const since = Math.min(pausedAt, isBlind ? absentSince : Number.POSITIVE_INFINITY);
    return clock.now() - since < limits.reconnectGrace;
  }
}

function describe({ holder, tid, write }: Belief): string {
  return `${holder.name} ${write ? 'writes' : 'reads'} (${tid})`;
}
