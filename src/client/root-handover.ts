import type { LockDetails, LockInfo, Message } from './acebase.js';

/**
 * The lock that a server has at this master for all workers, from one server to the next [PROTOCOL-14.6].
 *
 * Workers go on under the locks of a server that is gone, and tell the next one of them, which then asks for its own lock. If
 * this master gave up the old one first, its own transactions that wait would begin, beside those of workers. So the new request
 * is put in the name of the transaction that holds the old lock, and the old one is released when the new one is granted.
 */
export class RootHandover {
  #former: readonly LockInfo[] = [];
  /** The transaction of the new server that stands for one of the old one. */
  #alias: { readonly from: LockDetails['tid']; readonly to: LockInfo['tid'] } | undefined;

  /**
   * The server is a new one.
   *
   * @param locks those of the server that is gone
   */
  begin(locks: readonly LockInfo[]): void {
    this.#alias = undefined;
    const hasEnded = ({ lock }: LockInfo): boolean => lock?.state === 'expired';
    release(locks.filter(hasEnded));
    this.#former = locks.filter((info) => info.lock !== null && !hasEnded(info));
  }

  /** The server asks for its lock. @returns the request as it is to be granted */
  asked(message: Message): Message {
    const details = message.data as LockDetails;
    const [first] = this.#former;
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
