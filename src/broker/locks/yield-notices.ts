import { YIELD } from '../../protocol/session.js';
import type { Peer } from '../peers/peer.js';

/**
 * Clients of this package let several transactions read under one lock. They are told when somebody wants to write, so that
 * the writer need not wait for those who come later [PROTOCOL-14.8].
 */
export class YieldNotices {
  /** Clients that were passed on to the master as readers since they were told last. */
  readonly #readers = new Set<Peer>();

  /** A request of that worker for a lock for reading is passed on. */
  readerCame(reader: Peer): void {
    if (reader.session?.can('yield') === true) this.#readers.add(reader);
  }

  /** Somebody asks for a lock for writing. */
  writerCame(): void {
    for (const { outbox } of this.#readers) outbox.say(YIELD);
    this.#readers.clear();
  }

  /** That worker is gone. */
  gone(worker: Peer): void {
    this.#readers.delete(worker);
  }
}
