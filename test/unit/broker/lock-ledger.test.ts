import { describe, expect, it } from 'vitest';
import { BrokerLab } from '../../support/broker-lab.js';

const cluster = (limits = {}) => {
  const lab = new BrokerLab(limits);
  const master = lab.connectMaster();
  const [a, b] = [lab.connectWorker('peerA', master), lab.connectWorker('peerB', master)];
  for (const peer of [master, a, b]) peer.clear();
  return { lab, master, a, b, locks: () => lab.broker.locks('mydb_data') };
};

describe('the ledger of locks [PROTOCOL-12.2]', () => {
  it('tells who holds what, and who waits, for how long', () => {
    const { lab, master, a, b, locks } = cluster();
    lab.grantLock(a, master, { lockId: 7, tid: 'tA', write: true });
    lab.clock.advance(1_000);
    const data = { path: 'x', tid: 'tB', write: false, comment: 'why' };
    b.tells({ type: 'lock-request', id: 'w', data }, '[master]');
    lab.clock.advance(500);
    expect(locks()).toEqual({
      held: [
        {
          id: 7,
          holder: 'peerA',
          tid: 'tA',
          path: 'a/b',
          write: true,
          comment: 'test',
          heldFor: 1_500,
          state: 'held',
        },
      ],
      waiting: [{ requester: 'peerB', tid: 'tB', path: 'x', write: false, comment: 'why', waitingFor: 500 }],
    });
    a.tells({ type: 'unlock-request', id: 'u', data: { id: 7 } }, '[master]');
    expect(locks().held).toEqual([]);
    expect(master.messages('unlock-request')).toMatchObject([{ from: 'peerA', data: { id: 7 } }]);
  });

  it('reads messages whatever the order of their keys', () => {
    const { master, a, locks } = cluster();
    a.says(
      'to:[master];{"data":{"write":true,"tid":"t\\u0031"},"id":"r","from":"peerA","type":"lock-request"}',
    );
    master.says(
      'to:peerA;{"data":{"write":true,"id":3,"comment":"","tid":"t1"},"ok":true,"to":"peerA","from":"[master]","id":"r","type":"lock-result"}',
    );
    expect(locks().held).toMatchObject([{ id: 3, holder: 'peerA', tid: 't1', write: true }]);
  });

  it('follows a lock that moves and changes its number', () => {
    const { lab, master, a, locks } = cluster();
    lab.grantLock(a, master, { lockId: 7, tid: 't' });
    a.tells({ type: 'move-lock-request', id: 'm', data: { id: 7, move_to: 'parent' } }, '[master]');
    const data = { id: 12, tid: 't', path: 'a', write: false };
    master.tells({ type: 'lock-result', id: 'm', ok: true, data }, 'peerA');
    expect(locks().held).toMatchObject([{ id: 12, path: 'a' }]);
  });

  it('gives back a lock that could not be moved: AceBase forgets it', () => {
    const { lab, master, a, locks } = cluster();
    lab.grantLock(a, master, { lockId: 7 });
    a.tells({ type: 'move-lock-request', id: 'm', data: { id: 7, move_to: 'parent' } }, '[master]');
    master.tells({ type: 'lock-result', id: 'm', ok: false, reason: 'no' }, 'peerA');
    expect(locks().held).toEqual([]);
    expect(master.messages('unlock-request')).toMatchObject([{ from: '[server]', data: { id: 7 } }]);
  });

  it('knows a lock that a master moves as it leaves, once', () => {
    const { lab, master, a, locks } = cluster();
    lab.grantLock(a, master, { lockId: 7, tid: 't', write: true });
    a.tells({ type: 'move-lock-request', id: 'm', data: { id: 7, move_to: 'parent' } }, '[master]');
    master.tells({ type: 'bye' });
    master.tells({ type: 'lock-result', id: 'm', ok: true, data: { id: 7, tid: 't', write: true } }, 'peerA');
    expect(locks().held).toHaveLength(1);
    a.tells({ type: 'unlock-request', id: 'u', data: { id: 7 } }, '[master]');
    expect(locks().held).toEqual([]);
  });

  it('passes on nothing about a lock of somebody else', () => {
    const { lab, master, a, b, locks } = cluster();
    lab.grantLock(a, master, { lockId: 7 });
    master.clear();
    b.tells({ type: 'unlock-request', id: 'u', data: { id: 7 } }, '[master]');
    b.tells({ type: 'move-lock-request', id: 'm', data: { id: 7, move_to: 'parent' } }, '[master]');
    expect(master.received).toEqual([]);
    expect(b.messages('unlock-result')).toMatchObject([{ id: 'u', ok: true }]);
    expect(b.messages('lock-result')).toMatchObject([{ id: 'm', ok: false }]);
    expect(locks().held).toHaveLength(1);
  });

  it('lets a lock be given back that may be older than the server', () => {
    const { master, b } = cluster();
    b.tells({ type: 'unlock-request', id: 'u', data: { id: 99 } }, '[master]');
    expect(master.messages('unlock-request')).toMatchObject([{ id: 'u' }]);
  });

  it('does not bother the master with a lock that a client has lost: one that was never elsewhere has none', () => {
    const { lab, master } = cluster();
    const client = lab.connectClient('peerC', 'session-of-peer-c');
    client.tells({ type: 'unlock-request', id: 'u', data: { id: 99 } }, '[master]');
    expect(master.messages('unlock-request')).toEqual([]);
    expect(client.messages('unlock-result')).toMatchObject([{ id: 'u', ok: true }]);
  });

  it('gives back what is granted to a worker that is gone', () => {
    const { lab, master, a, locks } = cluster();
    lab.grantLock(a, master, { lockId: 7, write: true });
    a.tells({ type: 'lock-request', id: 'late', data: { tid: 't', write: true } }, '[master]');
    a.leaves();
    expect(master.messages('unlock-request')).toMatchObject([{ data: { id: 7 } }]);
    master.tells({ type: 'lock-result', id: 'late', ok: true, data: { id: 8, tid: 't' } }, 'peerA');
    expect(master.messages('unlock-request')).toMatchObject([{ data: { id: 7 } }, { data: { id: 8 } }]);
    expect(locks()).toEqual({ held: [], waiting: [] });
  });

  it('tells others to forget what they keep only if a write may have been cut short', () => {
    const { lab, master, a, b } = cluster();
    lab.grantLock(a, master, { write: false });
    a.leaves();
    expect(b.messages('notification')).toEqual([]);
  });

  it('does nothing of that with lockRecovery off', () => {
    const { lab, master, a, b } = cluster({ lockRecovery: false });
    lab.grantLock(a, master, { write: true });
    a.leaves();
    expect([master.messages('unlock-request'), b.messages('notification')]).toEqual([[], []]);
  });

  it('tells others to forget what they keep when a lock for writing ran out, before the next one is granted, and once', () => {
    const { lab, master, a, b } = cluster({ lockTimeout: 30_000 });
    lab.grantLock(a, master, { write: true, lasts: 30_000 });
    lab.grantLock(a, master, { tid: 'tid1', lasts: 30_000 });
    expect(b.messages('notification')).toEqual([]);
    lab.clock.advance(30_000);
    b.clear();
    lab.grantLock(b, master, { write: true, lasts: 30_000 });
    lab.grantLock(b, master, { tid: 'tid3', write: true, lasts: 30_000 });
    expect(b.received.map((text) => JSON.parse(text).type)).toEqual([
      'notification',
      'lock-result',
      'lock-result',
    ]);
    expect(b.messages('notification')).toMatchObject([
      { from: 'peerA', data: { type: 'cache.invalidate', path: '', recursive: true } },
    ]);
  });

  it('calls a lock expired that the master has given up', () => {
    const { lab, master, a, locks } = cluster({ lockTimeout: 120_000 });
    lab.grantLock(a, master);
    lab.clock.advance(120_001);
    expect(locks().held).toMatchObject([{ state: 'expired' }]);
  });

  it('warns if the master’s locks run out at another time than expected', () => {
    const warning = /lockTimeout/;
    const warnings = (lasts: number) => {
      const { lab, master, a } = cluster({ lockTimeout: 120_000 });
      lab.clock.advance(60_000);
      lab.grantLock(a, master, { lasts });
      // Once a minute is often enough.
      lab.grantLock(a, master, { lasts });
      return lab.warnings().filter((it) => warning.test(it)).length;
    };
    expect([60_000, 114_999, 115_000, 120_000, 125_000, 125_001].map(warnings)).toEqual([1, 1, 0, 0, 0, 1]);
  });

  it('is empty after ten thousand locks', () => {
    const { lab, master, a, b, locks } = cluster();
    for (let n = 0; n < 5_000; n++) {
      for (const [worker, id] of [
        [a, 2 * n + 10],
        [b, 2 * n + 11],
      ] as const) {
        lab.grantLock(worker, master, { lockId: id, tid: `t${id}`, requestId: `r${id}` });
        worker.tells({ type: 'unlock-request', id: `u${id}`, data: { id } }, '[master]');
        master.tells({ type: 'unlock-result', id: `u${id}`, ok: true, data: { id } }, worker.id);
        for (const peer of [worker, master]) peer.clear();
      }
    }
    expect(locks()).toEqual({ held: [], waiting: [] });
    expect(lab.timers).toBe(0);
  });
});

it('knows nothing of a database that nobody uses', () => {
  expect(new BrokerLab().broker.locks('none')).toEqual({ held: [], waiting: [] });
});
