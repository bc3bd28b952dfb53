import { describe, expect, test } from 'vitest';
import { DURATION_BOUNDS_MS, DurationTally } from '../../../src/server/monitoring/counters.js';
import type { DatabaseReport } from '../../../src/server/monitoring/report.js';
import { MAX_LISTED_LOCKS, MAX_LISTED_PEERS } from '../../../src/server/monitoring/report.js';
import { BrokerLab, type ScriptedPeer } from '../../support/broker-lab.js';

function reportOf(lab: BrokerLab): DatabaseReport {
  const report = lab.overview.report('mydb_data');
  if (report === undefined) throw new Error('there is no such database');
  return report;
}

function countersOf(lab: BrokerLab) {
  const counters = lab.overview.totals().get('mydb_data');
  if (counters === undefined) throw new Error('nothing was counted');
  return counters;
}

const lockRequest = (id: string, tid = id) =>
  ({ type: 'lock-request', id, data: { path: 'a', tid, write: true, comment: 'test' } }) as const;

describe('what is counted', () => {
  test('frames by kind, and a delivery for each receiver', () => {
    const lab = new BrokerLab();
    const master = lab.connectMaster();
    const one = lab.connect('worker01');
    const [two] = [lab.connect('worker02'), lab.connect('worker03')];
    const before = countersOf(lab).frames;
    const event = '{"type":"event","from":"worker01","event":"value"}';
    one.says(`to:worker02;${event}`);
    one.says(event);
    one.says(`to:all;${event}`);
    one.says('ping');
    one.says('what?');
    two.says(event);
    one.says('{"type":"shout","from":"worker01"}');
    master.tells({ type: 'kit', id: 'x' }, 'nobody01');
    const { frames } = countersOf(lab);
    expect(frames.event).toEqual({
      received: 3,
      receivedBytes: 'to:worker02;'.length + 'to:all;'.length + 3 * event.length,
      relayed: 7,
      relayedBytes: 7 * event.length,
    });
    expect(frames.ping.received).toBe(1);
    expect(frames.refused).toMatchObject({ received: 2, receivedBytes: 'what?'.length + event.length });
    expect(frames.unknown).toMatchObject({ received: 2, relayed: 3 });
    expect(before.event.received).toBe(0);
  });

  test('of each peer, and together the same as of the database, also when peers have gone', () => {
    const lab = new BrokerLab();
    lab.connectMaster();
    const worker = lab.connectWorker('worker01');
    const other = lab.connect('worker02');
    other.says('{"type":"event","from":"worker02"}');
    const { listedPeers, traffic } = reportOf(lab);
    const sum = (key: 'messagesIn' | 'bytesIn' | 'messagesOut' | 'bytesOut') =>
      listedPeers.reduce((total, peer) => total + peer[key], 0);
    expect(traffic).toEqual({
      messagesIn: sum('messagesIn'),
      bytesIn: sum('bytesIn'),
      messagesOut: sum('messagesOut'),
      bytesOut: sum('bytesOut'),
    });
    const heard = worker.received;
    expect(listedPeers.find(({ id }) => id === 'worker01')).toMatchObject({
      messagesOut: heard.length,
      bytesOut: heard.join('').length,
    });
    other.leaves();
    expect(reportOf(lab).traffic.messagesIn).toBe(traffic.messagesIn);
    expect(reportOf(lab).traffic.messagesOut).toBeGreaterThan(traffic.messagesOut);
    expect(countersOf(lab).sent).toBe(reportOf(lab).traffic.messagesOut);
  });

  test('how long locks are waited for and held, and those that are recovered', () => {
    const lab = new BrokerLab();
    const master = lab.connect('[master]');
    lab.clock.advance(1_000);
    const worker = lab.connect('worker01');
    worker.tells(lockRequest('r1'), '[master]');
    expect(reportOf(lab).locks.root).toEqual({ state: 'asked' });
    lab.clock.advance(40);
    const { id, data } = master.messages('lock-request')[0] as { id: string; data: object };
    lab.letGrant(master);
    master.tells({ type: 'lock-result', id, ok: true, data: { ...data, id: 1, expires: 0 } }, '[server]');
    expect(countersOf(lab).lockWait).toMatchObject({ count: 1, sum: 40 });
    expect(countersOf(lab).lockHold.count).toBe(0);
    lab.clock.advance(700);
    expect(reportOf(lab).locks.root).toEqual({ state: 'write', heldFor: 700 });
    lab.giveBack(worker, lab.lockOf(worker));
    expect(countersOf(lab).lockHold).toMatchObject({ count: 1, sum: 700 });
    expect(reportOf(lab).locks.root).toBeUndefined();
    const other = lab.connect('worker02');
    for (const reader of [worker, other]) lab.askForLock(reader);
    expect(reportOf(lab).heldLocks).toEqual({ held: 2, expired: 0 });
    other.leaves();
    expect(countersOf(lab)).toMatchObject({ recoveredLocks: 1 });
    expect(countersOf(lab).lockHold.count).toBe(2);
    master.leaves();
    expect(countersOf(lab)).toMatchObject({ recoveredLocks: 1 });
    expect(reportOf(lab).heldLocks).toEqual({ held: 1, expired: 0 });
    lab.clock.advance(120_000);
    expect(reportOf(lab).heldLocks).toEqual({ held: 0, expired: 1 });
  });

  test('those that come back, and mail that is thrown away', () => {
    const lab = new BrokerLab({ reconnectGrace: 5_000 });
    lab.connectMaster();
    const session = 'session-of-worker1';
    const client = lab.connectClient('worker01', session);
    const since = lab.clock.wallTime();
    client.leaves();
    // The welcome is not counted.
    const back = lab.connectClient('worker01', session, client.received.length - 1, since);
    expect(back.isIn).toBe(true);
    const stock = lab.connect('worker02');
    stock.leaves();
    lab.connect('worker02');
    expect(countersOf(lab)).toMatchObject({ reconnects: 2, resumedSessions: 1, droppedMail: 0 });
    back.leaves();
    const speaker = lab.connect('worker03');
    speaker.says('{"type":"event","from":"worker03"}');
    const kept = reportOf(lab).mail.messages;
    expect(kept).toBeGreaterThan(0);
    lab.clock.advance(5_000);
    expect(countersOf(lab).droppedMail).toBe(kept);
    expect(reportOf(lab).mail).toEqual({ messages: 0, bytes: 0 });
  });
});

describe('how a database is', () => {
  test('with a master that comes, settles, and goes', () => {
    const lab = new BrokerLab();
    const worker = lab.connect('worker01');
    lab.clock.advance(3_000);
    expect(reportOf(lab)).toMatchObject({ hasMaster: false, masterAbsentFor: 3_000, waitingWorkers: 0 });
    worker.tells(lockRequest('r1'), '[master]');
    worker.tells({ type: 'request', id: 'r2', data: { type: 'fst.allocate' } }, '[master]');
    lab.clock.advance(1_000);
    const { masterMail } = reportOf(lab);
    expect(reportOf(lab)).toMatchObject({
      waitingWorkers: 1,
      waitingRequests: 2,
      waitingLocks: 1,
      oldestWaitingLock: 1_000,
      masterMail: { messages: 1 },
      mail: masterMail,
    });
    const master = lab.connect('[master]');
    expect(reportOf(lab)).toMatchObject({ hasMaster: true, masterAbsentFor: undefined });
    expect(reportOf(lab).peers).toEqual({
      master: { connected: 0, settling: 1, away: 0 },
      worker: { connected: 1, settling: 0, away: 0 },
    });
    lab.clock.advance(1_000);
    expect(reportOf(lab).peers.master).toEqual({ connected: 1, settling: 0, away: 0 });
    expect(reportOf(lab).masterMail.messages).toBe(0);
    master.leaves();
    lab.clock.advance(500);
    expect(reportOf(lab)).toMatchObject({ hasMaster: false, masterAbsentFor: 500 });
  });

  test('with peers of which the line says how long its way is, and what they have not read', () => {
    const lab = new BrokerLab();
    const worker = lab.connect('worker01');
    worker.roundTrip = 4.2;
    worker.isReading = false;
    lab.connect('worker02').says('{"type":"event","from":"worker02"}');
    const [peer] = reportOf(lab).listedPeers;
    expect(peer).toMatchObject({ id: 'worker01', roundTrip: 4.2, buffered: worker.bufferedBytes });
    expect(reportOf(lab).bufferedBytes).toBe(worker.bufferedBytes);
    expect(worker.bufferedBytes).toBeGreaterThan(0);
  });

  test('lists no more than so many peers and locks, the oldest, and counts them all', () => {
    const lab = new BrokerLab({ maxPeers: 1_000, maxBuffered: 10_000_000 });
    lab.connectMaster();
    const workers: ScriptedPeer[] = [];
    for (let index = 0; index < MAX_LISTED_PEERS; index++) {
      workers.push(lab.connect(`worker${String(index).padStart(4, '0')}`));
    }
    for (const worker of workers.slice(0, MAX_LISTED_LOCKS + 5)) {
      lab.askForLock(worker);
      lab.clock.advance(1);
    }
    for (const worker of workers.slice(0, MAX_LISTED_LOCKS + 7)) {
      lab.askForLock(worker, { write: true });
      lab.clock.advance(1);
    }
    const report = reportOf(lab);
    expect(report.listedPeers).toHaveLength(MAX_LISTED_PEERS);
    expect(report.peerCount).toBe(MAX_LISTED_PEERS + 1);
    expect(report.locks.held.map(({ holder }) => holder)).toEqual(
      workers.slice(0, MAX_LISTED_LOCKS).map(({ id }) => id),
    );
    expect(report.locks.waiting.map(({ requester }) => requester)).toEqual(
      workers.slice(0, MAX_LISTED_LOCKS).map(({ id }) => id),
    );
    expect(report.heldLocks.held).toBe(MAX_LISTED_LOCKS + 5);
    expect(report.waitingLocks).toBe(MAX_LISTED_LOCKS + 7);
  });
});

test('durations fall into the class whose end they do not exceed', () => {
  const tally = new DurationTally();
  for (const duration of [0, 1, 1.5, 120_000, 120_001]) tally.observe(duration);
  expect(tally.classes).toHaveLength(DURATION_BOUNDS_MS.length + 1);
  expect([tally.classes[0], tally.classes[1], tally.classes.at(-2), tally.classes.at(-1)]).toEqual([
    2, 1, 1, 1,
  ]);
  expect(tally).toMatchObject({ count: 5, sum: 240_003.5 });
  const sum = new DurationTally();
  sum.add(tally);
  sum.add(tally);
  expect(sum).toMatchObject({ count: 10, sum: 480_007 });
  expect(sum.classes[0]).toBe(4);
});
