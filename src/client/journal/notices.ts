/** What a transaction tells others: nothing leaves before it is committed. */

import type { InnerStorage, Told } from './storage.js';
import type { Transaction } from './transaction.js';

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
    if (notification.type === 'root.update') transaction.hasMovedRoot = true;
    transaction.effects.push(() => sendNotification.call(ipc, notification));
  };
}
