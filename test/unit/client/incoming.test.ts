import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Answers } from '../../../src/client/core/answer-cache.js';
import type { IPCPeer, LockDetails, LockInfo, Message } from '../../../src/client/core/host.js';
import { EventNumbers, Incoming } from '../../../src/client/core/inbox.js';
import { systemClock } from '../../../src/platform/clock.js';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

const GRACE_MS = 11_000;
const classes = {
  PathReference: class {
    readonly path = '';
  },
};

/** A process of that role, which knows `peer1` and `peer2`. */
function lab(isMaster: boolean, hasSessions = true) {
  const roots: unknown[] = [];
  const released: string[] = [];
  const back: string[] = [];
  const revoked: unknown[] = [];
  let inStep: () => void = () => undefined;
  const ipc = {
    id: isMaster ? '[master]' : 'worker1',
    isMaster,
    peers: [{ id: 'peer1' }, { id: 'peer2' }],
    _locks: [] as unknown[],
    _requests: new Map(),
    removePeer(id: string) {
      ipc.peers = ipc.peers.filter((peer) => peer.id !== id);
    },
    handleMessage({ type, data, from }: Message) {
      if (type !== 'lock-request') return;
      const lock = { state: 'locked', release: async () => void released.push(from) };
      ipc._locks.push({ request: data, tid: (data as LockDetails).tid, lock });
    },
  };
  const incoming = new Incoming({
    ipc: ipc as unknown as IPCPeer,
    file: { setRoot: async (address, isToBeWritten) => void roots.push([address, isToBeWritten]) },
    indexes: {
      localized: (message) => message,
      changed: () => undefined,
      isUnknown: () => false,
      built: () => undefined,
      over: () => undefined,
      announced: () => undefined,
    },
    log: { error: (...words) => expect(words).toEqual([]) },
    clock: systemClock,
    classes,
    answers: new Answers(
      () => 0,
      () => undefined,
    ),
    eventNumbers: new EventNumbers(() => 'session'),
    has: () => false,
    revoke: ({ request }) => revoked.push(request.tid),
    answered: () => undefined,
    repeat: () => undefined,
    isBack: (id) => back.push(id),
    rootTold: () => undefined,
    isGone: () => undefined,
    hasSessions: () => hasSessions,
    heardAt: () => undefined,
    masterCame: () => undefined,
    rootWritten: () => undefined,
    rootNotWritten: () => undefined,
    journalIsHeard: () => undefined,
    reread: () => undefined,
    othersMayWrite: () => undefined,
    inStep: (callback) => {
      inStep = callback;
    },
  });
  const hear = (message: object) => incoming.receive(JSON.stringify(message));
  return { ipc, incoming, hear, roots, released, back, revoked, pong: () => inStep() };
}

it('takes a peer for back at a new server when it is introduced, and not when something of it is heard', () => {
  const { incoming, hear, back } = lab(false);
  incoming.expectPeersAnew(GRACE_MS);
  // The server also says things in the name of those that are gone.
  hear({ type: 'notification', from: 'peer1', data: { type: 'cache.invalidate', path: '' } });
  hear({ type: 'event', from: 'peer1', data: {} });
  expect([back, incoming.isAwaited('peer1')]).toEqual([[], true]);
  hear({ type: 'hello', from: 'peer1' });
  expect([back, incoming.isAwaited('peer1')]).toEqual([['peer1'], false]);
});

it('gives up who stays away when its time is over, by a line that is alive', () => {
  const { ipc, incoming, hear, pong } = lab(false);
  incoming.expectPeersAnew(GRACE_MS);
  vi.advanceTimersByTime(GRACE_MS);
  // It came back meanwhile, and that was said on a line that had died.
  hear({ type: 'hello', from: 'peer1' });
  expect(ipc.peers).toHaveLength(2);
  pong();
  expect(ipc.peers).toEqual([{ id: 'peer1' }]);
});

it('begins to wait anew when the server was restarted once more', () => {
  const { ipc, incoming, pong } = lab(false);
  incoming.expectPeersAnew(GRACE_MS);
  vi.advanceTimersByTime(GRACE_MS);
  incoming.expectPeersAnew(GRACE_MS);
  pong();
  expect(ipc.peers).toHaveLength(2);
});

it('as a master, releases the locks of those that stay away, and of nobody else', () => {
  const { incoming, hear, released, pong } = lab(true);
  for (const from of ['peer1', 'peer2'])
    hear({ type: 'lock-request', id: from, from, data: { tid: from, path: from } });
  incoming.expectPeersAnew(GRACE_MS);
  hear({ type: 'hello', from: 'peer2' });
  vi.advanceTimersByTime(GRACE_MS);
  expect(released).toEqual([]);
  pong();
  expect(released).toEqual(['peer1']);
});

it('as a master, grants a server that is gone no lock any more: nobody would give it back', () => {
  const { ipc, incoming, hear, revoked } = lab(true);
  const ask = (from: string, tid: string) =>
    hear({ type: 'lock-request', id: `${from} ${tid}`, from, data: { tid, path: '', write: true } });
  ask('[server]', 'granted');
  ask('[server]', 'waiting');
  ask('peer1', 'of a worker');
  for (const info of ipc._locks.slice(1) as { lock: unknown }[]) info.lock = null;
  incoming.expectPeersAnew(GRACE_MS);
  expect(revoked).toEqual(['waiting']);
});

describe('the root lock of a server that is gone', () => {
  const master = () => {
    const scene = lab(true);
    const { ipc, hear, incoming } = scene;
    const askForRoot = (tid: string) =>
      hear({
        type: 'lock-request',
        id: `[server]${tid}`,
        from: '[server]',
        data: { tid, path: '', write: true },
      });
    askForRoot('old-1');
    incoming.expectPeersAnew(GRACE_MS);
    const tids = () => ipc._locks.map((info) => (info as LockInfo).request.tid);
    return { ...scene, askForRoot, tids };
  };

  it('stays until the next one has its own, in the name of the same transaction', async () => {
    const { incoming, askForRoot, tids, released, pong } = master();
    expect(released).toEqual([]);
    askForRoot('new-1');
    incoming.rootMayHaveBeenAsked();
    expect([tids(), released]).toEqual([['old-1', 'old-1'], []]);
    await vi.advanceTimersByTimeAsync(0);
    expect(released).toEqual(['[server]']);
    // To upgrade its lock, the server asks under the same transaction; later ones are others.
    askForRoot('new-1');
    askForRoot('new-2');
    expect(tids().slice(2)).toEqual(['old-1', 'new-2']);
    await vi.advanceTimersByTimeAsync(GRACE_MS);
    pong();
    expect(released).toEqual(['[server]']);
  });

  it('is released when the next one needs none', () => {
    const { incoming, released, askForRoot, tids } = master();
    incoming.rootMayHaveBeenAsked();
    expect(released).toEqual(['[server]']);
    askForRoot('new-1');
    expect(tids()).toEqual(['old-1', 'new-1']);
  });

  it('is released at once if it has expired: no further one is granted to its transaction', () => {
    const { ipc, incoming, released, askForRoot, tids } = master();
    const [old] = ipc._locks as LockInfo[];
    if (old?.lock) old.lock.state = 'expired';
    incoming.expectPeersAnew(GRACE_MS);
    expect(released).toEqual(['[server]']);
    askForRoot('new-1');
    expect(tids()).toEqual(['old-1', 'new-1']);
  });
});

it.each([
  { server: 'one that has sessions', hasSessions: true, expected: ['peer1'] },
  { server: 'one that says it of every line that breaks', hasSessions: false, expected: [] },
])(
  'as a master, releases what is left of the locks of who has gone, by the word of $server',
  ({ hasSessions, expected }) => {
    const { hear, incoming, released, pong } = lab(true, hasSessions);
    for (const from of ['peer1', 'peer2'])
      hear({ type: 'lock-request', id: from, from, data: { tid: from, path: from } });
    incoming.receive('disconnect:peer1');
    // The server gives back first what it knows of.
    expect(released).toEqual([]);
    pong();
    expect(released).toEqual(expected);
  },
);

it.each([
  { who: 'a worker', isMaster: false, recordNr: '5', isToBeWritten: false },
  { who: 'a master', isMaster: true, recordNr: 5, isToBeWritten: false },
  { who: 'a master that is to write it', isMaster: true, recordNr: '5', isToBeWritten: true },
])(
  'a root that $who hears of is written by nobody else [PROTOCOL-7.6]',
  ({ isMaster, recordNr, isToBeWritten }) => {
    const { hear, roots } = lab(isMaster);
    hear({
      type: 'notification',
      from: '[server]',
      data: { type: 'root.update', address: { path: '', pageNr: 0, recordNr } },
    });
    expect(roots).toEqual([[{ path: '', pageNr: 0, recordNr }, isToBeWritten]]);
  },
);

it('lets go of what others hold, and keeps its own, when this master gives up', () => {
  const { ipc, incoming, hear, released } = lab(true);
  hear({ type: 'lock-request', id: 'a', from: 'peer1', data: { path: 'a', tid: 't1', write: true } });
  hear({ type: 'lock-request', id: 'b', from: 'peer2', data: { path: 'b', tid: 't2', write: true } });
  ipc._locks.push({ request: {}, lock: { release: async () => void released.push('[master]') } });
  incoming.releaseLocksOfOthers();
  expect(released).toEqual(['peer1', 'peer2']);
});
