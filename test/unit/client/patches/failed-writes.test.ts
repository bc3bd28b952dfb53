import { describe, expect, it } from 'vitest';
import type { Storage } from '../../../../src/client/acebase.js';
import { FailedWrites } from '../../../../src/client/core/failed-writes.js';
import { noteFailedWrites } from '../../../../src/client/patches/failed-writes.js';
import { clientLab } from '../../../support/client-lab.js';

/** A storage that writes `writes` times, and then fails, if it is to, with that error. */
function storage(writes: number, fails?: string, setsFree = false) {
  const order: string[] = [];
  const it = {
    createTid: () => 'made',
    ipc: {},
    nodeLocker: {
      lock: async (_path: string, tid: string) => {
        order.push(`lock ${tid}`);
        return { release: async () => void order.push(`release ${tid}`) };
      },
    },
    writeData: async () => 1,
    once: (_event: string, callback: () => void) => callback(),
    FST: { release: async () => void order.push('set free') },
    async _updateNode(path: string, value: unknown, options: object) {
      return await it._writeNodeWithTracking(path, value, options);
    },
    async _writeNodeWithTracking(_path: string, _value: unknown, _options: object) {
      if (setsFree) await it.FST.release();
      for (let n = 0; n < writes; n++) await it.writeData();
      if (fails !== undefined) throw new Error(fails);
      return 'written';
    },
  };
  noteFailedWrites(it as unknown as Storage, {
    writeBegins: () => undefined,
    writes: () => undefined,
    writeFailed: (tid) => order.push(`failed ${tid}`),
    setsFree: (give) => give(),
  });
  return { order, it };
}

describe('a write that fails', () => {
  it('in its midst is noted, under its transaction', async () => {
    const { order, it } = storage(1, 'the disk is full');
    await expect(it._updateNode('a', 1, { tid: 't' })).rejects.toThrow('the disk is full');
    expect(new Set(order)).toEqual(new Set(['failed t']));
  });

  it('before it has written anything is noted, too: it may be a part of one that has, or have parts that go on', async () => {
    const { order, it } = storage(0, 'the disk is full', true);
    await expect(it._updateNode('a', 1, { tid: 't' })).rejects.toThrow('the disk is full');
    expect(order).toEqual(['set free', 'failed t', 'failed t']);
  });

  it('is noted before its lock goes, also where AceBase makes the transaction itself', async () => {
    const { order, it } = storage(1, 'the disk is full');
    await expect(it._updateNode('a', 1, { _internal: true })).rejects.toThrow('the disk is full');
    expect([order[0], order.at(-1), order.includes('failed made')]).toEqual([
      'lock made',
      'release made',
      true,
    ]);
  });

  it('is not noted if it does not', async () => {
    const { order, it } = storage(1);
    expect(await it._updateNode('a', 1, { tid: 't' })).toBe('written');
    expect(order).toEqual([]);
  });
});

describe('all caches are cleared, everywhere, after a failed write', () => {
  const isClearing = (text: string): boolean => text.includes('cache.invalidate');

  it('before a worker gives its last lock back', async () => {
    const { client, last, welcome, answerPings, grantOf, settle } = clientLab();
    welcome(false, 1);
    answerPings();
    const locking = client.lock({ path: 'a', tid: 'T', write: true });
    await settle();
    last().events.text(grantOf(119_000));
    const first = await locking;
    const second = await client.lock({ path: 'a/b', tid: 'T', write: true });
    client.writeFailed('T');
    await first.release();
    expect(last().sent.some(isClearing)).toBe(false);
    await second.release();
    const { sent } = last();
    const cleared = sent.findIndex(isClearing);
    expect([cleared > 0, sent[cleared + 1]?.includes('unlock-request')]).toEqual([true, true]);
    expect(sent.filter(isClearing)).toHaveLength(1);
  });

  it('before a master gives its last lock back', async () => {
    const { client, asked, events, welcome, answerPings, settle } = clientLab({ isMaster: true });
    welcome(false, 1);
    answerPings();
    client.fileOpened();
    answerPings();
    const locking = client.lock({ path: 'a', tid: 'T', write: true });
    await settle();
    asked[0]?.grant();
    client.writeFailed('T');
    await (await locking).release();
    expect(events).toEqual(['all caches, 1 locks held']);
  });

  it('at once if it holds none any more', () => {
    const { client, events, welcome } = clientLab();
    welcome(false, 1);
    client.writeFailed('T');
    expect(events).toEqual(['all caches, 0 locks held']);
  });
});

describe('a transaction of which a part has failed', () => {
  const scene = () => {
    const order: string[] = [];
    return { order, writes: new FailedWrites(() => order.push('all caches')) };
  };

  it('is of no consequence if nothing was written: so it is with values that AceBase does not take', () => {
    const { order, writes } = scene();
    writes.writes();
    writes.begins('t');
    writes.add('t', true);
    writes.ends('t');
    writes.begins('u');
    writes.add('u', false);
    expect(order).toEqual([]);
  });

  it('has all caches cleared if another part had written before, or writes until its last lock goes', () => {
    for (const writesWhen of ['before', 'after']) {
      const { order, writes } = scene();
      writes.begins('t');
      if (writesWhen === 'before') writes.writes();
      writes.begins('t');
      writes.add('t', true);
      if (writesWhen === 'after') writes.writes();
      expect(order).toEqual([]);
      writes.ends('t');
      expect(order, writesWhen).toEqual(['all caches']);
      // It counts once.
      writes.ends('t');
      expect(order).toHaveLength(1);
    }
  });
});

describe('what a transaction sets free', () => {
  it('is free when its last lock is about to go, and not at all if it has failed', async () => {
    const { client, last, welcome, answerPings, grantOf, settle } = clientLab();
    welcome(false, 1);
    answerPings();
    const order: string[] = [];
    for (const fails of [false, true]) {
      const locking = client.lock({ path: 'a', tid: `fails: ${fails}`, write: true });
      await settle();
      last().events.text(grantOf(119_000));
      const lock = await locking;
      client.setsFree(() => order.push(`of the one that fails: ${fails}`));
      if (fails) client.writeFailed(`fails: ${fails}`);
      expect(order).toHaveLength(fails ? 1 : 0);
      await lock.release();
    }
    expect(order).toEqual(['of the one that fails: false']);
    client.setsFree(() => order.push('of no transaction'));
    expect(order).toHaveLength(2);
  });

  it('is free at once at a master where a worker writes', async () => {
    const { client, ipc, asked, welcome, answerPings, settle } = clientLab({ isMaster: true });
    welcome(false, 1);
    answerPings();
    client.fileOpened();
    answerPings();
    const locking = client.lock({ path: 'a', tid: 'T', write: true });
    await settle();
    asked[0]?.grant();
    const order: string[] = [];
    client.setsFree(() => order.push('own'));
    expect(order).toEqual([]);
    await (await locking).release();
    expect([order, ipc._locks]).toEqual([['own'], []]);
    client.setsFree(() => order.push('of a worker'));
    expect(order).toEqual(['own', 'of a worker']);
  });

  it('is not free before it ends itself: another one, whose lock has run out, may end before', () => {
    const order: string[] = [];
    const writes = new FailedWrites(() => order.push('all caches'));
    writes.setsFree(() => order.push('of a'), 'a');
    writes.setsFree(() => order.push('of b'), 'b');
    writes.ends('a');
    expect(order).toEqual(['of a']);
    writes.add('b', true);
    writes.ends('b');
    expect(order).toEqual(['of a', 'all caches']);
  });
});
