import { expect, it } from 'vitest';
import { BUSY_MS, MAX_READY, MAX_RECORDS, SpaceReserve } from '../../../src/client/core/allocator.js';
import { VirtualClock } from '../../support/virtual-clock.js';

function lab() {
  const clock = new VirtualClock();
  const asked: number[] = [];
  const back: number[] = [];
  const reserve = new SpaceReserve({
    clock: {
      now: () => clock.now(),
      scheduleIdle: (milliseconds, callback) => clock.schedule(milliseconds, callback),
    },
    ask: (records) => asked.push(records),
    giveBack: (ranges) => back.push(...ranges.map(({ recordNr }) => recordNr)),
  });
  return {
    clock,
    back,
    reserve,
    /** What was asked for since. */
    asked: () => asked.splice(0),
    came: (recordNr: number, length = 1) => reserve.came(length, [{ pageNr: 0, recordNr, length }]),
    take: (records = 1) => reserve.take(records)?.map(({ recordNr }) => recordNr),
  };
}

it('asks ahead for who takes often, and for as much as he takes', () => {
  const { clock, asked, came, take } = lab();
  expect([take(), asked()]).toEqual([undefined, []]);
  clock.advance(BUSY_MS - 1);
  expect([take(), asked()]).toEqual([undefined, [1]]);
  came(7);
  expect([take(), asked()]).toEqual([[7], [1]]);
  expect([take(), asked()]).toEqual([undefined, [1]]);
  came(8);
  came(9);
  expect([take(), take(), asked()]).toEqual([[8], [9], [1, 1]]);
});

it('keeps the same lengths ready as are taken, no long ones, and no more of a length than a write needs', () => {
  const { asked, came, take, back } = lab();
  for (let count = 0; count < 3; count++) take(2);
  expect(asked()).toEqual([2, 2]);
  came(20, 2);
  expect(take(1)).toBeUndefined();
  expect(take(2)).toEqual([20]);
  for (let count = 0; count < 20; count++) take(MAX_RECORDS + 1);
  expect(asked()).toEqual([2]);
  for (let count = 0; count < 20; count++) take(1);
  expect(asked()).toHaveLength(MAX_READY);
  for (let record = 0; record < MAX_READY; record++) came(record);
  expect(back).toEqual([]);
});

it('gives everything back when it was not needed for a while, also what comes later', () => {
  const { clock, asked, came, take, back } = lab();
  for (let count = 0; count < 3; count++) take();
  expect(asked()).toEqual([1, 1]);
  came(1);
  clock.advance(BUSY_MS);
  expect(back).toEqual([1]);
  came(2);
  expect(back).toEqual([1, 2]);
  expect(clock.pending).toBe(0);
  // And from the beginning.
  expect([take(), asked()]).toEqual([undefined, []]);
});

it('looks once in a while as long as it is busy', () => {
  const { clock, asked, came, take, back } = lab();
  for (let count = 0; count < 2; count++) take();
  came(0);
  for (let record = 1; record < 10; record++) {
    clock.advance(BUSY_MS / 2);
    expect(take()).toEqual([record - 1]);
    came(record);
  }
  expect(clock.pending).toBe(1);
  expect(back).toEqual([]);
  expect(asked()).toHaveLength(10);
});

it('asks again after it was told that nothing comes', () => {
  const { reserve, asked, take } = lab();
  take();
  take();
  expect(asked()).toEqual([1]);
  reserve.failed(1);
  expect([take(), asked()]).toEqual([undefined, [1, 1]]);
});

it('gives everything back at the end', () => {
  const { clock, reserve, came, take, back } = lab();
  for (let count = 0; count < 3; count++) take();
  came(1);
  came(2);
  reserve.clear();
  expect(back).toEqual([1, 2]);
  expect(clock.pending).toBe(0);
});
