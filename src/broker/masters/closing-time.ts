import type { IndexCreations } from '../file/index-creations.js';
import type { LockService } from '../locks/lock-service.js';
import { isPresent, type Peer } from '../peers/peer.js';
import type { RequestFailure } from './request-failures.js';
import type { RequestWindows } from './request-windows.js';
import type { OpenRequest, OpenRequests } from './requests.js';

/** What closing time works with. */
export interface ClosingTimeSettings {
  readonly requests: OpenRequests;
  readonly windows: Pick<RequestWindows, 'takeRequestsOf'>;
  readonly indexCreations: IndexCreations;
  readonly locks: Pick<LockService, 'holders' | 'drain' | 'failBeforeDraining' | 'giveRootBack'>;
  /** Answers a request with that failure. */
  fail(open: OpenRequest, failure: RequestFailure): void;
}

/** The desk of one database before its server stops (docs/PROTOCOL.md, section 11.5): what was begun ends, and nothing begins. */
export class ClosingTime {
  readonly #settings: ClosingTimeSettings;
  #hasBegun = false;

  constructor(settings: ClosingTimeSettings) {
    this.#settings = settings;
  }

  /** Whether transactions that hold no lock get none any more. */
  get hasBegun(): boolean {
    return this.#hasBegun;
  }

  /** The server drains. */
  begin(): void {
    this.#hasBegun = true;
    this.#settings.locks.drain();
  }

  /**
   * How many of these are workers in the middle of something: they hold a lock, also while they are away, or are connected
   * and the master owes them an answer. What is owed to one that is away, it asks the next server for.
   */
  countBusy(peers: Iterable<Peer>): number {
    const { requests, locks } = this.#settings;
    const holders = new Set(locks.holders);
    let count = 0;
    for (const peer of peers) {
      if (holders.has(peer) || (!peer.isMaster && isPresent(peer) && requests.isPassedFor(peer))) count++;
    }
    return count;
  }

  /** The workers go: those that cannot ask the next server again get an answer to what no master has of them. */
  answerWhatWaits(): void {
    const { requests, windows, indexCreations, locks, fail } = this.#settings;
    const waiting = [...requests.all()].filter(
      ({ isPassed, asker }) =>
        !isPassed && asker.state === 'present' && asker.session?.can('resume') !== true,
    );
    for (const asker of new Set(waiting.map((open) => open.asker))) {
      // First of all: who is answered makes room for what waits behind it.
      windows.takeRequestsOf(asker);
      indexCreations.discardRequestsOf(asker.id);
    }
    for (const open of waiting) fail(open, 'IPC_REQUEST_DRAINING');
    locks.failBeforeDraining();
  }

  /** The workers were sent away: the master is to have its file for itself. */
  giveRootBack(): void {
    this.#settings.locks.giveRootBack();
  }
}
