import { describe, expect, it } from 'vitest';
import { MASTER_ANSWER_MS, MASTER_TURN_MS, PROCESS_CHECK_MS } from '../../../src/broker/limits.js';
import type { ClientAnnouncement } from '../../../src/protocol/session.js';
import { BrokerLab, type ScriptedPeer, WITHOUT_JOURNAL, WITHOUT_MASTER } from '../../support/broker-lab.js';

const request = (id: string) => ({ type: 'request', id, data: { type: 'fst.allocate' } });
const lockRequest = (id: string) => ({
  type: 'lock-request',
  id,
  data: { path: 'x', tid: 't', write: true },
});

describe('a master that is absent', () => {
  it('gets its requests, in order, once it has come and settled', () => {
    const lab = new BrokerLab({ masterSettle: 1_000 });
    const [a, b] = [lab.connect('peerA'), lab.connect('peerB')];
    a.tells(lockRequest('lock'), '[master]');
    a.tells(request('1'), '[master]');
    b.tells({ type: 'request', id: '2', data: { type: 'kit.add', key: 'k' } }, '[master]');
    const master = lab.connect('[master]').clear();
    a.tells(request('3'), '[master]');
    lab.clock.advance(999);
    expect(master.received).toEqual([]);
    lab.clock.advance(1);
    const requests = master.received
      .map((text) => JSON.parse(text) as { id?: string; type: string; from: string })
      .filter(({ id }) => id);
    expect(requests.map(({ id, from }) => (from === '[server]' ? from : id))).toEqual([
      ...['1', '2', '3'],
      '[server]',
    ]);
    a.tells(request('4'), '[master]');
    expect(master.messages('request').map(({ id }) => id)).toEqual(['1', '2', '3', '4']);
  });

  it('gets nothing of a worker that is gone', () => {
    const lab = new BrokerLab();
    const [a, b] = [lab.connect('peerA'), lab.connect('peerB')];
    a.tells(request('1'), '[master]');
    a.tells(lockRequest('lock'), '[master]');
    b.tells(request('2'), '[master]');
    a.leaves();
    const master = lab.connectMaster();
    expect(master.messages('request').map(({ id }) => id)).toEqual(['2']);
    expect(master.messages('lock-request')).toEqual([]);
    expect(lab.count('orphaned-request')).toBe(2);
  });

  it('gets nothing that a worker asks after its goodbye, and nothing of it is kept for ever', () => {
    const lab = new BrokerLab({ maxTotalBuffered: 4_000 });
    lab.connect('stays');
    for (let n = 0; n < 10; n++) {
      const worker = lab.connect(`leaves${n}`);
      worker.tells({ type: 'bye' });
      const pad = 'x'.repeat(900);
      worker.tells({ ...request('late'), pad }, '[master]');
      worker.tells({ type: 'lock-request', id: 'lock', data: { tid: 't', comment: pad } }, '[master]');
      worker.leaves();
    }
    expect(lab.count('orphaned-request')).toBe(20);
    expect([lab.count('mailbox-full'), lab.count('too-many-requests')]).toEqual([0, 0]);
    expect(lab.broker.bufferedBytes).toBe(0);
    const master = lab.connectMaster();
    expect([master.messages('request'), master.messages('lock-request')]).toEqual([[], []]);
  });

  it('still gets the requests of a worker whose connection was replaced', () => {
    const lab = new BrokerLab({ reconnectGrace: 10_000 });
    const first = lab.connect('peerA');
    first.tells(request('1'), '[master]');
    first.tells(lockRequest('lock'), '[master]');
    const again = lab.connect('peerA');
    expect(lab.connectMaster().messages('request')).toMatchObject([{ id: '1' }]);
    expect(again.messages('lock-result')).toMatchObject([{ id: 'lock', ok: true }]);
  });

  it('is not asked about locks that nobody holds: an unlock is ok, a move is not', () => {
    const lab = new BrokerLab();
    const a = lab.connect('peerA').clear();
    a.tells({ type: 'unlock-request', id: 'u', data: { id: 7 } }, '[master]');
    a.tells({ type: 'move-lock-request', id: 'm', data: { id: 7, move_to: 'parent' } }, '[master]');
    expect(a.messages('unlock-result')).toEqual([
      { type: 'unlock-result', id: 'u', from: '[master]', to: 'peerA', ok: true, data: { id: 7 } },
    ]);
    expect(a.messages('lock-result')).toMatchObject([{ id: 'm', from: '[master]', ok: false }]);
    const master = lab.connectMaster();
    expect(master.messages('unlock-request')).toEqual([]);
  });

  it('is answered for without parsing what is long in a request', () => {
    const lab = new BrokerLab({ maxMailPerPeer: 100 });
    const a = lab.connect('peerA').clear();
    const garbage = '{"a":[[['.repeat(1_000);
    a.says(
      `to:[master];{"type":"request","id":"1","from":"peerA","data":{"type":"fst.allocate","x":"${'y'.repeat(200)}`,
    );
    a.says(`to:[master];{"type":"request","id":"2","from":"peerA","data":{"type":"kit.add",${garbage}`);
    a.says(`to:[master];{"type":"request","id":${'9'.repeat(200)},"from":"peerA"}`);
    a.says(`to:[master];{"type":"unlock-request","id":"3","from":"peerA","data":{"id":"seven"}}`);
    expect(a.messages('result')).toMatchObject([
      { id: '1', ok: false },
      { id: '2', ok: true },
    ]);
    expect(a.messages('unlock-result')).toMatchObject([{ id: '3', ok: true }]);
    expect(lab.count('malformed-frame')).toBe(1);
  });

  it('is answered for when the mailbox is full, by an error only where AceBase awaits one', () => {
    const lab = new BrokerLab({ maxMailPerPeer: 100 });
    const a = lab.connect('peerA').clear();
    a.tells(lockRequest('first'), '[master]');
    a.tells(
      { type: 'request', id: 'alloc', data: { type: 'fst.allocate', pad: 'x'.repeat(200) } },
      '[master]',
    );
    a.tells({ type: 'request', id: 'kit', data: { type: 'kit.add', pad: 'x'.repeat(200) } }, '[master]');
    a.tells({ type: 'request', id: 'free', data: { type: 'fst.release', pad: 'x'.repeat(200) } }, '[master]');
    const [refused] = a.messages('lock-result');
    expect(refused).toMatchObject({ id: 'first', ok: false });
    expect(refused?.['reason']).toContain('mydb_data');
    expect(a.messages('result')).toMatchObject([
      { id: 'alloc', ok: false },
      { id: 'kit', ok: true, data: { ok: true, index: -1 } },
      { id: 'free', ok: true, data: { ok: true } },
    ]);
    expect([lab.count('mailbox-full'), lab.count('too-many-requests')]).toEqual([3, 1]);
    expect(lab.warnings()).toHaveLength(2);
  });

  it('has no mail that nobody asked for kept: presence is told anew, events mean nothing to a newcomer', () => {
    const lab = new BrokerLab();
    const a = lab.connect('peerA');
    a.tells({ type: 'event', data: {} }, '[master]');
    a.tells({ type: 'event', data: {} });
    expect(lab.count('undeliverable')).toBe(1);
    expect(lab.connectMaster().messages('event')).toEqual([]);
  });
});

describe('a master that settles', () => {
  it('gets everything of that time later, in order', () => {
    const lab = new BrokerLab();
    const a = lab.connect('peerA');
    const master = lab.connect('[master]').clear();
    a.tells({ type: 'notification', data: { type: 'index.deleted', n: 1 } });
    a.tells(request('2'), '[master]');
    a.tells({ type: 'subscribe', data: {} }, '[master]');
    expect(master.received).toEqual([]);
    lab.clock.advance(1_000);
    const types = master.received.map((text) => (JSON.parse(text) as { type: string }).type);
    expect(types).toEqual(['hello', 'notification', 'request', 'subscribe']);
  });

  it('hears that a peer is gone which it hears of', () => {
    const lab = new BrokerLab();
    const worker = lab.connect('peerA');
    const master = lab.connect('[master]').clear();
    worker.tells({ type: 'subscribe', data: {} }, '[master]');
    worker.leaves();
    lab.clock.advance(1_000);
    expect(master.received.at(-1)).toBe('disconnect:peerA');
    expect(master.messages('subscribe')).toHaveLength(1);
  });

  it('leaves nothing but requests to its successor', () => {
    const lab = new BrokerLab();
    const worker = lab.connect('peerA');
    const first = lab.connect('[master]');
    worker.tells({ type: 'subscribe', data: {} }, '[master]');
    worker.tells(request('1'), '[master]');
    first.leaves();
    const second = lab.connectMaster();
    expect(second.messages('subscribe')).toEqual([]);
    expect(second.messages('request')).toHaveLength(1);
  });

  it('can speak at once', () => {
    const lab = new BrokerLab();
    const a = lab.connect('peerA').clear();
    lab.connect('[master]').tells({ type: 'event', data: {} });
    expect(a.messages('event')).toHaveLength(1);
  });

  it('leaves no timer behind when it goes before it has settled', () => {
    const lab = new BrokerLab();
    lab.connect('peerA');
    lab.connect('[master]').leaves();
    expect(lab.timers).toBe(WITHOUT_MASTER);
    const second = lab.connect('[master]');
    lab.clock.advance(1_000);
    second.leaves();
    expect(lab.timers).toBe(WITHOUT_MASTER);
  });

  it('does not settle at all with masterSettle 0', () => {
    const lab = new BrokerLab({ masterSettle: 0 });
    const a = lab.connect('peerA');
    a.tells(request('1'), '[master]');
    expect(lab.connect('[master]').messages('request')).toHaveLength(1);
  });
});

describe('a second master', () => {
  it('is refused as soon as the first one shows that it lives, and the log names both addresses', () => {
    const lab = new BrokerLab();
    const first = lab.connectMaster();
    const second = lab.connect('[master]');
    expect(second.refusedWith).toBe('IPC_REFUSED_SECOND_MASTER');
    expect(first.closedWith).toBeUndefined();
    const warning = lab.log.find(({ level }) => level === 'warn');
    expect(warning?.fields).toMatchObject({ address: '10.0.0.2:1000', masterAddress: '10.0.0.1:1000' });
    expect(lab.timers).toBe(0);
  });

  it('is refused though the first one leaves: it read its tables while the first one worked', () => {
    for (const leave of ['goodbye', 'lost line'] as const) {
      const lab = new BrokerLab();
      const first = lab.connectMaster();
      first.isReading = false;
      const second = lab.connect('[master]');
      if (leave === 'goodbye') first.tells({ type: 'bye' });
      else first.leaves();
      expect([second.isIn, second.refusedWith]).toEqual([false, 'IPC_REFUSED_SECOND_MASTER']);
      const third = lab.connect('[master]');
      lab.clock.advance(10_000);
      expect([second.isIn, third.isIn]).toEqual([false, true]);
    }
  });

  it('is refused after 2 s if the first one answers no ping: it may be writing', () => {
    const lab = new BrokerLab();
    const first = lab.connectMaster();
    first.isReading = false;
    const second = lab.connect('[master]');
    lab.clock.advance(1_999);
    expect([second.isIn, second.refusedWith]).toEqual([false, undefined]);
    lab.clock.advance(1);
    expect([second.isIn, second.refusedWith]).toEqual([false, 'IPC_REFUSED_SECOND_MASTER']);
    expect(first.closedWith).toBeUndefined();
  });

  it('is refused while the first one may come back, and let in when it cannot', () => {
    const lab = new BrokerLab({ reconnectGrace: 10_000 });
    const first = lab.connectMaster();
    first.leaves();
    lab.clock.advance(9_999);
    expect(lab.connect('[master]').refusedWith).toBe('IPC_REFUSED_SECOND_MASTER');
    lab.clock.advance(1);
    expect(lab.connect('[master]').isIn).toBe(true);
  });

  it('is let in as soon as the process of the first one has ended', () => {
    const lab = new BrokerLab({ reconnectGrace: 10_000 });
    let hasEnded = false;
    const process = { pid: 1, isSought: false, age: undefined, databaseFiles: [], hasEnded: () => hasEnded };
    const first = lab.connect('[master]', 'mydb_data', { process });
    lab.clock.advance(5_000);
    first.leaves();
    lab.clock.advance(1_000);
    expect(lab.connect('[master]').refusedWith).toBe('IPC_REFUSED_SECOND_MASTER');
    hasEnded = true;
    lab.clock.advance(PROCESS_CHECK_MS);
    expect(lab.connect('[master]').isIn).toBe(true);
  });

  it('is refused, and the next one let in, when the first one is cut off meanwhile', () => {
    const lab = new BrokerLab({ maxBuffered: 1_000 });
    const worker = lab.connect('peerA');
    const first = lab.connectMaster();
    first.isReading = false;
    const second = lab.connect('[master]');
    worker.tells({ type: 'event', data: 'x'.repeat(5_000) });
    worker.tells({ type: 'event', data: 'x' });
    expect(first.closedWith).toBe('IPC_CLOSED_TOO_SLOW');
    const third = lab.connect('[master]');
    lab.clock.advance(10_000);
    expect([second.refusedWith, second.isIn, third.isIn]).toEqual(['IPC_REFUSED_SECOND_MASTER', false, true]);
  });

  it('may go away while it waits', () => {
    const lab = new BrokerLab();
    const first = lab.connectMaster();
    first.isReading = false;
    const second = lab.connect('[master]');
    second.cancel();
    first.leaves();
    expect([second.isIn, second.refusedWith]).toEqual([false, undefined]);
    expect(lab.timers).toBe(0);
    expect(lab.connect('[master]').isIn).toBe(true);
  });

  it('waits alone: a third one is refused at once', () => {
    const lab = new BrokerLab();
    lab.connectMaster().isReading = false;
    const second = lab.connect('[master]');
    expect(lab.connect('[master]').refusedWith).toBe('IPC_REFUSED_SECOND_MASTER');
    expect(second.refusedWith).toBeUndefined();
  });

  it('is refused when the server stops', () => {
    const lab = new BrokerLab();
    const first = lab.connectMaster();
    first.isReading = false;
    const second = lab.connect('[master]');
    lab.broker.stop();
    expect(second.refusedWith).toBe('IPC_REFUSED_SECOND_MASTER');
    expect(first.closedWith).toBe('IPC_CLOSED_STOPPING');
    expect(lab.timers).toBe(0);
  });
});

describe('a second master that has not opened the file [PROTOCOL-14.5]', () => {
  const waiting = (lab: BrokerLab, session = 'session-of-second') => {
    const abilities = new Set(WITHOUT_JOURNAL);
    const client = { name: 'test/1', session, received: undefined, since: undefined, abilities };
    return lab.connect('[master]', 'mydb_data', { client });
  };

  it.each(['stock', 'ours'])('takes its turn when the first one (%s) leaves in time', (kind) => {
    for (const leave of ['goodbye', 'process ended'] as const) {
      const lab = new BrokerLab({ reconnectGrace: 10_000 });
      const first = kind === 'stock' ? lab.connectMaster() : waiting(lab, 'session-of-first');
      if (leave === 'process ended') first.leaves();
      lab.clock.advance(10_000 - MASTER_TURN_MS + 1);
      const second = waiting(lab);
      expect([second.isIn, second.refusedWith]).toEqual([false, undefined]);
      lab.clock.advance(MASTER_TURN_MS - 1);
      if (leave === 'goodbye') first.tells({ type: 'bye' });
      expect(second.isIn).toBe(true);
      const worker = lab.connect('peerA');
      worker.tells(request('1'), '[master]');
      second.says('ready');
      expect(second.messages('request')).toHaveLength(1);
      first.tells({ type: 'result', id: '1', ok: true, data: {} }, 'peerA');
      expect(worker.messages('result')).toEqual([]);
    }
  });

  describe('that knows of another one from the server before', () => {
    function lab() {
      const at = new BrokerLab({ reconnectGrace: 10_000 });
      at.clock.advance(1_000);
      const comes = (more: Pick<ClientAnnouncement, 'rival' | 'isFolderInUse'>) => {
        const client = {
          name: 'test/1',
          session: 'session-of-second',
          received: undefined,
          since: undefined,
        };
        const abilities = new Set(WITHOUT_JOURNAL);
        return at.connect('[master]', 'mydb_data', { client: { ...client, abilities, ...more } });
      };
      return { at, comes, knows: (rival: number) => comes({ rival }) };
    }

    // A server may have been made long before it could listen: it waited for the last one to go.
    it('is not let in as long as that one may come and write, however often it asks', () => {
      const { at, knows } = lab();
      expect(knows(1).refusedWith).toBe('IPC_REFUSED_MASTER_EXPECTED');
      at.clock.advance(9_998);
      expect(knows(9_999).refusedWith).toBe('IPC_REFUSED_MASTER_EXPECTED');
      at.clock.advance(1);
      expect(knows(10_000).isIn).toBe(true);
    });

    it('is let in when that one has come, and has left: also where nobody else is connected, and all of it is forgotten', () => {
      const { at, knows } = lab();
      expect(knows(500).refusedWith).toBe('IPC_REFUSED_MASTER_EXPECTED');
      const first = at.connectClient('[master]', 'session-of-first0');
      first.says('ready');
      first.tells({ type: 'bye' });
      first.leaves();
      at.clock.advance(500);
      expect(at.broker.databases).toEqual([]);
      expect(knows(1_000).isIn).toBe(true);
    });

    it('is not let in by a server that was just started, if its folder is in use: whoever has it must come in time', () => {
      const { at, comes } = lab();
      at.broker.begin();
      at.clock.advance(9_999);
      expect(comes({ isFolderInUse: true }).refusedWith).toBe('IPC_REFUSED_MASTER_EXPECTED');
      at.clock.advance(1);
      expect(comes({ isFolderInUse: true }).isIn).toBe(true);
    });

    it('is let in by a server that was just started, and has had one, whoever seems to have the folder yet', () => {
      const { at, comes } = lab();
      at.broker.begin();
      const first = at.connectClient('[master]', 'session-of-first0', 3);
      first.tells({ type: 'bye' });
      first.leaves();
      expect(comes({ isFolderInUse: true }).isIn).toBe(true);
    });

    it('is not let in since another one was there before', () => {
      const { at, knows } = lab();
      const first = at.connectClient('[master]', 'session-of-first0', 3);
      first.tells({ type: 'bye' });
      first.leaves();
      at.clock.advance(2_000);
      expect(knows(900).refusedWith).toBe('IPC_REFUSED_MASTER_EXPECTED');
    });
  });

  it('hears where the root is, and what keys there are, from the first one, though nobody else is connected', () => {
    const lab = new BrokerLab({ reconnectGrace: 10_000 });
    const first = lab.connectMaster();
    const second = waiting(lab);
    const news = [
      { type: 'root.update', address: { path: '', pageNr: 0, recordNr: 7 } },
      { type: 'kit.new_key', index: 3, key: 'three' },
    ];
    for (const data of news) first.tells({ type: 'notification', data });
    first.isReading = false;
    first.tells({ type: 'bye' });
    second.says('ready');
    const [key, toBeWritten, root] = second.messages('notification');
    expect([root, key]).toMatchObject(news.map((data) => ({ data })));
    expect(toBeWritten).toMatchObject({ from: '[server]', data: { type: 'root.update' } });
  });

  it.each([
    ['is away', (first: ScriptedPeer) => first.leaves(), MASTER_TURN_MS],
    [
      'answers no ping',
      (first: ScriptedPeer) => {
        first.isReading = false;
      },
      MASTER_ANSWER_MS,
    ],
  ])('is to come again when the first one %s', (_, goesQuiet, milliseconds) => {
    const lab = new BrokerLab({ reconnectGrace: 10_000 });
    goesQuiet(lab.connectMaster());
    const second = waiting(lab);
    lab.clock.advance(milliseconds - 1);
    expect(second.refusedWith).toBeUndefined();
    lab.clock.advance(1);
    expect([second.refusedWith, second.isIn]).toEqual(['IPC_REFUSED_MASTER_AWAY', false]);
  });

  it('is refused when the first one stays', () => {
    const lab = new BrokerLab();
    const first = lab.connectMaster();
    const second = waiting(lab);
    lab.clock.advance(MASTER_TURN_MS);
    expect([second.refusedWith, second.isIn]).toEqual(['IPC_REFUSED_SECOND_MASTER', false]);
    expect([first.closedWith, lab.timers]).toEqual([undefined, 0]);
  });

  it('is refused then though the first one is at work, and answers one ping after the other', () => {
    const lab = new BrokerLab();
    waiting(lab, 'session-of-first').says('ready');
    const worker = lab.connect('peerA');
    const second = waiting(lab);
    for (let step = 0; step < 8; step++) {
      worker.tells(request(String(step)), '[master]');
      lab.clock.advance(MASTER_TURN_MS / 8);
    }
    expect([second.refusedWith, second.isIn]).toEqual(['IPC_REFUSED_SECOND_MASTER', false]);
  });

  it('is to come again when the first one answers, and then loses its connection', () => {
    const lab = new BrokerLab({ reconnectGrace: 10_000 });
    const first = lab.connectMaster();
    const second = waiting(lab);
    first.leaves();
    lab.clock.advance(MASTER_TURN_MS);
    expect([second.refusedWith, second.isIn]).toEqual(['IPC_REFUSED_MASTER_AWAY', false]);
  });

  it('is to come again when another one waits already, unless the first one has answered', () => {
    for (const [quiet, refusal] of [
      [true, 'IPC_REFUSED_MASTER_AWAY'],
      [false, 'IPC_REFUSED_SECOND_MASTER'],
    ] as const) {
      const lab = new BrokerLab();
      lab.connectMaster().isReading = !quiet;
      const second = waiting(lab);
      expect(waiting(lab, 'session-of-third').refusedWith).toBe(refusal);
      expect([second.refusedWith, second.isIn]).toEqual([undefined, false]);
    }
  });

  it('is sent to the next server when this one drains, whether it waits or comes then', () => {
    const lab = new BrokerLab();
    lab.connectMaster();
    const second = waiting(lab);
    lab.broker.drain(1_000, () => undefined);
    expect(second.refusedWith).toBe('IPC_REFUSED_MASTER_AWAY');
    expect(waiting(lab).refusedWith).toBe('IPC_REFUSED_MASTER_AWAY');
  });

  it('has opened it if it was let in before, at another server: it does not wait', () => {
    const lab = new BrokerLab();
    lab.connectMaster();
    expect(lab.connectClient('[master]', 'session-of-old-one', 3, 1_000).refusedWith).toBe(
      'IPC_REFUSED_SECOND_MASTER',
    );
  });
});

describe('a master that says goodbye', () => {
  it('is not closed before it has read what was sent to it, so that it can answer', () => {
    const lab = new BrokerLab();
    const worker = lab.connect('peerA');
    const master = lab.connectMaster();
    master.isReading = false;
    worker.tells(request('1'), '[master]');
    master.tells({ type: 'bye' });
    expect(master.closedWith).toBeUndefined();
    expect(worker.received).toContain('disconnect:[master]');
    master.onMessage = () => {
      expect(master.closedWith).toBeUndefined();
      master.tells({ type: 'result', id: '1', ok: false, reason: 'exiting' }, 'peerA');
    };
    master.read();
    expect(worker.messages('result')).toHaveLength(1);
    expect(master.closedWith).toBe('IPC_CLOSED_GOODBYE');
    master.leaves();
    expect(lab.timers).toBe(WITHOUT_MASTER);
  });

  it('is not heard any more when it wakes up late, or when the next one has settled', () => {
    const announce = (key: string) => ({
      type: 'notification',
      data: { type: 'kit.new_key', key, index: 7 },
    });
    for (const [masterSettle, wait] of [
      [5_000, 1_000],
      [0, 0],
    ] as const) {
      const lab = new BrokerLab({ masterSettle });
      const worker = lab.connect('peerA');
      const first = lab.connectMaster();
      first.isReading = false;
      first.tells({ type: 'bye' });
      const second = lab.connect('[master]');
      lab.clock.advance(wait);
      second.tells(announce('new'));
      first.tells(announce('old'));
      worker.tells(request('r'), '[master]');
      worker.clear();
      first.tells({ type: 'result', id: 'r', ok: true, data: {} }, 'peerA');
      expect(worker.received).toEqual([]);
      lab.letGrant(second);
      lab.clock.advance(masterSettle);
      // Before it is granted a lock, a worker is told the keys that it may not have heard of.
      lab.askForLock(worker);
      expect(worker.messages('lock-result')).toMatchObject([{ ok: true }]);
      expect(worker.messages('notification')).toMatchObject([{ data: { key: 'new' } }]);
    }
  });

  it('is closed after a second if it reads nothing', () => {
    const lab = new BrokerLab();
    lab.connect('peerA');
    const master = lab.connectMaster();
    master.isReading = false;
    master.tells({ type: 'bye' });
    lab.clock.advance(1_000);
    expect(master.closedWith).toBe('IPC_CLOSED_GOODBYE');
    expect(lab.timers).toBe(WITHOUT_MASTER);
  });

  it('still answers what it was asked before', () => {
    const lab = new BrokerLab();
    const worker = lab.connect('peerA');
    const master = lab.connectMaster();
    worker.tells(request('1'), '[master]');
    master.tells({ type: 'bye' });
    master.tells({ type: 'result', id: '1', ok: false, reason: 'exiting' }, 'peerA');
    expect(worker.messages('result')).toMatchObject([{ id: '1', ok: false }]);
  });

  it('is not sent what comes later: the next one gets it', () => {
    const lab = new BrokerLab();
    const worker = lab.connect('peerA');
    const master = lab.connectMaster();
    master.tells({ type: 'bye' });
    worker.tells(request('2'), '[master]');
    worker.tells(lockRequest('lock'), '[master]');
    expect([master.messages('request'), master.messages('lock-request')]).toEqual([[], []]);
    expect(lab.connectMaster().messages('request')).toHaveLength(1);
    expect(worker.messages('lock-result')).toMatchObject([{ id: 'lock', ok: true }]);
  });
});
