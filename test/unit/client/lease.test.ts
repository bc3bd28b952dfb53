import { describe, expect, it } from 'vitest';
import { jointLease, Lease, NOTICE_MS } from '../../../src/client/core/lease.js';
import { type Moment, momentOf } from '../../../src/elapsed.js';
import { VirtualClock } from '../../support/virtual-clock.js';

const LENGTH = 8_000;
const PATIENCE = 120_000;

/** A clock that stands still while the machine sleeps, as Linux has it. */
class Clock extends VirtualClock {
  slept = 0;
  stepped = 0;

  override wallTime(): number {
    return super.wallTime() + this.slept + this.stepped;
  }

  override uptime(): number {
    return this.now() + this.slept;
  }
}

function lab() {
  const clock = new Clock();
  const told: string[] = [];
  let proof: Moment | undefined;
  const lease = new Lease({
    clock,
    proof: () => proof,
    patience: () => PATIENCE,
    impatience: () => new Error('too long'),
    lapsed: () => told.push('lapsed'),
    regained: (milliseconds) => told.push(`regained after ${milliseconds}`),
  });
  const prove = () => {
    proof = momentOf(clock);
    lease.proved();
  };
  const use = (name: string) =>
    lease.whenHeld(
      () => told.push(name),
      (error) => told.push(`${name}: ${error.message}`),
    );
  return { clock, lease, prove, use, told };
}

describe('a lease [PROTOCOL-14.11]', () => {
  it('is none before a server has told one, and after the end', () => {
    const { lease, clock, prove } = lab();
    expect(lease.isHeld).toBe(true);
    lease.begin(LENGTH);
    expect(lease.isHeld).toBe(false);
    prove();
    lease.end();
    clock.advance(10 * LENGTH);
    expect([lease.isHeld, lease.wait()]).toEqual([true, undefined]);
  });

  it('is lost with the end, if it has lapsed: others may have the place of this process', () => {
    const { lease, clock, prove } = lab();
    lease.begin(LENGTH);
    prove();
    clock.advance(LENGTH);
    lease.end();
    expect(lease.isLost).toBe(true);
  });

  it('lasts from when the ping was sent that the server has answered', () => {
    const { lease, prove, clock } = lab();
    lease.begin(LENGTH);
    prove();
    clock.advance(LENGTH - 1);
    expect(lease.isHeld).toBe(true);
    clock.advance(1);
    expect(lease.isHeld).toBe(false);
  });

  it('lapses while the machine sleeps, and not when somebody sets the clock', () => {
    for (const [slept, stepped, isHeld] of [
      [LENGTH, 0, false],
      [LENGTH - 1, 0, true],
      [0, 3_600_000, true],
      [0, -3_600_000, true],
    ] as const) {
      const { lease, prove, clock } = lab();
      lease.begin(LENGTH);
      prove();
      Object.assign(clock, { slept, stepped });
      expect(lease.isHeld, `${slept} ${stepped}`).toBe(isHeld);
    }
  });

  it('lets what is to be done wait, and go on in the order of its coming', async () => {
    const { lease, prove, use, told, clock } = lab();
    lease.begin(LENGTH);
    prove();
    use('a');
    clock.advance(LENGTH);
    use('b');
    const waiting = lease.wait();
    clock.advance(NOTICE_MS - 1);
    expect(told).toEqual(['a']);
    clock.advance(2_000 - NOTICE_MS + 1);
    use('c');
    expect(told).toEqual(['a', 'lapsed']);
    prove();
    await waiting;
    expect(told).toEqual(['a', 'lapsed', 'regained after 2000', 'b', 'c']);
    expect(clock.pending).toBe(0);
    expect(lease.wait()).toBeUndefined();
  });

  it('lets nothing go on by an answer to a ping that is as old', () => {
    const { lease, use, told, clock } = lab();
    lease.begin(LENGTH);
    use('a');
    clock.advance(NOTICE_MS);
    lease.proved();
    expect(told).toEqual(['lapsed']);
  });

  it('fails what waits, and what comes, when others have got all of it, until it begins anew', async () => {
    const { lease, prove, use, told, clock } = lab();
    lease.begin(LENGTH);
    prove();
    clock.advance(LENGTH);
    use('a');
    lease.lose(new Error('given away'));
    use('b');
    expect(told).toEqual(['a: given away', 'b: given away']);
    await expect(lease.wait()).rejects.toThrow('given away');
    prove();
    expect([lease.isHeld, lease.isLost]).toEqual([false, true]);
    lease.begin(LENGTH);
    expect([lease.isHeld, lease.isLost]).toEqual([true, false]);
    expect(clock.pending).toBe(0);
  });

  it('fails what has waited for longer than a lock lasts', () => {
    const { lease, use, told, clock } = lab();
    lease.begin(LENGTH);
    use('a');
    clock.advance(PATIENCE);
    expect(told).toEqual(['lapsed', 'a: too long']);
    expect(clock.pending).toBe(0);
    use('b');
    clock.advance(PATIENCE);
    expect(told).toEqual(['lapsed', 'a: too long', 'b: too long']);
  });

  it('says nothing of what waited for a moment', () => {
    const { lease, prove, use, told, clock } = lab();
    lease.begin(LENGTH);
    use('a');
    clock.advance(NOTICE_MS - 1);
    prove();
    clock.advance(LENGTH - 1);
    expect(told).toEqual(['a']);
  });
});

it('several leases that are needed at one time are waited for until all are held', async () => {
  const [one, two] = [lab(), lab()];
  const { clock } = one;
  for (const { lease, prove } of [one, two]) {
    lease.begin(LENGTH);
    prove();
  }
  const joint = jointLease([one.lease, two.lease]);
  expect(joint.isOpen).toBe(true);
  two.clock.advance(LENGTH);
  let isOver = false;
  const waiting = joint.wait().then(() => {
    isOver = true;
    return joint.isOpen;
  });
  // While the second one is waited for, the first one lapses.
  clock.advance(LENGTH);
  two.prove();
  await Promise.resolve();
  expect([joint.isOpen, isOver]).toEqual([false, false]);
  one.prove();
  expect(await waiting).toBe(true);
});
