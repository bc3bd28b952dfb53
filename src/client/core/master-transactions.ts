import type { IPCError } from '../../errors.js';
import type { Acceptance } from './acceptance.js';
import type { DataPeer } from './client-settings.js';
import { type Comeback, watched } from './comeback.js';
import type { FailedWrites } from './failed-writes.js';
import type { IndexFiles, IPCLock, IPCPeer, LockDetails } from './host.js';
import type { LostTransactions } from './lost-transactions.js';
import type { FirstWord } from './master-locks.js';
import type { MasterTurn } from './master-turn.js';

/** As AceBase says it. */
const EXITING = 'new transaction lock denied because the IPC peer is exiting';

/** What transactions of a master work with. */
export interface MasterTransactionsSettings {
  readonly ipc: Pick<IPCPeer, '_locks'>;
  readonly indexes: Pick<IndexFiles, 'built'>;
  readonly dataPeer?: DataPeer | undefined;
  readonly acceptance: Pick<Acceptance, 'refusal'>;
  readonly lost: LostTransactions;
  readonly failedWrites: Pick<FailedWrites, 'ends'>;
  readonly comeback: Pick<Comeback, 'isUnderWay' | 'times' | 'wait'>;
  readonly turn: Pick<MasterTurn, 'own'>;
  readonly firstWord: Pick<FirstWord, 'isAwaited' | 'listen' | 'wait'>;
  /** Whether a lock that the server has at this master has run out since this was asked last. */
  hasRootRunOut(): boolean;
  /** Asks AceBase for a lock. @param watch is given it before anything is done under it, and returns what to go on with */
  get(details: LockDetails, watch: (lock: IPCLock) => IPCLock): Promise<IPCLock>;
  exitingError(message: string): Error;
  leaseLost(): IPCError;
}

/** The transactions of a master, beside those of workers: when they get their locks. */
export class MasterTransactions {
  readonly #settings: MasterTransactionsSettings;
  #hasParted = false;

  constructor(settings: MasterTransactionsSettings) {
    this.#settings = settings;
  }

  /** Whether workers may go on under a lock that this master has given up, or it has left. */
  get hasParted(): boolean {
    return this.#hasParted;
  }

  /** This master is closed, and workers may go on under a lock that it has given up; or it has left. */
  part(): void {
    this.#hasParted = true;
  }

  /** Gets a lock, when nobody can hold one that this master does not know of. */
  async lock(details: LockDetails): Promise<IPCLock> {
    const { comeback, turn, firstWord, hasRootRunOut, get, exitingError, acceptance } = this.#settings;
    const watch = (granted: IPCLock): IPCLock => this.#watch(granted);
    for (;;) {
      do {
        await this.#untilBack(details);
        await firstWord.wait();
      } while (comeback.isUnderWay);
      if (acceptance.refusal !== undefined) throw acceptance.refusal;
      if (this.#hasParted) throw exitingError(EXITING);
      const { times } = comeback;
      const lock = await turn.own(details, () => get(details, watch));
      if (this.#hasParted) {
        await lock.release('workers may be writing');
        throw exitingError(EXITING);
      }
      // Granted since the server's lock ran out, on a line that is dead perhaps: first this master hears what workers did under it.
      if (hasRootRunOut()) firstWord.listen(() => undefined);
      const isOfNow = !comeback.isUnderWay && times === comeback.times;
      if (isOfNow && !firstWord.isAwaited) return lock;
      await lock.release('workers may have written before');
    }
  }

  /** Before it is used: it may be lost while this master reads under it what it has missed. */
  #watch(lock: IPCLock): IPCLock {
    const { ipc, lost, failedWrites } = this.#settings;
    return watched(lock, ipc, lost, (tid) => failedWrites.ends(tid));
  }

  /**
   * A transaction of a master that was given up waits if it holds nothing.
   *
   * @throws {IPCError} if it holds something, or is part of what must end first: of an index that is being made, or of a write to the data
   */
  async #untilBack({ tid }: LockDetails): Promise<void> {
    const { indexes, dataPeer, acceptance, lost, comeback, leaseLost } = this.#settings;
    lost.refuse(tid);
    while (comeback.isUnderWay) {
      if (indexes.built() !== undefined || dataPeer?.isAway === true) throw leaseLost();
      await comeback.wait();
      if (acceptance.refusal !== undefined) throw acceptance.refusal;
    }
  }
}
