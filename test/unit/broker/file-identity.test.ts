import { beforeEach, describe, expect, it } from 'vitest';
import { READING_MS, WRITER_PATIENCE_MS, WRITING_MS } from '../../../src/broker/identity/challenge.js';
import { longestAtDoor, TELLING_MS } from '../../../src/broker/identity/folder-checks.js';
import { BLIND_MS, HOLD_MS } from '../../../src/broker/identity/open-files.js';
import { MASTER_TURN_MS, OLD_MASTER_RETURN_MS } from '../../../src/broker/limits.js';
import type { PeerProcess } from '../../../src/broker/ports.js';
import type { DatabaseFile, FolderRequest } from '../../../src/protocol/file-identity.js';
import { claimOf } from '../../../src/protocol/session.js';
import { BrokerLab, type ScriptedPeer, WITHOUT_JOURNAL } from '../../support/broker-lab.js';

/** A folder, from whatever machine and by whatever path it is seen. */
class Folder {
  readonly checks = new Map<string, string>();
  readonly path: string;
  /** The inode of the database file at its path; 0 if there is none. */
  inode: number;

  constructor(path: string, inode = 1) {
    this.path = path;
    this.inode = inode;
  }

  /** With everything that is in it. */
  copy(path: string): Folder {
    const copied = new Folder(path, this.inode);
    for (const [name, nonce] of this.checks) copied.checks.set(name, nonce);
    return copied;
  }
}

let lab: BrokerLab;
let nonces: number;

beforeEach(() => {
  lab = new BrokerLab({ reconnectGrace: 10_000 });
  nonces = 0;
});

interface Ways {
  /** The folder that it finds at its path, if that is not where its file is open any more. */
  readonly finds?: Folder;
  readonly session?: string;
  readonly received?: number | undefined;
  /** When its session began; default: here, if it was here before. */
  readonly since?: number;
  /** Since when its folder has been that of the database, as an earlier server has said. */
  readonly folderSince?: number;
  /** Why it cannot write. */
  readonly problem?: string;
  /** Whether it answers nothing that it is asked of its file. */
  readonly isSilent?: boolean;
  /** Default: one of its own. */
  readonly machine?: string;
  readonly process?: PeerProcess;
}

/** Connects a client that can identify, and does what it is asked with that folder. */
function client(id: string, folder: Folder, ways: Ways = {}): ScriptedPeer {
  const { session = `session-of-${id}-0001`, received, folderSince } = ways;
  const announcement = {
    name: 'test/1',
    session,
    received,
    folderSince,
    since: ways.since ?? lab.sinceOf(session),
    abilities: new Set(WITHOUT_JOURNAL),
  };
  const peer = lab.connect(id, 'mydb_data', {
    client: announcement,
    ...(ways.process === undefined ? {} : { process: ways.process }),
  });
  peer.onMessage = (text) => {
    if (text.startsWith('identify:') && ways.isSilent !== true)
      obey(peer, folder, JSON.parse(text.slice(9)) as FolderRequest, ways);
  };
  // What came before anybody listened.
  const early = peer.received.length;
  for (let n = 0; n < early; n++) peer.onMessage(peer.received[n] ?? '');
  return peer;
}

function obey(peer: ScriptedPeer, folder: Folder, request: FolderRequest, ways: Ways): void {
  const at = ways.finds ?? folder;
  const { id, ask } = request;
  const isReplaced = folder.inode !== 0 && at !== folder && at.inode !== folder.inode;
  const machine = ways.machine ?? peer.id;
  const file =
    folder.inode === 0 ? undefined : { machine, device: '5', inode: String(folder.inode), isLocal: true };
  const about = { id, folder: at.path, host: `host-of-${peer.id}`, file, isReplaced };
  const say = (more: object) => peer.says(`identity:${JSON.stringify({ ...about, ...more })}`);
  if (ask === 'remove') at.checks.clear();
  else if (ask === 'tell') say({});
  else if (ask === 'read') say({ read: at.checks.get(request.name) ?? null });
  else if (file === undefined || isReplaced) say({});
  else if (ways.problem !== undefined) say({ problem: ways.problem });
  else {
    const name = `check${++nonces}`;
    at.checks.set(name, `nonce${nonces}`);
    say({ written: { name, nonce: `nonce${nonces}` } });
  }
}

/** Whether it was told that it may take part: in its welcome, or later. */
function isAccepted(peer: ScriptedPeer): boolean {
  const welcomes = peer.received.filter((text) => text.startsWith('welcome:'));
  const { session } = JSON.parse(welcomes.at(-1)?.slice(8) ?? '{}') as { session?: { accepted?: false } };
  if (session === undefined || peer.closedWith !== undefined) return false;
  return session.accepted !== false || peer.received.includes('accepted');
}

/** Since when its folder has been that of the database, as the server told it. */
function sinceOf(peer: ScriptedPeer): number {
  const welcome = peer.received.find((text) => text.startsWith('welcome:'))?.slice(8) ?? '';
  return (JSON.parse(welcome) as { session: { folderSince: number } }).session.folderSince;
}

/** How many frames of its session it has received. */
const counted = (peer: ScriptedPeer): number =>
  peer.received.filter((text) => !/^(welcome:|identify:|stable:|accepted$)/.test(text)).length;

const words = (peer: ScriptedPeer): string => peer.received.find((text) => text.startsWith('refused:')) ?? '';

const errors = () => lab.log.filter(({ level }) => level === 'error');

const A = () => new Folder('/a/mydb.acebase', 1);
const B = () => new Folder('/b/mydb.acebase', 2);

describe('clients that can say which file they have', () => {
  it('are let in at once, the first one, and asked for nothing', () => {
    const first = client('[master]', A());
    expect(isAccepted(first)).toBe(true);
    expect(first.received.filter((text) => text.startsWith('identify:'))).toEqual([]);
  });

  it.each([
    ['the master', '[master]', 'worker1'],
    ['a worker', 'worker1', '[master]'],
    ['a worker', 'worker1', 'worker2'],
  ])('are let in with the folder of %s who is there, and leave nothing in it', (_, there, comes) => {
    const folder = A();
    client(there, folder);
    const newcomer = client(comes, folder);
    expect(isAccepted(newcomer)).toBe(true);
    expect(folder.checks.size).toBe(0);
    expect(lab.log.filter(({ level }) => level === 'warn' || level === 'error')).toEqual([]);
  });

  it.each([
    ['the master', '[master]', 'worker1'],
    ['a worker', 'worker1', '[master]'],
    ['a worker', 'worker1', 'worker2'],
  ])('are sent away with another folder than that of %s', (_, there, comes) => {
    const first = client(there, A());
    const other = client(comes, B());
    expect([isAccepted(first), isAccepted(other)]).toEqual([true, false]);
    expect(other.closedWith).toBe('IPC_CLOSED_OTHER_FILE');
    expect(words(other)).toContain('/b/mydb.acebase');
    expect(words(other)).toContain('/a/mydb.acebase');
    expect(errors()).toHaveLength(1);
    expect(errors()[0]?.fields).toMatchObject({ database: 'mydb_data', peer: comes });
    expect(lab.broker.peers('mydb_data').map(({ id }) => id)).toEqual([there]);
  });

  it('are sent away with a copy that has everything in it that was ever written', () => {
    const folder = A();
    client('[master]', folder);
    client('worker1', folder);
    folder.checks.set('check1', 'nonce1');
    expect(isAccepted(client('worker2', folder.copy('/copy/mydb.acebase')))).toBe(false);
  });

  it('that were sent away do not get in when they come again', () => {
    client('[master]', A());
    client('worker1', B());
    expect(client('worker1', B()).refusedWith).toBe('IPC_REFUSED_OTHER_FILE');
  });

  it('do not keep a good master out when a bad one was sent away', () => {
    const folder = A();
    client('worker1', folder);
    client('[master]', B());
    expect(isAccepted(client('[master]', folder))).toBe(true);
  });

  it('pass nothing on that they said before they were sent away', () => {
    const first = client('[master]', A());
    first.isReading = false;
    const other = client('worker1', B());
    first.read();
    other.tells({ type: 'notification', data: { type: 'root.update', address: { pageNr: 9, recordNr: 9 } } });
    expect(first.messages('notification')).toEqual([]);
  });

  it('are compared with the others when one that could not be is back', () => {
    const folder = A();
    const first = client('worker1', folder);
    first.leaves();
    const second = client('worker2', folder);
    expect(isAccepted(second)).toBe(true);
    const back = client('worker1', folder, { received: counted(first), folderSince: sinceOf(first) });
    expect([isAccepted(back), isAccepted(second), ids()]).toEqual([true, true, ['worker1', 'worker2']]);
    expect(back.received.slice(0, 2).map((text) => text.slice(0, 9))).toEqual(['identify:', 'welcome:{']);
  });

  it('are not checked again when they resume their session', () => {
    const folder = A();
    client('[master]', folder);
    const worker = client('worker1', folder, { session: 'session-of-a-worker' });
    worker.leaves();
    const back = client('worker1', folder, { session: 'session-of-a-worker', received: counted(worker) });
    expect(isAccepted(back)).toBe(true);
    expect(nonces).toBe(1);
  });

  it('are told when they are back that they take part, and checked if that was not done', () => {
    const folder = A();
    const master = client('[master]', folder);
    master.isReading = false;
    const worker = client('worker1', folder, { session: 'session-of-a-worker' });
    expect(isAccepted(worker)).toBe(false);
    worker.leaves();
    master.read();
    master.isReading = true;
    const back = client('worker1', folder, { session: 'session-of-a-worker', received: counted(worker) });
    expect(isAccepted(back)).toBe(true);
  });

  it('share one challenge if they come while nobody has written yet', () => {
    const folder = A();
    const master = client('[master]', folder);
    master.isReading = false;
    const workers = [1, 2, 3].map((number) => client(`worker${number}`, folder));
    const other = client('worker4', B());
    master.read();
    expect(workers.map(isAccepted)).toEqual([true, true, true]);
    expect(isAccepted(other)).toBe(false);
    expect(nonces).toBe(1);
  });
});

describe('members whose line broke', () => {
  it.each([
    ['goes', 'worker1'],
    ['goes', '[master]'],
  ])(
    'keep the name: another folder that came meanwhile %s, and has said nothing to anybody (%s)',
    (_, id) => {
      const folder = A();
      const first = client(id, folder);
      const other = client('worker2', folder);
      first.says('ready');
      for (const member of [first, other]) member.leaves();
      const intruder = client('worker3', B());
      expect(isAccepted(intruder)).toBe(true);
      intruder.tells(
        { type: 'lock-request', id: 'r1', data: { path: '', tid: 't1', write: true } },
        '[master]',
      );
      intruder.tells({ type: 'notification', data: { type: 'kit.new-key', key: 'a', index: 1 } });
      const back = client(id, folder, { received: counted(first), folderSince: sinceOf(first) });
      back.says('ready');
      expect(intruder.closedWith).toBe('IPC_CLOSED_OTHER_FILE');
      const late = client('worker2', folder, { received: counted(other), folderSince: sinceOf(other) });
      expect([back, late].map(isAccepted)).toEqual([true, true]);
      for (const member of [back, late])
        expect(member.received.filter((text) => /worker3|"r1"|new-key/.test(text))).toEqual([]);
    },
  );

  it('do not, if those who came meanwhile were members before them', () => {
    const folder = A();
    const first = client('worker1', folder);
    first.leaves();
    const second = client('worker2', B());
    second.leaves();
    const back = client('worker1', folder, { received: counted(first), folderSince: sinceOf(first) });
    const again = client('worker2', B(), { received: counted(second), folderSince: sinceOf(second) });
    expect([isAccepted(back), isAccepted(again)]).toEqual([true, false]);
    expect(again.closedWith).toBe('IPC_CLOSED_OTHER_FILE');
    expect(words(again)).toContain('/a/mydb.acebase');
    expect(ids()).toEqual(['worker1']);
  });

  it('while it challenged somebody is compared with him when it is back', () => {
    const folder = A();
    const first = client('[master]', folder);
    first.isReading = false;
    const intruder = client('worker1', B());
    const back = client('[master]', folder, { received: 0, folderSince: sinceOf(first) });
    expect([isAccepted(back), intruder.closedWith]).toEqual([true, 'IPC_CLOSED_OTHER_FILE']);
  });
});

/** When the folder of those became that of the database, at a server that is gone. */
const LONG_AGO = 1_000;
const LATELY = 2_000;

/** A client that was a member of the database at an earlier server, and comes back. */
function prior(id: string, folder: Folder, ways: Ways = {}): ScriptedPeer {
  const session = `session-of-prior-${id}`;
  return client(id, folder, { session, received: 7, since: LONG_AGO, folderSince: LONG_AGO, ...ways });
}

const ids = () => lab.broker.peers('mydb_data').map(({ id }) => id);

describe('after a restart of the server', () => {
  it.each([
    ['master', '[master]', '[master]'],
    ['master', '[master]', 'worker1'],
    ['worker', 'worker2', '[master]'],
    ['worker', 'worker2', 'worker1'],
  ])('a %s of another folder that comes first has to go (%s, %s)', (_, first, back) => {
    const intruder = client(first, B());
    expect(isAccepted(intruder)).toBe(true);
    const member = prior(back, A());
    expect([isAccepted(intruder), isAccepted(member)]).toEqual([false, true]);
    expect(intruder.closedWith).toBe('IPC_CLOSED_OTHER_FILE');
    expect(words(intruder)).toContain('/b/mydb.acebase');
    expect(words(intruder)).toContain('/a/mydb.acebase');
    expect(ids()).toEqual([back]);
  });

  it('the members that are back hear nothing of one of another folder, and it nothing of them', () => {
    const intruder = client('[master]', B());
    intruder.says('ready');
    intruder.tells({
      type: 'notification',
      data: { type: 'root.update', address: { pageNr: 9, recordNr: 9 } },
    });
    const folder = A();
    const member = prior('worker1', folder);
    member.says(claimOf({ held: [], peers: [] }));
    member.tells({ type: 'lock-request', id: 'r1', data: { path: '', tid: 't1', write: true } }, '[master]');
    intruder.tells({ type: 'notification', data: { type: 'kit.new-key', key: 'a', index: 1 } });
    const master = prior('[master]', folder);
    master.says('ready');
    expect(intruder.received.filter((text) => /^(?!refused:).*(worker1|"r1")/.test(text))).toEqual([]);
    expect(member.messages('notification')).toEqual([]);
    expect(master.messages('notification')).toEqual([]);
    expect(master.messages('lock-request')).toHaveLength(1);
  });

  it('all its members come back, in whatever order, also those that are being checked when it is decided', () => {
    const intruder = client('[master]', B());
    intruder.isReading = false;
    const folder = A();
    const back = ['worker1', '[master]', 'worker2'].map((id) => prior(id, folder));
    expect(back.map(({ received }) => received)).toEqual([[], [], []]);
    intruder.read();
    expect(intruder.closedWith).toBe('IPC_CLOSED_OTHER_FILE');
    // The others have not been compared with the one that was first.
    const again = back.map((it) =>
      it.closedWith === 'IPC_CLOSED_CONNECT_AGAIN' ? prior(it.id, folder) : it,
    );
    expect(again.map(isAccepted)).toEqual([true, true, true]);
    expect(ids().sort()).toEqual(['[master]', 'worker1', 'worker2']);
  });

  it('everybody of the other folder has to go, and whoever cannot say comes again', () => {
    const intruders = ['worker1', '[master]', 'worker2'].map((id) => client(id, B()));
    const stockWorker = lab.connect('worker3');
    const member = prior('worker4', A());
    expect(intruders.map(({ closedWith }) => closedWith)).toEqual([
      'IPC_CLOSED_OTHER_FILE',
      'IPC_CLOSED_OTHER_FILE',
      'IPC_CLOSED_OTHER_FILE',
    ]);
    expect(stockWorker.closedWith).toBe('IPC_CLOSED_STOPPING');
    expect(isAccepted(member)).toBe(true);
    expect(ids()).toEqual(['worker4']);
  });

  it('a new master of the same folder stays, and the old one is refused: it has read the file before', () => {
    const folder = A();
    const fresh = client('[master]', folder);
    fresh.says('ready');
    const worker = prior('worker1', folder);
    expect(isAccepted(worker)).toBe(true);
    expect(prior('[master]', folder).closedWith).toBe('IPC_CLOSED_CONNECT_AGAIN');
    expect(prior('[master]', folder).refusedWith).toBe('IPC_REFUSED_SECOND_MASTER');
    expect(fresh.closedWith).toBeUndefined();
    expect(folder.checks.size).toBe(0);
    expect(ids()).toEqual(['[master]', 'worker1']);
  });

  it('an old master does not come in while the new one goes that it was to be compared with', () => {
    const folder = A();
    const fresh = client('[master]', folder);
    fresh.says('ready');
    const worker = lab.connectClient('worker1', 'session-of-worker1');
    worker.tells({ type: 'request', id: 'r1', data: { type: 'stats' } }, '[master]');
    fresh.isReading = false;
    const old = prior('[master]', folder);
    fresh.tells({ type: 'bye' });
    fresh.leaves();
    expect([old.closedWith, ids()]).toEqual(['IPC_CLOSED_CONNECT_AGAIN', ['worker1']]);
    expect(worker.messages('result')).toMatchObject([{ id: 'r1', ok: false }]);
  });

  it('an old master that was checked at the door is told by its next attempt why it is refused', () => {
    const folder = A();
    const fresh = client('[master]', folder);
    const old = prior('[master]', folder);
    expect([old.closedWith, old.received.includes('accepted')]).toEqual(['IPC_CLOSED_CONNECT_AGAIN', false]);
    expect(prior('[master]', folder).refusedWith).toBe('IPC_REFUSED_SECOND_MASTER');
    expect(fresh.closedWith).toBeUndefined();
  });

  it('one after the other, those that were members for longest go first', () => {
    const folder = A();
    const intruder = prior('[master]', B(), { folderSince: LATELY });
    expect(isAccepted(intruder)).toBe(true);
    const member = prior('worker1', folder);
    expect([isAccepted(intruder), isAccepted(member)]).toEqual([false, true]);
    expect(isAccepted(prior('[master]', B(), { folderSince: LATELY }))).toBe(false);
    expect(isAccepted(prior('[master]', folder))).toBe(true);
  });

  it('a master of another folder that is being checked keeps the old one waiting, and no longer', () => {
    const folder = A();
    const worker = prior('worker1', folder);
    worker.isReading = false;
    const intruder = client('[master]', B());
    const master = prior('[master]', folder);
    lab.clock.advance(MASTER_TURN_MS + 1_000);
    expect([master.received, master.closedWith]).toEqual([[], undefined]);
    worker.isReading = true;
    worker.read();
    expect(intruder.closedWith).toBe('IPC_CLOSED_OTHER_FILE');
    expect([isAccepted(master), ids()]).toEqual([true, ['worker1', '[master]']]);
  });

  it('a master that is being checked is asked for nothing, though its file is open, until it is accepted', () => {
    for (const isSame of [false, true]) {
      lab = new BrokerLab({ reconnectGrace: 10_000 });
      const folder = A();
      const worker = prior('worker1', folder);
      worker.isReading = false;
      const master = client('[master]', isSame ? folder : B());
      master.says('ready');
      worker.tells({ type: 'request', id: 'r1', data: { type: 'fst.allocate', records: 1 } }, '[master]');
      expect(master.messages('request')).toEqual([]);
      worker.read();
      expect(isAccepted(master)).toBe(isSame);
      expect(master.messages('request')).toHaveLength(isSame ? 1 : 0);
    }
  });

  it('a master of another folder that was sent away is nobody after whom the old one is too late', () => {
    const folder = A();
    prior('worker1', folder);
    expect(isAccepted(client('[master]', B()))).toBe(false);
    expect(isAccepted(prior('[master]', folder))).toBe(true);
  });

  it('a new master that is accepted while the old one waits keeps its place, also when it leaves', () => {
    const folder = A();
    const worker = prior('worker1', folder);
    worker.isReading = false;
    const fresh = client('[master]', folder);
    const old = prior('[master]', folder);
    worker.read();
    expect(isAccepted(fresh)).toBe(true);
    fresh.says('ready');
    fresh.tells({ type: 'bye' });
    expect(old.closedWith).toBe('IPC_CLOSED_CONNECT_AGAIN');
  });

  it('a master that makes its file is waited for, and has to go when it has made another one', () => {
    const elsewhere = new Folder('/b/mydb.acebase', 0);
    const intruder = client('[master]', elsewhere);
    const member = prior('worker1', A());
    expect([intruder.closedWith, member.received.some((text) => text.startsWith('welcome:'))]).toEqual([
      undefined,
      false,
    ]);
    elsewhere.inode = 2;
    intruder.says('ready');
    expect([intruder.closedWith, isAccepted(member)]).toEqual(['IPC_CLOSED_OTHER_FILE', true]);
  });

  it('those who are there leave nothing behind, and stay if it cannot be found out', () => {
    const folder = B();
    const intruder = client('[master]', folder);
    prior('worker1', A());
    expect([folder.checks.size, intruder.received.at(-2)]).toEqual([0, expect.stringContaining('remove')]);
    const reconnectGrace = WRITING_MS + 1_000;
    lab = new BrokerLab({ reconnectGrace });
    const frozen = client('worker1', A());
    frozen.isReading = false;
    const member = prior('worker2', A());
    lab.clock.advance(longestAtDoor(reconnectGrace));
    expect([isAccepted(frozen), member.closedWith]).toEqual([true, 'IPC_CLOSED_CONNECT_AGAIN']);
    expect(ids()).toEqual(['worker1']);
  });

  it.each([11_000, 30_000])(
    'one who was there first and has been stopped is given up after %i ms; a member that it kept at the door is let in, and not late with what it holds',
    (reconnectGrace) => {
      lab = new BrokerLab({ reconnectGrace, lease: 8_000 });
      const stopped = client('worker1', A(), { received: 3, since: 1 });
      stopped.isReading = false;
      const member = prior('worker2', A());
      expect(isAccepted(member)).toBe(false);
      lab.clock.advance(reconnectGrace + 1_000);
      expect([isAccepted(member), member.closedWith]).toEqual([true, undefined]);
      const held = [{ id: 7, tid: 'tid7', path: 'a', write: true, comment: 'x' }];
      member.says(claimOf({ held, peers: ['worker1'] }));
      expect([member.closedWith, lab.overview.locks('mydb_data').held]).toMatchObject([
        undefined,
        [{ id: 7 }],
      ]);
    },
  );

  // Each visit began the time anew in which those who are there may answer.
  it('one who was there first, and lives without an answer, keeps nobody out for longer than once, however often he comes', () => {
    const reconnectGrace = 11_000;
    lab = new BrokerLab({ reconnectGrace });
    client('worker1', A(), { isSilent: true });
    const began = lab.clock.now();
    let member = prior('worker2', A(), { received: undefined });
    while (!isAccepted(member) && lab.clock.now() < began + 10 * WRITING_MS) {
      lab.clock.advance(longestAtDoor(reconnectGrace));
      if (!isAccepted(member)) member = prior('worker2', A(), { received: undefined });
      lab.clock.advance(100);
    }
    expect(lab.clock.now() - began).toBeLessThanOrEqual(WRITING_MS + longestAtDoor(reconnectGrace));
    expect(lab.clock.now() - began).toBeGreaterThanOrEqual(WRITING_MS);
  });

  it('nor does he keep others out for less than that later: he has lost his line meanwhile, and has not heard the question', () => {
    lab = new BrokerLab({ reconnectGrace: 11_000 });
    const session = 'session-of-first';
    const first = client('worker1', A(), { isSilent: true, session });
    prior('worker2', A(), { received: undefined }).leaves();
    first.leaves();
    const again = client('worker1', A(), { isSilent: true, session, received: counted(first) });
    lab.clock.advance(10 * WRITING_MS);
    expect(again.closedWith).toBeUndefined();
    const member = prior('worker2', A(), { received: undefined });
    lab.clock.advance(WRITER_PATIENCE_MS + 1);
    expect(isAccepted(member)).toBe(false);
  });

  it('a member that goes away while it is checked, or whose opponents do, leaves nothing behind', () => {
    const intruder = client('[master]', B());
    intruder.isReading = false;
    const member = prior('worker1', A());
    member.leaves();
    expect(intruder.closedWith).toBeUndefined();
    const again = prior('worker1', A());
    intruder.tells({ type: 'bye' });
    expect(isAccepted(again)).toBe(true);
    for (const peer of [again, intruder]) {
      peer.tells({ type: 'bye' });
      peer.leaves();
    }
    lab.clock.advance(10_000 + OLD_MASTER_RETURN_MS);
    expect([lab.broker.databases, lab.clock.pending]).toEqual([[], 0]);
  });

  it('a member that waits for a file that nobody makes is no prior one any more in the end', () => {
    const elsewhere = new Folder('/b/mydb.acebase', 0);
    const intruder = client('[master]', elsewhere);
    const members = [prior('worker1', A()), prior('worker2', A())];
    lab.clock.advance(longestAtDoor(10_000));
    expect(members.map(({ closedWith }) => closedWith)).toEqual([
      'IPC_CLOSED_CONNECT_AGAIN',
      'IPC_CLOSED_CONNECT_AGAIN',
    ]);
    expect([isAccepted(intruder), ids()]).toEqual([true, ['[master]']]);
    const again = prior('worker3', A(), { received: undefined });
    elsewhere.inode = 2;
    intruder.says('ready');
    expect([isAccepted(intruder), again.closedWith]).toEqual([true, 'IPC_CLOSED_OTHER_FILE']);
  });

  it('a member that waits is told to come back by a server that stops', () => {
    client('[master]', B()).isReading = false;
    const member = prior('worker1', A());
    lab.broker.stop();
    expect(member.closedWith).toBe('IPC_CLOSED_STOPPING');
    expect(lab.clock.pending).toBe(0);
  });

  it('members that come too late find those who have come meanwhile', () => {
    const first = client('worker1', B());
    lab.clock.advance(10_000);
    for (const late of [prior('[master]', A()), prior('worker2', A())]) {
      expect([isAccepted(first), late.closedWith]).toEqual([true, 'IPC_CLOSED_OTHER_FILE']);
      expect(words(late)).toContain('/b/mydb.acebase');
      // It goes on as a member until then, and must not be heard.
      expect(late.received.some((text) => text.startsWith('welcome:'))).toBe(false);
    }
    expect(ids()).toEqual(['worker1']);
  });

  it('who was accepted here goes first nowhere here, by another line or another id', () => {
    const folder = A();
    const first = client('worker1', folder);
    const folderSince = sinceOf(first);
    first.leaves();
    const back = client('worker1', folder, { received: 0, folderSince });
    const other = client('worker2', folder, { folderSince });
    expect(back.received[0]).toContain('welcome:');
    expect([back, other].map(isAccepted)).toEqual([true, true]);
    const another = client('worker3', B(), { folderSince });
    expect([another.closedWith, ids()]).toEqual(['IPC_CLOSED_OTHER_FILE', ['worker1', 'worker2']]);
  });
});

describe('a second master', () => {
  it('is told which folder the first one has', () => {
    const master = client('[master]', A());
    const second = client('[master]', B(), { session: 'session-of-another-master' });
    lab.clock.advance(MASTER_TURN_MS);
    expect(second.refusedWith).toBe('IPC_REFUSED_SECOND_MASTER');
    expect(second.refusedBecause).toContain('/a/mydb.acebase');
    expect(isAccepted(master)).toBe(true);
  });

  it('is told so of a stock process of the same machine, and nothing where it is not known', () => {
    lab.connect('[master]', 'mydb_data', { process: new Local(1, 1).found() });
    expect(lab.connect('[master]').refusedBecause).toContain('/folder1/mydb.acebase');
    lab = new BrokerLab();
    lab.connect('[master]');
    const second = lab.connect('[master]');
    expect([second.refusedWith, second.refusedBecause]).toEqual(['IPC_REFUSED_SECOND_MASTER', undefined]);
  });
});

describe('a file that is not there yet', () => {
  it('lets all in who came while the first one was asked for it, the master that makes it among them', () => {
    const folder = new Folder('/a/mydb.acebase', 0);
    const first = client('worker1', folder);
    const asked: string[] = [];
    const obeys = first.onMessage;
    first.onMessage = (text) => asked.push(text);
    const others = [client('worker2', folder), client('[master]', folder)];
    expect(others.map(isAccepted)).toEqual([false, false]);
    first.onMessage = obeys;
    for (const text of asked) obeys(text);
    expect(others.map(isAccepted)).toEqual([true, true]);
  });

  it('is waited for by workers, while the master makes it', () => {
    const folder = new Folder('/a/mydb.acebase', 0);
    const master = client('[master]', folder);
    const worker = client('worker1', folder);
    const other = client('worker2', B());
    expect([isAccepted(worker), isAccepted(other)]).toEqual([false, false]);
    expect(other.closedWith).toBeUndefined();
    folder.inode = 1;
    master.says('ready');
    expect([isAccepted(worker), isAccepted(other)]).toEqual([true, false]);
    expect(other.closedWith).toBe('IPC_CLOSED_OTHER_FILE');
  });

  it('is made by a master that comes after a worker, which is checked then', () => {
    const [folder, elsewhere] = [new Folder('/a/mydb.acebase', 0), new Folder('/b/mydb.acebase', 0)];
    const worker = client('worker1', folder);
    const other = client('worker2', elsewhere);
    const master = client('[master]', folder);
    expect([worker, other, master].map(isAccepted)).toEqual([true, true, true]);
    folder.inode = 1;
    master.says('ready');
    expect([worker, other, master].map(({ closedWith }) => closedWith)).toEqual([
      undefined,
      'IPC_CLOSED_OTHER_FILE',
      undefined,
    ]);
  });

  it('belongs to the next worker that finds one', () => {
    const worker = client('worker1', new Folder('/a/mydb.acebase', 0));
    const second = client('worker2', B());
    expect(isAccepted(second)).toBe(true);
    expect(worker.closedWith).toBe('IPC_CLOSED_OTHER_FILE');
  });

  it('keeps nobody waiting when the master goes away', () => {
    const folder = new Folder('/a/mydb.acebase', 0);
    const master = client('[master]', folder);
    const worker = client('worker1', folder);
    master.tells({ type: 'bye' });
    expect(isAccepted(worker)).toBe(true);
  });
});

describe('a file that was replaced', () => {
  it('while nobody was connected is as good as any', () => {
    client('[master]', A()).tells({ type: 'bye' });
    lab.clock.advance(OLD_MASTER_RETURN_MS);
    expect(isAccepted(client('[master]', B()))).toBe(true);
  });

  it('while somebody has it open is said to be so', () => {
    const replaced = new Folder('/a/mydb.acebase', 7);
    client('[master]', A(), { finds: replaced });
    const newcomer = client('worker1', replaced);
    expect(newcomer.closedWith).toBe('IPC_CLOSED_OTHER_FILE');
    expect(words(newcomer)).toContain('was replaced while processes had it open');
  });

  it('is the same if it was only moved, and is found there by a process of the same machine', () => {
    const moved = new Folder('/moved/mydb.acebase', 1);
    client('[master]', A(), { finds: new Folder('/a/mydb.acebase', 0), machine: 'one' });
    expect(isAccepted(client('worker1', moved, { machine: 'one' }))).toBe(true);
  });
});

describe('somebody who cannot challenge', () => {
  it('leaves it to the next one, who can', () => {
    const folder = A();
    client('worker1', folder, { problem: 'EROFS' });
    client('worker2', folder, { problem: 'EROFS' });
    const third = client('worker3', folder);
    expect(isAccepted(third)).toBe(true);
    lab.log.length = 0;
    expect(isAccepted(client('worker4', B()))).toBe(false);
    expect(lab.warnings()).toEqual([]);
  });

  it('is warned of once, if nobody can', () => {
    client('[master]', A(), { problem: 'EACCES' });
    expect(isAccepted(client('worker1', A(), { problem: 'EACCES' }))).toBe(true);
    expect(isAccepted(client('worker2', A(), { problem: 'EACCES' }))).toBe(true);
    expect(lab.warnings()).toEqual([
      'it cannot be known whether all processes of this database have the same file',
    ]);
    expect(lab.log.find(({ level }) => level === 'warn')?.fields['why']).toContain('EACCES');
  });

  it('since it stands still keeps nobody waiting for longer than another one takes to be asked', () => {
    const folder = A();
    const [frozen, awake] = [client('[master]', folder), client('worker1', folder)];
    frozen.isReading = false;
    const newcomer = client('worker2', folder);
    expect(isAccepted(newcomer)).toBe(false);
    lab.clock.advance(WRITER_PATIENCE_MS);
    expect(isAccepted(newcomer)).toBe(true);
    // It writes when it goes on, and is told to remove that.
    frozen.read();
    expect(folder.checks.size).toBe(0);
    expect(awake.closedWith).toBeUndefined();
  });

  it('since it stands still for long, and is alone, is waited for', () => {
    const first = client('[master]', A());
    first.isReading = false;
    const newcomer = client('worker1', B());
    lab.clock.advance(20_000);
    expect(isAccepted(newcomer)).toBe(false);
    first.read();
    expect([isAccepted(first), newcomer.closedWith]).toEqual([true, 'IPC_CLOSED_OTHER_FILE']);
  });

  it('is given up when its time is over, where clients have a lease', () => {
    lab = new BrokerLab({ reconnectGrace: 11_000, lease: 8_000 });
    const first = client('[master]', A());
    first.isReading = false;
    const newcomer = client('worker1', A());
    lab.clock.advance(11_000);
    expect([isAccepted(newcomer), first.closedWith]).toEqual([false, undefined]);
    lab.clock.advance(1_000);
    expect([isAccepted(newcomer), first.closedWith]).toEqual([true, 'IPC_CLOSED_SILENT']);
  });

  it('keeps nobody waiting for ever, if nobody else is there', () => {
    client('[master]', A()).isReading = false;
    const newcomer = client('worker1', A());
    lab.clock.advance(WRITING_MS - 1);
    expect(isAccepted(newcomer)).toBe(false);
    lab.clock.advance(1);
    expect(isAccepted(newcomer)).toBe(true);
    expect(lab.count('file-unknown')).toBe(1);
  });

  it('is followed by the next one, if it goes away', () => {
    const folder = A();
    const [first] = [client('worker1', folder), client('worker2', folder)];
    first.isReading = false;
    const newcomer = client('worker3', folder);
    first.leaves();
    expect(isAccepted(newcomer)).toBe(true);
  });

  it('is asked no more when the newcomer goes away', () => {
    const folder = A();
    const master = client('[master]', folder);
    master.isReading = false;
    client('worker1', folder).tells({ type: 'bye' });
    lab.clock.advance(WRITING_MS);
    master.read();
    const asked = master.received.filter((text) => text.startsWith('identify:'));
    expect(asked.map((text) => (JSON.parse(text.slice(9)) as FolderRequest).ask)).toEqual([
      'write',
      'remove',
    ]);
    expect(folder.checks.size).toBe(0);
  });

  it('proves nothing against a newcomer that cannot read', () => {
    const master = client('[master]', A());
    const newcomer = lab.connect('worker1', 'mydb_data', {
      client: {
        name: 't',
        session: 'session-of-a-worker',
        received: undefined,
        abilities: new Set(WITHOUT_JOURNAL),
      },
    });
    const [request = ''] = newcomer.received.filter((text) => text.startsWith('identify:'));
    const { id } = JSON.parse(request.slice(9)) as FolderRequest;
    newcomer.says(`identity:${JSON.stringify({ id, folder: '/a', problem: 'EIO' })}`);
    expect(isAccepted(newcomer)).toBe(true);
    expect(lab.count('file-unknown')).toBe(1);
    expect(master.closedWith).toBeUndefined();
  });

  it('is asked anew if the newcomer says nothing', () => {
    const folder = A();
    client('[master]', folder);
    const silent = client('worker1', folder);
    silent.clear();
    const newcomer = lab.connect('worker2', 'mydb_data', {
      client: {
        name: 't',
        session: 'session-of-a-worker',
        received: undefined,
        abilities: new Set(WITHOUT_JOURNAL),
      },
    });
    lab.clock.advance(READING_MS);
    expect(newcomer.received.filter((text) => text.startsWith('identify:'))).toHaveLength(2);
    expect(folder.checks.size).toBe(1);
  });
});

describe('answers that make no sense', () => {
  it.each([
    'identity:',
    'identity:{',
    'identity:[]',
    'identity:{"id":"1"}',
    `identity:{"id":1,"x":"${'x'.repeat(9_000)}"}`,
  ])('are dropped: %s', (frame) => {
    const first = client('[master]', A());
    first.says(frame);
    expect(lab.count('malformed-frame')).toBe(1);
    expect(isAccepted(first)).toBe(true);
  });

  it('are dropped from those that nobody asks', () => {
    const stock = lab.connect('worker1');
    stock.says('identity:{"id":1}');
    expect(lab.count('malformed-frame')).toBe(1);
  });

  it('are ignored if they are late, or answer nothing', () => {
    const folder = A();
    client('[master]', folder);
    const worker = client('worker1', folder);
    worker.says('identity:{"id":1,"read":"nonsense"}');
    worker.says('identity:{"id":77,"read":null}');
    expect(worker.closedWith).toBeUndefined();
  });
});

/** A process of this machine that has that file open. */
class Local implements PeerProcess {
  readonly age = undefined;
  isSought = true;
  databaseFiles: readonly DatabaseFile[] = [];
  readonly pid: number;
  readonly file: DatabaseFile;

  constructor(pid: number, inode: number, isLocal = true, device = '5') {
    this.pid = pid;
    this.file = {
      machine: 'this',
      device,
      inode: String(inode),
      isLocal,
      folder: `/folder${inode}/mydb.acebase`,
    };
  }

  /** The system has been asked for it. */
  found(hasOpened = true): this {
    this.isSought = false;
    if (hasOpened) this.databaseFiles = [this.file];
    return this;
  }

  hasEnded(): boolean {
    return false;
  }
}

/** Connects a stock process whose file was found. */
function stock(id: string, process: Local): ScriptedPeer {
  const peer = lab.connect(id, 'mydb_data', { process });
  process.found();
  lab.clock.advance(100);
  return peer;
}

describe('stock processes of the same machine', () => {
  it('wait at the door until it is known what they have open, and are let in with the same file', () => {
    stock('[master]', new Local(1, 1));
    const process = new Local(2, 1);
    const worker = lab.connect('worker1', 'mydb_data', { process });
    expect([worker.isIn, worker.refusedWith]).toEqual([false, undefined]);
    process.found();
    lab.clock.advance(10);
    expect(worker.isIn).toBe(true);
  });

  it('with another file are refused at the door, and again when they come back', () => {
    const master = stock('[master]', new Local(1, 1));
    const worker = stock('worker1', new Local(2, 2));
    expect([worker.isIn, worker.refusedWith]).toEqual([false, 'IPC_REFUSED_OTHER_FILE']);
    expect(stock('worker1', new Local(2, 2)).refusedWith).toBe('IPC_REFUSED_OTHER_FILE');
    expect(errors()[0]?.fields).toMatchObject({ pid: 2, file: '/folder2/mydb.acebase' });
    expect(String(errors()[0]?.fields['others'])).toContain('/folder1/mydb.acebase ([master], pid 1)');
    expect(master.closedWith).toBeUndefined();
  });

  it('that are masters are refused by workers that are there', () => {
    stock('worker1', new Local(1, 1));
    expect(stock('[master]', new Local(2, 2)).refusedWith).toBe('IPC_REFUSED_OTHER_FILE');
    expect(stock('[master]', new Local(3, 1)).isIn).toBe(true);
  });

  it('that open their file late are sent away then, and not let in again', () => {
    stock('[master]', new Local(1, 1));
    const process = new Local(2, 2);
    const worker = lab.connect('worker1', 'mydb_data', { process });
    process.found(false);
    lab.clock.advance(10);
    expect(worker.isIn).toBe(true);
    process.found();
    lab.clock.advance(1_500);
    expect(worker.closedWith).toBe('IPC_CLOSED_OTHER_FILE');
    expect(lab.connect('worker1').refusedWith).toBe('IPC_REFUSED_OTHER_FILE');
  });

  it('as masters that come back by themselves are refused once; the next is another process', () => {
    stock('worker1', new Local(1, 1));
    const process = new Local(2, 2);
    const master = lab.connect('[master]', 'mydb_data', { process });
    process.found(false);
    lab.clock.advance(10);
    process.found();
    lab.clock.advance(1_500);
    expect(master.closedWith).toBe('IPC_CLOSED_OTHER_FILE');
    expect(lab.connect('[master]').refusedWith).toBe('IPC_REFUSED_OTHER_FILE');
    expect(lab.connect('[master]').isIn).toBe(true);
  });

  it('found in the wrong order lose to those that came before them', () => {
    const [early, late] = [new Local(1, 1), new Local(2, 2)];
    const first = lab.connect('worker1', 'mydb_data', { process: early });
    const second = lab.connect('worker2', 'mydb_data', { process: late });
    late.found();
    lab.clock.advance(500);
    early.found();
    lab.clock.advance(2_000);
    expect([first.closedWith, second.closedWith]).toEqual([undefined, 'IPC_CLOSED_OTHER_FILE']);
  });

  it('do not wait at the door for longer than a stock client bears', () => {
    stock('[master]', new Local(1, 1));
    const worker = lab.connect('worker1', 'mydb_data', { process: new Local(2, 1) });
    lab.clock.advance(HOLD_MS - 1);
    expect(worker.isIn).toBe(false);
    lab.clock.advance(1);
    expect(worker.isIn).toBe(true);
  });

  it('do not wait if there is nothing to compare their file with', () => {
    lab.connect('[master]');
    expect(lab.connect('worker1', 'mydb_data', { process: new Local(2, 1) }).isIn).toBe(true);
  });

  it('may go away while they wait, and the database with them', () => {
    const master = stock('[master]', new Local(1, 1));
    const worker = lab.connect('worker1', 'mydb_data', { process: new Local(2, 1) });
    master.tells({ type: 'bye' });
    master.leaves();
    worker.cancel();
    expect(lab.broker.databases).toEqual([]);
    expect(lab.clock.pending).toBe(0);
  });

  it('are let in when those who were there have gone', () => {
    const master = stock('[master]', new Local(1, 1));
    const worker = lab.connect('worker1', 'mydb_data', { process: new Local(2, 2) });
    master.tells({ type: 'bye' });
    master.leaves();
    lab.clock.advance(HOLD_MS);
    expect(worker.isIn).toBe(true);
    expect(lab.broker.peers('mydb_data').map(({ id }) => id)).toEqual(['worker1']);
  });

  it('that wait are sent to the next server by one that drains, or stops', () => {
    stock('[master]', new Local(1, 1));
    const drained = lab.connect('worker1', 'mydb_data', { process: new Local(2, 1) });
    lab.broker.drain(1_000, () => undefined);
    lab.clock.advance(HOLD_MS);
    expect(drained.refusedWith).toBe('IPC_REFUSED_DRAINING');
    lab = new BrokerLab();
    stock('[master]', new Local(1, 1));
    const stopped = lab.connect('worker1', 'mydb_data', { process: new Local(2, 1) });
    lab.broker.stop();
    expect(stopped.refusedWith).toBe('IPC_REFUSED_DRAINING');
  });

  it.each([
    ['are on a network file system, where each mount has numbers of its own', new Local(2, 2, false)],
    ['are the same with another device there', new Local(2, 1, false, '6')],
  ])('are let in if their files %s', (_, process) => {
    stock('[master]', new Local(1, 1, false));
    expect(stock('worker1', process).isIn).toBe(true);
  });

  it('may have several files of that name open', () => {
    stock('[master]', new Local(1, 1));
    const process = new Local(2, 2);
    const worker = lab.connect('worker1', 'mydb_data', { process });
    process.isSought = false;
    process.databaseFiles = [process.file, new Local(2, 1).file];
    lab.clock.advance(10);
    expect(worker.isIn).toBe(true);
  });
});

describe('stock processes and clients that can say which file they have', () => {
  it('are compared by what the client says, before it takes part', () => {
    stock('[master]', new Local(1, 1));
    const other = client('worker1', new Folder('/folder2/mydb.acebase', 2), { machine: 'this' });
    expect(other.closedWith).toBe('IPC_CLOSED_OTHER_FILE');
    expect(other.received).not.toContain('accepted');
    expect(isAccepted(client('worker2', new Folder('/folder1/mydb.acebase', 1), { machine: 'this' }))).toBe(
      true,
    );
  });

  it('are let in if the client is on another machine', () => {
    stock('[master]', new Local(1, 1));
    expect(isAccepted(client('worker1', B(), { machine: 'other' }))).toBe(true);
  });

  it('are compared by what the system shows of both', () => {
    client('[master]', A(), { process: new Local(1, 1).found() });
    lab.clock.advance(100);
    expect(stock('worker1', new Local(2, 2)).refusedWith).toBe('IPC_REFUSED_OTHER_FILE');
    expect(stock('worker2', new Local(2, 1)).isIn).toBe(true);
  });

  it('do not wait for a client that says nothing', () => {
    stock('[master]', new Local(1, 1));
    const silent = lab.connect('worker1', 'mydb_data', {
      client: {
        name: 't',
        session: 'session-of-a-worker',
        received: undefined,
        abilities: new Set(WITHOUT_JOURNAL),
      },
    });
    expect(isAccepted(silent)).toBe(false);
    lab.clock.advance(TELLING_MS);
    expect(isAccepted(silent)).toBe(true);
  });
});

describe('stock processes that cannot be seen', () => {
  it('are warned of once, when they have been there for a while with others', () => {
    lab = new BrokerLab({ heartbeatInterval: 10_000 });
    lab.connect('[master]');
    lab.clock.advance(BLIND_MS);
    expect(lab.count('file-unknown')).toBe(0);
    lab.connect('worker1');
    lab.clock.advance(10_000);
    expect(lab.count('file-unknown')).toBe(1);
    lab.clock.advance(100_000);
    expect(lab.count('file-unknown')).toBe(1);
  });

  it('are not warned of if all others are seen', () => {
    lab = new BrokerLab({ heartbeatInterval: 10_000 });
    stock('[master]', new Local(1, 1));
    stock('worker1', new Local(2, 1));
    client('worker2', A());
    lab.clock.advance(2 * BLIND_MS);
    expect(lab.count('file-unknown')).toBe(0);
  });
});
