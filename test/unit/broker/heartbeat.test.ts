import { describe, expect, it } from 'vitest';
import { BrokerLab, type ScriptedPeer } from '../../support/broker-lab.js';

const limits = { heartbeatInterval: 10_000, heartbeatTimeout: 30_000, reconnectGrace: 10_000 };

it('ends the connection of a peer that answers no ping [PROTOCOL-13.5]', () => {
  const lab = new BrokerLab(limits);
  const [silent, lively] = [lab.connect('silent1'), lab.connect('lively1')];
  silent.isReading = false;
  lab.clock.advance(30_000);
  expect(silent.closedWith).toBeUndefined();
  lab.clock.advance(20_000);
  expect(silent.closedWith).toBe('IPC_CLOSED_SILENT');
  expect(lively.closedWith).toBeUndefined();
  expect(lab.warnings()).toContain('a peer answers no ping; its connection is ended');
  expect(lively.received).toContain('disconnect:silent1');
});

it('lets a peer live that says something, though it reads nothing', () => {
  const lab = new BrokerLab(limits);
  const peer = lab.connect('talker1');
  peer.isReading = false;
  for (let n = 0; n < 10; n++) {
    peer.says('ping');
    lab.clock.advance(10_000);
  }
  expect(peer.closedWith).toBeUndefined();
});

it('ends a silent master, too', () => {
  const lab = new BrokerLab(limits);
  lab.connect('worker1');
  const master = lab.connectMaster();
  master.isReading = false;
  lab.clock.advance(50_000);
  expect(master.closedWith).toBe('IPC_CLOSED_SILENT');
  expect(lab.connect('[master]').isIn).toBe(true);
});

it.each([
  [
    'is silent',
    (lab: BrokerLab) => {
      lab.clock.advance(50_000);
    },
  ],
  [
    'does not read what the other one says as it goes',
    (lab: BrokerLab) => {
      const other = lab.connect('other1');
      other.tells({ type: 'event', data: 'x'.repeat(200_000) });
      other.leaves();
    },
  ],
])('a database is forgotten whose last peer %s, though its connection never ends', (_, happen) => {
  const lab = new BrokerLab({ ...limits, reconnectGrace: 0 });
  const last = lab.connect('last1');
  last.isReading = false;
  happen(lab);
  expect(last.closedWith).toBeDefined();
  expect(lab.broker.databases).toEqual([]);
  expect(lab.clock.pending).toBe(0);
});

describe('a client that has a lease, and is silent while others wait for it [PROTOCOL-13.5]', () => {
  const GRACE_MS = 11_000;
  const lost = 'others wait for a peer that answers no ping; it is given up';

  /** A master that says when it wants its turn, a holder of a lock for writing, and somebody else; the two are called as a client is. */
  const cluster = () => {
    const lab = new BrokerLab({ ...limits, reconnectGrace: GRACE_MS, lease: 8_000 });
    const master = lab.connectClient('[master]', 'session-of-master');
    lab.letGrant(master);
    master.says('ready');
    master.writesRoots = true;
    lab.clock.advance(5_000);
    const [holder, other] = ['holder', 'other'].map((id) => lab.connectClient(id, `session-of-the-${id}`));
    if (holder === undefined || other === undefined) throw new Error('nobody came');
    lab.askForLock(holder, { write: true });
    lab.lockOf(holder);
    return { lab, master, holder, other };
  };
  const isGranted = (peer: ScriptedPeer) => peer.messages('lock-result').length > 0;
  const silence = (peer: ScriptedPeer) => {
    peer.isReading = false;
  };

  it('lets them wait for reconnectGrace altogether, and no less, whenever it fell silent', () => {
    for (let offset = 0; offset < 600; offset += 100) {
      const { lab, holder, other } = cluster();
      lab.askForLock(other, { write: true });
      lab.clock.advance(offset);
      holder.says('ping');
      silence(holder);
      lab.clock.advance(GRACE_MS - 3);
      expect([holder.closedWith, isGranted(other)]).toEqual([undefined, false]);
      lab.clock.advance(1_000);
      expect([offset, holder.closedWith, isGranted(other)]).toEqual([offset, 'IPC_CLOSED_SILENT', true]);
      expect(lab.warnings()).toContain(lost);
    }
  });

  it.each([100, 4_900, 10_900])(
    'lets them wait no longer if its line breaks by itself after %d ms',
    (silent) => {
      const { lab, holder, other } = cluster();
      lab.askForLock(other, { write: true });
      silence(holder);
      lab.clock.advance(silent);
      holder.leaves();
      lab.clock.advance(GRACE_MS - silent - 1);
      expect(isGranted(other)).toBe(false);
      lab.clock.advance(1_001);
      expect(isGranted(other)).toBe(true);
    },
  );

  it('has all of its time from when its line broke, if that was just heard', () => {
    const { lab, holder, other } = cluster();
    lab.askForLock(other, { write: true });
    silence(holder);
    lab.clock.advance(4_900);
    holder.says('ping');
    holder.leaves();
    lab.clock.advance(GRACE_MS - 1);
    expect(isGranted(other)).toBe(false);
    lab.clock.advance(1);
    expect(isGranted(other)).toBe(true);
  });

  it('lets them wait no longer if others are silent, too, who are to be served before: a machine is cut off', () => {
    const { lab, holder, other } = cluster();
    const next = [1, 2, 3].map((n) => lab.connectClient(`next${n}`, `session-of-the-next-${n}`));
    for (const worker of [...next, other]) lab.askForLock(worker, { write: true });
    for (const worker of [holder, ...next]) silence(worker);
    lab.clock.advance(GRACE_MS + 1_000);
    expect(isGranted(other)).toBe(true);
  });

  it('keeps its line as long as it says something each time that its event loop turns', () => {
    const { lab, holder, other } = cluster();
    lab.askForLock(other, { write: true });
    for (let n = 0; n < 10; n++) {
      silence(holder);
      lab.clock.advance(GRACE_MS - 1_000);
      holder.isReading = true;
      holder.read();
    }
    expect([holder.closedWith, isGranted(other)]).toEqual([undefined, false]);
  });

  it('comes back in that time as it went, and keeps its lock', () => {
    const { lab, holder, other } = cluster();
    lab.askForLock(other, { write: true });
    silence(holder);
    lab.clock.advance(GRACE_MS - 500);
    const again = lab.connectClient('holder', 'session-of-the-holder', holder.received.length - 1);
    expect(again.received[0]).toContain('"resumed":true');
    lab.clock.advance(60_000);
    expect(isGranted(other)).toBe(false);
    lab.giveBack(again, lab.lockOf(holder));
    expect(isGranted(other)).toBe(true);
  });

  it('has all of that time left if it was silent for long before somebody waits', () => {
    const { lab, holder, other } = cluster();
    silence(holder);
    lab.clock.advance(12_000);
    expect(holder.closedWith).toBeUndefined();
    lab.askForLock(other, { write: true });
    lab.clock.advance(GRACE_MS);
    expect([holder.closedWith, isGranted(other)]).toEqual([undefined, false]);
    lab.clock.advance(1_000);
    expect(isGranted(other)).toBe(true);
  });

  it('keeps its line if a frame of it is under way', () => {
    const { lab, holder, other } = cluster();
    lab.askForLock(other, { write: true });
    silence(holder);
    for (let n = 0; n < 100; n++) {
      holder.bytesReceived += 1_000;
      lab.clock.advance(250);
    }
    expect(holder.closedWith).toBeUndefined();
  });

  it('keeps its line if it has given its lock back, or nobody waits', () => {
    const { lab, holder, other } = cluster();
    silence(other);
    lab.clock.advance(20_000);
    expect([holder.closedWith, other.closedWith]).toEqual([undefined, undefined]);
    lab.askForLock(other, { write: true });
    lab.giveBack(holder, lab.lockOf(holder));
    silence(holder);
    lab.clock.advance(10_000);
    expect(holder.closedWith).toBeUndefined();
  });

  it('keeps its line if nobody waits but itself', () => {
    const { lab, holder } = cluster();
    lab.askForLock(holder, { write: true });
    silence(holder);
    lab.clock.advance(20_000);
    expect(holder.closedWith).toBeUndefined();
  });

  it('as a worker whose lock the master waits for', () => {
    const { lab, master, holder } = cluster();
    silence(holder);
    master.says('turn:wanted');
    lab.clock.advance(GRACE_MS + 1_000);
    expect(holder.closedWith).toBe('IPC_CLOSED_SILENT');
  });

  it.each<[string, (lab: BrokerLab, worker: ScriptedPeer) => void]>([
    [
      'that is asked for something',
      (_, worker) => worker.tells({ type: 'request', id: 'q', data: { type: 'fst.allocate' } }, '[master]'),
    ],
    [
      'that is asked for the root lock',
      (lab, worker) => {
        lab.giveBack(worker, lab.lockOf(worker));
        lab.clock.advance(30_000 - 21_000);
        lab.askForLock(worker, { write: true });
      },
    ],
  ])('as a master %s', (_, ask) => {
    const { lab, master, holder } = cluster();
    silence(master);
    ask(lab, holder);
    lab.clock.advance(GRACE_MS);
    expect(master.closedWith).toBeUndefined();
    lab.clock.advance(1_000);
    expect(master.closedWith).toBe('IPC_CLOSED_SILENT');
  });

  it('as a master that is to write the root, since a writer is gone', () => {
    const { lab, master, holder, other } = cluster();
    const data = { type: 'root.update', address: { path: '', pageNr: 1, recordNr: 2 } };
    holder.tells({ type: 'notification', data });
    silence(master);
    holder.tells({ type: 'bye' });
    lab.askForLock(other, { write: true });
    lab.clock.advance(GRACE_MS + 1_000);
    expect([master.closedWith, isGranted(other)]).toEqual(['IPC_CLOSED_SILENT', false]);
  });

  it('as a master that is silent together with the one who holds a lock: a machine is cut off', () => {
    const { lab, master, holder, other } = cluster();
    lab.askForLock(other, { write: true });
    for (const peer of [holder, master]) silence(peer);
    lab.clock.advance(GRACE_MS + 1_000);
    expect(lab.connectClient('[master]', 'session-of-the-next').isIn).toBe(true);
  });

  it.each<[string, (lab: BrokerLab, worker: ScriptedPeer) => void]>([
    ['a lock', (lab, worker) => void lab.askForLock(worker, { write: true })],
    [
      'something else',
      (_, worker) => worker.tells({ type: 'request', id: 'q', data: { type: 'fst.allocate' } }, '[master]'),
    ],
  ])('as a master that opens its file, while somebody wants %s', (_, ask) => {
    const lab = new BrokerLab({ ...limits, reconnectGrace: GRACE_MS, lease: 8_000 });
    const master = lab.connectClient('[master]', 'session-of-master');
    const worker = lab.connectClient('worker', 'session-of-worker');
    silence(master);
    lab.clock.advance(6_000);
    expect(master.closedWith).toBeUndefined();
    ask(lab, worker);
    lab.clock.advance(GRACE_MS + 1_000);
    expect(master.closedWith).toBe('IPC_CLOSED_SILENT');
  });

  it('as a master, while another one wants its place', () => {
    const { lab, master, holder } = cluster();
    lab.giveBack(holder, lab.lockOf(holder));
    lab.clock.advance(5_000);
    silence(master);
    const began = lab.clock.now();
    let next = lab.connectClient('[master]', 'session-of-the-next');
    while (!next.isIn) {
      lab.clock.advance(500);
      if (next.refusedWith === undefined) continue;
      expect(next.refusedWith).toBe('IPC_REFUSED_MASTER_AWAY');
      // The longest that our client waits until it comes again.
      lab.clock.advance(2_500);
      next = lab.connectClient('[master]', 'session-of-the-next');
    }
    expect(lab.clock.now() - began).toBeLessThanOrEqual(GRACE_MS + 500 + 2_500);
  });

  it('is no stock client: that does not know when to stop', () => {
    const { lab, holder, other } = cluster();
    lab.giveBack(holder, lab.lockOf(holder));
    const stock = lab.connect('stock');
    lab.askForLock(stock, { write: true });
    lab.askForLock(other, { write: true });
    silence(stock);
    lab.clock.advance(25_000);
    expect([stock.closedWith, isGranted(other)]).toEqual([undefined, false]);
  });
});
