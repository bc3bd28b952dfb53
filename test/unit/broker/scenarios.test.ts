/**
 * What broke a rule of the simulation once, under models of the processes that have changed since. Each is told in words, and
 * played here without any model.
 */
import { describe, expect, it } from 'vitest';
import { BrokerLab, type ScriptedPeer } from '../../support/broker-lab.js';

const LOCK_TIMEOUT_MS = 30_000;
const GRACE_MS = 10_000;

const invalidate = { type: 'cache.invalidate', path: '', recursive: true };
const whatItHeard = (peer: ScriptedPeer) =>
  peer.received
    .filter((text) => text.startsWith('{'))
    .map((text) => JSON.parse(text) as { type: string; data?: { type?: string } })
    .map(({ type, data }) => (type === 'notification' ? data?.type : type));

describe('a worker is stopped in the midst of a write, and its line does not break', () => {
  // It has told where it has put a value, and not yet changed the record that leads there. Once its lock had run out, somebody else wrote
  // to the new place, which nothing in the file led to: what was acknowledged was gone (seed 700441).
  it('when its lock runs out, all forget what it has told, before anybody else is granted one', () => {
    const lab = new BrokerLab({ lockTimeout: LOCK_TIMEOUT_MS });
    const master = lab.connect('[master]');
    lab.letGrant(master, LOCK_TIMEOUT_MS);
    lab.clock.advance(5_000);
    const [stopped, other] = [lab.connectWorker('stopped'), lab.connectWorker('other')];
    lab.askForLock(stopped, { write: true });
    const info = { path: 'a/b', address: { path: 'a/b', pageNr: 0, recordNr: 9 } };
    stopped.tells({ type: 'notification', data: { type: 'cache.update', info } });
    stopped.isReading = false;
    lab.askForLock(other, { write: true });
    for (const peer of [master, other]) peer.clear();
    lab.clock.advance(LOCK_TIMEOUT_MS);
    expect(whatItHeard(other)).toEqual(['cache.invalidate', 'lock-result']);
    expect(master.messages('notification')).toMatchObject([{ from: 'stopped', data: invalidate }]);
  });
});

describe('a master is silent for a while, and another one takes its place', () => {
  // When that was silent, too, the first one came back, with the tables of before: space was given to two (seed 720487695).
  it('the first one is not let in any more, whatever becomes of the second', () => {
    const lab = new BrokerLab({ reconnectGrace: GRACE_MS });
    lab.connect('worker');
    const since = lab.clock.wallTime();
    const first = lab.connectClient('[master]', 'session-of-first-master');
    first.says('ready');
    first.leaves();
    lab.clock.advance(GRACE_MS);
    const second = lab.connectClient('[master]', 'session-of-second-master');
    second.says('ready');
    expect(second.isIn).toBe(true);
    second.isReading = false;
    const back = lab.connectClient('[master]', 'session-of-first-master', 3, since);
    lab.clock.advance(GRACE_MS);
    expect([back.isIn, back.refusedWith]).toEqual([false, 'IPC_REFUSED_SECOND_MASTER']);
    second.leaves();
    lab.clock.advance(GRACE_MS);
    const again = lab.connectClient('[master]', 'session-of-first-master', 3, since);
    expect([again.isIn, again.refusedWith]).toEqual([false, 'IPC_REFUSED_OLD_MASTER']);
  });
});
