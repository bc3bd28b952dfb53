import { MAX_MEASURED_DATABASES, MAX_REMEMBERED_DATABASES, OTHER_DATABASES } from '../limits.js';
import type { Clock } from '../ports.js';
import { DatabaseCounters } from './database-counters.js';
import { History } from './history.js';

/**
 * The histories of all databases. Those of databases that nobody is connected to are kept for a while: whoever looks
 * why a cluster has ended wants to read what came before.
 *
 * What is measured apart is bounded, too: the first databases under their own names, the rest together. A name keeps
 * its place, so that no counter ever goes back.
 */
export class Histories {
  readonly #clock: Clock;
  readonly #histories = new Map<string, History>();
  /** Those that nobody is connected to, the one that was left first, first. */
  readonly #left = new Set<string>();
  readonly #labels = new Set<string>();
  /** What was counted of databases that are forgotten. */
  readonly #forgotten = new Map<string, DatabaseCounters>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Somebody comes to a database. */
  open(database: string): History {
    this.#left.delete(database);
    let history = this.#histories.get(database);
    if (history === undefined) {
      history = new History(this.#clock, this.#labelFor(database));
      this.#histories.set(database, history);
    }
    return history;
  }

  /** Nobody is connected to a database any more. */
  leave(database: string): void {
    this.#left.add(database);
    if (this.#left.size <= MAX_REMEMBERED_DATABASES) return;
    for (const oldest of this.#left) {
      this.#forget(oldest);
      return;
    }
  }

  /** The history of a database, if it has one. */
  of(database: string): History | undefined {
    return this.#histories.get(database);
  }

  /** The databases that nobody is connected to, and of which is known what happened. */
  get left(): Iterable<string> {
    return this.#left;
  }

  /** All that was counted, by the names under which it is measured, without what peers that are there count. */
  totals(): Map<string, DatabaseCounters> {
    const totals = new Map<string, DatabaseCounters>();
    const add = (label: string, counters: DatabaseCounters): void => {
      const total = totals.get(label) ?? new DatabaseCounters();
      total.add(counters);
      totals.set(label, total);
    };
    for (const [label, counters] of this.#forgotten) add(label, counters);
    for (const { label, counters } of this.#histories.values()) add(label, counters);
    return totals;
  }

  #labelFor(database: string): string {
    // A database may be called like the label itself.
    if (this.#labels.size < MAX_MEASURED_DATABASES && database !== OTHER_DATABASES)
      this.#labels.add(database);
    return this.#labels.has(database) ? database : OTHER_DATABASES;
  }

  #forget(database: string): void {
    const history = this.#histories.get(database);
    this.#left.delete(database);
    this.#histories.delete(database);
    if (history === undefined) return;
    const { label, counters } = history;
    const total = this.#forgotten.get(label) ?? new DatabaseCounters();
    total.add(counters);
    this.#forgotten.set(label, total);
  }
}
