import { describe, expect, it } from 'vitest';
import { BrokerLab, type ScriptedPeer } from '../../support/broker-lab.js';

interface RootUpdate {
  readonly type?: string;
  readonly data?: { readonly type?: string; readonly address?: { readonly recordNr: number | string } };
}

const root = (recordNr: number | string) => ({
  type: 'notification',
  data: { type: 'root.update', address: { path: '', pageNr: 0, recordNr } },
});
const rootsOf = (peer: ScriptedPeer) =>
  peer.messages('notification').map((message) => (message as RootUpdate).data?.address?.recordNr);

/** A process as AceBase's code has it: what it hears of and does not believe yet, it takes over and says again. */
class StockProcess {
  readonly peer: ScriptedPeer;
  root: number | string;

  constructor(peer: ScriptedPeer, rootInFile: number) {
    this.peer = peer;
    this.root = rootInFile;
    const answers = peer.onMessage;
    peer.onMessage = (text) => {
      answers(text);
      const message = (text.startsWith('{') ? JSON.parse(text) : {}) as RootUpdate;
      if (message.data?.type === 'root.update') this.moveRoot(message.data.address?.recordNr ?? 0);
    };
  }

  /** AceBase's `rootRecord.update`. */
  moveRoot(recordNr: number | string): void {
    if (recordNr === this.root) return;
    this.root = recordNr;
    this.peer.tells(root(recordNr));
  }
}

function cluster(rootInFile = 0) {
  const lab = new BrokerLab();
  const master = new StockProcess(lab.connectMaster(), rootInFile);
  const worker = (id: string) => new StockProcess(lab.connectWorker(id), rootInFile);
  /** Grants each of them a read lock, one after the other. */
  const grant = (...workers: StockProcess[]) => {
    for (const { peer } of workers) lab.askForLock(peer);
  };
  return { lab, master, a: worker('peerA'), b: worker('peerB'), grant };
}

describe('a worker that was away when the root was forgotten', () => {
  const scene = () => {
    const lab = new BrokerLab({ reconnectGrace: 60_000 });
    const master = lab.connectMaster();
    const [a, b] = [lab.connectWorker('peerA'), lab.connectWorker('peerB')];
    b.tells(root(5));
    master.tells({ type: 'bye' });
    for (const peer of [a, b, master]) peer.leaves();
    const next = lab.connectMaster();
    const back = lab.connect('peerA');
    return { lab, next, back };
  };

  it('is told it when it goes on; and the master, who may have opened the file with another one, writes it', () => {
    const { lab, next, back } = scene();
    expect(rootsOf(next)).toEqual(['5', 5]);
    lab.askForLock(back);
    expect(rootsOf(back)).toEqual([5]);
  });

  it('is told the newer one, if somebody has moved it since', () => {
    const { lab, next, back } = scene();
    next.tells(root(6));
    lab.askForLock(back);
    expect(rootsOf(back)).toEqual([6]);
  });
});

describe('what was forgotten, and may not be as the file has it, [PROTOCOL-8.4]', () => {
  const GRACE_MS = 10_000;
  /** All lose their lines; the one that may have moved the root is gone before the other one, who knows where it was. */
  const scene = () => {
    const lab = new BrokerLab({ reconnectGrace: GRACE_MS });
    const master = lab.connectMaster();
    const [writer, other] = [lab.connectWorker('writer'), lab.connectWorker('other')];
    other.tells(root(5));
    lab.askForLock(writer, { write: true });
    writer.leaves();
    lab.clock.advance(GRACE_MS / 2);
    master.tells({ type: 'bye' });
    for (const peer of [other, master]) peer.leaves();
    lab.clock.advance(GRACE_MS / 2 - 1);
    const newcomer = lab.connect('newcomer');
    lab.askForLock(newcomer, { write: true });
    return { lab, newcomer };
  };
  /** What it was told of roots; to forget what it has cached it was told, too. */
  const movesOf = (peer: ScriptedPeer) => rootsOf(peer).filter((it) => it !== undefined);
  const grantsOf = (peer: ScriptedPeer) =>
    peer.messages('lock-result').filter(({ ok }) => ok === true).length;

  it('is true of the root if somebody comes back who was there', () => {
    const { lab, newcomer } = scene();
    lab.connect('other');
    const master = lab.connectMaster();
    expect(grantsOf(newcomer)).toBe(1);
    expect([movesOf(master), movesOf(newcomer)]).toEqual([['5', 5, 5], [5]]);
  });

  it('keeps all others from the file until somebody is back', () => {
    const { lab, newcomer } = scene();
    const master = lab.connect('[master]');
    lab.letGrant(master);
    lab.clock.advance(GRACE_MS / 2 - 1);
    expect(grantsOf(newcomer)).toBe(0);
    expect(lab.overview.locks('mydb_data').waiting[0]?.reason).toBe('the file is in doubt');
    lab.connect('other');
    expect([grantsOf(newcomer), movesOf(newcomer)]).toEqual([1, [5]]);
    expect(movesOf(master)).toEqual(['5', 5]);
  });

  it('keeps all others from the file until the master has the keys', () => {
    const lab = new BrokerLab({ reconnectGrace: GRACE_MS });
    const first = lab.connectMaster();
    const other = lab.connectWorker('other');
    const news = { type: 'notification', data: { type: 'kit.new_key', key: 'name', index: 0 } };
    first.tells(news);
    first.tells({ type: 'bye' });
    for (const peer of [first, other]) peer.leaves();
    const newcomer = lab.connect('newcomer');
    lab.askForLock(newcomer, { write: true });
    const master = lab.connect('[master]');
    lab.letGrant(master);
    lab.clock.advance(GRACE_MS - 1);
    const asked = master.messages('request')[0] as { id: string; data: object };
    expect([asked.data, grantsOf(newcomer)]).toEqual([{ type: 'kit.add', key: 'name' }, 0]);
    master.tells({ type: 'result', id: asked.id, ok: true, data: { ok: true, index: 0 } }, '[server]');
    expect(grantsOf(newcomer)).toBe(1);
    expect(newcomer.messages('notification')).toContainEqual({ ...news, from: '[master]' });
  });

  it('is not written by a master that comes back: what it has moved itself, it tells then', () => {
    const lab = new BrokerLab({ reconnectGrace: GRACE_MS });
    const since = lab.clock.wallTime();
    const master = lab.connectClient('[master]', 'session-of-master');
    lab.letGrant(master);
    master.says('ready');
    const other = lab.connectWorker('other');
    other.tells(root(5));
    for (const peer of [other, master]) peer.leaves();
    const words = /^(welcome|stable|yield)/;
    const received = master.received.filter((text) => !words.test(text)).length;
    const back = lab.connectClient('[master]', 'session-of-master', received, since);
    expect(back.received[0]).toContain('"resumed":true');
    expect(movesOf(back)).toEqual([]);
    back.tells(root(6));
    const again = lab.connect('other');
    lab.askForLock(again);
    expect(movesOf(again)).toEqual([6]);
  });

  it('means nothing any more when nobody comes back', () => {
    const { lab, newcomer } = scene();
    const master = lab.connectMaster();
    expect([grantsOf(newcomer), movesOf(newcomer), movesOf(master)]).toEqual([1, [], []]);
  });
});

describe('a writer that is gone [PROTOCOL-7.6]', () => {
  const gone = (moves: boolean, write: boolean) => {
    const { lab, master, a, b } = cluster();
    if (moves) b.moveRoot(5);
    lab.askForLock(a.peer, { write });
    for (const { peer } of [master, b]) peer.clear();
    a.peer.leaves();
    return { lab, master, b };
  };

  it('has the master write the root again in which the others believe, by a number in quotes', () => {
    const { lab, master, b } = gone(true, true);
    // First of all it is told to forget what it has cached.
    expect(rootsOf(master.peer)).toEqual([undefined, '5', 5]);
    expect(rootsOf(b.peer)).toEqual([undefined]);
    // Two echoes more stop at the server, and the next root is news.
    expect(lab.count('root-echo')).toBe(4);
    b.moveRoot(6);
    expect(rootsOf(master.peer)).toEqual([undefined, '5', 5, 6]);
  });

  it('has the newer root written of a writer that was only away, by a master that would take it over', () => {
    const lab = new BrokerLab({ reconnectGrace: 10_000 });
    const first = lab.connectMaster();
    const worker = (id: string) => new StockProcess(lab.connectWorker(id), 0);
    const [a, b] = [worker('peerA'), worker('peerB')];
    a.moveRoot(5);
    first.tells({ type: 'bye' });
    // It opens the file with a root that only its writer knows, and is told to write the one that the server knows.
    const second = lab.connectClient('[master]', 'session-of-master');
    second.says('ready');
    expect(rootsOf(second)).toEqual(['5', 5]);
    second.clear();
    b.moveRoot(6);
    expect(rootsOf(second)).toEqual([6, '6', 6]);
    lab.letGrant(second);
    lab.askForLock(b.peer);
    b.moveRoot(7);
    expect(rootsOf(second)).toEqual([6, '6', 6, 7]);
  });

  describe('and a new master, which says where it found the root [PROTOCOL-14.5]', () => {
    /** The last master has gone, and moved the root to 7 while it reached nobody: the others believe in 5. */
    const opened = (prepare: (lab: BrokerLab, worker: StockProcess) => void = () => undefined) => {
      const lab = new BrokerLab({ reconnectGrace: 10_000 });
      const first = lab.connectMaster();
      const worker = new StockProcess(lab.connectWorker('peerA'), 0);
      worker.moveRoot(5);
      prepare(lab, worker);
      first.tells({ type: 'bye' });
      const second = lab.connectClient('[master]', 'session-of-master');
      lab.letGrant(second);
      second.says('ready:{"pageNr":0,"recordNr":7}');
      return { lab, second, worker };
    };

    it('are told of that one: what the others believe may be given to something else by now', () => {
      const { lab, second, worker } = opened();
      lab.askForLock(worker.peer);
      expect(rootsOf(worker.peer)).toEqual([undefined, 7]);
      expect(rootsOf(second).at(-1)).toBe(7);
      expect(rootsOf(second)).not.toContain(5);
    });

    it('is not heard if a worker has a lock for writing: it may have moved the root since', () => {
      const { second } = opened((lab, { peer }) => lab.askForLock(peer, { write: true }));
      expect(rootsOf(second)).toEqual(['5', 5]);
    });

    it('is not heard if a worker that only read has got one since', () => {
      const lab = new BrokerLab({ reconnectGrace: 10_000 });
      const first = lab.connectMaster();
      const worker = lab.connectWorker('peerA');
      worker.tells(root(5));
      lab.askForLock(worker, { tid: 'T' });
      first.tells({ type: 'bye' });
      const second = lab.connectClient('[master]', 'session-of-master');
      lab.letGrant(second);
      lab.askForLock(worker, { tid: 'T', write: true });
      expect(worker.messages('lock-result').at(-1)).toMatchObject({ ok: true, data: { write: true } });
      second.says('ready:{"pageNr":0,"recordNr":7}');
      expect(rootsOf(second)).toEqual(['5', 5]);
    });

    it('is not heard if a writer is gone, and what it said of the root may not be in the file', () => {
      const lab = new BrokerLab({ reconnectGrace: 10_000 });
      const first = lab.connectMaster();
      const [writer, other] = [lab.connectWorker('writer'), lab.connectWorker('other')];
      lab.askForLock(writer, { write: true });
      writer.tells(root(5));
      // The server has the lock of a master that cannot be made to write it.
      first.leaves();
      writer.tells({ type: 'bye' });
      lab.askForLock(other);
      expect(lab.overview.locks('mydb_data').waiting).toMatchObject([{ reason: 'the file is in doubt' }]);
      lab.clock.advance(10_000);
      const second = lab.connectClient('[master]', 'session-of-master');
      lab.letGrant(second);
      second.isReading = false;
      second.says('ready:{"pageNr":0,"recordNr":7}');
      expect(rootsOf(other)).not.toContain(5);
      second.read();
      expect(rootsOf(second)).toEqual(['5', 5]);
      expect(rootsOf(other)).toContain(5);
    });

    it('is not written again by one that was the master before a restart of the server: it may just have moved it itself', () => {
      const lab = new BrokerLab();
      const master = lab.connectClient('[master]', 'session-of-master', 3, 1);
      lab.letGrant(master);
      master.tells(root(5));
      master.says('ready');
      expect(rootsOf(master)).toEqual([]);
    });

    it('goes behind what a worker says that has brought a lock from before a restart of the server', () => {
      const lab = new BrokerLab({ reconnectGrace: 10_000 });
      const master = lab.connectClient('[master]', 'session-of-master');
      lab.letGrant(master);
      master.says('ready:{"pageNr":0,"recordNr":7}');
      const worker = lab.connectClient('peerA', 'session-of-peer-a', 3, 1);
      const held = [{ id: 1, tid: 'T', path: '', write: true, comment: '' }];
      worker.says(`locks:${JSON.stringify({ held, peers: [], root: { pageNr: 0, recordNr: 5 } })}`);
      expect(rootsOf(master)).toEqual(['5', 5]);
      // It would read the file with its next lock, in which the other one may be yet.
      lab.askForLock(worker, { tid: 'T', write: true });
      expect(rootsOf(worker)).toEqual([5]);
    });

    it('is not turned back by who brings a lock from before a restart when the master has moved it already', () => {
      const lab = new BrokerLab({ reconnectGrace: 10_000 });
      const master = lab.connectClient('[master]', 'session-of-master');
      lab.letGrant(master);
      master.says('ready:{"pageNr":0,"recordNr":7}');
      master.tells(root(8));
      const worker = lab.connectClient('peerA', 'session-of-peer-a', 3, 1);
      const held = [{ id: 1, tid: 'T', path: '', write: true, comment: '' }];
      worker.says(`locks:${JSON.stringify({ held, peers: [], root: { pageNr: 0, recordNr: 5 } })}`);
      expect(rootsOf(master)).toEqual([]);
      lab.askForLock(worker, { tid: 'T', write: true });
      expect(rootsOf(worker)).toEqual([8]);
    });

    it('is told to workers by a server that knew of no root: they may have opened the file before; and the master need not write it', () => {
      const lab = new BrokerLab();
      const master = lab.connectClient('[master]', 'session-of-master');
      lab.letGrant(master);
      master.says('ready:{"pageNr":0,"recordNr":7}');
      const worker = lab.connectWorker('peerA');
      lab.askForLock(worker);
      expect([rootsOf(master), rootsOf(worker)]).toEqual([[], [7]]);
    });
  });

  it('has nothing written if no root is known, or if it only read', () => {
    expect(rootsOf(gone(false, true).master.peer)).toEqual([undefined]);
    expect(rootsOf(gone(true, false).master.peer)).toEqual([]);
  });
});

describe('the root of a database', () => {
  it('is passed on to the master when it moves, and its echo stops', () => {
    const { lab, master, a, b } = cluster();
    a.moveRoot(5);
    expect([a, b, master].map(({ peer }) => rootsOf(peer))).toEqual([[], [], [5]]);
    expect(lab.count('root-echo')).toBe(1);
  });

  it('is told to a worker right before its next granted lock, the newest only, and only once', () => {
    const { lab, a, b, grant } = cluster();
    a.moveRoot(5);
    a.moveRoot(6);
    b.peer.clear();
    grant(b);
    expect(rootsOf(b.peer)).toEqual([6]);
    expect(b.peer.received.at(-1)).toContain('"lock-result"');
    expect(lab.count('root-echo')).toBe(3);
    grant(b, a);
    expect([rootsOf(a.peer), rootsOf(b.peer)]).toEqual([[], [6]]);
  });

  it('is not told with a lock that is refused', () => {
    const { a, b } = cluster();
    a.moveRoot(5);
    b.peer.tells({ type: 'move-lock-request', id: 'no', data: { id: 99 } }, '[master]');
    expect(b.peer.messages('lock-result').at(-1)).toMatchObject({ ok: false });
    expect(rootsOf(b.peer)).toEqual([]);
  });

  it('does not go back by a late echo of an older address', () => {
    const { lab, master, a, b, grant } = cluster();
    b.peer.isReading = false;
    for (const address of [1, 2, 1]) {
      a.moveRoot(address);
      grant(b);
    }
    b.peer.read();
    expect([a, b, master].map((process) => process.root)).toEqual([1, 1, 1]);
    expect([a, b, master].map(({ peer }) => rootsOf(peer))).toEqual([[], [1, 2, 1], [1, 2, 1]]);
    expect(lab.count('root-echo')).toBe(6);
  });

  it('may return to an address that it had before, by whomever', () => {
    const { master, a, b, grant } = cluster();
    for (const [worker, address] of [
      [a, 1],
      [b, 2],
      [a, 1],
      [b, 2],
    ] as const) {
      grant(worker);
      worker.moveRoot(address);
    }
    grant(a, b);
    expect([a, b, master].map((process) => process.root)).toEqual([2, 2, 2]);
    expect(rootsOf(master.peer)).toEqual([1, 2, 1, 2]);
    expect([rootsOf(a.peer), rootsOf(b.peer)]).toEqual([
      [2, 2],
      [1, 1],
    ]);
  });

  it('is news from one that read the same address from the file, and so never echoed it', () => {
    const { lab, a, b, grant } = cluster();
    b.root = 1;
    a.moveRoot(1);
    grant(b);
    expect(lab.count('root-echo')).toBe(1);
    b.moveRoot(2);
    b.moveRoot(1);
    grant(a);
    expect(rootsOf(a.peer)).toEqual([]);
    expect(a.root).toBe(1);
  });

  it('tells an unread update apart from news of the same peer, as after a lock that ran out', () => {
    const { a, b, grant } = cluster();
    b.peer.isReading = false;
    a.moveRoot(1);
    grant(b);
    b.moveRoot(2);
    b.peer.read();
    grant(a);
    expect(rootsOf(a.peer)).toEqual([2]);
  });

  it('tells a skipped echo by the one behind it', () => {
    const { lab, a, b, grant } = cluster();
    b.peer.isReading = false;
    b.root = 1;
    for (const address of [1, 2]) {
      a.moveRoot(address);
      grant(b);
    }
    b.peer.read();
    expect(lab.count('root-echo')).toBe(3);
    b.moveRoot(1);
    grant(a);
    expect(rootsOf(a.peer)).toEqual([1]);
  });

  it('is not told to a worker before its first lock, and then only where it is', () => {
    const { master, lab, a } = cluster();
    const late = new StockProcess(lab.connect('late1'), 2);
    a.moveRoot(2);
    a.moveRoot(3);
    expect(rootsOf(late.peer)).toEqual([]);
    lab.askForLock(late.peer);
    expect(rootsOf(late.peer)).toEqual([3]);
    expect([rootsOf(a.peer), rootsOf(master.peer)]).toEqual([[], [2, 3]]);
  });

  it('is told to a new master when it has settled', () => {
    const { lab, master, a } = cluster();
    a.moveRoot(1);
    master.peer.leaves();
    a.moveRoot(2);
    const next = new StockProcess(lab.connect('[master]'), 1);
    a.moveRoot(3);
    expect(rootsOf(next.peer)).toEqual([]);
    lab.clock.advance(1_000);
    expect(rootsOf(next.peer)).toEqual([3]);
    expect([a.root, next.root]).toEqual([3, 3]);
    // It only heard that the first one has gone, and is to forget what it had cached.
    expect(rootsOf(a.peer)).toEqual([undefined]);
  });

  it('ends the connection of a peer that left ten thousand updates unread', () => {
    const { lab, master, a } = cluster();
    master.peer.isReading = false;
    Object.defineProperty(master.peer, 'bufferedBytes', { value: 0 });
    for (let n = 1; n <= 10_001; n++) a.moveRoot(n);
    expect(master.peer.closedWith).toBe('IPC_CLOSED_TOO_SLOW');
    expect(lab.count('too-slow')).toBe(1);
  });

  it.each([
    { type: 'root.update' },
    { type: 'root.update', address: null },
    { type: 'root.update', address: { pageNr: -1, recordNr: 0 } },
    { type: 'root.update', address: { pageNr: '0', recordNr: 0 } },
    { type: 'root.update', address: { pageNr: 1.5, recordNr: 0 } },
    { type: 'kit.new_key', key: 'x' },
    { type: 17 },
    [],
    'text',
  ])('routes a notification that it does not understand: %j', (data) => {
    const lab = new BrokerLab();
    const [a, b] = [lab.connect('peerA'), lab.connect('peerB')];
    a.tells({ type: 'notification', data });
    expect(b.messages('notification')).toHaveLength(1);
  });
});
