import { describe, expect, it } from 'vitest';
import { BrokerLab, type ScriptedPeer } from '../../support/broker-lab.js';

interface RootUpdate {
  readonly type?: string;
  readonly data?: { readonly type?: string; readonly address: { readonly recordNr: number } };
}

const root = (recordNr: number) => ({
  type: 'notification',
  data: { type: 'root.update', address: { path: '', pageNr: 0, recordNr } },
});
const rootsOf = (peer: ScriptedPeer) =>
  peer.messages('notification').map((message) => (message as RootUpdate).data?.address.recordNr);

/** A process as AceBase's code has it: what it hears of and does not believe yet, it takes over and says again. */
class StockProcess {
  readonly peer: ScriptedPeer;
  root: number;

  constructor(peer: ScriptedPeer, rootInFile: number) {
    this.peer = peer;
    this.root = rootInFile;
    peer.onMessage = (text) => {
      const message = (text.startsWith('{') ? JSON.parse(text) : {}) as RootUpdate;
      if (message.data?.type === 'root.update') this.moveRoot(message.data.address.recordNr);
    };
  }

  /** AceBase's `rootRecord.update`. */
  moveRoot(recordNr: number): void {
    if (recordNr === this.root) return;
    this.root = recordNr;
    this.peer.tells(root(recordNr));
  }
}

function cluster(rootInFile = 0) {
  const lab = new BrokerLab();
  const master = new StockProcess(lab.connectMaster(), rootInFile);
  const worker = (id: string) => new StockProcess(lab.connectWorker(id, master.peer), rootInFile);
  return { lab, master, a: worker('peerA'), b: worker('peerB') };
}

describe('the root of a database', () => {
  it('is passed on when it moves, and its echoes stop', () => {
    const { lab, master, a, b } = cluster();
    a.moveRoot(5);
    expect([a, b, master].map(({ peer }) => rootsOf(peer))).toEqual([[], [5], [5]]);
    expect(lab.count('root-echo')).toBe(2);
  });

  it('does not go back by a late echo of an older address', () => {
    const { lab, master, a, b } = cluster();
    b.peer.isReading = false;
    a.moveRoot(1);
    a.moveRoot(2);
    a.moveRoot(1);
    b.peer.read();
    expect([a, b, master].map((process) => process.root)).toEqual([1, 1, 1]);
    expect([a, b, master].map(({ peer }) => rootsOf(peer))).toEqual([[], [1, 2, 1], [1, 2, 1]]);
    expect(lab.count('root-echo')).toBe(6);
  });

  it('may return to an address that it had before, by whomever', () => {
    const { master, a, b } = cluster();
    a.moveRoot(1);
    b.moveRoot(2);
    a.moveRoot(1);
    b.moveRoot(2);
    expect([a, b, master].map((process) => process.root)).toEqual([2, 2, 2]);
    expect([a, b, master].map(({ peer }) => rootsOf(peer))).toEqual([
      [2, 2],
      [1, 1],
      [1, 2, 1, 2],
    ]);
  });

  it('is news from one that read the same address from the file, and so never echoed it', () => {
    const { lab, a, b } = cluster();
    b.root = 1;
    a.moveRoot(1);
    expect(lab.count('root-echo')).toBe(1);
    b.moveRoot(2);
    b.moveRoot(1);
    expect(rootsOf(a.peer)).toEqual([2, 1]);
  });

  it('tells an unread update apart from news of the same peer, as after a lock that ran out', () => {
    const { a, b } = cluster();
    b.peer.isReading = false;
    a.moveRoot(1);
    b.moveRoot(2);
    b.peer.read();
    expect(rootsOf(a.peer)).toEqual([2]);
  });

  it('tells a skipped echo by the one behind it', () => {
    const { lab, a, b } = cluster();
    b.peer.isReading = false;
    b.root = 1;
    a.moveRoot(1);
    a.moveRoot(2);
    b.peer.read();
    expect(lab.count('root-echo')).toBe(3);
    b.moveRoot(1);
    expect(rootsOf(a.peer)).toEqual([1]);
  });

  it('is not told to a worker before its first lock, and then only where it is', () => {
    const { lab, master, a } = cluster();
    const late = new StockProcess(lab.connect('late1'), 2);
    a.moveRoot(2);
    a.moveRoot(3);
    expect(rootsOf(late.peer)).toEqual([]);
    master.peer.tells({ type: 'lock-result', id: 'r', ok: true, data: { id: 1 } }, 'late1');
    expect(rootsOf(late.peer)).toEqual([3]);
    expect(lab.count('root-echo')).toBe(5);
    expect([rootsOf(a.peer), rootsOf(master.peer)]).toEqual([[], [2, 3]]);
  });

  it('is told to a new master when it has settled', () => {
    const { lab, master, a, b } = cluster();
    a.moveRoot(1);
    master.peer.leaves();
    a.moveRoot(2);
    const next = new StockProcess(lab.connect('[master]'), 1);
    a.moveRoot(3);
    expect(rootsOf(next.peer)).toEqual([]);
    lab.clock.advance(1_000);
    expect(rootsOf(next.peer)).toEqual([3]);
    expect([a.root, b.root, next.root]).toEqual([3, 3, 3]);
    expect(rootsOf(a.peer)).toEqual([]);
  });

  it('ends the connection of a peer that left ten thousand updates unread', () => {
    const { lab, a, b } = cluster();
    b.peer.isReading = false;
    Object.defineProperty(b.peer, 'bufferedBytes', { value: 0 });
    for (let n = 1; n <= 10_001; n++) a.moveRoot(n);
    expect(b.peer.closedWith).toBe('IPC_CLOSED_TOO_SLOW');
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
