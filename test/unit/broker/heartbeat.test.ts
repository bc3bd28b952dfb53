import { expect, it } from 'vitest';
import { BrokerLab } from '../../support/broker-lab.js';

const limits = { heartbeatInterval: 10_000, heartbeatTimeout: 30_000, reconnectGrace: 10_000 };

it('ends the connection of a peer that answers no ping [PROTOCOL-13.5]', () => {
  const lab = new BrokerLab(limits);
  const [silent, lively] = [lab.connect('silent1'), lab.connect('lively1')];
  silent.isReading = false;
  lab.clock.advance(30_000);
  expect(silent.closedWith).toBeUndefined();
  lab.clock.advance(20_000);
  expect(silent.closedWith).toBe('IPC_CLOSED_SILENT');
  expect(lively.closedWith).toBeUndefined();
  expect(lab.warnings()).toContain('a peer answers no ping; its connection is ended');
  expect(lively.received).toContain('disconnect:silent1');
});

it('lets a peer live that says something, though it reads nothing', () => {
  const lab = new BrokerLab(limits);
  const peer = lab.connect('talker1');
  peer.isReading = false;
  for (let n = 0; n < 10; n++) {
    peer.says('ping');
    lab.clock.advance(10_000);
  }
  expect(peer.closedWith).toBeUndefined();
});

it('ends a silent master, too', () => {
  const lab = new BrokerLab(limits);
  lab.connect('worker1');
  const master = lab.connectMaster();
  master.isReading = false;
  lab.clock.advance(50_000);
  expect(master.closedWith).toBe('IPC_CLOSED_SILENT');
  expect(lab.connect('[master]').isIn).toBe(true);
});

it.each([
  [
    'is silent',
    (lab: BrokerLab) => {
      lab.clock.advance(50_000);
    },
  ],
  [
    'does not read what the other one says as it goes',
    (lab: BrokerLab) => {
      const other = lab.connect('other1');
      other.tells({ type: 'event', data: 'x'.repeat(200_000) });
      other.leaves();
    },
  ],
])('a database is forgotten whose last peer %s, though its connection never ends', (_, happen) => {
  const lab = new BrokerLab({ ...limits, reconnectGrace: 0 });
  const last = lab.connect('last1');
  last.isReading = false;
  happen(lab);
  expect(last.closedWith).toBeDefined();
  expect(lab.broker.databases).toEqual([]);
  expect(lab.clock.pending).toBe(0);
});
