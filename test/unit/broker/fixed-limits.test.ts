import { describe, expect, it } from 'vitest';
import { AnnouncedKeys } from '../../../src/broker/file-metadata.js';
import {
  LAST_SAFE_KEY_INDEX,
  MAX_EXPECTED_ECHOES,
  MAX_GONE_IDS,
  MAX_REPLAYED_KEYS,
} from '../../../src/broker/limits.js';
import { RootRecord, RootView } from '../../../src/broker/peers/root-tracker.js';
import { encode } from '../../../src/protocol/frames.js';
import { parseNotification } from '../../../src/protocol/messages.js';
import { BrokerLab } from '../../support/broker-lab.js';

const MESSAGE = encode('{}');

describe('limits that are no options', () => {
  it('a peer that owes too many echoes counts as one that does not read', () => {
    const record = new RootRecord();
    const writer = new RootView();
    const silent = new RootView();
    for (let turn = 0; turn < MAX_EXPECTED_ECHOES; turn++) {
      record.receive(writer, { pageNr: 0, recordNr: turn }, MESSAGE);
      expect(record.relay(silent, turn + 1)).toBe('send-and-ping');
    }
    record.receive(writer, { pageNr: 1, recordNr: 0 }, MESSAGE);
    expect(record.relay(silent, MAX_EXPECTED_ECHOES + 1)).toBe('overdue');
    record.confirm(silent, MAX_EXPECTED_ECHOES);
    expect(record.relay(silent, MAX_EXPECTED_ECHOES + 1)).toBe('send-and-ping');
  });

  it('keys beyond the size of a key table are not told again; those that are there may change', () => {
    const keys = new AnnouncedKeys();
    for (let index = 0; index <= MAX_REPLAYED_KEYS; index++)
      keys.remember(index, `k${index}`, encode(String(index)));
    expect([...keys.all()]).toHaveLength(MAX_REPLAYED_KEYS);
    keys.remember(0, 'again', encode('again'));
    const [first] = keys.all();
    expect(first).toEqual({ key: 'again', message: encode('again') });
  });

  it('keys that a lost master may not have told of are asked for again: no more than one is asked for at a time', () => {
    const lab = new BrokerLab();
    const master = lab.connectMaster();
    lab.connect('stays');
    for (let worker = 0, key = 0; worker < 2; worker++) {
      const peer = lab.connect(`worker${worker}`);
      for (let count = 0; count < 3_000; count++, key++) {
        peer.tells({ type: 'request', id: `${key}`, data: { type: 'kit.add', key: `k${key}` } }, '[master]');
      }
      peer.leaves();
    }
    master.leaves();
    expect(lab.connectMaster().messages('request')).toHaveLength(LAST_SAFE_KEY_INDEX + 1);
  });

  it('a master that comes is told of so many that have gone', () => {
    const lab = new BrokerLab();
    lab.connect('stays');
    for (let worker = 0; worker <= MAX_GONE_IDS; worker++) lab.connect(`worker${worker}`).leaves();
    const told = lab.connectMaster().received.filter((text) => text.startsWith('disconnect:'));
    expect(told).toHaveLength(MAX_GONE_IDS);
  });

  it('a notification that is too long is passed on unread', () => {
    const notification = (padding: string) =>
      encode(JSON.stringify({ type: 'notification', data: { type: 'kit.new_key', index: 1, key: padding } }));
    expect(parseNotification(notification('short')).type).toBe('kit.new_key');
    expect(parseNotification(notification('x'.repeat(4_096))).type).toBe('unknown');
  });
});
