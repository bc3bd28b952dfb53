import { expect, it } from 'vitest';
import { Bulkhead } from '../../../src/broker/bulkhead.js';
import { VirtualClock } from '../../support/virtual-clock.js';

it('time stands still while something happens in a database, also while it is settled, and goes on between', () => {
  const clock = new VirtualClock();
  const seen: number[] = [];
  const look = (): void => {
    seen.push(bulkhead.clock.now());
    clock.advance(1);
  };
  const bulkhead = new Bulkhead({ settle: look, broken: () => undefined }, clock);
  const start = clock.now();
  bulkhead.clock.schedule(10, look);
  bulkhead.run(() => {
    look();
    bulkhead.run(look, undefined);
  }, undefined);
  expect(seen).toEqual([start, start, start]);
  look();
  look();
  expect(seen.slice(3)).toEqual([start + 3, start + 4]);
  clock.advance(5);
  expect(seen.slice(5)).toEqual([start + 10, start + 10]);
});
