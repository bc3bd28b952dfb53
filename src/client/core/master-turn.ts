import { turnWord } from '../../protocol/session.js';
import type { IPCLock, IPCPeer, LockDetails } from './host.js';
import type { Clock } from './ports.js';

/** Milliseconds for which a transaction that wants to read waits for workers that want to write. */
const READER_DELAY_MS = 100;

/** What turns are taken with. */
export interface MasterTurnSettings {
  readonly ipc: Pick<IPCPeer, '_locks'>;
  readonly clock: Pick<Clock, 'schedule' | 'atEndOfTurn'>;
  /** Whether a lock was asked for by the server, for workers. */
  isOfWorker(request: LockDetails): boolean;
  /** Whether the server wants to know. */
  isAskedFor(): boolean;
  /** Says a word of the session. */
  say(word: string): void;
}

/**
 * The transactions of a master, and the lock that the server has here for all workers, take turns [PROTOCOL-14.10]: the server
 * is told when transactions wait for that lock, and need not give it back before; and while it waits for it to let a worker
 * write, no transaction begins to read here that could go on without end, each before the other is over.
 */
export class MasterTurn {
  readonly #settings: MasterTurnSettings;
  /** How many transactions of this master wait for a lock. */
  #waiting = 0;
  #isWanted = false;
  #isLeaving = false;
  #keptBack: (() => void)[] = [];

  constructor(settings: MasterTurnSettings) {
    this.#settings = settings;
  }

  /** Gets a lock for a transaction of this master. @param get asks AceBase for it */
  async own(details: LockDetails, get: () => Promise<IPCLock>): Promise<IPCLock> {
    if (this.#isToWait(details)) await this.#writersGoFirst();
    this.#waiting += 1;
    if (this.#waiting === 1) this.#settings.clock.atEndOfTurn(() => this.#review());
    try {
      return await get();
    } finally {
      this.#waiting -= 1;
      this.#review();
    }
  }

  /** Gets the lock of the workers. @param get asks AceBase for it */
  async ofWorkers(get: () => Promise<IPCLock>): Promise<IPCLock> {
    try {
      return await get();
    } finally {
      for (const goOn of this.#keptBack.splice(0)) goOn();
      this.#review();
    }
  }

  /** This master is closed, and waits for nothing but the lock of the workers: it wants its turn, and begins no other. */
  leave(): void {
    this.#isLeaving = true;
    this.#review();
  }

  /** There is a server that has not been told. */
  serverIsNew(): void {
    this.#isWanted = false;
    this.#review();
  }

  #review(): void {
    const { ipc, isOfWorker, isAskedFor, say } = this.#settings;
    const isHeld = (): boolean => ipc._locks.some(({ granted, request }) => granted && isOfWorker(request));
    // Who waits for another one here gets what it wants without the server.
    const needsIt = this.#isLeaving || this.#waiting > 0;
    const isWanted = needsIt && (this.#isWanted || (isAskedFor() && (this.#isLeaving || isHeld())));
    if (isWanted === this.#isWanted) return;
    this.#isWanted = isWanted;
    say(turnWord(isWanted));
  }

  /** Whether workers wait to write, and this is not part of what was being read when they began to. */
  #isToWait({ write, tid }: LockDetails): boolean {
    const { ipc, isOfWorker } = this.#settings;
    if (write) return false;
    const isAwaited = ({ granted, request }: (typeof ipc._locks)[number]): boolean =>
      !granted && request.write && isOfWorker(request);
    const asked = ipc._locks.findIndex(isAwaited);
    return (
      asked >= 0 &&
      !ipc._locks.some(
        (info, index) => info.granted && !isOfWorker(info.request) && (index < asked || info.tid === tid),
      )
    );
  }

  #writersGoFirst(): Promise<void> {
    return new Promise((resolve) => {
      const cancel = this.#settings.clock.schedule(READER_DELAY_MS, resolve);
      this.#keptBack.push(() => {
        cancel();
        resolve();
      });
    });
  }
}
