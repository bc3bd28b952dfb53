import { describe, expect, it } from 'vitest';
import { OLD_MASTER_RETURN_MS } from '../../../src/broker/limits.js';
import { BrokerLab, type ScriptedPeer } from '../../support/broker-lab.js';

const create = (id: string) => ({
  type: 'request',
  id,
  data: { type: 'index.create', path: 'people', key: 'name' },
});
const result = (id: string) => ({ type: 'result', id, ok: true, data: { ok: true } });
const asked = (master: ScriptedPeer) => master.messages('request').map(({ id }) => id);

describe('requests for a new index', () => {
  it('are passed on one at a time, in order; other requests do not wait', () => {
    const lab = new BrokerLab();
    const master = lab.connectMaster();
    const [a, b] = [lab.connect('peerA'), lab.connect('peerB')];
    a.tells(create('1'), '[master]');
    b.tells(create('2'), '[master]');
    a.tells(create('3'), '[master]');
    b.tells({ type: 'request', id: 'kit', data: { type: 'kit.add' } }, '[master]');
    expect(asked(master)).toEqual(['1', 'kit']);
    master.tells(result('kit'), 'peerB');
    expect(asked(master)).toEqual(['1', 'kit']);
    master.tells(result('1'), 'peerA');
    expect(asked(master)).toEqual(['1', 'kit', '2']);
    b.leaves();
    master.tells(result('2'), 'peerB');
    expect(asked(master)).toEqual(['1', 'kit', '2', '3']);
    master.tells(result('3'), 'peerA');
    expect(a.messages('result').map(({ id }) => id)).toEqual(['1', '3']);
    lab.clock.advance(200);
    expect(lab.timers).toBe(0);
  });

  it('are passed on after a minute, if the master does not answer', () => {
    const lab = new BrokerLab();
    const master = lab.connectMaster();
    const a = lab.connect('peerA');
    a.tells(create('1'), '[master]');
    a.tells(create('2'), '[master]');
    lab.clock.advance(60_000);
    expect(asked(master)).toEqual(['1', '2']);
  });

  it('wait for the next master when this one goes, and are passed on one at a time there, too', () => {
    const lab = new BrokerLab();
    const first = lab.connectMaster();
    const [a, b] = [lab.connect('peerA'), lab.connect('peerB')];
    a.tells(create('1'), '[master]');
    a.tells(create('2'), '[master]');
    b.tells(create('3'), '[master]');
    first.leaves();
    const second = lab.connectMaster();
    expect(asked(second)).toEqual(['1']);
    second.tells(result('1'), 'peerA');
    second.tells(result('2'), 'peerA');
    expect(asked(second)).toEqual(['1', '2', '3']);
    second.tells(result('3'), 'peerB');
    lab.clock.advance(200);
    expect(lab.timers).toBe(0);
  });

  it('that nobody can be answered for are dropped, and hold nobody up', () => {
    const lab = new BrokerLab();
    const master = lab.connectMaster();
    const a = lab.connect('peerA');
    a.tells({ type: 'request', data: { type: 'index.create' } }, '[master]');
    a.tells(create('1'), '[master]');
    expect(asked(master)).toEqual(['1']);
    expect(lab.count('malformed-frame')).toBe(1);
  });

  it('that wait give their memory back when the last peer goes', () => {
    const lab = new BrokerLab({ maxTotalBuffered: 2_000 });
    for (let n = 0; n < 10; n++) {
      const master = lab.connectMaster();
      const a = lab.connect('peerA');
      for (const id of ['1', '2', '3']) a.tells({ ...create(id), pad: 'x'.repeat(200) }, '[master]');
      master.leaves();
      a.leaves();
      // A master that was asked something may come back that long.
      lab.clock.advance(OLD_MASTER_RETURN_MS);
      expect(lab.broker.databases).toEqual([]);
    }
    expect(lab.timers).toBe(0);
    expect(lab.count('mailbox-full')).toBe(0);
  });

  it('of a worker that is gone are forgotten', () => {
    const lab = new BrokerLab();
    const master = lab.connectMaster();
    const [a, b] = [lab.connect('peerA'), lab.connect('peerB')];
    a.tells(create('1'), '[master]');
    b.tells(create('2'), '[master]');
    b.leaves();
    master.tells(result('1'), 'peerA');
    expect(asked(master)).toEqual(['1']);
    lab.clock.advance(200);
    expect(lab.timers).toBe(0);
  });

  it('are answered with an error when too many wait', () => {
    const lab = new BrokerLab({ maxMailPerPeer: 100 });
    lab.connectMaster();
    const a = lab.connect('peerA');
    a.tells(create('1'), '[master]');
    a.tells(create('2'), '[master]');
    expect(a.messages('result')).toMatchObject([{ id: '2', ok: false }]);
  });
});
