import type { Broker } from '../../broker/broker.js';
import type { Clock } from '../../broker/ports.js';
import type { DatabaseCounters } from './counters.js';
import type { Histories } from './history.js';
import { type LockList, lockListOf, NO_LOCKS } from './lock-list.js';
import { type DatabaseReport, type DatabaseSummary, reportOf, reportOfLeft, summaryOf } from './report.js';

/** All databases of a server as they are, for people to read, and for metrics. Looks, and changes nothing. */
export class Overview {
  readonly #broker: Pick<Broker, 'views' | 'view' | 'databases'>;
  readonly #histories: Histories;
  readonly #clock: Clock;

  /** @param histories what that broker writes down */
  constructor(broker: Pick<Broker, 'views' | 'view' | 'databases'>, histories: Histories, clock: Clock) {
    this.#broker = broker;
    this.#histories = histories;
    this.#clock = clock;
  }

  /** The names of the databases that have peers, or had some a while ago. */
  get databases(): readonly string[] {
    return [...new Set([...this.#broker.databases, ...this.#histories.left])];
  }

  /** Every database that has peers, in numbers. */
  summaries(): DatabaseSummary[] {
    const now = this.#clock.now();
    return [...this.#broker.views()].map((view) => summaryOf(view, this.#histories.open(view.name), now));
  }

  /** One database as it is; `undefined` if nothing is known of it. */
  report(database: string): DatabaseReport | undefined {
    const view = this.#broker.view(database);
    const history = this.#histories.of(database);
    if (history === undefined) return undefined;
    return view === undefined ? reportOfLeft(database, history) : reportOf(view, history, this.#clock.now());
  }

  /** Who holds locks of a database, and who waits for one. */
  locks(database: string): LockList {
    const view = this.#broker.view(database);
    return view === undefined ? NO_LOCKS : lockListOf(view.locks, this.#clock.now());
  }

  /**
   * What was counted since the start, by the names under which databases are measured: a bounded number of their own,
   * and one for all others.
   */
  totals(): ReadonlyMap<string, DatabaseCounters> {
    const totals = this.#histories.totals();
    for (const { name, peers } of this.#broker.views()) {
      const counters = totals.get(this.#histories.of(name)?.label ?? '');
      if (counters === undefined) continue;
      // What peers that are there have counted by themselves.
      for (const { outbox } of peers.values()) {
        counters.sent += outbox.sent;
        counters.sentBytes += outbox.sentBytes;
        counters.droppedMail += outbox.dropped;
      }
    }
    return totals;
  }
}
