import { describe, expect, it } from 'vitest';
import { type Caller, Door, type Wait } from '../../../src/broker/peers/admission.js';
import { VirtualClock } from '../../support/virtual-clock.js';

const ALL = ['file', 'journal', 'seat'] as const;

/** A door, and somebody who waits there for the journal until it is told to come in, or until its time is over. */
function scene(lasts = 100) {
  const clock = new VirtualClock();
  const door = new Door(clock);
  const state = { asked: 0, hasAnswer: false, hasLeft: false, awaits: 'journal' as Wait['awaits'] };
  const caller = { request: { peerId: 'peerA' }, since: clock.now() } as unknown as Caller;
  const until = clock.now() + lasts;
  const again = (): Wait | undefined => {
    state.asked++;
    if (state.hasAnswer || clock.now() >= until) return undefined;
    const left = () => {
      state.hasLeft = true;
    };
    return { awaits: state.awaits, until, again, left };
  };
  return { clock, door, state, cancel: door.receive(caller, again()) };
}

describe('who has to wait at the door', () => {
  it('is asked again after everything that happens, and when its time is over', () => {
    const { clock, door, state } = scene();
    expect(door.waitingFor('journal').map(({ peerId }) => peerId)).toEqual(['peerA']);
    expect([door.review(ALL), state.asked, door.isHolding]).toEqual([false, 2, true]);
    clock.advance(99);
    expect([state.asked, clock.pending]).toEqual([2, 1]);
    clock.advance(1);
    expect([state.asked, door.isHolding, clock.pending]).toEqual([3, false, 0]);
  });

  it('leaves no timer behind when it has its answer', () => {
    const { clock, door, state } = scene();
    state.hasAnswer = true;
    expect([door.review(ALL), door.isHolding, clock.pending]).toEqual([true, false, 0]);
    expect(door.review(ALL)).toBe(false);
  });

  it('may have to wait for something else then', () => {
    const { clock, door, state } = scene();
    state.awaits = 'seat';
    expect([door.review(ALL), door.review(ALL)]).toEqual([true, false]);
    expect([door.isAnyoneWaitingFor('journal'), door.isAnyoneWaitingFor('seat'), clock.pending]).toEqual([
      false,
      true,
      1,
    ]);
  });

  it('is not asked again when what has happened decides nothing of what it waits for', () => {
    const { door, state } = scene();
    expect([door.review(['file', 'seat']), state.asked]).toEqual([false, 1]);
    expect([door.review(['journal']), state.asked]).toEqual([false, 2]);
    expect([
      door.isAnyoneWaitingFor('journal', 'peerA'),
      door.isAnyoneWaitingFor('journal', 'peerB'),
    ]).toEqual([true, false]);
  });

  it('is asked by the wait that it has when its time is over, not by an earlier one that was to last as long', () => {
    const clock = new VirtualClock();
    const door = new Door(clock);
    const until = clock.now() + 100;
    const asked: string[] = [];
    const journal: Wait = { awaits: 'journal', until, again: () => void asked.push('journal') };
    const seat: Wait = {
      awaits: 'seat',
      until,
      again: () => {
        asked.push('seat');
        return journal;
      },
    };
    door.receive({ request: { peerId: 'peerA' }, since: clock.now() } as unknown as Caller, seat);
    door.review(['seat']);
    clock.advance(100);
    expect([asked, door.isHolding, clock.pending]).toEqual([['seat', 'journal'], false, 0]);
  });

  it('may go away by itself', () => {
    const { clock, door, state, cancel } = scene();
    cancel();
    expect([state.hasLeft, door.isHolding, clock.pending]).toEqual([true, false, 0]);
    clock.advance(1_000);
    expect(state.asked).toBe(1);
  });
});
