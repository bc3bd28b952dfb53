import { expect, it } from 'vitest';
import { WaitingEvents } from '../../../src/client/core/session.js';

const event = (text: string) => ({
  text,
  afterRestart: 'again' as const,
  requestId: undefined,
  isDispensable: true,
  canWait: false,
});
const texts = (frames: readonly { text: string }[]) => frames.map(({ text }) => text);

it('keeps events for each receiver in order, once, and no more than there is room for', () => {
  const waiting = new WaitingEvents(6);
  expect([
    waiting.keep('a', event('a1')),
    waiting.keep('b', event('b1')),
    waiting.keep('a', event('a2')),
  ]).toEqual([true, true, true]);
  expect(waiting.keep('c', event('c1'))).toBe(false);
  expect(texts(waiting.take('a'))).toEqual(['a1', 'a2']);
  expect(texts(waiting.take('a'))).toEqual([]);
  expect(waiting.keep('c', event('c1'))).toBe(true);
  expect(texts(waiting.take('c'))).toEqual(['c1']);
});
