import { describe, expect, test } from 'vitest';
import { INCIDENTS } from '../../../src/server/monitoring/incidents.js';
import { plainName, problemsOf, RULES } from '../../../src/server/monitoring/problems.js';
import type { DatabaseReport, PeerReport } from '../../../src/server/monitoring/report.js';
import { BrokerLab } from '../../support/broker-lab.js';

const LIMITS = {
  maxBuffered: 1_000,
  maxMailPerPeer: 1_000,
  lockTimeout: 120_000,
  reconnectGrace: 11_000,
  managed: new Set<string>(),
};
const NOW = { monotonic: 100_000, wall: 1_700_000_100_000 };

const peer: PeerReport = {
  id: 'worker01',
  role: 'worker',
  state: 'connected',
  client: undefined,
  keepsJournal: false,
  address: '10.0.0.1:1000',
  pid: undefined,
  connectedAt: 0,
  roundTrip: undefined,
  mail: { messages: 0, bytes: 0 },
  buffered: 0,
  messagesIn: 0,
  messagesOut: 0,
  bytesIn: 0,
  bytesOut: 0,
};

const held = {
  id: 1,
  holder: 'worker02',
  tid: 't1',
  path: '',
  write: true,
  comment: '',
  heldFor: 9_000,
  state: 'held',
} as const;

/** A database with a master and a worker, in which all is well but for what is given. */
function problems(changes: Partial<DatabaseReport>) {
  const lab = new BrokerLab();
  lab.connect('worker01');
  lab.connectMaster();
  const healthy = lab.overview.report('mydb_data');
  if (healthy === undefined) throw new Error('there is no database');
  expect(problemsOf(healthy, LIMITS, NOW)).toEqual([]);
  return problemsOf({ ...healthy, ...changes }, LIMITS, NOW);
}

const brief = (changes: Partial<DatabaseReport>) =>
  problems(changes).map(({ code, severity, message }) => [code, severity, message]);

describe('no master', () => {
  test('is for the server to mend where it runs the master itself', () => {
    const lab = new BrokerLab();
    lab.connect('worker01');
    lab.clock.advance(RULES.masterAbsentCritical);
    const report = lab.overview.report('mydb_data');
    const remedyWith = (managed: ReadonlySet<string>) =>
      report && problemsOf(report, { ...LIMITS, managed }, NOW)[0]?.remedy;
    expect(remedyWith(new Set(['mydb_data']))).toMatch(/^This server runs that master itself/);
    expect(remedyWith(new Set(['other_data']))).toMatch(/role "master"/);
  });

  const absent = (masterAbsentFor: number, waitingWorkers: number) =>
    brief({ hasMaster: false, masterAbsentFor, waitingWorkers });

  test('is a problem when workers wait, and has lasted as long as a restart', () => {
    expect(absent(RULES.masterAbsentWarning - 1, 3)).toEqual([]);
    expect(absent(RULES.masterAbsentWarning, 1)).toEqual([
      ['no-master', 'warning', 'mydb has had no master for 2 s: 1 worker waits'],
    ]);
    expect(absent(14_000, 3)).toEqual([
      ['no-master', 'critical', 'mydb has had no master for 14 s: 3 workers wait'],
    ]);
  });

  test('is worth a word when workers are there, and none at all when nobody is', () => {
    expect(absent(RULES.masterAbsentCritical - 1, 0)).toEqual([]);
    expect(absent(14_000, 0)).toEqual([
      ['no-master', 'warning', 'mydb has had no master for 14 s: 1 worker is there'],
    ]);
    const nobody = {
      master: { connected: 0, settling: 0, away: 0 },
      worker: { connected: 0, settling: 0, away: 0 },
    };
    expect(brief({ hasMaster: false, masterAbsentFor: 14_000, peers: nobody, peerCount: 0 })).toEqual([]);
  });

  test('since when, and what to do', () =>
    expect(problems({ hasMaster: false, masterAbsentFor: 14_000, waitingWorkers: 3 })).toMatchObject([
      { since: NOW.wall - 14_000, remedy: expect.stringContaining('role "master"') },
    ]));
});

test('a master that does not open its file', () => {
  const peers = {
    master: { connected: 0, settling: 1, away: 0 },
    worker: { connected: 2, settling: 0, away: 0 },
  };
  const settling = (oldestWaitingLock: number) =>
    brief({ peers, oldestWaitingLock, waitingWorkers: 2, waitingLocks: 2 });
  expect(settling(RULES.masterSettling - 1)).toEqual([]);
  expect(settling(12_000)).toEqual([
    [
      'master-settling',
      'warning',
      'mydb has a master that has not opened its file yet: 2 workers waiting for up to 12 s',
    ],
  ]);
});

describe('locks', () => {
  const waiting = (oldestWaitingLock: number, locks: DatabaseReport['locks']['held']) =>
    brief({ oldestWaitingLock, waitingLocks: 2, locks: { root: undefined, held: locks, waiting: [] } });

  test('that are waited for long, with who holds one', () => {
    expect(waiting(RULES.lockWaitWarning - 1, [held])).toEqual([]);
    expect(waiting(8_000, [held])).toEqual([
      [
        'lock-wait',
        'warning',
        'mydb has 2 requests waiting for a lock, the oldest for 8 s; worker02 holds one for 9 s',
      ],
    ]);
    expect(waiting(RULES.lockWaitCritical, [])).toEqual([
      [
        'lock-wait',
        'critical',
        'mydb has 2 requests waiting for a lock, the oldest for 30 s; no worker holds one',
      ],
    ]);
  });

  test('that are held long, while nobody waits', () => {
    const holding = (heldFor: number) =>
      brief({ locks: { root: undefined, held: [{ ...held, heldFor }], waiting: [] } });
    expect(holding(RULES.lockHeld - 1)).toEqual([]);
    expect(holding(45_000)).toEqual([
      ['lock-held', 'warning', 'mydb has a lock that worker02 holds for 45 s'],
    ]);
  });

  test('with the process of who holds them, where it is known', () => {
    const listedPeers = [{ ...peer, id: 'worker02', pid: 4_711 }];
    const [problem] = problems({
      listedPeers,
      waitingLocks: 1,
      oldestWaitingLock: 8_000,
      locks: { root: undefined, held: [held], waiting: [] },
    });
    expect(problem?.message).toContain('; worker02 (pid 4711) holds one for 9 s');
    expect(problem?.remedy).toContain('worker02 (pid 4711)');
  });
});

test('peers that do not read', () => {
  const slow = (...buffered: number[]) =>
    brief({
      listedPeers: buffered.map((bytes, index) => ({ ...peer, id: `worker0${index}`, buffered: bytes })),
    });
  expect(slow(249, 0)).toEqual([]);
  expect(slow(100, 300, 260)).toEqual([
    [
      'slow-peer',
      'warning',
      'mydb has a slow peer: worker01 has not read what makes 30 % of maxBuffered (and 1 other)',
    ],
  ]);
  expect(slow(750)[0]?.slice(0, 2)).toEqual(['slow-peer', 'critical']);
});

test('mail that comes near to what may be kept', () => {
  const mail = { messages: 1, bytes: 600 };
  expect(brief({ masterMail: { messages: 3, bytes: 499 } })).toEqual([]);
  expect(brief({ masterMail: { messages: 3, bytes: 800 } })).toEqual([
    ['mail-near-limit', 'critical', 'mydb keeps 3 messages for the master: 80 % of maxMailPerPeer'],
  ]);
  expect(brief({ listedPeers: [{ ...peer, state: 'away', mail }] })).toEqual([
    ['mail-near-limit', 'warning', 'mydb keeps 1 message for worker01: 60 % of maxMailPerPeer'],
  ]);
});

test('incidents that somebody should look at, whatever their kind, behind what is critical', () => {
  const lab = new BrokerLab();
  lab.connect('worker01');
  for (const incident of INCIDENTS) lab.histories.incidents.record(incident, { database: 'mydb_data' });
  lab.clock.advance(4_000);
  lab.histories.incidents.record('too-slow', { database: 'mydb_data' });
  const alarms = lab.overview.report('mydb_data')?.alarms ?? [];
  expect(alarms).toHaveLength(
    new Set(lab.log.filter(({ level }) => level === 'warn' || level === 'error')).size,
  );
  const now = { monotonic: lab.clock.now(), wall: lab.clock.wallTime() };
  const report = lab.overview.report('mydb_data');
  if (report === undefined) throw new Error('there is no database');
  const found = problemsOf({ ...report, alarms, masterAbsentFor: 14_000, waitingWorkers: 1 }, LIMITS, now);
  expect(found.map(({ code }) => code)).toEqual(['no-master', ...alarms.map(({ incident }) => incident)]);
  expect(found.find(({ code }) => code === 'too-slow')).toMatchObject({
    since: now.wall - 4_000,
    message: 'mydb cut off a peer that did not read its messages (2 times, the last 0 ms ago)',
    severity: 'warning',
  });
});

test('databases are called as their users call them', () => {
  expect(['mydb_data', 'mydb_transaction', 'mydb', 'data'].map(plainName)).toEqual([
    'mydb',
    'mydb (transaction log)',
    'mydb',
    'data',
  ]);
});
