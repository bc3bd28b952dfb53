import { expect, it } from 'vitest';
import {
  FIRST_PAUSE_MS,
  FORGIVEN_AFTER,
  LONGEST_PAUSE_MS,
  QuickDisk,
  SLOW_MS,
  TURN_MS,
} from '../../../../src/client/patches/quick-disk.js';
import { VirtualClock } from '../../../support/virtual-clock.js';

function lab() {
  const clock = new VirtualClock();
  const turns: (() => void)[] = [];
  const disk = new QuickDisk(clock, (callback) => turns.push(callback));
  return {
    clock,
    disk,
    /** Reads or writes something that takes so long. */
    take: (milliseconds: number) => disk.measure(() => clock.advance(milliseconds)),
    nextTurn: () => {
      for (const turn of turns.splice(0)) turn();
    },
    turns,
  };
}

it('is quick as long as nothing takes long', () => {
  const { disk, take, nextTurn } = lab();
  for (let count = 0; count < 100; count++) {
    expect(disk.isQuick).toBe(true);
    take(SLOW_MS - 1);
    nextTurn();
  }
});

it('is not quick for a while behind an operation that took long, and for twice as long each time', () => {
  const { disk, clock, take, nextTurn } = lab();
  for (let pause = FIRST_PAUSE_MS; pause <= LONGEST_PAUSE_MS; pause = Math.min(pause * 2, LONGEST_PAUSE_MS)) {
    take(SLOW_MS);
    nextTurn();
    expect(disk.isQuick).toBe(false);
    clock.advance(pause - 1);
    expect(disk.isQuick).toBe(false);
    clock.advance(1);
    expect(disk.isQuick).toBe(true);
    if (pause === LONGEST_PAUSE_MS) break;
  }
  for (let count = 0; count < FORGIVEN_AFTER; count++) take(0);
  nextTurn();
  take(SLOW_MS);
  nextTurn();
  clock.advance(FIRST_PAUSE_MS);
  expect(disk.isQuick).toBe(true);
});

it('leaves the rest of a turn to threads when that has taken a while: others are to have theirs', () => {
  const { disk, clock, take, nextTurn, turns } = lab();
  take(1);
  // What is done with what was read counts, too.
  clock.advance(TURN_MS - 2);
  expect(disk.isQuick).toBe(true);
  take(1);
  expect(disk.isQuick).toBe(false);
  expect(turns).toHaveLength(1);
  nextTurn();
  expect(disk.isQuick).toBe(true);
});

it('passes on what was thrown', () => {
  const { disk } = lab();
  expect(() =>
    disk.measure(() => {
      throw new Error('EIO');
    }),
  ).toThrow('EIO');
});
