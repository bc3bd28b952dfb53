import { expect, it } from 'vitest';
import { TurnBreaks } from '../../../src/client/core/turn-breaks.js';
import { lab, want } from '../../support/locks-lab.js';

/** Behind all promises that are due. */
const settle = () => new Promise((resolve) => setImmediate(resolve));

it('lets a thousand go on in one turn, the others in turns behind, in order', async () => {
  const turns: (() => void)[] = [];
  const breaks = new TurnBreaks({
    schedule: (milliseconds, callback) => {
      expect(milliseconds).toBe(0);
      turns.push(callback);
      return () => undefined;
    },
  });
  const done: number[] = [];
  for (let number = 0; number < 1_600; number++) {
    const pause = breaks.next();
    if (pause === undefined) done.push(number);
    else void pause.then(() => done.push(number));
  }
  await settle();
  const lengths = [done.length];
  for (let turn = turns.shift(); turn !== undefined; turn = turns.shift()) {
    turn();
    await settle();
    lengths.push(done.length);
  }
  expect(lengths).toEqual([1_000, 1_256, 1_512, 1_600]);
  expect(done).toEqual(Array.from({ length: 1_600 }, (_, number) => number));
  // A turn without many begins from the beginning.
  expect(breaks.next()).toBeUndefined();
});

it('a transaction that locks many children lets the process hear others meanwhile', async () => {
  const { locks, grant, clock, types } = lab();
  const first = locks.lock(want('t', true));
  grant(0, 7);
  await first;
  let held = 0;
  for (let child = 0; child < 2_000; child++)
    void locks.lock(want('t', true, `a/${child}`)).then(() => held++);
  await settle();
  expect(held).toBe(1_000);
  clock.advance(0);
  await settle();
  expect(held).toBe(2_000);
  expect(types()).toEqual(['lock-request']);
});
