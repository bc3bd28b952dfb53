import type { ClaimedLock } from '../broker/peers/session.js';
import type { Clock } from '../broker/ports.js';
import { type IPCLock, type LockDetails, type LockInfo, loggerOf, type RemoteIPCPeer } from './acebase.js';
import { subjectOf } from './outgoing.js';

/** The share of the lock timeout that a lock must have left for others to be granted under it. */
const LEAST_TIME_LEFT = 1 / 2;

/** AceBase's own, in seconds. */
const DEFAULT_LOCK_TIMEOUT_S = 120;

/** What AceBase asks a master for only while it holds a lock, and waits for. */
const UNDER_LOCK = new Set(['fst.allocate', 'index.update']);

const LOCKED = 'locked';
const DONE = 'done';

/** What the master answers. */
interface GrantedLock {
  readonly id: number;
  readonly tid: string | number;
  readonly path: string;
  readonly write: boolean;
  readonly expires: number;
  readonly comment: string;
  readonly epoch?: string;
}

/** A lock that the master granted, and those that were granted here under it. It goes back when the last one ends. */
interface Anchor {
  readonly granted: GrantedLock;
  shares: number;
}

/** The locks of one transaction. */
interface TransactionLocks {
  readonly anchors: Set<Anchor>;
  /** Those that are asked for. */
  readonly pending: Set<{ readonly write: boolean; readonly anchor: Promise<Anchor> }>;
}

/** What the locks of a worker work with. */
export interface WorkerLocksSettings {
  readonly ipc: RemoteIPCPeer;
  readonly clock: Clock;
  /** Makes an id for a request. */
  createId(): string;
  /** Makes the error that AceBase throws for a lock that is asked for while it closes. */
  exitingError(message: string): Error;
  /** To be awaited before a lock that the master granted is used. */
  granted(): Promise<void>;
  /** A request is not to be asked any more. */
  forget(requestId: string): void;
  /** Whether locks are granted here, without asking the master. */
  readonly areShared: boolean;
}

/**
 * The locks of a worker, with as few questions to the master as its rule allows (docs/PROTOCOL.md, section 12.1): while a
 * transaction holds a lock for writing, any further lock of it is certain to be granted; while it holds one for reading,
 * so are further ones for reading.
 */
export class WorkerLocks {
  readonly #settings: WorkerLocksSettings;
  readonly #transactions = new Map<string | number, TransactionLocks>();
  /** Given back, and the master has not said so yet. */
  readonly #returning = new Set<Anchor>();
  /** Transactions whose locks were lost with the place in the cluster. */
  readonly #lost = new Set<string | number>();
  #waitingForEnd: (() => void)[] = [];

  constructor(settings: WorkerLocksSettings) {
    this.#settings = settings;
  }

  /**
   * Asks for a lock.
   *
   * @throws as AceBase does: if it is closing, if the master refuses, and for a transaction whose locks were lost
   */
  async lock(details: LockDetails): Promise<IPCLock> {
    const { ipc, exitingError } = this.#settings;
    if (ipc._exiting && !ipc._locks.some((lock) => lock.tid === details.tid && lock.granted)) {
      throw exitingError('new transaction lock denied because the IPC peer is exiting');
    }
    if (this.#lost.has(details.tid)) {
      throw new Error(`lock on tid ${details.tid} was lost with the connection, not allowed to continue`);
    }
    const info: LockInfo = { tid: details.tid, granted: false, request: details, lock: null };
    ipc._locks.push(info);
    try {
      const anchor = await this.#anchorFor(details);
      info.tid = anchor.granted.tid;
      info.granted = true;
      info.lock = this.#share(anchor, info, details);
      return info.lock;
    } catch (error) {
      this.#remove(info);
      throw error;
    }
  }

  /** What the master is told of by a new server: everything that it may still count as held. */
  claims(): ClaimedLock[] {
    const held = [...this.#transactions.values()].flatMap(({ anchors }) => [...anchors]);
    return [...held, ...this.#returning].map(({ granted }) => ({
      id: granted.id,
      tid: String(granted.tid),
      path: granted.path,
      write: granted.write,
      comment: granted.comment,
      epoch: granted.epoch,
    }));
  }

  /** The locks are given back by others: what goes on under them must end. @returns when it has */
  async lose(): Promise<void> {
    this.#returning.clear();
    for (const [tid, { anchors }] of this.#transactions) if (anchors.size > 0) this.#lost.add(tid);
    for (const { tid, lock } of this.#settings.ipc._locks) {
      // AceBase looks at this before it goes on reading or writing.
      if (lock !== null && this.#lost.has(tid)) lock.expires = 0;
    }
    this.#endRequestsOfLost();
    if (this.#lost.size > 0) await new Promise<void>((resolve) => this.#waitingForEnd.push(resolve));
  }

  /** What is asked under a lost lock must not be answered any more; and who waits for it would never end. */
  #endRequestsOfLost(): void {
    if (this.#lost.size === 0) return;
    const { ipc, forget } = this.#settings;
    for (const [id, { request, reject }] of [...ipc._requests]) {
      const { type, data } = request;
      const { tid } = data as { tid?: string | number };
      const isLock = type === 'lock-request' && tid !== undefined && this.#lost.has(tid);
      if (!isLock && !(type === 'request' && UNDER_LOCK.has(subjectOf(request) ?? ''))) continue;
      forget(id);
      reject(new Error('the lock was lost with the connection, not allowed to continue'));
    }
  }

  async #anchorFor(details: LockDetails): Promise<Anchor> {
    const transaction = this.#transactionOf(details.tid);
    const anchor = this.#settings.areShared ? this.#shareable(transaction, details) : undefined;
    if (anchor !== undefined) {
      anchor.shares++;
      return anchor;
    }
    if (this.#settings.areShared) {
      for (const { write, anchor: coming } of transaction.pending) {
        if (details.write && !write) continue;
        // Whether it was refused is said to who asked for it.
        await coming.catch(() => undefined);
        return this.#anchorFor(details);
      }
    }
    return this.#ask(details, transaction);
  }

  #shareable({ anchors }: TransactionLocks, details: LockDetails): Anchor | undefined {
    const timeout = (this.#settings.ipc.storage.settings.lockTimeout ?? DEFAULT_LOCK_TIMEOUT_S) * 1000;
    const least = this.#settings.clock.wallTime() + timeout * LEAST_TIME_LEFT;
    for (const anchor of anchors) {
      if ((anchor.granted.write || !details.write) && anchor.granted.expires > least) return anchor;
    }
    return undefined;
  }

  async #ask(details: LockDetails, transaction: TransactionLocks): Promise<Anchor> {
    const asked = this.#request(details, transaction);
    const pending = { write: details.write, anchor: asked };
    transaction.pending.add(pending);
    try {
      return await asked;
    } finally {
      transaction.pending.delete(pending);
      this.#forgetIfUnused(details.tid, transaction);
    }
  }

  async #request(details: LockDetails, transaction: TransactionLocks): Promise<Anchor> {
    const { ipc, createId, granted: makeReady } = this.#settings;
    const granted = (await ipc.request({
      type: 'lock-request',
      id: createId(),
      from: ipc.id,
      to: ipc.masterPeerId,
      data: details,
    })) as GrantedLock;
    const anchor = { granted, shares: 1 };
    transaction.anchors.add(anchor);
    try {
      await makeReady();
    } catch (error) {
      this.#release(anchor);
      throw error;
    }
    return anchor;
  }

  #share(anchor: Anchor, info: LockInfo, { path, write, comment = '' }: LockDetails): IPCLock {
    const { id, tid, expires } = anchor.granted;
    let isHeld = true;
    const lock: IPCLock = {
      id,
      tid,
      path,
      forWriting: write,
      state: LOCKED,
      expires,
      comment,
      release: async () => {
        if (!isHeld) return;
        isHeld = false;
        lock.state = DONE;
        this.#release(anchor);
        this.#remove(info);
      },
      // A transaction that holds a lock may always have it on the parent: the master's rule looks at no path.
      moveToParent: async () => {
        lock.path = parentOf(lock.path);
        return lock;
      },
    };
    return lock;
  }

  /** One share less; the last one gives the lock back, and waits for no answer. */
  #release(anchor: Anchor): void {
    anchor.shares--;
    if (anchor.shares > 0) return;
    const { ipc, createId } = this.#settings;
    const { id, tid } = anchor.granted;
    const transaction = this.#transactionOf(tid);
    transaction.anchors.delete(anchor);
    this.#forgetIfUnused(tid, transaction);
    if (this.#lost.has(tid)) {
      if (transaction.anchors.size === 0) this.#ended(tid);
      return;
    }
    this.#returning.add(anchor);
    const message = {
      type: 'unlock-request',
      id: createId(),
      from: ipc.id,
      to: ipc.masterPeerId,
      data: { id },
    };
    ipc
      .request(message)
      .catch((error: unknown) => loggerOf(ipc.storage).warn(`Lock ${id} could not be given back:`, error))
      .finally(() => this.#returning.delete(anchor));
  }

  #ended(tid: string | number): void {
    this.#lost.delete(tid);
    if (this.#lost.size > 0) return;
    for (const resolve of this.#waitingForEnd.splice(0)) resolve();
  }

  #transactionOf(tid: string | number): TransactionLocks {
    let transaction = this.#transactions.get(tid);
    if (transaction === undefined) {
      transaction = { anchors: new Set(), pending: new Set() };
      this.#transactions.set(tid, transaction);
    }
    return transaction;
  }

  #forgetIfUnused(tid: string | number, { anchors, pending }: TransactionLocks): void {
    if (anchors.size === 0 && pending.size === 0) this.#transactions.delete(tid);
  }

  #remove(info: LockInfo): void {
    const { _locks: locks } = this.#settings.ipc;
    const index = locks.indexOf(info);
    if (index >= 0) locks.splice(index, 1);
    if (locks.length === 0) this.#settings.ipc.emit('locks-cleared');
  }
}

function parentOf(path: string): string {
  const end = Math.max(path.lastIndexOf('/'), path.lastIndexOf('['));
  return path.slice(0, Math.max(end, 0));
}
