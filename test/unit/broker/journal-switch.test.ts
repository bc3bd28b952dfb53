/** The journal of a database: when it is in force, and who waits until nothing is left in it [PROTOCOL-16.1 to 16.5]. */
import { describe, expect, it } from 'vitest';
import { JOURNAL_WAIT_MS } from '../../../src/broker/limits.js';
import { CLIENT_ABILITIES } from '../../../src/protocol/session.js';
import { BrokerLab, type KeeperDetails, type ScriptedPeer } from '../../support/broker-lab.js';

const GRACE = 10_000;
const ON = '{"type":"journal","from":"[server]","data":{"on":true}}';
const OFF = '{"type":"journal","from":"[server]","data":{"on":false}}';
const LOOK = '{"type":"journal","from":"[server]","data":{"on":false,"look":true}}';
const REREAD = '{"type":"reread","from":"[server]"}';

const root = (recordNr: number) => ({
  type: 'notification',
  data: { type: 'root.update', address: { path: '', pageNr: 0, recordNr } },
});
const rootsOf = (peer: ScriptedPeer) =>
  peer.messages('notification').flatMap(({ data }) => {
    const { address } = data as { address?: { recordNr: number | string } };
    return address?.recordNr ?? [];
  });
const invalidations = (peer: ScriptedPeer) =>
  peer.received.filter((text) => text.includes('"cache.invalidate"')).length;
const grantsOf = (peer: ScriptedPeer) => peer.messages('lock-result').filter(({ ok }) => ok === true).length;
/** What it was told of the journal, but for its welcome. */
const toldTo = (peer: ScriptedPeer) =>
  peer.received.filter((text) => text.startsWith('{"type":"journal"') || text === REREAD);
/** What its last welcome says of the journal. */
const welcomeOf = (peer: ScriptedPeer) => {
  const welcome = peer.received.findLast((text) => text.startsWith('welcome:')) ?? 'welcome:{}';
  return (JSON.parse(welcome.slice('welcome:'.length)) as { session?: { journal?: boolean } }).session
    ?.journal;
};
/** How many frames of its session it has received. */
const countedBy = (peer: ScriptedPeer) =>
  peer.received.filter((text) => !/^(welcome|stable|yield):/.test(text)).length;
const claim = (peers: readonly string[], held: readonly object[] = [], more: object = {}) =>
  `locks:${JSON.stringify({ held, peers, ...more })}`;
const held = (id: number) => ({ id, tid: `tid${id}`, path: 'a', write: true, comment: '' });
const changesOf = (lab: BrokerLab) =>
  lab.log.filter(({ message }) => message.startsWith('the journal is')).map(({ message }) => message);
const stateOf = (lab: BrokerLab) => lab.overview.report('mydb_data')?.journal;

/** A master that keeps a journal, and has its file open. */
function masterOf(lab: BrokerLab, details?: KeeperDetails): ScriptedPeer {
  const master = lab.connectKeeper('[master]', details);
  lab.letGrant(master);
  master.says('ready');
  return master;
}

/** A master and two workers that keep a journal, and have been told nothing since they came. */
function cluster(limits: ConstructorParameters<typeof BrokerLab>[0] = { reconnectGrace: GRACE }) {
  const lab = new BrokerLab(limits);
  const master = masterOf(lab);
  const [a, b] = [lab.connectKeeper('workerA'), lab.connectKeeper('workerB')];
  return { lab, master, a, b };
}

/** The same without the master: nobody holds its place. */
function withoutMaster(limits?: ConstructorParameters<typeof BrokerLab>[0]) {
  const all = cluster(limits);
  all.master.tells({ type: 'bye' });
  for (const peer of [all.a, all.b]) peer.clear();
  return all;
}

describe('the journal is in force [PROTOCOL-16.2]', () => {
  it('while every peer keeps one, which each hears in its welcome', () => {
    const { lab, master, a, b } = cluster();
    expect([master, a, b].map(welcomeOf)).toEqual([true, true, true]);
    expect([master, a, b].flatMap(toldTo)).toEqual([]);
    expect(stateOf(lab)).toEqual({ isInForce: true, without: [], withoutCount: 0 });
    expect(changesOf(lab)).toEqual(['the journal is in force: all peers keep one']);
  });

  it('not while one is there who keeps none; and again when the last one of these has gone', () => {
    const lab = new BrokerLab();
    const [stock, today] = [lab.connect('stock1'), lab.connectClient('today1', 'session-of-today1')];
    const master = masterOf(lab);
    expect(welcomeOf(master)).toBe(false);
    expect(stateOf(lab)).toEqual({ isInForce: false, without: ['stock1', 'today1'], withoutCount: 2 });
    lab.connect('stock2');
    expect(stateOf(lab)).toMatchObject({ without: ['stock1', 'today1'], withoutCount: 3 });
    stock.leaves();
    today.tells({ type: 'bye' });
    expect(toldTo(master)).toEqual([]);
    lab.connect('stock2').leaves();
    expect(toldTo(master)).toEqual([ON]);
    expect(stateOf(lab)).toMatchObject({ isInForce: true });
  });

  it('not before one who keeps none and has lost its connection is gone', () => {
    const lab = new BrokerLab({ reconnectGrace: GRACE });
    const stock = lab.connect('stock1');
    const master = masterOf(lab);
    stock.leaves();
    lab.clock.advance(GRACE - 1);
    expect(toldTo(master)).toEqual([]);
    const again = lab.connect('stock1');
    expect(again.isIn).toBe(true);
    again.leaves();
    lab.clock.advance(GRACE);
    expect(toldTo(master)).toEqual([ON]);
  });

  it('not before a master is there that keeps one; and then also while none is', () => {
    const lab = new BrokerLab({ reconnectGrace: GRACE });
    const a = lab.connectKeeper('workerA');
    expect([welcomeOf(a), stateOf(lab)?.isInForce]).toEqual([null, false]);
    const master = masterOf(lab);
    expect(toldTo(a)).toEqual([ON]);
    master.tells({ type: 'bye' });
    expect([toldTo(a), welcomeOf(lab.connectKeeper('workerB'))]).toEqual([[ON, REREAD], true]);
  });

  it('with or without those that are not accepted yet', () => {
    const { lab, master } = cluster();
    const announced = { name: 'x/1', session: 'session-of-newcomer', received: undefined };
    const client = { ...announced, abilities: new Set(['identify', 'journal'] as const) };
    expect(welcomeOf(lab.connect('newcomer', 'mydb_data', { client }))).toBe(true);
    expect(toldTo(master)).toEqual([]);
  });

  it('and nobody without the ability hears of it: byte for byte as before', () => {
    const lab = new BrokerLab();
    const session = 'session-of-today1';
    const today = lab.connectClient('today1', session);
    const welcome = {
      maxPayload: 10_000,
      session: {
        resumed: false,
        since: lab.sinceOf(session),
        received: 0,
        server: 'this-server',
        grace: 0,
        turns: true,
        slice: 20,
      },
    };
    const stock = lab.connect('stock1');
    lab.connectKeeper('keeper').leaves();
    expect(stock.received).toEqual([
      'welcome:{"maxPayload":10000}',
      '{"type":"hello","from":"today1"}',
      'connect:keeper',
      '{"type":"hello","from":"keeper"}',
      'disconnect:keeper',
    ]);
    expect(today.received).toEqual([
      `welcome:${JSON.stringify(welcome)}`,
      'connect:stock1',
      '{"type":"hello","from":"stock1"}',
      'connect:keeper',
      '{"type":"hello","from":"keeper"}',
      'disconnect:keeper',
    ]);
    expect(changesOf(lab)).toEqual([]);
  });
});

describe('after a restart of the server', () => {
  it('each goes on as it was until all have said who was there, and is told then', () => {
    const lab = new BrokerLab({ reconnectGrace: GRACE });
    const a = lab.connectKeeper('workerA', { received: 3, isJournalOn: true });
    expect(welcomeOf(a)).toBeNull();
    expect(stateOf(lab)).toMatchObject({ isInForce: false, withoutCount: 0 });
    a.says(claim(['workerB', '[master]']));
    const fresh = lab.connectKeeper('fresh');
    expect(welcomeOf(fresh)).toBeNull();
    const b = lab.connectKeeper('workerB', { received: 3, isJournalOn: true });
    expect([a, b, fresh].flatMap(toldTo)).toEqual([]);
    b.says(claim(['workerA', '[master]']));
    expect([a, b, fresh].map(toldTo)).toEqual([[ON], [ON], [ON]]);
  });

  it('who is missing is waited for no longer than for what he holds', () => {
    const lab = new BrokerLab({ reconnectGrace: GRACE });
    const a = lab.connectKeeper('workerA', { received: 3, isJournalOn: true });
    a.says(claim(['workerB']));
    lab.clock.advance(GRACE - 1);
    expect(toldTo(a)).toEqual([]);
    lab.clock.advance(1);
    expect(toldTo(a)).toEqual([ON]);
  });

  it('a master that comes first knows who was there, and is waited for', () => {
    const lab = new BrokerLab({ reconnectGrace: GRACE });
    const master = lab.connectKeeper('[master]', { received: 3, isJournalOn: true });
    const fresh = lab.connectKeeper('fresh');
    expect([master, fresh].map(welcomeOf)).toEqual([null, null]);
    master.says(claim(['workerB']));
    expect(toldTo(master)).toEqual([]);
    lab.connectKeeper('workerB', { received: 3 }).says(claim(['[master]']));
    expect([master, fresh].map(toldTo)).toEqual([[ON], [ON]]);
  });

  it('a master that says nothing of who was there is not waited for when it is gone', () => {
    const lab = new BrokerLab({ reconnectGrace: GRACE });
    const master = lab.connectKeeper('[master]', { received: 3, isJournalOn: true });
    const fresh = lab.connectKeeper('fresh');
    master.tells({ type: 'bye' });
    lab.clock.advance(GRACE - 1);
    expect(toldTo(fresh)).toEqual([REREAD]);
    lab.clock.advance(1);
    expect(toldTo(fresh)).toEqual([REREAD, ON]);
  });

  it('it is not in force where one is there already who keeps none', () => {
    const lab = new BrokerLab({ reconnectGrace: GRACE });
    lab.connect('stock1');
    const a = lab.connectKeeper('workerA', { received: 3, isJournalOn: true });
    expect(welcomeOf(a)).toBe(false);
    // He is in, and can look at nothing.
    expect(lab.connect('stock2').isIn).toBe(true);
  });

  it('who keeps none waits at the door as soon as one is there for whom it was in force', () => {
    const lab = new BrokerLab({ reconnectGrace: GRACE });
    const a = lab.connectKeeper('workerA', { received: 3, isJournalOn: true });
    const stock = lab.connect('stock1');
    expect([stock.isIn, toldTo(a)]).toEqual([false, [OFF]]);
    a.says(claim(['workerB']));
    expect(toldTo(a)).toEqual([OFF]);
    lab.connectKeeper('workerB', { received: 3, isJournalOn: true }).says(claim(['workerA']));
    expect(toldTo(a)).toEqual([OFF, LOOK]);
    a.says('looked');
    expect(stock.isIn).toBe(true);
  });

  it('he comes in at once if it was in force for nobody', () => {
    const lab = new BrokerLab({ reconnectGrace: GRACE });
    const a = lab.connectKeeper('workerA', { received: 3 });
    expect(lab.connect('stock1').isIn).toBe(true);
    expect(toldTo(a)).toEqual([OFF]);
  });
});

describe('somebody who keeps none, at the door [PROTOCOL-16.4]', () => {
  it('comes in when the master has looked, and so do others while he is there', () => {
    const { lab, master, a, b } = cluster();
    const stock = lab.connect('stock1');
    expect([stock.isIn, stock.refusedWith]).toEqual([false, undefined]);
    expect([master, a, b].map(toldTo)).toEqual([[OFF, LOOK], [OFF], [OFF]]);
    expect(stateOf(lab)).toEqual({ isInForce: false, without: ['stock1'], withoutCount: 1 });
    const second = lab.connect('stock2');
    expect([second.isIn, toldTo(master)]).toEqual([false, [OFF, LOOK]]);
    // Workers go on meanwhile: the master takes a lock of its own.
    lab.askForLock(a);
    expect(grantsOf(a)).toBe(1);
    master.says('looked');
    expect([stock.isIn, second.isIn]).toEqual([true, true]);
    expect(stock.received[0]).toBe('welcome:{"maxPayload":10000}');
    expect(lab.connect('stock3').isIn).toBe(true);
    expect(lab.connectClient('today1', 'session-of-today1').isIn).toBe(true);
    expect([master, a, b].map(toldTo)).toEqual([[OFF, LOOK], [OFF], [OFF]]);
    expect(lab.count('malformed-frame')).toBe(0);
    expect(changesOf(lab)).toHaveLength(2);
    expect(lab.log.findLast(({ message }) => message.includes('is not in force'))?.fields).toMatchObject({
      peer: 'stock1',
    });
  });

  it('may be a client of ours that keeps none', () => {
    const { lab, master } = cluster();
    const today = lab.connectClient('today1', 'session-of-today1');
    expect([today.isIn, toldTo(master)]).toEqual([false, [OFF, LOOK]]);
    master.says('looked');
    expect(today.isIn).toBe(true);
    today.tells({ type: 'bye' });
    expect(toldTo(master)).toEqual([OFF, LOOK, ON]);
  });

  it('waits for a master that has not opened its file', () => {
    const lab = new BrokerLab({ reconnectGrace: GRACE });
    const master = lab.connectKeeper('[master]');
    lab.letGrant(master);
    const stock = lab.connect('stock1');
    expect(toldTo(master)).toEqual([OFF]);
    master.says('ready');
    expect(toldTo(master)).toEqual([OFF, LOOK]);
    master.says('looked');
    expect(stock.isIn).toBe(true);
  });

  it('waits for a master that has lost its connection, and for one that was asked', () => {
    const { lab, master, a } = cluster();
    const received = countedBy(master);
    master.leaves();
    const stock = lab.connect('stock1');
    expect(toldTo(a)).toEqual([OFF]);
    const again = lab.connectKeeper('[master]', { received, isJournalOn: true });
    expect([welcomeOf(again), toldTo(again)]).toEqual([false, [OFF, LOOK]]);
    again.leaves();
    const last = lab.connectKeeper('[master]', { received: received + countedBy(again) });
    expect(toldTo(last)).toEqual([]);
    last.says('looked');
    expect(stock.isIn).toBe(true);
  });

  it('waits for a worker if no master is there: when no lock is held, and nobody is granted one', () => {
    const { lab, master, a, b } = cluster();
    lab.askForLock(a, { write: true });
    master.tells({ type: 'bye' });
    for (const peer of [a, b]) peer.clear();
    const stock = lab.connect('stock1');
    expect([a, b].map(toldTo)).toEqual([[OFF], [OFF]]);
    lab.giveBack(a, 0);
    expect(toldTo(a)).toEqual([OFF]);
    lab.askForLock(b);
    lab.giveBack(a, lab.overview.locks('mydb_data').held[0]?.id ?? 0);
    expect([a, b].map(toldTo)).toEqual([[OFF, LOOK], [OFF]]);
    // A master that comes meanwhile takes no lock for itself, and grants none.
    const next = masterOf(lab);
    expect(next.messages('lock-request')).toMatchObject([{ data: { write: true } }]);
    expect(grantsOf(b)).toBe(0);
    expect(lab.overview.locks('mydb_data').waiting).toMatchObject([{ reason: 'the journal is checked' }]);
    a.says('looked');
    expect([stock.isIn, grantsOf(b)]).toEqual([true, 1]);
  });

  it('waits for a worker whose file is open, rather than for others', () => {
    const { lab, a, b } = withoutMaster();
    b.says('ready');
    lab.connect('stock1');
    expect([a, b].map(toldTo)).toEqual([[OFF], [OFF, LOOK]]);
  });

  it('waits for a worker that is connected, and accepted', () => {
    const lab = new BrokerLab({ reconnectGrace: GRACE });
    const [away, a] = [lab.connectKeeper('workerA'), lab.connectKeeper('workerB')];
    masterOf(lab).tells({ type: 'bye' });
    const announced = { name: 'x/1', session: 'session-of-newcomer', received: undefined };
    const client = { ...announced, abilities: new Set(['resume', 'identify', 'journal'] as const) };
    const join = (id: string) => lab.connect(id, 'mydb_data', { client });
    // Their folders are compared: the second one has not said yet which it has.
    const [member, newcomer] = [join('member1'), join('newcomer')];
    newcomer.says('ready');
    away.leaves();
    a.leaves();
    lab.connect('stock1');
    expect([member, newcomer].map(toldTo)).toEqual([[OFF, LOOK], [OFF]]);
  });

  it('is not waited for by a master that is away: if he goes, it goes on', () => {
    const { lab, master, a } = cluster();
    master.leaves();
    lab.connect('stock1').cancel();
    expect(toldTo(a)).toEqual([OFF, ON]);
  });

  it('may be the master that comes after one that kept one', () => {
    const { lab, a } = withoutMaster();
    const stock = lab.connect('[master]');
    expect([stock.isIn, toldTo(a)]).toEqual([false, [OFF, LOOK]]);
    a.says('looked');
    expect(stock.isIn).toBe(true);
    lab.letGrant(stock);
    lab.clock.advance(2_000);
    lab.askForLock(a);
    expect(grantsOf(a)).toBe(1);
  });

  it('has what the holders of locks wait for answered, if it is the next master: they would wait for it, and it for them', () => {
    const { lab, master, a, b } = cluster();
    lab.askForLock(a, { write: true, tid: 'writes' });
    a.tells({ type: 'request', id: 'space', data: { type: 'fst.allocate', records: 3 } }, '[master]');
    b.tells(
      { type: 'request', id: 'index', data: { type: 'index.create', path: 'x', key: 'y' } },
      '[master]',
    );
    master.leaves();
    lab.askForLock(b, { write: true, tid: 'others' });
    const answers = (peer: ScriptedPeer) =>
      [...peer.messages('result'), ...peer.messages('lock-result')].filter(
        ({ ok, data }) => ok === false || Reflect.get(Object(data), 'ok') === false,
      );
    lab.clock.advance(GRACE);
    lab.askForLock(a, { write: true, tid: 'writes' });
    expect([a, b].map((peer) => answers(peer).length)).toEqual([0, 0]);
    const stock = lab.connect('[master]');
    expect([a, b].map((peer) => answers(peer).length)).toEqual([2, 0]);
    expect(toldTo(a)).not.toContain(LOOK);
    a.tells({ type: 'request', id: 'more', data: { type: 'fst.allocate', records: 1 } }, '[master]');
    expect(answers(a)).toHaveLength(3);
    lab.giveBack(a, lab.lockOf(a));
    expect(toldTo(a)).toContain(LOOK);
    a.says('looked');
    expect(stock.isIn).toBe(true);
  });

  it('has the parts of a scan answered that wait, if it is the next master: they ask under transactions of their own', () => {
    const { lab, master, a, b } = cluster();
    lab.askForLock(a, { write: false, tid: 'scan' });
    master.leaves();
    lab.clock.advance(GRACE);
    const waiting = [
      lab.askForLock(a, { write: false, tid: 'part' }),
      lab.askForLock(a, { write: true, tid: 'later' }),
      lab.askForLock(b, { write: false, tid: 'others' }),
    ];
    lab.connect('[master]');
    const refused = [a, b].map((peer) =>
      peer
        .messages('lock-result')
        .filter(({ ok }) => ok === false)
        .map(({ id }) => id),
    );
    expect(refused).toEqual([waiting.slice(0, 1), []]);
  });

  it('has no more answered in one go than others can wait for', () => {
    const room = { maxMailPerPeer: 10_000_000, maxTotalBuffered: 100_000_000 };
    const { lab, master, a } = cluster({ reconnectGrace: GRACE, ...room });
    lab.askForLock(a, { write: true, tid: 'writes' });
    master.leaves();
    lab.clock.advance(GRACE);
    for (let n = 0; n < 1_500; n++)
      a.tells({ type: 'request', id: `r${n}`, data: { type: 'fst.allocate', records: 1 } }, '[master]');
    expect(a.messages('result')).toHaveLength(0);
    lab.connect('[master]');
    expect(a.messages('result')).toHaveLength(1_000);
    a.says('ping');
    expect(a.messages('result')).toHaveLength(1_000);
    lab.clock.advance(0);
    expect(a.messages('result')).toHaveLength(1_500);
  });

  it('is let in at once as the next master where the last one kept none, whoever holds a lock: its holder may wait for him', () => {
    for (const isOurs of [false, true]) {
      const lab = new BrokerLab({ reconnectGrace: GRACE });
      const a = lab.connectKeeper('workerA');
      const connect = (n: number): ScriptedPeer =>
        isOurs ? lab.connectClient('[master]', `session-of-master${n}`) : lab.connect('[master]');
      const master = connect(1);
      lab.letGrant(master);
      if (isOurs) master.says('ready');
      lab.clock.advance(2_000);
      lab.askForLock(a, { write: true });
      expect([grantsOf(a), toldTo(a)]).toEqual([1, [OFF]]);
      master.leaves();
      lab.clock.advance(GRACE);
      expect(lab.overview.locks('mydb_data').held).toHaveLength(1);
      expect([connect(2).isIn, toldTo(a)]).toEqual([true, [OFF]]);
    }
  });

  it('waits for the second master whose turn it is, if the first one was asked: no worker looks beside it', () => {
    const { lab, master, a } = cluster();
    const abilities = new Set(CLIENT_ABILITIES.filter((ability) => ability !== 'identify'));
    const session = { name: 'test/1', session: 'session-of-second', received: undefined, since: undefined };
    const stock = lab.connect('stock1');
    expect(toldTo(master)).toEqual([OFF, LOOK]);
    const second = lab.connect('[master]', 'mydb_data', { client: { ...session, abilities } });
    a.clear();
    master.tells({ type: 'bye' });
    expect([second.isIn, toldTo(a)]).toEqual([true, [REREAD]]);
    lab.letGrant(second);
    second.says('ready');
    second.says('looked');
    expect(stock.isIn).toBe(true);
  });

  it('may be a second master of ours that keeps none, whose turn it is', () => {
    const { lab, master, a } = cluster();
    const second = lab.connectClient('[master]', 'session-of-second');
    master.tells({ type: 'bye' });
    expect([second.isIn, toldTo(a)]).toEqual([false, [REREAD, OFF, LOOK]]);
    a.says('looked');
    expect(second.isIn).toBe(true);
  });

  it('waits for the next one if the one that was asked is gone, and not while it may be looking yet', () => {
    const { lab, a, b } = withoutMaster();
    const stock = lab.connect('stock1');
    a.leaves();
    lab.clock.advance(JOURNAL_WAIT_MS);
    expect([stock.refusedWith, toldTo(b)]).toEqual(['IPC_REFUSED_JOURNAL', [OFF]]);
    lab.clock.advance(GRACE - JOURNAL_WAIT_MS - 1);
    const again = lab.connect('stock1');
    expect(toldTo(b)).toEqual([OFF]);
    lab.clock.advance(1);
    expect(toldTo(b)).toEqual([OFF, LOOK]);
    b.says('looked');
    expect(again.isIn).toBe(true);
  });

  it('waits for a worker if the master that was asked is gone', () => {
    const { lab, master, a } = cluster();
    const stock = lab.connect('stock1');
    master.tells({ type: 'bye' });
    expect(toldTo(a)).toEqual([OFF, REREAD, LOOK]);
    a.says('looked');
    expect(stock.isIn).toBe(true);
  });

  it('does not wait for one that is silent for longer than reconnectGrace', () => {
    const { lab, master, a } = cluster({ reconnectGrace: GRACE, lease: 7_000 });
    lab.connect('stock1');
    master.isReading = false;
    lab.clock.advance(GRACE + 1_500);
    expect(master.closedWith).toBe('IPC_CLOSED_SILENT');
    expect(toldTo(a).at(-1)).toBe(ON);
  });

  it('comes in when nobody is left', () => {
    const { lab, a, b } = withoutMaster();
    const stock = lab.connect('stock1');
    a.tells({ type: 'bye' });
    b.tells({ type: 'bye' });
    expect(stock.isIn).toBe(true);
    expect(lab.broker.databases).toEqual(['mydb_data']);
    stock.leaves();
  });

  it('does not come in when nobody is left, but some are expected back', () => {
    const lab = new BrokerLab({ reconnectGrace: GRACE });
    const a = lab.connectKeeper('workerA', { received: 3, isJournalOn: true });
    const stock = lab.connect('stock1');
    a.tells({ type: 'bye' });
    expect(stock.isIn).toBe(false);
    lab.clock.advance(JOURNAL_WAIT_MS);
    expect(stock.refusedWith).toBe('IPC_REFUSED_JOURNAL');
    lab.clock.advance(GRACE - JOURNAL_WAIT_MS - 1_000);
    const again = lab.connect('stock1');
    expect(again.isIn).toBe(false);
    lab.clock.advance(1_000);
    expect(again.isIn).toBe(true);
  });

  it('is refused after 4 s; then it goes on, if nobody else waits', () => {
    const lab = new BrokerLab({ reconnectGrace: GRACE });
    const master = lab.connectKeeper('[master]');
    const stock = lab.connect('stock1');
    lab.clock.advance(1_000);
    const second = lab.connect('stock2');
    lab.clock.advance(JOURNAL_WAIT_MS - 1_000);
    expect([stock.refusedWith, second.refusedWith]).toEqual(['IPC_REFUSED_JOURNAL', undefined]);
    expect(toldTo(master)).toEqual([OFF]);
    lab.clock.advance(1_000);
    expect(second.refusedWith).toBe('IPC_REFUSED_JOURNAL');
    expect(toldTo(master)).toEqual([OFF, ON]);
  });

  it('is refused after 4 s; if one is looking, it goes on when that is done', () => {
    const { lab, master, a } = cluster();
    const stock = lab.connect('stock1');
    lab.clock.advance(JOURNAL_WAIT_MS);
    expect(stock.refusedWith).toBe('IPC_REFUSED_JOURNAL');
    expect(toldTo(master)).toEqual([OFF, LOOK]);
    // He tries again: it is not asked twice.
    const again = lab.connect('stock1');
    again.cancel();
    expect(toldTo(master)).toEqual([OFF, LOOK]);
    master.says('looked');
    expect([master, a].map(toldTo)).toEqual([
      [OFF, LOOK, ON],
      [OFF, ON],
    ]);
  });

  it('is missed by nobody if he goes away: it goes on', () => {
    const lab = new BrokerLab({ reconnectGrace: GRACE });
    const master = lab.connectKeeper('[master]');
    const stock = lab.connect('stock1');
    stock.cancel();
    expect(toldTo(master)).toEqual([OFF, ON]);
    lab.clock.advance(JOURNAL_WAIT_MS);
    expect([stock.isIn, stock.refusedWith]).toEqual([false, undefined]);
  });

  it('has waited already while his open file was looked for: less than a stock client bears, in all', () => {
    const { lab, master } = cluster();
    const file = { machine: 'm', device: '1', inode: '1', isLocal: true, folder: '/db' };
    const process = { pid: 1, age: 1, isSought: true, databaseFiles: [], hasEnded: () => false };
    // Only beside one whose file is seen.
    const seen = { ...process, isSought: false, databaseFiles: [file] };
    const client = {
      name: 'x/1',
      session: 'session-of-seen-worker',
      received: undefined,
      abilities: new Set(['journal'] as const),
    };
    lab.connect('seen1', 'mydb_data', { client, process: seen });
    const stock = lab.connect('stock1', 'mydb_data', { process });
    lab.clock.advance(2_500);
    expect(toldTo(master)).toEqual([OFF, LOOK]);
    lab.clock.advance(JOURNAL_WAIT_MS - 2_500);
    expect(stock.refusedWith).toBe('IPC_REFUSED_JOURNAL');
  });

  it('is refused for another reason when it is his turn, and it goes on', () => {
    const { lab, master } = cluster({ maxPeers: 4 });
    const stock = lab.connect('stock1');
    lab.connectKeeper('workerC');
    master.says('looked');
    expect(stock.refusedWith).toBe('IPC_REFUSED_TOO_MANY_PEERS');
    expect(toldTo(master)).toEqual([OFF, LOOK, ON]);
  });

  it('is sent to the next server by one that drains, which switches nothing any more', () => {
    const { lab, master, a } = cluster();
    const stock = lab.connect('stock1');
    lab.broker.drain(1_000, () => undefined);
    expect(stock.refusedWith).toBe('IPC_REFUSED_DRAINING');
    master.says('looked');
    lab.clock.advance(100);
    expect([master, a].map(toldTo)).toEqual([[OFF, LOOK], [OFF]]);
    lab.broker.stop();
    expect(lab.clock.pending).toBe(0);
  });

  it('is sent away by a server that stops', () => {
    const { lab } = cluster();
    const stock = lab.connect('stock1');
    lab.broker.stop();
    expect(stock.refusedWith).toBe('IPC_REFUSED_DRAINING');
    expect(lab.clock.pending).toBe(0);
  });

  it('is not let in by one that was not asked: that is malformed', () => {
    const { lab, master, a } = cluster();
    a.says('looked');
    const stock = lab.connect('stock1');
    a.says('looked');
    master.says('looked:');
    expect([stock.isIn, lab.count('malformed-frame')]).toEqual([false, 3]);
    master.says('looked');
    stock.says('looked');
    master.says('looked');
    expect([stock.isIn, lab.count('malformed-frame')]).toEqual([true, 5]);
  });
});

describe('the file is the truth [PROTOCOL-16.5]', () => {
  /** Worker A holds a lock for writing, and has told of a root that all believe in. */
  function writing(limits: ConstructorParameters<typeof BrokerLab>[0] = {}) {
    const all = cluster(limits);
    const { lab, master, a, b } = all;
    lab.askForLock(b);
    a.tells(root(5));
    lab.giveBack(b, lab.lockOf(b));
    lab.askForLock(a, { write: true });
    for (const peer of [master, a, b]) peer.clear();
    return all;
  }

  it('when a writer is gone: all read it again, before anybody is granted a lock, and no root is written', () => {
    const { lab, master, a, b } = writing();
    lab.askForLock(b);
    expect(b.received).toEqual([]);
    a.leaves();
    expect(b.received.slice(0, 3)).toEqual([
      'disconnect:workerA',
      REREAD,
      expect.stringContaining('"lock-result"'),
    ]);
    expect(toldTo(master)).toEqual([REREAD]);
    expect([master, b].flatMap(rootsOf)).toEqual([]);
    expect([master, b].map(invalidations)).toEqual([0, 0]);
  });

  it('and what is told of the root from then on is the current one, also to those who believed in the same before', () => {
    const { lab, a, b } = writing();
    lab.giveBack(a, lab.overview.locks('mydb_data').held[0]?.id ?? 0);
    lab.askForLock(b);
    lab.giveBack(b, lab.lockOf(b));
    expect(rootsOf(b)).toEqual([5]);
    lab.askForLock(a, { write: true });
    a.leaves();
    const c = lab.connectKeeper('workerC');
    lab.askForLock(c, { write: true });
    expect(rootsOf(c)).toEqual([]);
    c.tells(root(5));
    lab.giveBack(c, lab.lockOf(c));
    lab.askForLock(b);
    expect(rootsOf(b)).toEqual([5, 5]);
  });

  it('and what was set aside of the root is not the current one again', () => {
    const { lab, master, a, b } = cluster();
    lab.askForLock(a, { write: true });
    a.tells(root(5));
    a.leaves();
    lab.clock.advance(GRACE / 2);
    const received = countedBy(master);
    for (const peer of [master, b]) peer.leaves();
    const c = lab.connectKeeper('workerC');
    lab.clock.advance(GRACE / 2);
    expect(toldTo(c)).toEqual([REREAD]);
    const again = lab.connectKeeper('[master]', { received });
    lab.letGrant(again);
    lab.askForLock(c);
    expect([grantsOf(c), rootsOf(c)]).toEqual([1, []]);
  });

  it('and what one says late that wrote before it was in force is not written again', () => {
    const { lab, master, a, b } = cluster({});
    const stock = lab.connect('stock1');
    master.says('looked');
    b.tells(root(5));
    lab.askForLock(stock, { write: true });
    stock.leaves();
    expect(toldTo(b)).toEqual([OFF, ON]);
    lab.askForLock(a, { write: true });
    a.leaves();
    master.clear();
    b.tells(root(6));
    expect(rootsOf(master)).toEqual([6]);
  });

  it('when the lock of a writer has expired, and when that is given back', () => {
    const { lab, master, a, b } = writing();
    const lock = lab.overview.locks('mydb_data').held[0]?.id ?? 0;
    lab.askForLock(b);
    lab.clock.advance(120_000);
    expect(toldTo(b)).toEqual([REREAD]);
    lab.giveBack(a, lock);
    expect(toldTo(b)).toEqual([REREAD, REREAD]);
    expect([master, a, b].flatMap(rootsOf)).toEqual([]);
    expect([master, a, b].map(invalidations)).toEqual([0, 0, 0]);
  });

  it('not when one is gone who only read, or a lock is given back in time', () => {
    const { lab, a, b } = writing();
    lab.giveBack(a, lab.overview.locks('mydb_data').held[0]?.id ?? 0);
    lab.askForLock(a);
    a.leaves();
    expect(toldTo(b)).toEqual([]);
  });

  it.each(['goodbye', 'loss'])('when the master is gone (%s); the next one writes no root', (how) => {
    const { lab, master, a, b } = writing();
    if (how === 'goodbye') master.tells({ type: 'bye' });
    else master.leaves();
    expect([a, b].map(toldTo)).toEqual([[REREAD], [REREAD]]);
    expect([a, b].map(invalidations)).toEqual([0, 0]);
    const next = lab.connectKeeper('[master]');
    lab.letGrant(next);
    // It may have found the file with something left in the journal: it does not say where the root is.
    a.tells(root(6));
    next.says('ready');
    expect(rootsOf(next)).toEqual([6]);
    a.tells(root(7));
    expect(rootsOf(next)).toEqual([6, 7]);
    expect(toldTo(next)).toEqual([]);
  });

  it('also for those that are away: they hear of it before they are granted a lock', () => {
    const { lab, a, b } = cluster();
    lab.askForLock(a, { write: true });
    const received = countedBy(b);
    b.leaves();
    a.tells({ type: 'bye' });
    const again = lab.connectKeeper('workerB', { received });
    lab.askForLock(again);
    expect([toldTo(again), grantsOf(again)]).toEqual([[REREAD], 1]);
    expect(again.received.at(-1)).toContain('"lock-result"');
  });

  it('when somebody is back who knows a root that was set aside', () => {
    const { lab, master, a, b } = cluster();
    a.tells(root(5));
    const received = countedBy(b);
    b.leaves();
    a.tells({ type: 'bye' });
    master.tells({ type: 'bye' });
    const next = masterOf(lab);
    const again = lab.connectKeeper('workerB', { received });
    expect(toldTo(next)).toEqual([REREAD]);
    expect(toldTo(again).at(-1)).toBe(REREAD);
    lab.askForLock(again);
    expect(grantsOf(again)).toBe(1);
    expect([next, again].flatMap(rootsOf)).toEqual([]);
  });

  it('while it is not known who is there, if it was in force for one of them; nobody hears the root of a claim', () => {
    const lab = new BrokerLab({ reconnectGrace: GRACE });
    const master = lab.connectKeeper('[master]', { received: 3, isJournalOn: true });
    lab.letGrant(master);
    master.says(claim(['workerA', 'workerB']));
    master.says('ready');
    const a = lab.connectKeeper('workerA', { received: 3, isJournalOn: true });
    a.says(claim(['workerB', '[master]'], [held(7)], { root: { pageNr: 0, recordNr: 5 } }));
    expect(rootsOf(master)).toEqual([]);
    a.tells({ type: 'bye' });
    expect(toldTo(master)).toEqual([REREAD]);
    expect([rootsOf(master), invalidations(master)]).toEqual([[], 0]);
  });

  it('where it was in force for none, the root of a claim is written as ever', () => {
    const lab = new BrokerLab({ reconnectGrace: GRACE });
    const master = lab.connectKeeper('[master]', { received: 3 });
    lab.letGrant(master);
    master.says(claim(['workerA', 'workerB']));
    master.says('ready');
    const a = lab.connectKeeper('workerA', { received: 3 });
    a.says(claim(['workerB', '[master]'], [held(7)], { root: { pageNr: 0, recordNr: 5 } }));
    expect(rootsOf(master)).toEqual(['5', 5]);
    a.tells({ type: 'bye' });
    expect([toldTo(master), invalidations(master)]).toEqual([[], 1]);
  });

  it('not while somebody is there who keeps none: caches are cleared, and the root is written, as ever', () => {
    const { lab, master, a, b } = writing();
    const stock = lab.connect('stock1');
    lab.giveBack(a, lab.overview.locks('mydb_data').held[0]?.id ?? 0);
    master.says('looked');
    lab.askForLock(a, { write: true });
    for (const peer of [master, b]) peer.clear();
    a.leaves();
    expect([master, b, stock].map(invalidations)).toEqual([1, 1, 1]);
    expect(rootsOf(master)).toEqual(['5', 5]);
    expect([master, b].flatMap(toldTo)).toEqual([]);
    // So it is of his own writes, when he is the last one.
    lab.askForLock(stock, { write: true });
    for (const peer of [master, b]) peer.clear();
    stock.leaves();
    expect([master, b].map(invalidations)).toEqual([1, 1]);
    expect(rootsOf(master)).toEqual(['5', 5]);
    expect([master, b].map(toldTo)).toEqual([[ON], [ON]]);
    lab.askForLock(b);
    expect(grantsOf(b)).toBe(1);
  });

  it('and what a master was to write before it was in force is written by the next one', () => {
    const lab = new BrokerLab();
    const stock = lab.connect('stock1');
    const master = masterOf(lab);
    master.writesRoots = false;
    const a = lab.connectKeeper('workerA');
    a.tells(root(5));
    lab.askForLock(stock, { write: true });
    master.leaves();
    stock.leaves();
    const next = masterOf(lab);
    expect(rootsOf(next)).toEqual(['5', 5]);
    lab.askForLock(a);
    expect(grantsOf(a)).toBe(1);
  });
});
