import { describe, expect, it, vi } from 'vitest';
import { AnnouncedKeys } from '../../../src/broker/file-metadata.js';
import { ByteBudget } from '../../../src/broker/memory.js';
import { RequestTable } from '../../../src/broker/requests/request-table.js';
import { BrokerLab, LIMITS, type ScriptedPeer, WITHOUT_MASTER } from '../../support/broker-lab.js';

const event = (bytes: number) => ({ type: 'event', data: 'x'.repeat(bytes) });

describe('limits', () => {
  it('lets one large message pass, and cuts a peer off that does not read it, when the next one comes', () => {
    const lab = new BrokerLab({ maxBuffered: 1_000 });
    const [a, slow, other] = [lab.connect('peerA'), lab.connect('slow1'), lab.connect('other')];
    slow.isReading = false;
    a.tells(event(50_000));
    expect(slow.closedWith).toBeUndefined();
    a.tells(event(1));
    expect(slow.closedWith).toBe('IPC_CLOSED_TOO_SLOW');
    expect(other.messages('event')).toHaveLength(2);
    expect(other.received.at(-1)).toBe('disconnect:slow1');
    expect(lab.count('too-slow')).toBe(1);
  });

  it('cuts several off that stopped reading, all in one step, without sending them more', () => {
    const lab = new BrokerLab({ maxBuffered: 1_000 });
    const a = lab.connect('peerA');
    const slow = Array.from({ length: 20 }, (_, n) => lab.connect(`slow${n}x`));
    for (const peer of slow) peer.isReading = false;
    a.tells(event(5_000));
    const before = slow.map((peer) => peer.bufferedBytes);
    a.tells(event(1));
    expect(slow.map((peer) => peer.bufferedBytes)).toEqual(before);
    expect(slow.every((peer) => peer.closedWith === 'IPC_CLOSED_TOO_SLOW')).toBe(true);
    expect(lab.broker.peers('mydb_data').map(({ id }) => id)).toEqual(['peerA']);
  });

  it('cuts the largest debtors off when all queues together hold too much', () => {
    const lab = new BrokerLab({ maxBuffered: 1_000_000, maxTotalBuffered: 64_000 });
    const a = lab.connect('peerA', 'one_data');
    const small = lab.connect('small', 'one_data');
    const b = lab.connect('peerB', 'two_data');
    const large = lab.connect('large', 'two_data');
    for (const peer of [small, large]) peer.isReading = false;
    a.tells(event(10_000));
    b.tells(event(60_000));
    expect(large.closedWith).toBeUndefined();
    lab.clock.advance(1_000);
    expect(large.closedWith).toBe('IPC_CLOSED_OVER_SHARE');
    expect(small.closedWith).toBeUndefined();
    expect(lab.count('over-total')).toBe(1);
  });

  it('cuts nobody off for a large message that is read in time, however many it goes to', () => {
    const lab = new BrokerLab({ maxBuffered: 1_000_000, maxTotalBuffered: 64_000 });
    const a = lab.connect('peerA');
    const readers = Array.from({ length: 6 }, (_, n) => lab.connect(`reader${n}`));
    for (const reader of readers) reader.isReading = false;
    a.tells(event(15_000));
    for (const reader of readers) reader.read();
    lab.clock.advance(1_000);
    expect(readers.map(({ closedWith }) => closedWith)).toEqual(readers.map(() => undefined));
    expect(lab.timers).toBe(WITHOUT_MASTER);
  });

  it('counts what peers have read and do not confirm', () => {
    const lab = new BrokerLab({ maxBuffered: 1_000_000, maxTotalBuffered: 64_000 });
    const a = lab.connect('peerA');
    const mute = Array.from({ length: 6 }, (_, n) => lab.connect(`mute${n}x`));
    for (const peer of mute) peer.answersPings = false;
    for (const [n, { id }] of mute.entries()) a.tells(event(15_000 + n), id);
    expect(lab.broker.bufferedBytes).toBe(0);
    lab.clock.advance(1_000);
    const over = ['IPC_CLOSED_OVER_SHARE', 'IPC_CLOSED_OVER_SHARE'];
    expect(mute.map(({ closedWith }) => closedWith)).toEqual([...Array(4).fill(undefined), ...over]);
  });

  it('counts that once if it is the same for all of them', () => {
    const lab = new BrokerLab({ maxBuffered: 1_000_000, maxTotalBuffered: 64_000 });
    const a = lab.connect('peerA');
    const mute = Array.from({ length: 20 }, (_, n) => lab.connect(`mute${n}x`));
    for (const peer of mute) peer.answersPings = false;
    for (let n = 0; n < 3; n++) a.tells(event(15_000));
    lab.clock.advance(1_000);
    expect(lab.count('over-total')).toBe(0);
    a.tells(event(30_000));
    lab.clock.advance(1_000);
    expect(mute.map(({ closedWith }) => closedWith)).toEqual(mute.map(() => 'IPC_CLOSED_OVER_SHARE'));
    expect(a.closedWith).toBeUndefined();
  });

  it('cuts many off at once, with a few looks at each, and tells none of them of the others', () => {
    const lab = new BrokerLab({ maxBuffered: 1_000_000, maxTotalBuffered: 64_000, maxPeers: 1_000 });
    const a = lab.connect('peerA');
    const slow = Array.from({ length: 500 }, (_, n) => lab.connect(`slow${n}x`));
    const looks = slow.map((peer) => vi.spyOn(peer, 'bufferedBytes', 'get'));
    for (const peer of slow) peer.isReading = false;
    a.tells(event(15_000));
    const cut = slow.filter(({ closedWith }) => closedWith === 'IPC_CLOSED_OVER_SHARE');
    // For four of them there was room, until they were told of all the others.
    expect(cut.length).toBeGreaterThanOrEqual(496);
    expect(looks.filter(({ mock }) => mock.calls.length > 20).length).toBeLessThanOrEqual(4);
    for (const peer of slow) peer.clear().read();
    expect(cut.filter(({ received }) => received.length > 1).length).toBeLessThanOrEqual(4);
  });

  it('does not wait when there is twice too much', () => {
    const lab = new BrokerLab({ maxBuffered: 1_000_000, maxTotalBuffered: 64_000 });
    const a = lab.connect('peerA');
    const slow = lab.connect('slow1');
    slow.isReading = false;
    a.tells(event(140_000));
    expect(slow.closedWith).toBe('IPC_CLOSED_OVER_SHARE');
  });

  it.each([
    ['result', { type: 'request', id: 'x', data: { type: 'fst.allocate', pad: 'x'.repeat(14_000) } }],
    ['lock-result', { type: 'lock-request', id: 'x', data: { tid: 't', comment: 'x'.repeat(14_000) } }],
  ])(
    'keeps mail of all databases together within half of the total, at the cost of who sends more: %s',
    (answer, request) => {
      const lab = new BrokerLab({ maxMailPerPeer: 20_000, maxTotalBuffered: 60_000, maxBuffered: 100_000 });
      const senders = ['one', 'two', 'three'].map((database) => lab.connect('peerA', database));
      for (const sender of senders) sender.tells(request, '[master]');
      expect(senders.map((sender) => sender.messages(answer).length)).toEqual([0, 0, 1]);
      const bystander = lab.connect('bystander', 'four');
      for (let n = 0; n < 20; n++) lab.connect(`peer${n}x`, 'four').tells(event(1_000));
      lab.clock.advance(5_000);
      expect(bystander.closedWith).toBeUndefined();
      senders[0]?.leaves();
      senders[2]?.tells(request, '[master]');
      expect(senders[2]?.messages(answer)).toHaveLength(1);
    },
  );

  it('gives a master all its mail, however much that is beside maxBuffered', () => {
    const lab = new BrokerLab({ maxBuffered: 1_000, maxMailPerPeer: 100_000 });
    const worker = lab.connect('peerA');
    for (let n = 0; n < 50; n++) {
      const data = { type: 'fst.allocate', pad: 'x'.repeat(1_000) };
      worker.tells({ type: 'request', id: `${n}`, data }, '[master]');
    }
    const master = lab.connect('[master]');
    master.isReading = false;
    lab.clock.advance(1_000);
    worker.tells({ type: 'request', id: 'next', data: { type: 'fst.allocate' } }, '[master]');
    expect(master.closedWith).toBeUndefined();
    master.read();
    expect(master.messages('request')).toHaveLength(51);
    worker.tells(event(5_000), '[master]');
    worker.tells(event(1), '[master]');
    expect(master.closedWith).toBe('IPC_CLOSED_TOO_SLOW');
  });

  it('keeps no more memory alive than what it keeps, where messages are views of long chunks', () => {
    const chunk = new Uint8Array(65_536);
    const payload = Buffer.from(chunk.buffer, 100, 50);
    const table = new RequestTable({
      limits: LIMITS,
      kept: new ByteBudget(10_000),
      framesSoFar: () => 1,
    });
    table.holdMessage('peerA', payload);
    expect([...table.held()][0]?.payload.buffer.byteLength).toBeLessThanOrEqual(4_096);
    const keys = new AnnouncedKeys();
    keys.remember(0, 'key', payload);
    expect([...keys.all()][0]?.message.buffer.byteLength).toBe(50);
  });

  it('refuses peers, and databases, above their number; those that are there may reconnect', () => {
    const lab = new BrokerLab({ maxPeers: 2, maxDatabases: 1 });
    lab.connect('peerA');
    lab.connect('peerB');
    expect(lab.connect('peerC').refusedWith).toBe('IPC_REFUSED_TOO_MANY_PEERS');
    expect(lab.connect('peerA').isIn).toBe(true);
    expect(lab.connect('peerA', 'another_data').refusedWith).toBe('IPC_REFUSED_TOO_MANY_DATABASES');
  });

  it('remembers nothing of a database that nobody is connected to', () => {
    const lab = new BrokerLab({ maxDatabases: 1 });
    lab.connect('peerA').leaves();
    expect(lab.broker.databases).toEqual([]);
    expect(lab.connect('peerA', 'another_data').isIn).toBe(true);
  });

  it('does not count a database that nobody could join', () => {
    const lab = new BrokerLab({ maxPeers: 0 });
    lab.connect('peerA');
    expect(lab.broker.databases).toEqual([]);
  });

  it('warns of one kind of incident at most once in ten seconds, with the number since', () => {
    const lab = new BrokerLab();
    const a = lab.connect('peerA');
    for (let n = 0; n < 5; n++) a.says('garbage');
    expect(lab.warnings()).toHaveLength(1);
    lab.clock.advance(10_000);
    a.says('garbage');
    const warnings = lab.log.filter(({ fields }) => fields['incident'] === 'malformed-frame');
    expect(warnings.map(({ fields }) => fields['count'])).toEqual([1, 5]);
  });
});

describe('large messages over HTTP', () => {
  const http = { largeMessages: 'http', maxPayload: 100 } as const;

  it('are parked for each receiver, and handed out once, to it alone', () => {
    const lab = new BrokerLab(http);
    const [a, b, c] = [lab.connect('peerA'), lab.connect('peerB'), lab.connect('peerC')];
    for (const peer of [b, c]) peer.clear();
    a.tells(event(200));
    const [messageId = ''] = b.received.map((text) => text.replace('get:', ''));
    const [other = ''] = c.received.map((text) => text.replace('get:', ''));
    expect(lab.broker.pickUp('mydb_data', 'peerA', messageId)).toBeUndefined();
    expect(lab.broker.pickUp('mydb_data', 'peerC', other)).toBeDefined();
    const picked = lab.broker.pickUp('mydb_data', 'peerB', messageId);
    expect(JSON.parse(new TextDecoder().decode(picked))).toMatchObject({ from: 'peerA' });
    expect(lab.broker.pickUp('mydb_data', 'peerB', messageId)).toBeUndefined();
  });

  it('have ids that no other one has, also of who comes under the same id', () => {
    const lab = new BrokerLab(http);
    const worker = lab.connect('peerA');
    const idOf = (peer: ScriptedPeer): string | undefined =>
      peer.received.findLast((text) => text.startsWith('get:'));
    const first = lab.connect('[master]');
    worker.tells(event(200), '[master]');
    lab.clock.advance(2_000);
    const given = idOf(first);
    first.tells({ type: 'bye' });
    const second = lab.connect('[master]');
    lab.clock.advance(2_000);
    worker.tells(event(200), '[master]');
    expect([given === undefined, idOf(second) === undefined, given === idOf(second)]).toEqual([
      false,
      false,
      false,
    ]);
  });

  it('are measured as clients measure: in UTF-16 units', () => {
    const lab = new BrokerLab(http);
    const [a, b] = [lab.connect('peerA'), lab.connect('peerB')];
    b.clear();
    const head = '{"type":"event","from":"peerA","data":""}'.length;
    a.tells({ type: 'event', data: '€'.repeat(100 - head) });
    a.tells({ type: 'event', data: `${'€'.repeat(98 - head)}😀` });
    a.tells({ type: 'event', data: `${'€'.repeat(99 - head)}😀` });
    expect(b.received.map((text) => text.slice(0, 4))).toEqual(['{"ty', '{"ty', 'get:']);
  });

  it('count as waiting for their receiver, until they are picked up', () => {
    const lab = new BrokerLab({ ...http, maxBuffered: 1_000 });
    const [a, b] = [lab.connect('peerA'), lab.connect('peerB')];
    a.tells(event(2_000));
    a.tells(event(200));
    expect(b.closedWith).toBe('IPC_CLOSED_TOO_SLOW');
    expect(lab.timers).toBe(WITHOUT_MASTER);
  });

  it('count once towards the total', () => {
    const lab = new BrokerLab({ ...http, maxBuffered: 1_000_000, maxTotalBuffered: 64_000 });
    const [a, b] = [lab.connect('peerA'), lab.connect('peerB')];
    for (let n = 0; n < 3; n++) a.tells(event(10_000));
    b.isReading = false;
    for (let n = 0; n < 300; n++) a.tells(event(10));
    lab.clock.advance(1_000);
    expect(b.closedWith).toBeUndefined();
    expect(lab.count('over-total')).toBe(0);
  });

  it('are thrown away when the server stops', () => {
    const lab = new BrokerLab(http);
    lab.connect('peerB');
    lab.connect('peerA').tells(event(200));
    lab.broker.stop();
    expect(lab.timers).toBe(0);
  });

  it('are kept for a minute, and no longer than their receiver is there', () => {
    const lab = new BrokerLab(http);
    const [a, b] = [lab.connect('peerA'), lab.connect('peerB')];
    a.tells(event(200));
    lab.clock.advance(60_000);
    expect(lab.count('parking-expired')).toBe(1);
    expect(lab.broker.pickUp('mydb_data', 'peerB', 'm1')).toBeUndefined();
    a.tells(event(200));
    b.leaves();
    expect(lab.timers).toBe(0);
  });
});

describe('messages over HTTP', () => {
  it('are passed on in the name of a peer that is connected', () => {
    const lab = new BrokerLab();
    lab.connect('peerA');
    const b = lab.connect('peerB');
    const frame = (text: string) => new TextEncoder().encode(text);
    expect(lab.broker.post('mydb_data', 'peerA', frame('to:peerB;{"type":"event","from":"peerA"}'))).toBe(
      true,
    );
    expect(lab.broker.post('mydb_data', 'peerA', frame('{"type":"event","from":"peerB"}'))).toBe(false);
    expect(lab.broker.post('mydb_data', 'peerC', frame('{"type":"event","from":"peerC"}'))).toBe(false);
    expect(lab.broker.post('nodb_data', 'peerA', frame('{"type":"event","from":"peerA"}'))).toBe(false);
    expect(b.messages('event')).toHaveLength(1);
  });
});
