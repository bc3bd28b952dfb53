import { expect, it } from 'vitest';
import {
  BUSY_MS,
  MAX_KEPT,
  MAX_READY,
  MAX_RECORDS,
  SpaceReserve,
} from '../../../src/client/core/space-reserve.js';
import { VirtualClock } from '../../support/virtual-clock.js';

function lab() {
  const clock = new VirtualClock();
  const asked: { readonly records: number; readonly count: number }[] = [];
  const back: number[] = [];
  const reserve = new SpaceReserve({
    clock: {
      now: () => clock.now(),
      scheduleIdle: (milliseconds, callback) => clock.schedule(milliseconds, callback),
    },
    ask: (records, count) => asked.push({ records, count }),
    giveBack: (ranges) => {
      for (const { recordNr, length } of ranges)
        for (let record = recordNr; record < recordNr + length; record++) back.push(record);
    },
  });
  return {
    clock,
    /** The records that went back. */
    back,
    reserve,
    /** How many pieces were asked for since, of each request. */
    asked: () => asked.splice(0).map(({ count }) => count),
    lengths: () => asked.splice(0).map(({ records }) => records),
    came: (...records: readonly number[]) =>
      reserve.came(
        1,
        records.length,
        records.map((recordNr) => [{ pageNr: 0, recordNr, length: 1 }]),
      ),
    release: (recordNr: number, length = 1) => reserve.release([{ pageNr: 0, recordNr, length }]),
    take: (records = 1) => reserve.take(records)?.map(({ recordNr }) => recordNr),
  };
}

it('asks ahead for who takes often, for twice as much each time that it was not enough, much at one time', () => {
  const { clock, asked, came, take } = lab();
  expect([take(), asked()]).toEqual([undefined, []]);
  clock.advance(BUSY_MS - 1);
  expect([take(), asked()]).toEqual([undefined, [1]]);
  came(7);
  expect([take(), asked()]).toEqual([[7], [1]]);
  expect([take(), asked()]).toEqual([undefined, [1]]);
  came(8);
  came(9);
  expect([take(), asked(), take(), asked()]).toEqual([[8], [1], [9], [1]]);
  expect([take(), asked()]).toEqual([undefined, [2]]);
  for (let count = 0; count < 3; count++) take();
  expect(asked()).toEqual([4, 8]);
  came(...Array.from({ length: MAX_READY }, (_, record) => record));
  // Half of it is enough for a while.
  for (let count = 1; count < MAX_READY / 2; count++) expect([take(), asked()]).toEqual([[count - 1], []]);
  expect([take(), asked()]).toEqual([[MAX_READY / 2 - 1], [MAX_READY / 2]]);
});

it('keeps the same lengths ready as are taken, no long ones, and no more of a length than many writes need', () => {
  const { lengths, asked, take } = lab();
  for (let count = 0; count < 3; count++) take(2);
  expect(lengths()).toEqual([2, 2]);
  for (let count = 0; count < 20; count++) take(MAX_RECORDS + 1);
  expect(lengths()).toEqual([]);
  for (let count = 0; count < 20; count++) take(1);
  expect(asked().reduce((sum, count) => sum + count, 0)).toBe(MAX_READY);
});

it('keeps what a write has set free for the next one, which asks for nothing then', () => {
  const { asked, back, came, take, release } = lab();
  for (let count = 0; count < 2; count++) take();
  expect(asked()).toEqual([1]);
  came(0);
  for (let write = 0; write < 50; write++) {
    const [record = Number.NaN] = take() ?? [];
    release(100 + write);
    expect(record).toBe(write === 0 ? 0 : 99 + write);
  }
  expect([asked(), back]).toEqual([[1], []]);
});

it('cuts what is set free into the lengths that are taken, and gives the rest back', () => {
  const { back, take, release, came } = lab();
  for (let count = 0; count < 3; count++) for (const length of [1, 3]) take(length);
  release(10, 8);
  expect([take(3), take(3), take(1), take(1)]).toEqual([[10], [13], [16], [17]]);
  expect(back).toEqual([]);
  // What nobody has taken twice is of no use.
  take(5);
  release(20, 2 * MAX_KEPT * 4);
  expect(back.length).toBeGreaterThan(0);
  expect(back[0]).toBeGreaterThan(20 + MAX_KEPT);
  came();
  expect(take(5)).toBeUndefined();
});

it('gives back what is set free by who does not write often', () => {
  const { clock, back, take, release } = lab();
  take();
  release(1);
  take();
  release(2);
  clock.advance(2 * BUSY_MS);
  release(3);
  expect(back).toEqual([1, 2, 3]);
  expect(clock.pending).toBe(0);
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

it('asks again after it was told that nothing comes, and for one at a time where space lies scattered', () => {
  const { reserve, asked, take } = lab();
  take();
  take();
  expect(asked()).toEqual([1]);
  reserve.failed(1, 1);
  expect([take(), asked()]).toEqual([undefined, [2]]);
  reserve.came(1, 2, []);
  expect([take(), asked()]).toEqual([undefined, [1, 1, 1, 1]]);
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
