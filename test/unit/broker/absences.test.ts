import { describe, expect, it } from 'vitest';
import { BrokerLab } from '../../support/broker-lab.js';

const event = (n: number) => ({ type: 'event', n });
const cluster = (limits = {}) => {
  const lab = new BrokerLab({ reconnectGrace: 10_000, ...limits });
  const master = lab.connectMaster();
  const [a, b] = [lab.connectWorker('peerA'), lab.connectWorker('peerB')];
  return { lab, master, a, b };
};

describe('a worker whose line broke [PROTOCOL-13]', () => {
  it('is not missed by others while it may come back, and gets its mail in order when it does', () => {
    const { lab, a, b } = cluster();
    b.leaves();
    a.clear();
    a.tells(event(1), 'peerB');
    a.tells(event(2));
    expect(a.received).toEqual([]);
    expect(lab.broker.peers('mydb_data').map(({ id }) => id)).toEqual(['[master]', 'peerA']);
    const again = lab.connect('peerB');
    expect(again.received[0]).toMatch(/^welcome:/);
    expect(again.messages('event').map(({ n }) => n)).toEqual([1, 2]);
    expect(again.messages('hello').map(({ from }) => from)).toEqual(['[master]', 'peerA']);
    expect(a.messages('hello').map(({ from }) => from)).toEqual(['peerB']);
    expect(lab.events.slice(-2)).toEqual(['-peerB: the line broke', '+peerB']);
  });

  it('is not among the peers, but a master is: its seat is not free yet', () => {
    const { lab, master, b } = cluster();
    b.leaves();
    master.leaves();
    const ids = () => lab.broker.peers('mydb_data').map(({ id }) => id);
    expect(ids()).toEqual(['[master]', 'peerA']);
    lab.clock.advance(10_000);
    expect(ids()).toEqual(['peerA']);
  });

  it('gets again what it may not have read, and not what it answered a ping for', () => {
    const { lab, a, b } = cluster();
    a.tells(event(1), 'peerB');
    b.isReading = false;
    a.tells(event(2), 'peerB');
    b.leaves();
    expect(
      lab
        .connect('peerB')
        .messages('event')
        .map(({ n }) => n),
    ).toEqual([2]);
  });

  it('is refused if it held a lock, and its locks go back when its time is over', () => {
    const { lab, a, b } = cluster();
    lab.askForLock(b, { write: true });
    b.leaves();
    expect(lab.connect('peerB').refusedWith).toBe('IPC_REFUSED_UNSAFE_RETURN');
    expect(lab.connect('peerB').refusedWith).toBe('IPC_REFUSED_UNSAFE_RETURN');
    a.clear();
    lab.askForLock(a, { requestId: 'next', write: true });
    lab.clock.advance(9_999);
    expect(a.received).toEqual([]);
    lab.clock.advance(1);
    // It must not read what it has of the write that was cut short, so it is told before its lock is granted.
    expect(a.received[0]).toBe('disconnect:peerB');
    expect(JSON.parse(a.received[1] ?? '')).toMatchObject({
      from: 'peerB',
      data: { type: 'cache.invalidate', path: '', recursive: true },
    });
    expect(JSON.parse(a.received[2] ?? '')).toMatchObject({ type: 'lock-result', id: 'next', ok: true });
    expect(lab.connect('peerB').refusedWith).toBe('IPC_REFUSED_PEER_GONE');
    expect(lab.warnings()).toContain('a worker disconnected while holding locks; they were released');
  });

  it('is refused if an answer to it is in doubt', () => {
    const { lab, master, b } = cluster();
    b.tells({ type: 'request', id: 'q', data: { type: 'fst.allocate' } }, '[master]');
    b.isReading = false;
    master.tells({ type: 'result', id: 'q', ok: true, data: {} }, 'peerB');
    b.leaves();
    expect(lab.connect('peerB').refusedWith).toBe('IPC_REFUSED_UNSAFE_RETURN');
  });

  it('gets the answers that came while it was away', () => {
    const { lab, master, b } = cluster();
    b.tells({ type: 'request', id: 'q', data: { type: 'kit.add' } }, '[master]');
    b.leaves();
    master.tells({ type: 'result', id: 'q', ok: true, data: { index: 3 } }, 'peerB');
    expect(lab.connect('peerB').messages('result')).toMatchObject([{ id: 'q' }]);
  });

  it('keeps nobody waiting for a lock that it asked for: its turn comes when it is back', () => {
    const { lab, a, b } = cluster();
    const third = lab.connectWorker('peerC');
    lab.askForLock(a, { write: true });
    lab.askForLock(b, { requestId: 'w', write: true });
    lab.askForLock(third, { requestId: 'behind', write: true });
    b.leaves();
    third.clear();
    lab.giveBack(a, lab.lockOf(a));
    expect(third.messages('lock-result')).toMatchObject([{ id: 'behind', ok: true }]);
    const again = lab.connect('peerB');
    expect(again.messages('lock-result')).toEqual([]);
    lab.giveBack(third, lab.lockOf(third));
    expect(again.messages('lock-result')).toMatchObject([{ id: 'w', ok: true }]);
    // Nobody is in its way: it does not wait for anything further.
    lab.giveBack(again, lab.lockOf(again));
    lab.askForLock(a, { write: true });
    lab.askForLock(again, { requestId: 'x', write: true });
    again.leaves();
    lab.giveBack(a, lab.lockOf(a));
    expect(lab.overview.locks('mydb_data').held).toEqual([]);
    expect(lab.connect('peerB').messages('lock-result')).toMatchObject([{ id: 'x', ok: true }]);
  });

  it('is gone at once when it said goodbye itself', () => {
    const { lab, a, b } = cluster();
    a.clear();
    b.tells({ type: 'bye' });
    expect(a.received).toContain('disconnect:peerB');
    expect(lab.connect('peerB').refusedWith).toBe('IPC_REFUSED_PEER_GONE');
  });

  it('must not come back when there was no room for its mail, and is gone when its time is over', () => {
    const { lab, a, b } = cluster({ maxMailPerPeer: 1_000 });
    b.leaves();
    a.clear();
    for (let n = 0; n < 40; n++) a.tells(event(n), 'peerB');
    expect(a.received).toEqual([]);
    expect(lab.connect('peerB').refusedWith).toBe('IPC_REFUSED_UNSAFE_RETURN');
    expect(lab.count('mail-dropped')).toBe(1);
    lab.clock.advance(10_000);
    expect(a.received).toEqual(['disconnect:peerB']);
    expect(lab.connect('peerB').refusedWith).toBe('IPC_REFUSED_PEER_GONE');
  });

  it('whose line was ended because it did not read may be writing yet: its locks are not given to others at once', () => {
    const { lab, a, b } = cluster({ maxBuffered: 1_000, maxMailPerPeer: 1_000 });
    lab.askForLock(b, { write: true });
    b.isReading = false;
    for (let n = 0; n < 40; n++) a.tells(event(n), 'peerB');
    expect(b.closedWith).toBe('IPC_CLOSED_TOO_SLOW');
    expect(lab.connect('peerB').refusedWith).toBe('IPC_REFUSED_UNSAFE_RETURN');
    a.clear();
    lab.askForLock(a, { write: true });
    lab.clock.advance(9_999);
    expect(a.messages('lock-result')).toEqual([]);
    lab.clock.advance(1);
    expect(a.messages('lock-result')).toMatchObject([{ ok: true }]);
  });

  it('whose process has ended is not waited for: its locks go back at once', () => {
    const { lab, a } = cluster();
    let hasEnded = false;
    const worker = lab.connect('peerC', 'mydb_data', {
      process: { pid: 1, isSought: false, age: undefined, databaseFiles: [], hasEnded: () => hasEnded },
    });
    lab.askForLock(worker, { write: true });
    worker.leaves();
    a.clear();
    lab.askForLock(a, { write: true });
    lab.clock.advance(1_000);
    expect(a.messages('lock-result')).toEqual([]);
    hasEnded = true;
    lab.clock.advance(100);
    expect(a.messages('lock-result')).toMatchObject([{ ok: true }]);
    expect(a.received[0]).toBe('disconnect:peerC');
    expect(lab.connect('peerC').refusedWith).toBe('IPC_REFUSED_PEER_GONE');
    lab.clock.advance(10_000);
    expect(a.received.filter((text) => text === 'disconnect:peerC')).toHaveLength(1);
  });

  it('is not looked at any more when it is back; what counts then is the process that came', () => {
    const { lab } = cluster();
    const ended = { pid: 1, isSought: false, age: undefined, databaseFiles: [], hasEnded: () => true };
    const worker = lab.connect('peerC', 'mydb_data', { process: ended });
    worker.leaves();
    lab
      .connect('peerC', 'mydb_data', {
        process: { pid: 2, isSought: false, age: undefined, databaseFiles: [], hasEnded: () => false },
      })
      .leaves();
    lab.clock.advance(9_999);
    expect(lab.events).not.toContain('-peerC: its process has ended');
    expect(lab.connect('peerC').refusedWith).toBeUndefined();
  });

  it('that connects again before its old line ended is the same peer; the old line is not heard', () => {
    const { lab, a, b } = cluster();
    const again = lab.connect('peerB');
    expect(b.closedWith).toBe('IPC_CLOSED_REPLACED');
    a.clear();
    b.tells(event(1), 'peerA');
    b.leaves();
    again.tells(event(2), 'peerA');
    expect(a.messages('event').map(({ n }) => n)).toEqual([2]);
    expect(lab.broker.hasPeer('mydb_data', 'peerB')).toBe(true);
  });

  it('gives back the memory of its mail, whether it returns or not', () => {
    const { lab, a } = cluster({ maxTotalBuffered: 4_000 });
    for (let n = 0; n < 20; n++) {
      const worker = lab.connect(`worker${n}`);
      worker.leaves();
      a.tells({ ...event(n), pad: 'x'.repeat(900) }, `worker${n}`);
      if (n % 2 === 0) lab.connect(`worker${n}`).tells({ type: 'bye' });
      else lab.clock.advance(10_000);
    }
    expect(lab.count('mail-dropped')).toBe(0);
  });

  it('leaves nothing behind when everybody is gone', () => {
    const { lab, master, a, b } = cluster();
    for (const peer of [a, b, master]) peer.leaves();
    expect(lab.broker.databases).toEqual(['mydb_data']);
    lab.clock.advance(10_000);
    expect(lab.broker.databases).toEqual([]);
    expect(lab.clock.pending).toBe(0);
  });

  it('hears no key of before when nobody was connected meanwhile: the file may be another', () => {
    const { lab, master, a, b } = cluster();
    master.tells({ type: 'notification', data: { type: 'kit.new_key', index: 0, key: 'old' } });
    for (const peer of [a, b, master]) peer.leaves();
    const next = lab.connectMaster();
    expect(next.messages('notification')).toEqual([]);
  });
});
