import { INDEX_NEWS_MS } from '../../../src/broker/limits.js';
import type { HeldLock, LockList, WaitingLock } from '../../../src/server/monitoring/lock-list.js';
import type { World } from '../world.js';
import type { Verdicts } from './verdicts.js';

/** Milliseconds from one look to the next. */
const LOOK_EVERY_MS = 1_000;

/**
 * No request for a lock waits for what is not there: looked at each second, and wrong if it still is at the next look. And no lock is
 * granted to who is away: others would wait for somebody who waits for nothing.
 */
export class Waits {
  readonly #world: World;
  readonly #verdicts: Verdicts;
  readonly #database: string;
  #suspects: ReadonlySet<string> = new Set();

  constructor(world: World, verdicts: Verdicts, database: string) {
    this.#world = world;
    this.#verdicts = verdicts;
    this.#database = database;
    this.#look();
  }

  #look(): void {
    this.#world.clock.schedule(LOOK_EVERY_MS, () => {
      const { server } = this.#world;
      const locks = server.overview.locks(this.#database);
      const inVain = new Map(
        // A server that is gone does nothing.
        (server.isUp ? locks.waiting : [])
          .filter((request) => !this.#isJustified(request, locks))
          .map((request) => [`${request.requester} ${request.tid} ${request.write}`, request]),
      );
      for (const [name, { reason, waitingFor }] of inVain) {
        if (!this.#suspects.has(name)) continue;
        this.#verdicts.violation('waits in vain', `${name} for ${waitingFor} ms: ${reason}`);
      }
      this.#suspects = new Set(inVain.keys());
      for (const lock of server.isUp ? locks.held : []) this.#lookAtHolder(lock);
      if (this.#world.isSupervised) this.#look();
    });
  }

  #lookAtHolder({ holder, tid, heldFor }: HeldLock): void {
    const { clock, workers } = this.#world;
    const worker = workers.find(({ id }) => id === holder);
    if (worker === undefined || this.#world.isPresent(worker)) return;
    const since = this.#world.absenceNoticed(worker) ?? Number.POSITIVE_INFINITY;
    // Times are told in whole milliseconds.
    if (clock.now() - heldFor > since + 1)
      this.#verdicts.violation('granted to who is away', `${holder}, ${tid}`);
  }

  /** Whether what the request is said to wait for is there, as far as the server alone can see to that. */
  #isJustified(
    { requester, tid, write, reason, waitingFor }: WaitingLock,
    { root, held }: LockList,
  ): boolean {
    const { broker, limits, workers } = this.#world;
    const isStock = (peer: string): boolean =>
      workers.some(({ id, ours }) => id === peer && ours === undefined);
    const others = held.filter((lock) => lock.state === 'held' && lock.tid !== tid);
    switch (reason) {
      case 'locks of others':
        return others.some((lock) => write || lock.write);
      case 'a writer goes first':
        return waitingFor <= limits.readerDelay;
      case 'the master has its turn':
        return root?.state === 'asked' || (root !== undefined && others.length > 0);
      case 'its process is disconnected':
        return !broker.hasPeer(this.#database, requester);
      case 'an index is made':
        // Only those that write; and stock workers that have not read the news of it, or been cut off since they do not read.
        return write || (isStock(requester) && waitingFor <= limits.heartbeatTimeout + INDEX_NEWS_MS);
      case 'no master':
      case 'locks of before the restart':
      case 'the master opens its file':
      case 'the file is in doubt':
      case 'the journal is checked':
      case 'draining':
        return true;
    }
  }
}
