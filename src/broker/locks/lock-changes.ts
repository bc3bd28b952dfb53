import type { OpenRequest } from '../masters/requests.js';
import type { Lock, LockLedger } from './lock-ledger.js';
import type { OlderLocks } from './older-locks.js';

/** What is to be done with a request about a lock that its asker holds. */
export type LockChange =
  /** It is the master's to answer. */
  | { readonly to: 'master' }
  /** The lock is none of the master's: the server answers; `orphan`, if it is one of a former master. */
  | { readonly to: 'server'; readonly orphan: Lock | undefined }
  /** The lock may be one of the master that is expected. */
  | { readonly to: 'next master' };

/** What lock changes work with. */
export interface LockChangesSettings {
  readonly ledger: LockLedger;
  readonly olderLocks: OlderLocks;
}

/**
 * Workers give locks back and move them, by the numbers that some master gave them: decides whether the present master
 * may hear of it, for it looks at no owner, and knows nothing of those before it [PROTOCOL-12.2].
 */
export class LockChanges {
  readonly #settings: LockChangesSettings;

  constructor(settings: LockChangesSettings) {
    this.#settings = settings;
  }

  /** A lock is given back. The ledger knows of it when this returns. */
  unlock(open: OpenRequest): LockChange {
    const { ledger, olderLocks } = this.#settings;
    const lock = this.#heldBy(open);
    const orphans = this.#orphansOf(open);
    const orphan = orphans[0];
    const count = orphans.length + (lock === undefined ? 0 : 1);
    // It holds this number several times, of several masters: nobody can tell which one it means. All end with the last.
    if (orphan !== undefined && count > 1 && ++orphan.returns < count)
      return { to: 'server', orphan: undefined };
    if (orphan !== undefined && olderLocks.mayBeOfNext(orphan)) return { to: 'next master' };
    for (const each of orphans) this.endOrphan(each);
    if (lock !== undefined) ledger.release(lock);
    const isMasters = lock !== undefined || olderLocks.mayInclude(open);
    return isMasters ? { to: 'master' } : { to: 'server', orphan };
  }

  /** A lock is to be moved to the parent of its path. */
  move(open: OpenRequest): LockChange {
    const { olderLocks } = this.#settings;
    const orphan = this.orphanOf(open);
    const isMasters =
      orphan === undefined && (this.#heldBy(open) !== undefined || olderLocks.mayInclude(open));
    return isMasters ? { to: 'master' } : { to: 'server', orphan };
  }

  /** The lock that a request which went to the master is about; the master may have gone since, and answer yet. */
  lockOf(open: OpenRequest): Lock | undefined {
    return this.#heldBy(open) ?? this.orphanOf(open);
  }

  /** A lock of the present master that the asker holds under the number that it names. */
  #heldBy({ asker, request }: OpenRequest): Lock | undefined {
    const lock = request.lockId === undefined ? undefined : this.#settings.ledger.lockWith(request.lockId);
    return lock?.holder === asker ? lock : undefined;
  }

  /** A lock of a former master that the asker holds under the number that it names. */
  orphanOf(open: OpenRequest): Lock | undefined {
    return this.#orphansOf(open)[0];
  }

  /** All of them, of the earliest master first. */
  #orphansOf({ asker, request }: OpenRequest): readonly Lock[] {
    return request.lockId === undefined ? [] : this.#settings.ledger.orphansOf(asker, request.lockId);
  }

  /** A lock of a former master is held no longer. */
  endOrphan(orphan: Lock): void {
    const { ledger, olderLocks } = this.#settings;
    ledger.release(orphan);
    olderLocks.ended(orphan);
  }
}
