import { expect, it } from 'vitest';
import { Tenure } from '../../../src/managed-masters/tenure.js';
import { VirtualClock } from '../../support/virtual-clock.js';

const [GRACE, LEASE] = [11_000, 8_000];
/** A renewal is good for 4 s and the grace; a lease that is told of must be over by then. */
const CERTAIN_FOR = 4_000 + GRACE - LEASE;

/** A clock that stands still while the machine sleeps, but for the uptime and the wall clock. */
class SleepyClock extends VirtualClock {
  slept = 0;

  override wallTime(): number {
    return super.wallTime() + this.slept;
  }

  override uptime(): number {
    return super.uptime() + this.slept;
  }
}

function lab() {
  const clock = new SleepyClock();
  const told: string[] = [];
  const begun = (): void => void told.push('begun');
  const interrupted = (): void => void told.push('interrupted');
  const settings = { clock, server: 'own', grace: GRACE, lease: LEASE, begun, interrupted };
  return { clock, told, tenure: new Tenure(settings) };
}

it('is certain for as long as a lease that is told of ends before another server can have the folder', () => {
  const { clock, tenure } = lab();
  tenure.taken(undefined);
  expect(tenure.keepsPlace(false)).toBe(false);
  tenure.kept(clock.uptime());
  clock.advance(CERTAIN_FOR - 1);
  expect([tenure.keepsPlace(false), tenure.keepsPlace(true)]).toEqual([true, true]);
  clock.advance(1);
  expect([tenure.keepsPlace(false), tenure.keepsPlace(true)]).toEqual([false, false]);
});

it('counts from when the renewal was begun, however late it is heard', () => {
  const { clock, tenure } = lab();
  tenure.taken(undefined);
  const begun = clock.uptime();
  clock.advance(CERTAIN_FOR - 10);
  tenure.kept(begun);
  expect(tenure.keepsPlace(false)).toBe(true);
  clock.advance(10);
  expect(tenure.keepsPlace(false)).toBe(false);
});

it('counts the time in which the machine slept', () => {
  const { clock, tenure } = lab();
  tenure.taken(undefined);
  tenure.kept(clock.uptime());
  clock.slept += CERTAIN_FOR;
  expect(tenure.keepsPlace(false)).toBe(false);
});

it('keeps nobody new waiting before there is a master, but those who have something', () => {
  const { tenure } = lab();
  expect([tenure.keepsPlace(false), tenure.keepsPlace(true)]).toEqual([true, false]);
});

it('is interrupted if this server did not have the folder right before, and not if another process of it had', () => {
  const { told, tenure } = lab();
  tenure.taken('before');
  tenure.taken('own');
  expect(told).toEqual(['begun']);
  expect(['before', 'other', undefined].map((server) => tenure.inherits(server))).toEqual([
    true,
    false,
    false,
  ]);
  tenure.taken('before');
  tenure.taken(undefined);
  expect(told).toEqual(['begun', 'interrupted', 'interrupted']);
  expect(['before', undefined].map((server) => tenure.inherits(server))).toEqual([false, false]);
});

it("is interrupted, once, when the folder is found to be somebody else's", () => {
  const { told, tenure, clock } = lab();
  tenure.lost();
  tenure.taken(undefined);
  tenure.kept(clock.uptime());
  tenure.lost();
  tenure.lost();
  expect([tenure.keepsPlace(false), tenure.keepsPlace(true)]).toEqual([true, false]);
  tenure.taken('other');
  expect(told).toEqual(['begun', 'interrupted']);
  expect([tenure.inherits('other'), tenure.keepsPlace(true)]).toEqual([false, false]);
  tenure.kept(clock.uptime());
  expect(tenure.keepsPlace(true)).toBe(true);
});

it('has it from anybody where there was no record', () => {
  const { tenure } = lab();
  tenure.taken(undefined);
  expect(['before', undefined].map((server) => tenure.inherits(server))).toEqual([true, true]);
});
