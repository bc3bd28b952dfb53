/** What a transaction tells others: nothing leaves before it is committed. */

import type { RootAddress } from '../core/host.js';
import type { InnerStorage, Told } from './storage.js';
import type { Transaction } from './transaction.js';

/** Where the root is. */
interface RootNotice extends Told {
  readonly address: RootAddress;
}

/** What others are told of what is written. */
const OF_WRITES = new Set(['root.update', 'cache.update', 'cache.invalidate']);

/** Holds back what is told while a transaction writes. @param writer the one that does, if one does */
export function holdNotices(
  { subscriptions, ipc }: Pick<InnerStorage, 'subscriptions' | 'ipc'>,
  writer: () => Transaction | undefined,
): void {
  const { trigger } = subscriptions;
  subscriptions.trigger = (...details) => {
    const transaction = writer();
    if (transaction === undefined) trigger.apply(subscriptions, details);
    else transaction.effects.push(() => process.nextTick(() => trigger.apply(subscriptions, details)));
  };
  const { sendNotification } = ipc;
  ipc.sendNotification = (notification: Told) => {
    const transaction = OF_WRITES.has(notification.type) ? writer() : undefined;
    if (transaction === undefined) {
      sendNotification.call(ipc, notification);
      return;
    }
    if (notification.type === 'root.update') transaction.movedRoot = (notification as RootNotice).address;
    transaction.notices.push(() => sendNotification.call(ipc, notification));
  };
}

/**
 * Holds back what a master tells of keys until they are in the file: whoever hears of one may use it at once, and all may be killed then.
 *
 * @param whenSettled calls when the tables are in the file as they are to be now; at once if AceBase writes them by itself
 */
export function holdKeys(
  ipc: Pick<InnerStorage['ipc'], 'sendNotification' | 'replyRequest'>,
  whenSettled: (tell: () => void) => void,
): void {
  // AceBase tells first, and writes in the same turn.
  const whenWritten = (tell: () => void): void => void Promise.resolve().then(() => whenSettled(tell));
  const { sendNotification, replyRequest } = ipc;
  ipc.sendNotification = (notification) => {
    const tell = (): void => sendNotification.call(ipc, notification);
    if (notification.type === 'kit.new_key') whenWritten(tell);
    else tell();
  };
  ipc.replyRequest = (request, result) => {
    const tell = (): void => replyRequest.call(ipc, request, result);
    if (request.data.type === 'kit.add') whenWritten(tell);
    else tell();
  };
}
