import { describe, expect, it } from 'vitest';
import { BrokerLab, type ScriptedPeer } from '../../support/broker-lab.js';

const lockRequest = (id: string, tid: string) => ({
  type: 'lock-request',
  id,
  data: { path: '', tid, write: true },
});
/** The requests for locks that were granted, and those that were not. */
const answered = (worker: ScriptedPeer, ok: boolean) =>
  worker
    .messages('lock-result')
    .filter((answer) => answer['ok'] === ok)
    .map(({ id }) => id);

/** How many frames a client has received that count. */
const counted = (peer: ScriptedPeer) =>
  peer.received.filter((text) => !/^(welcome|stable|yield):/.test(text)).length;

/** A cluster of a master and two workers; and when it was drained. */
function cluster() {
  const lab = new BrokerLab({ reconnectGrace: 11_000 });
  const master = lab.connectMaster();
  const [a, b] = [lab.connectWorker('peerA'), lab.connectWorker('peerB')];
  for (const peer of [a, b, master]) peer.clear();
  let isDrained = false;
  const drain = (timeout = 1_000) =>
    lab.broker.drain(timeout, () => {
      isDrained = true;
    });
  return { lab, master, a, b, drain, isDrained: () => isDrained };
}

describe('draining [PROTOCOL-11.5]', () => {
  it('sends workers away, and the master when their connections have ended', () => {
    const { lab, master, a, b, drain, isDrained } = cluster();
    drain();
    expect([a.closedWith, b.closedWith]).toEqual(['IPC_CLOSED_DRAINING', 'IPC_CLOSED_DRAINING']);
    a.leaves();
    lab.clock.advance(100);
    expect(master.closedWith).toBeUndefined();
    // What it says before its connection ends still arrives.
    b.tells({ type: 'event' }, '[master]');
    expect(master.messages('event')).toHaveLength(1);
    b.leaves();
    lab.clock.advance(100);
    expect(master.closedWith).toBe('IPC_CLOSED_DRAINING');
    expect(isDrained()).toBe(false);
    master.leaves();
    lab.clock.advance(100);
    expect(isDrained()).toBe(true);
    expect(lab.broker.databases).toEqual([]);
    expect(lab.warnings()).toEqual([]);
    // Nobody was told that somebody is gone, and no lock was given back in anybody's name.
    expect(master.received.filter((text) => text.startsWith('disconnect:'))).toEqual([]);
  });

  it('has a master that the server runs closed, when workers have gone, and waits for its goodbye', () => {
    const lab = new BrokerLab({ reconnectGrace: 11_000 }, new Set(['mydb_data']));
    const master = lab.connectMaster();
    const worker = lab.connectWorker('peerA');
    const happened: string[] = [];
    lab.broker.drain(
      1_000,
      () => happened.push('drained'),
      () => happened.push('to be closed'),
    );
    lab.clock.advance(100);
    expect([worker.closedWith, happened]).toEqual(['IPC_CLOSED_DRAINING', []]);
    worker.leaves();
    lab.clock.advance(1_000);
    expect([master.closedWith, happened]).toEqual([undefined, ['to be closed']]);
    master.tells({ type: 'bye' });
    expect(master.closedWith).toBe('IPC_CLOSED_GOODBYE');
    lab.clock.advance(1_000);
    expect(happened).toEqual(['to be closed']);
    master.leaves();
    lab.clock.advance(100);
    expect(happened).toEqual(['to be closed', 'drained']);
  });

  it('lets a transaction that holds a lock end, and begins no other', () => {
    const { lab, a, b, drain } = cluster();
    lab.askForLock(a, { tid: 'tA', write: true });
    const first = lab.lockOf(a);
    drain();
    b.tells(lockRequest('newcomer', 'tB'), '[master]');
    a.clear().tells(lockRequest('further', 'tA'), '[master]');
    expect([answered(a, true), b.messages('lock-result')]).toEqual([['further'], []]);
    lab.giveBack(a, first);
    lab.clock.advance(500);
    expect([a.closedWith, b.messages('lock-result')]).toEqual([undefined, []]);
    lab.giveBack(a, lab.lockOf(a));
    lab.clock.advance(100);
    expect(a.messages('unlock-result')).toHaveLength(2);
    expect([answered(b, true), answered(b, false)]).toEqual([[], ['newcomer']]);
    expect([a.closedWith, b.closedWith]).toEqual(['IPC_CLOSED_DRAINING', 'IPC_CLOSED_DRAINING']);
  });

  it('waits no longer than it was told to, and says who was not done', () => {
    const { lab, master, a, drain, isDrained } = cluster();
    lab.askForLock(a, { write: true });
    drain(300);
    lab.clock.advance(280);
    expect(a.closedWith).toBeUndefined();
    lab.clock.advance(40);
    expect(a.closedWith).toBe('IPC_CLOSED_DRAINING');
    expect(lab.warnings()).toEqual(['drainTimeout is over, and workers are in the middle of something']);
    // The connection of its holder has not ended: it may be writing, and the master must not.
    expect(master.messages('unlock-request')).toEqual([]);
    // Connections that never end are not waited for.
    lab.clock.advance(10_000);
    expect(isDrained()).toBe(true);
    // The holder takes its lock along to the next server, and the master must not write meanwhile.
    expect(master.messages('unlock-request')).toEqual([]);
  });

  it('answers what a stock worker waits for; a client that has a session asks the next server', () => {
    const { lab, b, drain } = cluster();
    const ours = lab.connectClient('client01', 'session-of-client-01');
    drain();
    expect(b.closedWith).toBe('IPC_CLOSED_DRAINING');
    const other = cluster();
    const client = other.lab.connectClient('client01', 'session-of-client-01');
    other.lab.askForLock(other.a, { write: true });
    other.drain(100);
    for (const peer of [client, other.b]) peer.tells(lockRequest(peer.id, peer.id), '[master]');
    other.lab.clock.advance(200);
    expect(other.b.messages('lock-result')).toMatchObject([
      { id: 'peerB', ok: false, reason: expect.stringMatching(/^IPC_REQUEST_DRAINING: /) },
    ]);
    expect(client.messages('lock-result')).toEqual([]);
    expect(ours.closedWith).toBe('IPC_CLOSED_DRAINING');
  });

  it('does not tell a master that something has arrived which nobody was there for', () => {
    const lab = new BrokerLab({ reconnectGrace: 11_000 });
    const master = lab.connectClient('[master]', 'session-of-the-master');
    master.says('ready');
    lab.connect('peerA');
    lab.clock.advance(1_000);
    lab.broker.drain(1_000, () => undefined);
    master.clear();
    master.tells({ type: 'event' }, 'peerA');
    lab.clock.advance(1_000);
    expect(master.closedWith).toBeUndefined();
    expect(master.received.filter((text) => text.startsWith('stable:'))).toEqual([]);
  });

  it('refuses a master that waits at the door', () => {
    const { lab, master, drain } = cluster();
    master.isReading = false;
    const second = lab.connect('[master]');
    drain();
    // It has old tables, and must not be the first at the next server.
    expect(second.refusedWith).toBe('IPC_REFUSED_SECOND_MASTER');
    lab.clock.advance(5_000);
    expect(second.isIn).toBe(false);
  });

  it('lets a client back in whose line broke, and waits until it has given its lock back', () => {
    const lab = new BrokerLab({ reconnectGrace: 11_000 });
    const master = lab.connectMaster();
    const since = lab.clock.wallTime();
    const client = lab.connectClient('client01', 'session-of-client-01');
    lab.askForLock(client, { write: true });
    const lockId = lab.lockOf(client);
    let isDrained = false;
    lab.broker.drain(60_000, () => {
      isDrained = true;
    });
    client.leaves();
    lab.clock.advance(10_000);
    const back = lab.connectClient('client01', 'session-of-client-01', counted(client), since);
    expect(back.isIn).toBe(true);
    expect(back.received[0]).toMatch(/^welcome:.*"resumed":true/);
    lab.clock.advance(20_000);
    expect([back.closedWith, master.messages('unlock-request')]).toEqual([undefined, []]);
    lab.giveBack(back, lockId);
    lab.clock.advance(100);
    expect(back.closedWith).toBe('IPC_CLOSED_DRAINING');
    // Who was told to go does not come in again.
    back.leaves();
    expect(lab.connectClient('client01', 'session-of-client-01', 1).refusedWith).toBe('IPC_REFUSED_DRAINING');
    expect(isDrained).toBe(false);
    lab.clock.advance(100);
    master.leaves();
    lab.clock.advance(100);
    expect(isDrained).toBe(true);
    expect(lab.warnings()).toEqual([]);
  });

  it('waits for a worker that is away and holds a lock no longer than others do', () => {
    const { lab, a, b, drain } = cluster();
    lab.askForLock(a, { write: true });
    drain(60_000);
    a.leaves();
    lab.clock.advance(10_900);
    expect(b.closedWith).toBeUndefined();
    lab.clock.advance(200);
    expect(lab.count('locks-recovered')).toBe(1);
    expect(b.closedWith).toBe('IPC_CLOSED_DRAINING');
  });

  it('refuses who is new: a worker, a database, another master than the one that is away', () => {
    const lab = new BrokerLab({ reconnectGrace: 11_000 });
    const since = lab.clock.wallTime();
    const master = lab.connectClient('[master]', 'session-of-the-master');
    master.says('ready');
    lab.letGrant(master);
    lab.askForLock(lab.connect('peerA'));
    lab.broker.drain(60_000, () => undefined);
    master.leaves();
    const refusals = [
      lab.connect('peerB'),
      lab.connect('peerA', 'other_data'),
      lab.connect('[master]'),
      lab.connectClient('[master]', 'session-of-another-one'),
    ].map(({ refusedWith }) => refusedWith);
    const [draining, second] = ['IPC_REFUSED_DRAINING', 'IPC_REFUSED_SECOND_MASTER'];
    // The last one has not opened the file: it may be the first at the next server, when the one that is away may not write any more.
    expect(refusals).toEqual([draining, draining, second, 'IPC_REFUSED_MASTER_AWAY']);
    expect(lab.broker.databases).toEqual(['mydb_data']);
    const back = lab.connectClient('[master]', 'session-of-the-master', counted(master), since);
    expect(back.isIn).toBe(true);
  });

  it('lets nobody in any more once it has stopped', () => {
    const { lab } = cluster();
    lab.broker.stop();
    expect(lab.connect('peerC').refusedWith).toBe('IPC_REFUSED_DRAINING');
  });

  it('ends at once when the server stops meanwhile', () => {
    const { lab, a, drain, isDrained } = cluster();
    lab.askForLock(a, { write: true });
    drain();
    lab.broker.stop();
    expect(isDrained()).toBe(true);
    expect(a.closedWith).toBe('IPC_CLOSED_STOPPING');
    lab.clock.advance(5_000);
    expect(lab.clock.pending).toBe(0);
  });

  it('is over at once where nobody is connected', () => {
    const lab = new BrokerLab();
    let isDrained = false;
    lab.broker.drain(1_000, () => {
      isDrained = true;
    });
    expect(isDrained).toBe(true);
  });
});
