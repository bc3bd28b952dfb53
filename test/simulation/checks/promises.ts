import type { RefusalCode } from '../../../src/errors.js';
import { Master } from '../model/master.js';
import type { StockPeer } from '../model/stock-peer.js';
import { CORRUPT_RECORD } from '../model/working-process.js';
import type { World } from '../world.js';
import type { Verdicts } from './verdicts.js';

/** What may be answered where a master has ended: it takes its locks along. */
const MASTER_ENDED = /^IPC_REQUEST_(MASTER_LOST|LOCK_LOST|NO_MASTER)/;

/** What follows from the process itself: it closes, or it held a lock for too long, or was away for too long. */
const OWN_DOING =
  /IPC peer is exiting|has expired|was lost with the connection|does not let this process in|cannot go on with|The database was closed|IPC_CLIENT_LEASE_LOST/;

/**
 * What is promised where all processes have our client (docs/GUARANTEES.md, "With our client"): lines that break and servers
 * that are restarted are a pause. No operation fails of it, and nobody is sent away.
 */
export class Promises {
  readonly #world: World;
  readonly #verdicts: Verdicts;

  constructor(world: World, verdicts: Verdicts) {
    this.#world = world;
    this.#verdicts = verdicts;
  }

  /** An operation of a worker has failed. */
  failed(process: StockPeer, { message }: Error): void {
    if (this.#world.plan.clients !== 'ours' || OWN_DOING.test(message)) return;
    if (MASTER_ENDED.test(message) && this.#world.lastMasterEnded !== undefined) return;
    // The next master keeps no journal, and waits until it is empty: whoever holds a lock must not wait for it in turn [PROTOCOL-16.4].
    if (message.includes('IPC_REQUEST_NO_MASTER') && this.#hasMasterWithoutJournal) return;
    // Whether it was to be found there was judged when it was read, under the locks of that moment.
    if (message === CORRUPT_RECORD) return;
    this.#verdicts.violation('operation failed', `${process.name}: ${message}`);
  }

  /** The server did not let somebody in. */
  refused(process: StockPeer, code: RefusalCode): void {
    const { plan, limits, clock } = this.#world;
    const since = this.#world.unusedSince(process);
    // It comes again.
    if (code === 'IPC_REFUSED_DRAINING' || code === 'IPC_REFUSED_JOURNAL') return;
    if (plan.clients !== 'ours' || since === undefined) return;
    if (clock.now() - since >= limits.reconnectGrace) return;
    if (process.isMaster && this.#hadAnotherMaster(process, since)) return;
    // "Locks from before a restart of the server, if only new processes come to the next one", in docs/GUARANTEES.md.
    if (code === 'IPC_REFUSED_UNSAFE_RETURN' && this.#world.wereFirstNewTo(process)) return;
    this.#verdicts.violation('sent away', `${process.name}, ${code}`);
  }

  /** The server lets somebody in. @param wasAnotherThere whether a master was there when he came to the door */
  letIn(process: StockPeer, wasAnotherThere: boolean): void {
    // It may have opened the file long before, and has old tables then; one with our client opens it now.
    if (!process.isMaster || process.ours !== undefined || !wasAnotherThere) return;
    this.#verdicts.violation('takes the place of one that was there', process.name);
  }

  /** A server that drains did not let somebody in for whom it waits. */
  turnedAway({ name }: StockPeer): void {
    this.#verdicts.violation('turned away', name);
  }

  /** The server resumes a session, and lacks what its client has not got any more. */
  cannotResume({ name }: StockPeer): void {
    this.#verdicts.violation('session lost', name);
  }

  get #hasMasterWithoutJournal(): boolean {
    const world = this.#world;
    return [...world.processes].some(
      (it) => it instanceof Master && world.journalOf(it.name) === 'looked at',
    );
  }

  #hadAnotherMaster(process: StockPeer, since: number): boolean {
    const { lastMasterEnded = Number.NEGATIVE_INFINITY, processes } = this.#world;
    if (lastMasterEnded >= since) return true;
    return [...processes].some((other) => other instanceof Master && other !== process);
  }
}
