import { describe, expect, it } from 'vitest';
import { ROOT_LINGER_MS, WAITING_REQUEST_BYTES } from '../../../src/broker/limits.js';
import type { ScriptedPeer } from '../../support/broker-lab.js';
import { grantedTo, lockCluster, refusedTo } from '../../support/lock-cluster.js';

describe('what locks of a worker cost', () => {
  const data = { path: 'a/b', tid: 'tA', write: true, comment: 'test' };
  const message = { type: 'lock-request', id: 'request1', from: 'peerA', to: '[master]', data };
  const COST = WAITING_REQUEST_BYTES + JSON.stringify(message).length;

  it('is counted for those that wait and those that are held: what is over maxMailPerPeer is refused', () => {
    // One of them reads: `false` is longer than `true`.
    const { lab, a, b } = lockCluster({ maxMailPerPeer: 4 * COST + 1 });
    const ask = (worker: ScriptedPeer) => lab.askForLock(worker, { tid: 'tA', write: true });
    const held = [ask(a), ask(a)];
    const waiting = [lab.askForLock(a, { tid: 'tX', write: true }), lab.askForLock(a, { tid: 'tX' })];
    const before = lab.broker.bufferedBytes;
    const tooMany = ask(a);
    expect(refusedTo(a)).toEqual([[tooMany, 'IPC_REQUEST_TOO_MANY']]);
    expect(lab.count('too-many-requests')).toBe(1);
    expect(lab.broker.bufferedBytes).toBe(before);
    // Others have room of their own.
    lab.askForLock(b);
    expect(refusedTo(b)).toEqual([]);
    b.leaves();
    // What ends makes room, and in the end nothing is left.
    for (const { data } of a.messages('lock-result').filter(({ ok }) => ok === true)) {
      lab.giveBack(a, (data as { id: number }).id);
    }
    expect(grantedTo(a)).toEqual([...held, ...waiting]);
    for (const { data } of a.messages('lock-result').slice(-2)) lab.giveBack(a, (data as { id: number }).id);
    expect(lab.broker.bufferedBytes).toBe(0);
    const again = ask(a);
    expect(grantedTo(a)).toContain(again);
    a.leaves();
    expect(lab.broker.bufferedBytes).toBe(0);
  });

  it('is given back when requests are refused, and when the server stops', () => {
    const { lab, a, b } = lockCluster({ lockTimeout: 30_000 });
    lab.askForLock(a, { tid: 'tA' });
    lab.askForLock(b, { tid: 'tB' });
    const before = lab.broker.bufferedBytes;
    lab.askForLock(a, { tid: 'tA', write: true });
    expect(lab.broker.bufferedBytes).toBeGreaterThan(before);
    lab.clock.advance(30_000);
    expect(refusedTo(a)).toHaveLength(1);
    expect(lab.broker.bufferedBytes).toBe(before);
    lab.askForLock(b, { tid: 'tB' });
    expect(refusedTo(b)).toHaveLength(1);
    expect(lab.broker.bufferedBytes).toBe(before);
    lab.broker.stop();
    expect(lab.broker.bufferedBytes).toBe(0);
  });

  it('is nothing after two thousand locks', () => {
    const { lab, master, a, b, locks } = lockCluster();
    for (let n = 0; n < 1_000; n++) {
      for (const worker of [a, b]) {
        lab.askForLock(worker, { write: n % 2 === 0 });
        lab.giveBack(worker, lab.lockOf(worker));
        for (const peer of [worker, master]) peer.clear();
      }
    }
    lab.clock.advance(ROOT_LINGER_MS);
    expect(locks()).toEqual({ root: undefined, held: [], waiting: [] });
    expect([lab.timers, lab.broker.bufferedBytes]).toEqual([0, 0]);
  });
});
