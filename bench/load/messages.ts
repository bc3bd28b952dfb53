/** AceBase messages of a given length, with their keys in the order in which the clients write them. */

/** An id as AceBase makes them: 25 characters. */
export function peerIdOf(number: number): string {
  return `cbenchpeer${String(number).padStart(15, '0')}`;
}

/** An event for one subscriber. */
export function eventMessage(from: string, to: string, length: number): string {
  const message = {
    type: 'event',
    from,
    to,
    path: 'a',
    event: 'value',
    data: { path: 'a', val: '', context: {} },
  };
  return filled(message, length, (text) => {
    message.data.val = text;
  });
}

/** A notification for all. */
export function notificationMessage(from: string, length: number): string {
  const data = { type: 'cache.update', info: { path: '', type: 1, address: { pageNr: 12, recordNr: 345 } } };
  return filled({ type: 'notification', from, data }, length, (text) => {
    data.info.path = text;
  });
}

/** As a frame for one peer. */
export function directed(to: string, message: string): string {
  return `to:${to};${message}`;
}

function filled(message: object, length: number, fill: (text: string) => void): string {
  fill('x'.repeat(Math.max(0, length - JSON.stringify(message).length)));
  return JSON.stringify(message);
}
