import { resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { RemoteIPCPeer } from '../../../src/client/acebase.js';
import type { LockInfo, OpenRequest } from '../../../src/client/core/host.js';
import { describeWait, REMINDER_MS, Waiting } from '../../../src/client/waiting.js';
import { VirtualClock } from '../../support/virtual-clock.js';

const held = (holder: string) => ({ holder, path: 'a/b', write: true, heldFor: 12_345 });

/** A worker, or a master, that is connected to a server with sessions. */
function lab({ isMaster = false, locks = '{"held":[]}', sessions = true } = {}) {
  const clock = new VirtualClock();
  const said: string[] = [];
  const peers: { id: string }[] = [];
  const requests = new Map<string, OpenRequest>();
  const lockInfos: LockInfo[] = [];
  const ofWorkers = new Set<object>();
  const scene = { isReady: true, isConnected: true, awaited: '', locks, asked: 0 };
  const ipc = {
    id: isMaster ? '[master]' : 'own-id',
    masterPeerId: '[master]',
    isMaster,
    peers,
    _requests: requests,
    _locks: lockInfos,
    storage: {
      fileName: './mydb.acebase/data.db',
      logger: { error: (text: string) => said.push(text), warn: () => undefined },
    },
  } as unknown as RemoteIPCPeer;
  const waiting = new Waiting({
    ipc,
    clock,
    isReady: () => scene.isReady,
    isConnected: () => scene.isConnected,
    hasSessions: () => sessions,
    isAwaited: (id) => id === scene.awaited,
    isOfWorker: (request) => ofWorkers.has(request),
    fetchLocks: async () => {
      scene.asked++;
      return scene.locks;
    },
  });
  const ask = (id: string, type = 'lock-request') => {
    const request = { type, id, from: 'own-id' };
    requests.set(id, { request, resolve: () => undefined, reject: () => undefined });
    if (type === 'lock-request') lock(id);
  };
  const lock = (tid: string) => {
    const info = { tid, granted: false, request: { path: '', tid, write: true }, lock: null };
    lockInfos.push(info);
    return info;
  };
  /** Lets time pass, second by second, with what is asked of the server meanwhile. */
  const pass = async (milliseconds: number) => {
    for (let left = milliseconds; left > 0; left -= 1_000) {
      clock.advance(Math.min(left, 1_000));
      for (let turn = 0; turn < 5; turn++) await Promise.resolve();
    }
  };
  return { clock, said, peers, requests, lockInfos, ofWorkers, scene, waiting, ask, lock, pass };
}

describe('a worker that waits', () => {
  it('says for what after 5 s, then each minute, and when it is over', async () => {
    const { said, requests, ask, pass } = lab();
    for (const id of ['1', '2', '3']) ask(id);
    await pass(5_000);
    expect(said).toEqual([]);
    await pass(1_000);
    expect(said).toEqual([
      expect.stringMatching(/^Waiting for a master to connect; 3 operations are queued\./),
    ]);
    await pass(REMINDER_MS - 1_000);
    expect(said).toHaveLength(1);
    await pass(2_000);
    expect(said).toHaveLength(2);
    requests.clear();
    await pass(2_000);
    expect(said.slice(2)).toEqual([expect.stringMatching(/^What was waited for is there, after 6\d s$/)]);
  });

  it('says nothing while one request after the other is answered, nor without a connection', async () => {
    const { said, requests, scene, ask, pass } = lab();
    for (let id = 1; id < 20; id++) {
      ask(String(id));
      requests.delete(String(id - 1));
      await pass(4_000);
    }
    scene.isConnected = false;
    await pass(100_000);
    expect(said).toEqual([]);
    // The server is back: others have as long as they would have had, to come back, too.
    scene.isConnected = true;
    await pass(5_000);
    expect(said).toEqual([]);
  });

  it('says so, too, while there is no file, and it has asked for nothing yet', async () => {
    const { said, scene, peers, pass } = lab();
    scene.isReady = false;
    await pass(7_000);
    expect(said[0]).toMatch(/^Waiting for a master to connect; the database cannot be opened before\./);
    peers.push({ id: '[master]' });
    await pass(60_000);
    expect(said[1]).toContain(
      `Waiting for the database file ${resolve('mydb.acebase/data.db')}, which the master creates; `,
    );
    expect(said[1]).toContain('the same folder: storage.path is relative');
    scene.isReady = true;
    await pass(2_000);
    expect(said[2]).toMatch(/^What was waited for is there/);
  });

  it('says who holds the lock', async () => {
    const locks = JSON.stringify({ held: [held('other-worker'), held('own-id')], waiting: [] });
    const { said, peers, ask, pass } = lab({ locks });
    peers.push({ id: '[master]' });
    ask('1');
    await pass(7_000);
    expect(said[0]).toMatch(
      /other-worker holds a lock for writing \("\/a\/b", for 12 s\); 1 operation is queued/,
    );
  });

  it('says so also of a transaction that waits for another one of its own process, which asks nobody', async () => {
    const { said, peers, lock, pass } = lab({ locks: JSON.stringify({ held: [held('own-id')] }) });
    peers.push({ id: '[master]' });
    const info = lock('1');
    await pass(7_000);
    expect(said).toEqual([
      expect.stringMatching(/this process itself holds a lock .* 1 operation is queued/),
    ]);
    Object.assign(info, { granted: true });
    await pass(2_000);
    expect(said[1]).toMatch(/^What was waited for is there/);
  });

  it.each([
    { why: 'no worker holds a lock', request: 'lock-request', locks: '{"held":[]}' },
    { why: 'it waits for something else', request: 'request', locks: JSON.stringify({ held: [held('x')] }) },
    { why: 'a proxy answers', request: 'lock-request', locks: '<h1>502</h1>' },
    { why: 'another program answers', request: 'lock-request', locks: '{"held":[{"holder":1}]}' },
  ])('says that the master does not answer, if $why', async ({ request, locks }) => {
    const { said, peers, ask, pass } = lab({ locks });
    peers.push({ id: '[master]' });
    ask('1', request);
    await pass(7_000);
    expect(said[0]).toMatch(/^Waiting for the master, which is connected but does not answer/);
  });

  it('takes a master that was there before a restart of the server for absent, until it is back', async () => {
    const { said, peers, scene, ask, pass } = lab();
    peers.push({ id: '[master]' });
    scene.awaited = '[master]';
    ask('1');
    await pass(7_000);
    expect(said[0]).toMatch(/^Waiting for a master to connect/);
  });

  it('does not claim to know who is there, at a server that does not introduce peers', async () => {
    const { said, ask, pass } = lab({ sessions: false, locks: 'Not found' });
    ask('1');
    await pass(7_000);
    expect(said[0]).toMatch(/^Waiting for the master; 1 operation is queued/);
  });

  it('asks the server no more than once a minute, and says nothing of what is over by then', async () => {
    const { said, peers, requests, scene, waiting, clock, ask, pass } = lab();
    peers.push({ id: '[master]' });
    ask('1');
    await pass(60_000);
    expect([scene.asked, said.length]).toEqual([1, 1]);
    await pass(5_000);
    requests.clear();
    ask('2');
    await pass(1_000);
    waiting.stop();
    expect(clock.pending).toBe(0);
  });
});

describe('a master that waits', () => {
  it('for a lock that a worker holds, says so; what workers wait for is theirs to say', async () => {
    const locks = JSON.stringify({ held: [held('a-worker')] });
    const { said, lock, ofWorkers, pass } = lab({ isMaster: true, locks });
    ofWorkers.add(lock('of a worker').request);
    await pass(10_000);
    expect(said).toEqual([]);
    lock('own');
    await pass(7_000);
    expect(said[0]).toMatch(/a-worker holds a lock .* 1 operation is queued/);
  });
});

it('a lock that the process itself holds is named as such', () => {
  const wait = { kind: 'lock', lock: held('own-id'), isOwn: true } as const;
  expect(describeWait(wait, 2)).toMatch(/this process itself holds a lock .* 2 operations are queued/);
});
