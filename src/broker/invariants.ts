/**
 * What must be true of a database whatever its peers send, as assertions where it must hold. A broken one is a fault of this program:
 * nothing that the database would do next can be trusted. It is thrown up to the {@link Database}, which ends all of its
 * connections and is forgotten; other databases go on.
 */

/** The invariants, by the names under which they are logged. */
export const INVARIANTS = [
  /** Each request is in one state of the request table; what it takes there is counted once, and given back. */
  'request-table',
  /** A lock is granted by AceBase's rule: one transaction writes alone, several may read together. */
  'lock-conflict',
  /** A lock is granted under a root lock that the master granted, of that kind. */
  'lock-without-root',
  /** Locks of a disconnected worker are given to others when `reconnectGrace` is over, or when its process has ended. */
  'lock-given-away-early',
  /** A peer is disconnected only while it is connected, comes back only while it is away, and so on. */
  'peer-state',
  /** What a database has taken of the memory that all share is given back, once. */
  'kept-bytes',
  /** What an outbox has counted as unconfirmed is what it keeps. */
  'outbox',
] as const;

/** An invariant. */
export type Invariant = (typeof INVARIANTS)[number];

/** An invariant does not hold. */
export class BrokenInvariant extends Error {
  readonly invariant: Invariant;

  constructor(invariant: Invariant) {
    super(`the invariant "${invariant}" is broken`);
    this.name = 'BrokenInvariant';
    this.invariant = invariant;
  }
}

/** Throws unless it holds. To be called with what is known already: each is O(1), and allocates nothing. */
export function invariant(holds: boolean, name: Invariant): asserts holds {
  if (!holds) throw new BrokenInvariant(name);
}
