import { describe, expect, it } from 'vitest';
import { BrokerLab } from '../../support/broker-lab.js';

const ABSENT = /^no master is connected, and the workers need one/;
const OVER = 'a master is connected: the workers go on';

describe('workers without a master', () => {
  it('are warned of after 10 s, though they have asked for nothing yet, and once when it is over', () => {
    const lab = new BrokerLab();
    lab.connect('peerA');
    lab.clock.advance(9_999);
    lab.connect('peerB');
    expect(lab.warnings()).toEqual([]);
    lab.clock.advance(1);
    expect(lab.warnings()).toEqual([expect.stringMatching(ABSENT)]);
    expect(lab.log.at(-1)?.fields).toEqual({ database: 'mydb_data', workers: 2, waiting: 0 });
    lab.clock.advance(100_000);
    lab.connect('[master]');
    expect(lab.warnings()).toEqual([expect.stringMatching(ABSENT), OVER]);
    expect(lab.log.findLast(({ message }) => message === OVER)?.fields).toMatchObject({ seconds: 110 });
    lab.clock.advance(100_000);
    expect(lab.warnings()).toHaveLength(2);
  });

  it('are warned of in other words where the server runs the master', () => {
    const lab = new BrokerLab({}, new Set(['mydb_data']));
    const worker = lab.connect('peerA');
    // All that waits counts.
    lab.askForLock(worker);
    worker.tells({ type: 'request', id: 'kit', data: { type: 'kit.add' } }, '[master]');
    lab.clock.advance(10_000);
    expect(lab.warnings()).toEqual([
      'the master that this server runs is not there, and the workers need it: its lines in this log say why',
    ]);
    expect(lab.log.at(-1)?.fields).toEqual({ database: 'mydb_data', workers: 1, waiting: 2 });
  });

  it('are warned of again, when the next master goes', () => {
    const lab = new BrokerLab();
    lab.connect('peerA');
    lab.clock.advance(10_000);
    lab.connect('[master]').leaves();
    lab.clock.advance(10_000);
    expect(lab.warnings().filter((text) => ABSENT.test(text))).toHaveLength(2);
  });

  it('are not warned of, if a master comes in time; nor is a master without workers', () => {
    const lab = new BrokerLab();
    const worker = lab.connect('peerA');
    lab.clock.advance(5_000);
    const master = lab.connect('[master]');
    worker.leaves();
    lab.clock.advance(20_000);
    master.leaves();
    lab.clock.advance(20_000);
    expect(lab.warnings()).toEqual([]);
    expect(lab.clock.pending).toBe(0);
  });

  it('have their full time from when the first of them is there', () => {
    const lab = new BrokerLab();
    const master = lab.connect('[master]');
    lab.connect('peerA').leaves();
    master.leaves();
    lab.connect('peerB');
    lab.clock.advance(9_999);
    expect(lab.warnings()).toEqual([]);
  });
});
