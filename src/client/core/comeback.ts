import { elapsedSince, type Moment, momentOf } from '../../elapsed.js';
import type { DatabaseFile, IndexFiles, IPCLock, IPCPeer, LockInfo } from './host.js';
import type { LostTransactions } from './lost-transactions.js';
import type { Clock } from './ports.js';

/** What a way back works with. */
export interface ComebackSettings {
  readonly ipc: Pick<IPCPeer, 'isMaster' | '_locks'>;
  readonly file: Pick<DatabaseFile, 'written'>;
  readonly indexes: Pick<IndexFiles, 'built'>;
  readonly clock: Pick<Clock, 'now' | 'wallTime' | 'uptime'>;
  readonly lost: LostTransactions;
  /** The locks of this worker are lost. @returns when what went on under them has ended */
  loseWorkerLocks(): Promise<void>;
  /** Ends a lock of AceBase's own, in a master. */
  revoke(info: LockInfo): void;
  /** Whether somebody else asked this master for that lock. */
  isOfWorker(request: object): boolean;
  /** Gives back what others hold at this master. */
  releaseLocksOfOthers(): void;
}

/**
 * The way back of a process that the server has given up (docs/PROTOCOL.md, section 14.13): what it did under its locks fails; what holds
 * none waits; and when all of that is at rest it comes again as a new peer, which believes nothing of what it knew.
 */
export class Comeback {
  readonly #settings: ComebackSettings;
  /** How often this process was given up. */
  times = 0;
  /** When the server last had it for certain. */
  #heardAt: Moment | undefined;
  #back: Promise<void> | undefined;
  #goOn: () => void = () => undefined;

  constructor(settings: ComebackSettings) {
    this.#settings = settings;
  }

  /** Whether it was given up, and is not back. */
  get isUnderWay(): boolean {
    return this.#back !== undefined;
  }

  /**
   * The process was given up.
   *
   * @param heardAt when it was last heard for certain
   * @returns when nothing of it reads or writes any more
   */
  async begin(heardAt: Moment | undefined): Promise<void> {
    const { ipc, file, indexes, clock, lost, loseWorkerLocks } = this.#settings;
    this.times += 1;
    this.#heardAt = heardAt ?? momentOf(clock);
    this.#back ??= new Promise((resolve) => {
      this.#goOn = resolve;
    });
    if (!ipc.isMaster) {
      await loseWorkerLocks();
      return;
    }
    this.#loseMasterLocks();
    await lost.over();
    await indexes.built();
    await file.written();
  }

  /** Resolves when it is back, or gives up; `undefined` if it is not away. */
  wait(): Promise<void> | undefined {
    return this.#back;
  }

  /** It is back, or gives up. @returns milliseconds for which the server had not heard it */
  end(): number {
    this.#back = undefined;
    this.#goOn();
    return this.#heardAt === undefined ? 0 : elapsedSince(this.#settings.clock, this.#heardAt);
  }

  #loseMasterLocks(): void {
    const { ipc, lost, revoke, isOfWorker, releaseLocksOfOthers } = this.#settings;
    // Nobody would give back what is granted to those who wait.
    for (const info of [...ipc._locks]) if (!info.granted && isOfWorker(info.request)) revoke(info);
    for (const info of [...ipc._locks]) {
      if (!info.granted || isOfWorker(info.request)) continue;
      lost.add(info.tid);
      revoke(info);
    }
    releaseLocksOfOthers();
  }
}

/**
 * A lock of a transaction of a master, which is refused whatever it wants next if its locks were lost.
 *
 * @param ends called right before its last lock goes
 */
export function watched(
  lock: IPCLock,
  ipc: Pick<IPCPeer, '_locks'>,
  lost: LostTransactions,
  ends: (tid: IPCLock['tid']) => void,
): IPCLock {
  const { tid, release, moveToParent } = lock;
  const isOfIt = (info: LockInfo): boolean => info.granted && info.tid === tid;
  lock.release = async (comment) => {
    if (ipc._locks.filter(isOfIt).length <= 1) ends(tid);
    try {
      await release.call(lock, comment);
    } catch (error) {
      // It may have been on its way to the parent when it was lost.
      if (!lost.has(tid)) throw error;
    }
    if (!ipc._locks.some(isOfIt)) lost.ended(tid);
  };
  lock.moveToParent = async () => {
    lost.refuse(tid);
    const moved = watched(await moveToParent.call(lock), ipc, lost, ends);
    if (!lost.has(tid)) return moved;
    await moved.release('it was lost');
    lost.refuse(tid);
    return moved;
  };
  return lock;
}
