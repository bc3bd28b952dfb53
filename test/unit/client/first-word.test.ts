import { expect, it } from 'vitest';
import { FirstWord } from '../../../src/client/core/master-locks.js';

it('who waits for the first word of a server waits for that of the next one, if the line of the first dies', async () => {
  const heard: (() => void)[] = [];
  const word = new FirstWord((callback) => heard.push(callback));
  const order: string[] = [];
  word.listen(() => order.push('the first'));
  const waiting = word.wait().then(() => order.push('goes on'));
  // Nobody ever hears the first one.
  word.listen(() => order.push('the second'));
  await new Promise(setImmediate);
  expect(order).toEqual([]);
  heard[1]?.();
  await waiting;
  expect([order, word.isAwaited]).toEqual([['the second', 'goes on'], false]);
});

it('who waits for the first word of a server goes on when the place there is lost: nothing is heard on that line any more', async () => {
  const heard: (() => void)[] = [];
  const word = new FirstWord((callback) => heard.push(callback));
  const order: string[] = [];
  word.listen(() => order.push('the first word'));
  const waiting = word.wait();
  word.isOver();
  await waiting;
  expect(word.isAwaited).toBe(false);
  heard[0]?.();
  expect(order).toEqual([]);
});
