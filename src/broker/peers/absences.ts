import type { ClosureCode } from '../../errors.js';
import { FIRST_PROCESS_CHECK_MS, type Limits, PROCESS_CHECK_MS } from '../limits.js';
import type { LockService } from '../locks/lock-service.js';
import type { Incidents } from '../monitoring/incidents.js';
import type { Cancel, Clock } from '../ports.js';
import type { GoneIds } from './gone-ids.js';
import type { Peer } from './peer.js';

/** Why a worker must not come back for which not everything could be kept. */
const NO_ROOM = 'there was no room to keep all that was said to it';

/** What absences ask of their database. */
export interface AbsencesHost {
  /** A worker has no line any more, and is waited for. */
  left(worker: Peer, cause: string): void;
  /** A worker is gone for good. */
  depart(worker: Peer, cause: string): void;
  /** A worker is gone for good, outside of a call of a visitor. */
  stayedAway(worker: Peer, cause: string): void;
}

/** What absences work with. */
export interface AbsencesSettings {
  readonly database: string;
  readonly clock: Clock;
  readonly limits: Limits;
  readonly incidents: Incidents;
  readonly locks: Pick<LockService, 'isHolder'>;
  readonly goneIds: GoneIds;
}

/**
 * Workers whose line broke, and who may come back (docs/PROTOCOL.md, section 13).
 *
 * A stock client cannot tell what of its last messages arrived, and asks for nothing again. So it must not go on if
 * that matters: if it held a lock (giving it back may have been lost), or if an answer may have reached it, or may not
 * (a second one would end it, and none would let it wait for ever). It is refused then, ends, and is started afresh.
 *
 * A client that has a session knows what arrived, and asks again for the rest: it comes back as it went, and a master
 * of that kind is waited for like a worker.
 */
export class Absences {
  readonly #settings: AbsencesSettings;
  readonly #host: AbsencesHost;
  readonly #grace = new Map<Peer, Cancel>();

  constructor(settings: AbsencesSettings, host: AbsencesHost) {
    this.#settings = settings;
    this.#host = host;
  }

  /** The line of a worker that is present broke; with `code`, it is ended here. */
  begin(worker: Peer, cause: string, code: ClosureCode | undefined): void {
    const { clock, limits, locks } = this.#settings;
    // What still comes on the old line is not heard: its order against the new one is not known.
    worker.line++;
    if (code !== undefined) worker.outbox.closeLine(code);
    const isAllKept = worker.outbox.detach();
    if (limits.reconnectGrace === 0) {
      worker.outbox.discard();
      this.#host.depart(worker, cause);
      return;
    }
    if (!isAllKept) worker.returnProblem = NO_ROOM;
    else if (worker.session?.can('resume') === true) worker.returnProblem = undefined;
    else if (worker.isMaster)
      worker.returnProblem ??= 'a stock master believes in locks that others may have by now';
    else if (locks.isHolder(worker)) worker.returnProblem ??= 'it held a lock when its line broke';
    else if (worker.outbox.hasAnswerInDoubt) {
      worker.returnProblem ??= 'an answer to it was under way when its line broke';
    }
    if (worker.returnProblem !== undefined) worker.outbox.discard();
    const cancelGrace = clock.schedule(limits.reconnectGrace, () =>
      this.#isGone(worker, 'did not come back'),
    );
    const cancelWatch = this.#watch(worker);
    this.#grace.set(worker, () => {
      cancelGrace();
      cancelWatch();
    });
    this.#host.left(worker, cause);
  }

  /** A worker that is away is at the door. @returns whether it may come in as it is */
  mayReturn(worker: Peer, address: string): boolean {
    if (worker.returnProblem === undefined) return true;
    const { database, incidents } = this.#settings;
    const fields = { database, peer: worker.id, address, why: worker.returnProblem };
    incidents.record('unsafe-return', fields, 'refused a worker that came back: it must be started afresh');
    return false;
  }

  /**
   * Too much is kept for a worker that is away: it must not come back. Its locks are its own all the same, until it must
   * have noticed that its line is broken: it may be writing.
   */
  dropMail(worker: Peer): void {
    const { database, incidents, limits } = this.#settings;
    incidents.record(
      'mail-dropped',
      { database, peer: worker.id, maxMailPerPeer: limits.maxMailPerPeer },
      'no room to keep more messages for a worker that is away; it must be started afresh',
    );
    worker.outbox.discard();
    worker.returnProblem = NO_ROOM;
  }

  /** Looks whether the process of a worker that is away has ended: then there is nothing to wait for. */
  #watch(worker: Peer): Cancel {
    const { clock } = this.#settings;
    let cancel: Cancel = () => undefined;
    const look = (): void => {
      if (worker.process?.hasEnded() === true) this.#isGone(worker, 'its process has ended');
      else cancel = clock.schedule(PROCESS_CHECK_MS, look);
    };
    // Its connection ends a moment before the process has.
    if (worker.process !== undefined) cancel = clock.schedule(FIRST_PROCESS_CHECK_MS, look);
    return () => cancel();
  }

  #isGone(worker: Peer, cause: string): void {
    if (!worker.isMaster) this.#settings.goneIds.add(worker.id);
    this.#host.stayedAway(worker, cause);
  }

  /** The worker is back, or gone. */
  end(worker: Peer): void {
    this.#grace.get(worker)?.();
    this.#grace.delete(worker);
  }

  /** Nobody is waited for any more. */
  close(): void {
    for (const cancel of this.#grace.values()) cancel();
    this.#grace.clear();
  }
}
