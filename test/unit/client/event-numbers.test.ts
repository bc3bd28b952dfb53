import { expect, it } from 'vitest';
import { EventNumbers, MAX_SENDERS } from '../../../src/client/core/inbox.js';

it('counts up, whoever is to get it, and tells what came twice for each sender', () => {
  const sender = new EventNumbers(() => 'sender');
  const receiver = new EventNumbers(() => 'receiver');
  const first = sender.next();
  expect([first, sender.next()]).toEqual([
    ['sender', 1],
    ['sender', 2],
  ]);
  // The second one was for somebody else.
  expect([receiver.isNew(first), receiver.isNew(['sender', 3]), receiver.isNew(first)]).toEqual([
    true,
    true,
    false,
  ]);
  expect(receiver.isNew(['another', 1])).toBe(true);
});

it('forgets the sender that was silent for longest when there are too many', () => {
  const numbers = new EventNumbers(() => 'me');
  for (let n = 0; n <= MAX_SENDERS; n++) numbers.isNew([`sender${n}`, 1]);
  expect(numbers.isNew([`sender${MAX_SENDERS}`, 1])).toBe(false);
  expect(numbers.isNew(['sender0', 1])).toBe(true);
});
