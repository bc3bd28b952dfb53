/**
 * Nobody works under a root, or with keys, that the file may not have [PROTOCOL-7.6, 8.4, 8.5]: sequences that a reviewer found, with a master
 * that writes what it is told, and a file.
 */
import { describe, expect, it } from 'vitest';
import { BrokerLab, type ScriptedPeer, WITHOUT_JOURNAL } from '../../support/broker-lab.js';

interface RootUpdate {
  readonly type?: string;
  readonly data?: { readonly type?: string; readonly address?: { readonly recordNr: number | string } };
}
const root = (recordNr: number | string) => ({
  type: 'notification',
  data: { type: 'root.update', address: { path: '', pageNr: 0, recordNr } },
});
const rootsOf = (peer: ScriptedPeer) =>
  peer.messages('notification').flatMap((message) => (message as RootUpdate).data?.address?.recordNr ?? []);
const grantsOf = (peer: ScriptedPeer) => peer.messages('lock-result').filter(({ ok }) => ok === true).length;

/** The header of the file. */
interface File {
  header: number;
}
/** A master with our client: writes a number in quotes (and echoes it), takes others over. */
function ours(peer: ScriptedPeer, file: File) {
  const it = { believes: file.header };
  const answers = peer.onMessage;
  peer.onMessage = (text) => {
    answers(text);
    const message = (text.startsWith('{') ? JSON.parse(text) : {}) as RootUpdate;
    if (message.data?.type !== 'root.update') return;
    const recordNr = message.data.address?.recordNr ?? 0;
    it.believes = Number(recordNr);
    if (typeof recordNr === 'string') {
      file.header = it.believes;
      peer.tells(root(recordNr));
    }
  };
  return it;
}
/** A worker moves the root: it tells, and writes. */
function move(peer: ScriptedPeer, file: File, recordNr: number) {
  peer.tells(root(recordNr));
  file.header = recordNr;
}
/** It reads what waits, in order. */
function wakes(peer: ScriptedPeer) {
  for (let round = 0; round < 20; round++) peer.read();
  peer.isReading = true;
}
const CLIENT_WORDS = /^(welcome|stable|yield)/;
const counted = (peer: ScriptedPeer) => peer.received.filter((text) => !CLIENT_WORDS.test(text)).length;

describe('nobody is granted a lock from when the root is to be written again', () => {
  it('by the late update of a holder', () => {
    const lab = new BrokerLab({ reconnectGrace: 10_000 });
    const file = { header: 5 };
    const first = lab.connectMaster();
    const [a, b] = [lab.connectWorker('a'), lab.connectWorker('b')];
    a.tells(root(5));
    lab.askForLock(a, { write: true });
    first.tells({ type: 'bye' });
    const second = lab.connectClient('[master]', 'session-of-master');
    lab.letGrant(second);
    const master = ours(second, file);
    second.says('ready:{"pageNr":0,"recordNr":5}');
    lab.clock.advance(100);
    second.isReading = false; // busy for a moment
    move(a, file, 6);
    lab.giveBack(a, lab.lockOf(a));
    const before = grantsOf(b);
    lab.askForLock(b, { write: true });
    const wasGranted = grantsOf(b) > before;
    if (wasGranted) move(b, file, 7);
    wakes(second);
    lab.clock.advance(100);
    expect([wasGranted, file.header, master.believes]).toEqual([false, 6, 6]);
  });

  it('by a lock for writing that expires under another root lock than it was granted under', () => {
    const lab = new BrokerLab({ reconnectGrace: 10_000 });
    const file = { header: 5 };
    const first = lab.connectMaster();
    const [a, b] = [lab.connectWorker('a'), lab.connectWorker('b')];
    b.tells(root(5));
    lab.askForLock(a, { write: true }); // hangs
    lab.clock.advance(110_000);
    first.tells({ type: 'bye' });
    const second = lab.connectClient('[master]', 'session-of-master');
    lab.letGrant(second);
    const master = ours(second, file);
    second.says('ready:{"pageNr":0,"recordNr":5}');
    const before = grantsOf(b);
    lab.askForLock(b, { write: true });
    second.isReading = false;
    lab.clock.advance(9_500);
    const wasGranted = grantsOf(b) > before;
    if (wasGranted) move(b, file, 7);
    wakes(second);
    expect([wasGranted, file.header, master.believes]).toEqual([false, 5, 5]);
  });

  it('by a claim', () => {
    const lab = new BrokerLab({ reconnectGrace: 10_000 });
    const file = { header: 5 };
    const second = lab.connectClient('[master]', 'session-of-master');
    lab.letGrant(second);
    const master = ours(second, file);
    second.says('ready:{"pageNr":0,"recordNr":5}');
    const a = lab.connectClient('a', 'session-of-peer-a', 3, 1);
    const b = lab.connectClient('b', 'session-of-peer-b');
    second.isReading = false; // busy, right after it has granted the root lock
    const held = [{ id: 1, tid: 'T', path: '', write: true, comment: '' }];
    a.says(`locks:${JSON.stringify({ held, peers: [], root: { pageNr: 0, recordNr: 5 } })}`);
    lab.giveBack(a, 1);
    lab.askForLock(b, { write: true });
    const wasGranted = grantsOf(b) > 0;
    if (wasGranted) move(b, file, 7);
    wakes(second);
    lab.clock.advance(100);
    expect([wasGranted, file.header, master.believes]).toEqual([false, 5, 5]);
  });

  it('and what a holder says is written again, also if it was granted a further lock meanwhile', () => {
    const lab = new BrokerLab({ reconnectGrace: 10_000 });
    const file = { header: 5 };
    const second = lab.connectClient('[master]', 'session-of-master');
    lab.letGrant(second);
    const master = ours(second, file);
    second.says('ready:{"pageNr":0,"recordNr":5}');
    const a = lab.connectClient('a', 'session-of-peer-a', 3, 1); // awaited: the root lock is for writing
    lab.connectClient('c', 'session-of-peer-c', 3, 1);
    second.isReading = false;
    const held = [{ id: 1, tid: 'T', path: '', write: true, comment: '' }];
    a.says(`locks:${JSON.stringify({ held, peers: ['c'], root: { pageNr: 0, recordNr: 5 } })}`);
    lab.askForLock(a, { tid: 'T', write: true });
    expect(grantsOf(a)).toBe(1);
    move(a, file, 6);
    wakes(second);
    lab.clock.advance(100);
    expect([file.header, master.believes]).toEqual([6, 6]);
  });
});

describe('when nobody was connected for a moment', () => {
  const scene = () => {
    const lab = new BrokerLab({ reconnectGrace: 10_000 });
    const file = { header: 5 };
    const since = lab.clock.wallTime();
    const master = lab.connectClient('[master]', 'session-of-master');
    lab.letGrant(master);
    ours(master, file);
    master.says('ready:{"pageNr":0,"recordNr":5}');
    const b = lab.connectClient('b', 'session-of-peer-b');
    lab.askForLock(b);
    lab.giveBack(b, lab.lockOf(b));
    b.tells(root(5));
    return { lab, file, since, master, b };
  };

  it('if a writer ends meanwhile, the master that is back is made to write the root', () => {
    const { lab, file, since, master, b } = scene();
    let hasEnded = false;
    const process = { pid: 1, isSought: false, age: undefined, databaseFiles: [], hasEnded: () => hasEnded };
    const writer = lab.connect('writer', 'mydb_data', { process });
    lab.askForLock(writer, { write: true });
    expect(grantsOf(writer)).toBe(1);
    for (const peer of [b, master, writer]) peer.leaves();
    file.header = 9; // the writer moved the root, and is killed
    hasEnded = true;
    lab.clock.advance(1_000);
    const back = lab.connectClient('[master]', 'session-of-master', counted(master), since);
    lab.letGrant(back);
    ours(back, file);
    for (const text of [...back.received]) back.onMessage(text);
    const again = lab.connectClient('b', 'session-of-peer-b', counted(b), since);
    lab.askForLock(again, { write: true });
    lab.clock.advance(100);
    expect([grantsOf(again), file.header]).toEqual([1, 5]);
  });

  it('if the root is to be written then, nobody is granted a lock before the master that is back has read that', () => {
    const { lab, file, since, master, b } = scene();
    const writer = lab.connect('writer', 'mydb_data', {
      process: { pid: 1, isSought: false, age: undefined, databaseFiles: [], hasEnded: () => true },
    });
    lab.askForLock(writer, { write: true });
    file.header = 9;
    const read = counted(master);
    master.isReading = false;
    writer.leaves();
    lab.clock.advance(100);
    for (const peer of [b, master]) peer.leaves();
    const abilities = new Set(WITHOUT_JOURNAL.filter((ability) => ability !== 'identify'));
    const client = { name: 'test/1', session: 'session-of-master', received: read, since, abilities };
    const back = lab.connect('[master]', 'mydb_data', { client, isReading: false });
    lab.letGrant(back);
    ours(back, file);
    const again = lab.connectClient('b', 'session-of-peer-b', counted(b), since);
    lab.askForLock(again, { write: true });
    const wasGranted = grantsOf(again) > 0;
    if (wasGranted) move(again, file, 7);
    wakes(back);
    lab.clock.advance(100);
    expect([wasGranted, file.header]).toEqual([false, 5]);
  });
});

it('where a master has moved the root, told nobody, and is gone, counts what the next one finds in the file, also if the only worker loses its line meanwhile', () => {
  const lab = new BrokerLab({ reconnectGrace: 10_000 });
  const file = { header: 5 };
  const since = lab.clock.wallTime();
  const first = lab.connectClient('[master]', 'session-of-master');
  lab.letGrant(first);
  first.says('ready:{"pageNr":0,"recordNr":5}');
  const worker = lab.connectClient('worker', 'session-of-worker');
  lab.askForLock(worker);
  lab.giveBack(worker, lab.lockOf(worker));
  worker.tells(root(5));
  lab.clock.advance(2_000);
  file.header = 9;
  first.leaves();
  lab.clock.advance(10_000);
  worker.leaves();
  const back = lab.connectClient('worker', 'session-of-worker', counted(worker), since);
  const next = lab.connectClient('[master]', 'session-of-next-master');
  lab.letGrant(next);
  const master = ours(next, file);
  next.says('ready:{"pageNr":0,"recordNr":9}');
  lab.askForLock(back, { write: true });
  lab.clock.advance(100);
  expect([grantsOf(back), rootsOf(back), file.header, master.believes]).toEqual([1, [9], 9, 9]);
});

describe('a master that has just moved the root itself, and is told to write an older one', () => {
  it('has its own written again', () => {
    const lab = new BrokerLab({ reconnectGrace: 0 });
    const file = { header: 5 };
    const peer = lab.connectClient('[master]', 'session-of-master');
    lab.letGrant(peer);
    const master = ours(peer, file);
    peer.says('ready:{"pageNr":0,"recordNr":5}');
    const [a, b] = [lab.connectWorker('a'), lab.connectWorker('b')];
    b.tells(root(5));
    lab.askForLock(a, { write: true });
    lab.clock.advance(125_000); // it has expired; the root lock went back
    peer.isReading = false;
    a.leaves(); // the server sends "5"
    // Sent by the master, in a transaction of its own, before it read that.
    file.header = 7;
    master.believes = 7;
    peer.tells(root(7));
    wakes(peer);
    lab.clock.advance(1_000);
    lab.askForLock(b);
    expect([file.header, master.believes, rootsOf(b).at(-1)]).toEqual([7, 7, 7]);
  });
});

describe('a master that is slow to write', () => {
  it('keeps all others waiting until it says that it has written the root, whatever pings it answers', () => {
    const lab = new BrokerLab({ reconnectGrace: 10_000 });
    const file = { header: 5 };
    const master = lab.connectClient('[master]', 'session-of-master');
    lab.letGrant(master);
    ours(master, file);
    master.says('ready:{"pageNr":0,"recordNr":5}');
    const [a, b] = [lab.connectWorker('a'), lab.connectWorker('b')];
    b.tells(root(5));
    lab.askForLock(a, { write: true });
    master.writesRoots = false;
    a.tells({ type: 'bye' });
    const before = grantsOf(b);
    lab.askForLock(b);
    lab.clock.advance(1_000);
    expect(grantsOf(b)).toBe(before);
    master.says('written');
    expect(grantsOf(b)).toBe(before + 1);
  });
});

describe('a master that takes long to grant the root lock', () => {
  it('leaves time to who waited for it', () => {
    const lab = new BrokerLab({ reconnectGrace: 10_000 });
    const master = lab.connectClient('[master]', 'session-of-master');
    master.says('ready');
    const a = lab.connectClient('a', 'session-of-peer-a');
    lab.askForLock(a, { write: true });
    lab.clock.advance(118_900); // its own transaction
    lab.letGrant(master);
    const { lasts } = (a.messages('lock-result')[0] as { data: { lasts: number } }).data;
    expect(lasts).toBeGreaterThan(5_000);
  });

  it('leaves time to who is granted a lock under it later', () => {
    const lab = new BrokerLab({ reconnectGrace: 10_000 });
    const master = lab.connectClient('[master]', 'session-of-master');
    master.says('ready');
    const [a, b] = [lab.connectClient('a', 'session-of-peer-a'), lab.connectClient('b', 'session-of-peer-b')];
    lab.askForLock(a, { write: false });
    lab.clock.advance(101_000); // its own transaction
    lab.letGrant(master);
    lab.clock.advance(17_990); // a reads on
    lab.askForLock(b, { write: false });
    const granted = b.messages('lock-result')[0] as { data: { lasts: number } } | undefined;
    expect(granted?.data.lasts ?? 100_000).toBeGreaterThan(5_000);
  });
});

describe('an upgrade of the root lock that is refused, since that has expired at the master', () => {
  it('is not taken for the end of the master', () => {
    const lab = new BrokerLab({ reconnectGrace: 10_000 });
    const master = lab.connect('[master]');
    lab.letGrant(master);
    lab.clock.advance(5_000);
    const [a, b] = [lab.connectWorker('a'), lab.connectWorker('b')];
    lab.askForLock(a, { tid: 'T' });
    const answers = master.onMessage;
    lab.clock.advance(118_000);
    // Busy for some seconds: by the time that it reads this, its lock has expired.
    const asked: string[] = [];
    master.onMessage = (text) => void asked.push(text);
    lab.askForLock(a, { tid: 'T', write: true });
    lab.clock.advance(3_000);
    for (const text of asked) {
      const message = text.startsWith('{') ? JSON.parse(text) : {};
      if (
        message.type === 'lock-request' &&
        asked.indexOf(text) === asked.findIndex((it) => it.includes('lock-request'))
      ) {
        const reason = `lock on tid ${message.data.tid} has expired, not allowed to continue`;
        master.tells({ type: 'lock-result', id: message.id, ok: false, reason }, '[server]');
      } else answers(text);
    }
    master.onMessage = answers;
    lab.giveBack(a, lab.lockOf(a));
    const before = grantsOf(b);
    lab.askForLock(b, { write: true });
    lab.clock.advance(600_000);
    expect(grantsOf(b) - before).toBe(1);
  });
});

describe('when nobody is connected any more [PROTOCOL-8.4]', () => {
  it('a stock master that comes then is asked for the root lock before its file is open', () => {
    const lab = new BrokerLab({ reconnectGrace: 10_000 });
    const first = lab.connectMaster();
    const other = lab.connectWorker('other');
    other.tells(root(5));
    other.leaves();
    first.tells({ type: 'bye' });
    first.leaves();
    const second = lab.connect('[master]');
    expect(second.messages('lock-request')).toHaveLength(1);
  });

  it('a newcomer is granted no lock under the root lock of a master that is away', () => {
    const lab = new BrokerLab({ reconnectGrace: 10_000 });
    const master = lab.connectClient('[master]', 'session-of-master');
    lab.letGrant(master);
    master.says('ready:{"pageNr":0,"recordNr":5}');
    const other = lab.connectClient('other', 'session-of-other');
    lab.askForLock(other);
    lab.giveBack(other, lab.lockOf(other));
    master.tells({ type: 'notification', data: { type: 'kit.new_key', key: 'name', index: 7 } });
    other.tells(root(5));
    for (const peer of [other, master]) peer.leaves();
    const newcomer = lab.connect('newcomer');
    lab.askForLock(newcomer);
    expect([grantsOf(newcomer), newcomer.messages('notification').length]).toEqual([0, 0]);
  });
});

describe('keys that the server asked for when all lost their lines', () => {
  it('are told to those who are there when the master that is back answers', () => {
    const lab = new BrokerLab({ reconnectGrace: 10_000 });
    const first = lab.connect('[master]');
    lab.letGrant(first);
    lab.clock.advance(5_000);
    const [asker, other] = [lab.connectWorker('asker'), lab.connectClient('other', 'session-of-other')];
    lab.askForLock(other);
    lab.giveBack(other, lab.lockOf(other));
    asker.tells({ type: 'request', id: 'k', data: { type: 'kit.add', key: 'name' } }, '[master]');
    asker.tells({ type: 'bye' });
    first.tells({ type: 'bye' });
    first.leaves();
    const at = lab.clock.wallTime();
    const second = lab.connectClient('[master]', 'session-of-master');
    lab.letGrant(second);
    second.says('ready');
    const asked = second.messages('request')[0] as { id: string } | undefined;
    expect(asked).toMatchObject({ data: { type: 'kit.add', key: 'name' } });
    for (const peer of [second, other]) peer.leaves();
    const back = lab.connectClient('[master]', 'session-of-master', counted(second), at);
    const again = lab.connectClient('other', 'session-of-other', counted(other), at);
    expect(back.received[0]).toContain('"resumed":true');
    // It was in the file: the last master had written it.
    back.tells({ type: 'result', id: asked?.id, ok: true, data: { ok: true, index: 7 } }, '[server]');
    const news = [again, other].flatMap((peer) => peer.messages('notification'));
    expect(news).toContainEqual({
      type: 'notification',
      from: '[master]',
      data: { type: 'kit.new_key', key: 'name', index: 7 },
    });
  });
});
