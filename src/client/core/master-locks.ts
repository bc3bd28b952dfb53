import type { IPCLock, IPCPeer, LockDetails, LockInfo, Message } from './host.js';

/** What a master gets its own locks, and those of workers, with. */
export interface MasterLockSettings {
  readonly ipc: IPCPeer;
  /** AceBase's own way to get a lock. */
  masterLock(details: LockDetails): Promise<IPCLock>;
  /** To be awaited before a lock is used. */
  granted(): Promise<void>;
}

/**
 * Gets a lock of a master. One that fails leaves nothing behind: neither the lock, which nobody would give back, nor the entry
 * for it, which would keep the database from closing.
 */
export async function lockOfMaster(
  settings: MasterLockSettings,
  details: LockDetails,
  watch: (lock: IPCLock) => IPCLock = (lock) => lock,
): Promise<IPCLock> {
  const { ipc, masterLock, granted } = settings;
  let lock: IPCLock;
  try {
    lock = watch(await masterLock(details));
  } catch (error) {
    forget(ipc, details);
    throw error;
  }
  try {
    await granted();
  } catch (error) {
    await lock.release('it cannot be used');
    throw error;
  }
  return lock;
}

/** AceBase leaves the entry of a request that it does not grant: the transaction had a lock that has expired, perhaps. */
function forget(ipc: IPCPeer, details: LockDetails): void {
  const index = ipc._locks.findIndex(({ request, granted }) => request === details && !granted);
  if (index < 0) return;
  ipc._locks.splice(index, 1);
  if (ipc._locks.length === 0) ipc.emit('locks-cleared');
}

/**
 * Whether a message denies a lock since this master closes. It is not to be sent: a server of this package asks the next master
 * what this one has not answered.
 */
export function isForSuccessor({ type, ok, reason }: Message, { _exiting }: IPCPeer): boolean {
  if (type !== 'lock-result' || ok !== false) return false;
  return _exiting && String(reason).includes('the IPC peer is exiting');
}

/**
 * The lock that a server has at this master for all workers, from one server to the next [PROTOCOL-14.6].
 *
 * Workers go on under the locks of a server that is gone, and tell the next one of them, which then asks for its own lock. If
 * this master gave up the old one first, its own transactions that wait would begin, beside those of workers. So the new request
 * is put in the name of the transaction that holds the old lock, and the old one is released when the new one is granted.
 */
export class RootHandover {
  /** How many servers have followed the first one. */
  server = 0;
  #former: readonly LockInfo[] = [];
  /** The transaction of the new server that stands for one of the old one. */
  #alias: { readonly from: LockDetails['tid']; readonly to: LockInfo['tid'] } | undefined;

  /**
   * The server is a new one.
   *
   * @param locks those of the server that is gone
   */
  begin(locks: readonly LockInfo[]): void {
    this.server += 1;
    this.#alias = undefined;
    const hasEnded = ({ lock }: LockInfo): boolean => lock?.state === 'expired';
    release(locks.filter(hasEnded));
    this.#former = locks.filter((info) => info.lock !== null && !hasEnded(info));
  }

  /** The server asks for its lock. @returns the request as it is to be granted */
  asked(message: Message): Message {
    const details = message.data as LockDetails;
    // One that has run out meanwhile would have the request refused.
    const first = this.#former.find(({ lock }) => lock?.state !== 'expired');
    if (first !== undefined) this.#alias ??= { from: details.tid, to: first.tid };
    if (this.#alias?.from !== details.tid) return message;
    return { ...message, data: { ...details, tid: this.#alias.to } };
  }

  /** The new lock is granted; or the new server had the time to ask, and needs none. */
  end(): void {
    release(this.#former);
    this.#former = [];
  }

  /** Whether the new server has asked. */
  get isUnderWay(): boolean {
    return this.#alias !== undefined;
  }
}

function release(locks: readonly LockInfo[]): void {
  for (const { lock } of locks) void lock?.release('its server is gone');
}

/** What a server has to say to a master first, before that one begins transactions of its own [PROTOCOL-12.3, 14.6]. */
export class FirstWord {
  readonly #inStep: (callback: () => void) => void;
  #isHeard: Promise<void> | undefined;
  #wake: () => void = () => undefined;
  #speeches = 0;

  /** @param inStep calls when everything was heard that the server had said by now */
  constructor(inStep: (callback: () => void) => void) {
    this.#inStep = inStep;
  }

  /**
   * The server speaks: those who come from now on wait until that was heard.
   *
   * @param heard is called then, unless the server has begun to speak again: it may be another one, that knows nothing yet
   */
  listen(heard: () => void): void {
    const speech = ++this.#speeches;
    // The last speech may end with its line, and nobody hears that.
    this.#wake();
    this.#isHeard = new Promise((resolve) => {
      this.#wake = resolve;
      this.#inStep(() => {
        if (speech === this.#speeches) {
          this.#isHeard = undefined;
          heard();
        }
        resolve();
      });
    });
  }

  /** The place of this master is lost, and nothing is heard on its line any more: who waits goes on, and finds that. */
  isOver(): void {
    this.#speeches += 1;
    this.#isHeard = undefined;
    this.#wake();
  }

  /** Whether something is awaited. */
  get isAwaited(): boolean {
    return this.#isHeard !== undefined;
  }

  /** Resolves when everything was heard; at once if nothing is awaited. */
  async wait(): Promise<void> {
    while (this.#isHeard !== undefined) await this.#isHeard;
  }
}
