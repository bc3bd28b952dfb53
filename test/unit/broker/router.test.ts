import { describe, expect, it } from 'vitest';
import { BrokerLab } from '../../support/broker-lab.js';

const event = (n: number) => ({ type: 'event', data: { n } });
const numbers = (messages: Record<string, unknown>[]) =>
  messages.map((message) => (message['data'] as { n: number }).n);

describe('the router of a database', () => {
  it('passes a broadcast on to every other peer, byte for byte', () => {
    const lab = new BrokerLab();
    const [a, b, c] = [lab.connect('peerA'), lab.connect('peerB'), lab.connect('peerC')];
    for (const peer of [a, b, c]) peer.clear();
    const frame = '{ "type" : "event",\t"from":"peerA", "data":"\\u00e9 é 𝄞" }';
    a.says(frame);
    expect([a.received, b.received, c.received]).toEqual([[], [frame], [frame]]);
  });

  it('passes a directed message on to its receiver alone, without the prefix', () => {
    const lab = new BrokerLab();
    const [a, b, c] = [lab.connect('peerA'), lab.connect('peerB'), lab.connect('peerC')];
    for (const peer of [a, b, c]) peer.clear();
    a.tells(event(1), 'peerB');
    a.tells(event(2), 'peerC');
    a.tells(event(3), 'peerB');
    expect(numbers(b.messages('event'))).toEqual([1, 3]);
    expect(numbers(c.messages('event'))).toEqual([2]);
    expect(b.received[0]?.startsWith('{')).toBe(true);
  });

  it('finds the receiver anew when its connection was replaced', () => {
    const lab = new BrokerLab();
    const a = lab.connect('peerA');
    lab.connect('peerB');
    a.tells(event(1), 'peerB');
    const again = lab.connect('peerB');
    a.tells(event(2), 'peerB');
    expect(numbers(again.messages('event'))).toEqual([2]);
  });

  it('looks for the sender of a message in its first 64 KiB', () => {
    const lab = new BrokerLab({ maxBuffered: 1_000_000 });
    const [a, b] = [lab.connect('peerA'), lab.connect('peerB')];
    b.clear();
    const pad = 'x'.repeat(66_000);
    a.says(`{"type":"event","x":"${pad}","from":"peerA"}`);
    a.says(`to:peerB;{"type":"${pad}${pad}","from":"peerA"}`);
    expect([b.received, lab.count('foreign-from')]).toEqual([[], 2]);
    const frame = `{"type":"event","from":"peerA","x":"${pad}${pad}"}`;
    a.says(frame);
    expect(b.received).toEqual([frame]);
  });

  it('sends to:all to every other peer', () => {
    const lab = new BrokerLab();
    const [a, b, c] = [lab.connect('peerA'), lab.connect('peerB'), lab.connect('peerC')];
    a.tells(event(1), 'all');
    expect([a, b, c].map((peer) => peer.messages('event').length)).toEqual([0, 1, 1]);
  });

  it('answers a ping at once, also one of a master that settles', () => {
    const lab = new BrokerLab();
    for (const id of ['peerA', '[master]']) {
      const peer = lab.connect(id).clear();
      peer.says('ping');
      expect(peer.received).toEqual(['pong']);
    }
  });

  it('keeps databases apart, even with the same ids', () => {
    const lab = new BrokerLab();
    const a = lab.connect('peerA', 'one_data');
    const sameIdElsewhere = lab.connect('peerB', 'two_data').clear();
    lab.connect('peerB', 'one_data');
    a.tells(event(1));
    a.tells(event(2), 'peerB');
    expect(sameIdElsewhere.received).toEqual([]);
  });

  it.each([
    '',
    'pong',
    'pin',
    'pings',
    'to:',
    'to:peerB',
    'to:;{}',
    'to:peerB;',
    'to:peerB;ping',
    '[1]',
    'hello',
    '\u0000',
  ])('drops %j, counts it, warns, and lives on', (frame) => {
    const lab = new BrokerLab();
    const [a, b] = [lab.connect('peerA'), lab.connect('peerB')];
    a.clear();
    b.clear();
    a.says(frame);
    expect([a.received, b.received, a.closedWith]).toEqual([[], [], undefined]);
    expect(lab.count('malformed-frame')).toBe(1);
    expect(lab.warnings()).toHaveLength(1);
    a.tells(event(1));
    expect(b.messages('event')).toHaveLength(1);
  });

  it.each([
    '{"type":"bye","from":"peerB"}',
    '{"type":"bye"}',
    '{"type":"bye","data":{"from":"peerA"}}',
    '{"from":"peerB","type":"bye","from":"peerA"}',
    '{"from":"peerA2","type":"x"}',
    '{"from":17}',
    '{',
    '{"from"',
    '{"from":"peerA',
    '{{{{',
  ])('drops %s: it is not in the name of its sender', (message) => {
    const lab = new BrokerLab();
    const [a, b, c] = [lab.connect('peerA'), lab.connect('peerB'), lab.connect('peerC')];
    for (const peer of [a, b, c]) peer.clear();
    a.says(message);
    a.says(`to:peerB;${message}`);
    expect([b.received, c.received]).toEqual([[], []]);
    expect(lab.count('foreign-from')).toBe(2);
    expect(lab.warnings()).toEqual([]);
  });

  it('drops and counts what is for a peer that is not there', () => {
    const lab = new BrokerLab();
    const a = lab.connect('peerA');
    a.tells(event(1), 'nobody');
    expect(lab.count('undeliverable')).toBe(1);
    expect(lab.warnings()).toEqual([]);
  });

  it('routes types that it does not know', () => {
    const lab = new BrokerLab();
    const [a, b] = [lab.connect('peerA'), lab.connect('peerB')];
    a.tells({ type: 'something-new', data: 1 });
    a.tells({ type: 'notification', data: { type: 'index.created', path: 'x' } });
    expect(b.messages('something-new')).toHaveLength(1);
    expect(b.messages('notification')).toHaveLength(1);
  });

  it('keeps the order of cause and effect over any number of peers', () => {
    const lab = new BrokerLab();
    const peers = ['peerA', 'peerB', 'peerC', 'peerD'].map((id) => lab.connect(id));
    const [a, b, c, d] = peers;
    // Each says the next number once it has heard the last one: nobody may hear them in another order.
    for (let n = 0; n < 30; n++) [a, b, c][n % 3]?.tells(event(n));
    expect(numbers(d?.messages('event') ?? [])).toEqual(Array.from({ length: 30 }, (_, n) => n));
  });
});
