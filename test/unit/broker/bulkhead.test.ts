import { afterEach, describe, expect, it, vi } from 'vitest';
import { BrokenInvariant, invariant } from '../../../src/broker/invariants.js';
import { GoneIds } from '../../../src/broker/peers/membership.js';
import { RequestTable } from '../../../src/broker/requests/request-table.js';
import { BrokerLab, type ScriptedPeer } from '../../support/broker-lab.js';

/** How long a worker that is disconnected is waited for. No other timer is that long. */
const GRACE = 12_345;

const request = (id: string) => ({ type: 'request', id, data: { type: 'fst.allocate' } });

afterEach(() => {
  vi.restoreAllMocks();
});

/** A database: its master, a worker that holds a lock for writing, and another one. */
function join(lab: BrokerLab, database: string) {
  const master = lab.connectMaster(database);
  const [holder, other] = [lab.connect('holder', database), lab.connect('other', database)];
  lab.askForLock(holder, { write: true });
  return { master, holder, other, peers: [master, holder, other] };
}

/** Two databases at one broker, whose timers can be made to fire when they are not due. */
function scene() {
  const lab = new BrokerLab({ reconnectGrace: GRACE });
  const grace: (() => void)[] = [];
  const { clock } = lab;
  const schedule = clock.schedule.bind(clock);
  vi.spyOn(clock, 'schedule').mockImplementation((milliseconds, callback) => {
    if (milliseconds === GRACE) grace.push(callback);
    return schedule(milliseconds, callback);
  });
  const fireGraceTimers = () => {
    for (const callback of grace.splice(0)) callback();
  };
  return { lab, one: join(lab, 'one'), two: join(lab, 'two'), fireGraceTimers };
}

const codesOf = (peers: readonly ScriptedPeer[]) => peers.map(({ closedWith }) => closedWith);
const ENDED = 'IPC_CLOSED_INVARIANT';

describe('a broken invariant', () => {
  it('ends the database that it is of, and no other; it is logged with its name, and counted', () => {
    const { lab, one, two, fireGraceTimers } = scene();
    one.holder.leaves();
    // The holder of a lock for writing may still be writing: a clock that is wrong must not give its lock to others.
    lab.askForLock(one.other, { write: true });
    fireGraceTimers();
    expect(codesOf([one.master, one.other])).toEqual([ENDED, ENDED]);
    expect(one.other.messages('lock-result')).toEqual([]);
    expect(lab.log.filter(({ level }) => level === 'error').map(({ fields }) => fields)).toMatchObject([
      { incident: 'broken-invariant', database: 'one', invariant: 'lock-given-away-early' },
    ]);
    expect(lab.count('broken-invariant')).toBe(1);
    expect(lab.overview.report('one')?.alarms).toMatchObject([{ incident: 'broken-invariant' }]);

    expect(lab.broker.databases).toEqual(['two']);
    expect(codesOf(two.peers)).toEqual([undefined, undefined, undefined]);
    lab.giveBack(two.holder, lab.lockOf(two.holder));
    lab.askForLock(two.other, { write: true });
    expect(lab.overview.locks('two').held).toMatchObject([{ holder: 'other' }]);
  });

  it('leaves nothing of its database behind: no timer does anything, no word is heard, nothing is kept', () => {
    const { lab, one, fireGraceTimers } = scene();
    const before = lab.broker.bufferedBytes / 2;
    one.holder.leaves();
    one.master.leaves();
    one.other.tells({ ...request('1'), pad: 'x'.repeat(1_000) }, '[master]');
    expect(lab.broker.bufferedBytes).toBeGreaterThan(1_000 + before);
    fireGraceTimers();
    // What is left is what the holder of a lock takes in the other one.
    expect([lab.broker.bufferedBytes, lab.broker.databases]).toEqual([before, ['two']]);
    const log = lab.log.length;
    one.other.tells(request('2'), '[master]');
    one.other.leaves();
    lab.clock.advance(10 * 60_000);
    expect(lab.log.slice(log).filter(({ fields }) => fields['database'] === 'one')).toEqual([]);
    expect(lab.timers).toBe(0);
    expect(lab.events).toContain('-other: an invariant was broken');
  });

  it('lets its database begin anew when its peers come back, as after a restart of the server', () => {
    const { lab, one, fireGraceTimers } = scene();
    const former = lab.lockOf(one.holder);
    one.holder.leaves();
    fireGraceTimers();
    const again = join(lab, 'one');
    expect(codesOf(again.peers)).toEqual([undefined, undefined, undefined]);
    expect(lab.lockOf(again.holder)).toBeGreaterThan(former);
    again.other.tells(request('1'), '[master]');
    expect(again.master.messages('request')).toMatchObject([{ id: '1' }]);
  });

  it('ends who is about to come in, too', () => {
    const { lab } = scene();
    const has = vi.spyOn(GoneIds.prototype, 'has').mockImplementationOnce(() => {
      throw new BrokenInvariant('peer-state');
    });
    expect(lab.connect('atTheDoor', 'one').refusedWith).toBe('IPC_REFUSED_INVARIANT');
    has.mockRestore();
    vi.spyOn(lab.clock, 'wallTime').mockImplementationOnce(() => {
      throw new BrokenInvariant('peer-state');
    });
    // It was let in, and nobody knows it yet.
    const accepted = lab.connect('isLetIn', 'two');
    expect([accepted.isIn, accepted.closedWith]).toEqual([true, ENDED]);
    expect(lab.broker.databases).toEqual([]);
  });

  it('that is found in what a peer sends is found before anything is passed on', () => {
    const { lab, one } = scene();
    vi.spyOn(RequestTable.prototype, 'hasTurn').mockImplementation(() => {
      invariant(false, 'request-table');
      return true;
    });
    one.other.tells(request('1'), '[master]');
    expect([codesOf(one.peers), one.master.messages('request')]).toEqual([[ENDED, ENDED, ENDED], []]);
    expect(lab.broker.databases).toEqual(['two']);
  });

  it('while the server drains does not keep it from ending', () => {
    const { lab, one, two } = scene();
    let isDrained = false;
    lab.broker.drain(1_000, () => {
      isDrained = true;
    });
    vi.spyOn(RequestTable.prototype, 'all').mockImplementation(() => {
      throw new BrokenInvariant('request-table');
    });
    lab.clock.advance(10_000);
    expect(isDrained).toBe(true);
    expect(codesOf([...one.peers, ...two.peers])).toEqual([ENDED, ENDED, ENDED, ENDED, ENDED, ENDED]);
    expect(lab.count('broken-invariant')).toBe(2);
    expect(lab.log.filter(({ level }) => level === 'error')).toHaveLength(2);
  });

  it('is no other error: that is thrown to whoever asked', () => {
    const { lab, one } = scene();
    vi.spyOn(RequestTable.prototype, 'hasTurn').mockImplementation(() => {
      throw new TypeError('a fault that no invariant names');
    });
    expect(() => one.other.tells(request('1'), '[master]')).toThrow('a fault that no invariant names');
    expect(lab.broker.databases).toEqual(['one', 'two']);
  });
});
