import { describe, expect, it } from 'vitest';
import { Lane, LONE_TURN_MS, Loop, SHARED_TURN_MS } from '../../../src/websocket/lanes.js';

/** A loop whose turns and whose clock are driven by hand. */
function lab() {
  const turns: (() => void)[] = [];
  const done: string[] = [];
  let now = 0;
  const loop = new Loop({ later: (callback) => turns.push(callback), now: () => now });
  return {
    done,
    get turns() {
      return turns.length;
    },
    lane: () => new Lane(loop),
    /** Work that takes some time. */
    spend(milliseconds: number) {
      now += milliseconds;
    },
    endTurn() {
      expect(turns).toHaveLength(1);
      turns.shift()?.();
    },
    /** Something to write, and what happens then. */
    output: (name: string, takes = 0, then?: () => void) => ({
      flush() {
        done.push(name);
        now += takes;
        then?.();
        return 100;
      },
    }),
    /** Input that takes some time, and gives something to write. */
    input(lane: Lane, name: string, { bytes = 200, takes = 0 } = {}) {
      lane.begin();
      now += takes;
      lane.add(this.output(name));
      lane.end(bytes);
    },
    /** A connection that sends messages, each of which takes some time, for as long as it has any; it is held as the lane says. */
    sender(lane: Lane, name: string, messages: number, takes: number) {
      let left = messages;
      const sender = {
        resume: () => {
          for (; left > 0; left--) {
            now += takes;
            done.push(name);
            lane.work(1_000);
            if (left > 1 && lane.isOver) {
              left--;
              lane.hold(sender);
              return;
            }
          }
        },
        arrives: () => {
          if (lane.isBusy) {
            lane.hold(sender);
            return;
          }
          lane.begin();
          sender.resume();
          lane.end(60_000);
        },
      };
      return sender;
    },
  };
}

describe('a lane writes', () => {
  it('all of a turn together, once, in order', () => {
    const it = lab();
    const lane = it.lane();
    lane.add(it.output('a'));
    lane.add(it.output('b', 0, () => lane.add(it.output('next'))));
    lane.add(it.output('c'));
    it.endTurn();
    expect(it.done).toEqual(['a', 'b', 'c']);
    it.endTurn();
    expect([it.done, it.turns]).toEqual([['a', 'b', 'c', 'next'], 0]);
  });

  it('at once what the only short input of a turn gives', () => {
    const it = lab();
    const lane = it.lane();
    it.input(lane, 'a');
    expect(it.done).toEqual(['a']);
    it.endTurn();
    it.input(lane, 'b');
    expect(it.done).toEqual(['a', 'b']);
  });

  it('at the end of the turn when there is more', () => {
    const it = lab();
    const lane = it.lane();
    it.input(lane, 'long', { bytes: 60_000 });
    expect(it.done).toEqual([]);
    it.endTurn();
    it.input(lane, 'a');
    it.input(lane, 'b');
    expect(it.done).toEqual(['long', 'a']);
    it.endTurn();
    expect(it.done).toEqual(['long', 'a', 'b']);
    // The last turn was busy: this one may be, too.
    it.input(lane, 'c');
    expect(it.done).toEqual(['long', 'a', 'b']);
    it.endTurn();
    it.input(lane, 'd');
    expect(it.done).toEqual(['long', 'a', 'b', 'c', 'd']);
  });

  it('for no longer than a turn, and the rest in the next ones, in order, before it works on input', () => {
    const it = lab();
    const lane = it.lane();
    for (const name of ['a', 'b', 'c', 'd', 'e']) lane.add(it.output(name, LONE_TURN_MS / 4));
    const sender = it.sender(lane, 'input', 1, 0);
    it.endTurn();
    expect([it.done.join(''), lane.isBusy]).toEqual(['abcd', true]);
    sender.arrives();
    it.endTurn();
    expect(it.done.join('')).toBe('abcde');
    it.endTurn();
    expect([it.done.at(-1), it.turns]).toEqual(['input', 0]);
  });
});

describe('lanes that share a loop', () => {
  it('work for one turn each, one after the other', () => {
    const it = lab();
    const [one, two] = [it.lane(), it.lane()];
    it.input(two, 'company');
    it.endTurn();
    it.done.length = 0;
    it.sender(one, '1', 6, SHARED_TURN_MS * 0.6).arrives();
    it.sender(two, '2', 4, SHARED_TURN_MS * 1.2).arrives();
    expect(it.done.join('')).toBe('112');
    for (let turn = 0; turn < 3; turn++) it.endTurn();
    expect(it.done.join('')).toBe('1121121122');
    expect([it.turns, one.isBehind, two.isBehind]).toEqual([0, false, false]);
  });

  it('are not kept waiting by a lane with many connections any longer than by one with a single one', () => {
    const it = lab();
    const [many, one] = [it.lane(), it.lane()];
    it.input(one, 'company');
    it.endTurn();
    it.done.length = 0;
    for (let n = 0; n < 5; n++) it.sender(many, 'm', 100, SHARED_TURN_MS * 0.6).arrives();
    expect(it.done.join('')).toBe('mm');
    for (let turn = 0; turn < 5; turn++) {
      it.done.length = 0;
      it.input(one, 'o');
      it.endTurn();
      // What it gave leaves before the others go on.
      expect(it.done.join('')).toBe('omm');
    }
  });

  it('serve the connections of one lane in turn', () => {
    const it = lab();
    const lane = it.lane();
    it.input(it.lane(), 'company');
    it.endTurn();
    for (const name of ['a', 'b', 'c']) it.sender(lane, name, 4, SHARED_TURN_MS * 1.2).arrives();
    it.done.length = 0;
    for (let turn = 0; turn < 6; turn++) it.endTurn();
    expect(it.done.join('')).toBe('abcabc');
  });

  it('have longer turns while they are alone', () => {
    const it = lab();
    const lane = it.lane();
    const other = it.lane();
    it.sender(lane, 'a', 100, LONE_TURN_MS / 4).arrives();
    expect(it.done.join('')).toBe('aaaa');
    it.input(other, 'o');
    it.done.length = 0;
    it.endTurn();
    expect(it.done.join('')).toBe('oa');
    it.spend(1_000);
    it.done.length = 0;
    it.endTurn();
    expect(it.done.join('')).toBe('aaaa');
  });

  it('go on when a handler of one of them throws', () => {
    const it = lab();
    const [one, two] = [it.lane(), it.lane()];
    const broken = {
      resume(): void {
        throw new Error('broken');
      },
    };
    const next = it.sender(one, 'next', 1, 0);
    one.hold(broken);
    one.hold(next);
    two.hold(it.sender(two, 'other', 1, 0));
    expect(() => it.endTurn()).toThrow('broken');
    it.endTurn();
    expect([it.done.toSorted(), it.turns]).toEqual([['next', 'other'], 0]);
  });
});

describe('what can wait', () => {
  it('is hurried all at once, two milliseconds after the first, and once more for what comes later', () => {
    const it = lab();
    const delays: { milliseconds: number; callback: () => void }[] = [];
    const schedule = (milliseconds: number, callback: () => void) => delays.push({ milliseconds, callback });
    const item = (name: string) => ({ flush: () => 1, hurry: () => void it.done.push(name) });
    const [one, two] = [it.lane(), it.lane()];
    one.addPatient(item('a'), schedule);
    two.addPatient(item('b'), schedule);
    expect(delays.map(({ milliseconds }) => milliseconds)).toEqual([2]);
    expect(it.turns).toBe(0);
    delays.shift()?.callback();
    expect(it.done).toEqual(['a', 'b']);
    one.addPatient(item('c'), schedule);
    delays.shift()?.callback();
    expect(it.done).toEqual(['a', 'b', 'c']);
  });
});
