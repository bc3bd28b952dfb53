import { expect, it, vi } from 'vitest';
import { LockManager } from '../../../src/broker/locks/lock-manager.js';
import { LockTable } from '../../../src/broker/locks/lock-table.js';
import { RootLock } from '../../../src/broker/locks/root-lock.js';
import { FairShares } from '../../../src/broker/memory.js';
import type { Outbox } from '../../../src/broker/peers/outbox.js';
import { Peer } from '../../../src/broker/peers/peer.js';
import { ServerRequests } from '../../../src/broker/server-requests.js';
import { lockRequest } from '../../support/lock-request.js';
import { VirtualClock } from '../../support/virtual-clock.js';

const connection = { address: '10.0.0.1:1000', connectedAt: 0 };
const peer = () => new Peer('peerA', connection, undefined as unknown as Outbox);
const kept = { message: new Uint8Array(), keptBytes: 0 };

it('no lock is granted beside one that it conflicts with', () => {
  const table = new LockTable(1);
  const lock = { holder: peer(), since: 0, expiresAt: 1, ...kept };
  table.grant({ ...lock, tid: 'reader', isWrite: false });
  table.grant({ ...lock, tid: 'another reader', isWrite: false });
  expect(() => table.grant({ ...lock, tid: 'reader', isWrite: true })).toThrow(/"lock-conflict" is broken/);
  const alone = new LockTable(1);
  alone.grant({ ...lock, tid: 'writer', isWrite: true });
  alone.grant({ ...lock, tid: 'writer', isWrite: false });
  for (const isWrite of [false, true]) {
    expect(() => alone.grant({ ...lock, tid: 'other', isWrite })).toThrow(/"lock-conflict" is broken/);
  }
});

it('no lock is granted without the root lock', () => {
  const clock = new VirtualClock();
  const quiet = () => undefined;
  const limits = { lockTimeout: 1_000, readerDelay: 0 };
  const root = new RootLock({
    clock,
    limits: { ...limits, reconnectGrace: 0 },
    startedAt: 0,
    incidents: { record: quiet },
    delivery: { send: quiet },
    asked: new ServerRequests(1),
    answered: quiet,
    masterIsStuck: quiet,
  });
  const settings = { clock, root, limits, firstId: 1 };
  const granted = vi.fn();
  const host = { granted, refused: quiet, expired: quiet, sliceIsOver: quiet, hold: quiet };
  const manager = new LockManager(settings, host);
  // A root lock that is there when it is looked for, and not when it is needed.
  vi.spyOn(root, 'covers').mockReturnValueOnce(true).mockReturnValue(false);
  const request = lockRequest(peer(), 't', false, 0);
  expect(() => manager.request(request)).toThrow(/"lock-without-root" is broken/);
  expect(granted).not.toHaveBeenCalled();
});

it('a peer is not disconnected, and does not come back, twice', () => {
  const broken = /"peer-state" is broken/;
  const worker = peer();
  expect(() => worker.cameBack(connection)).toThrow(broken);
  expect(() => worker.end()).toThrow(broken);
  worker.lostLine();
  worker.isAway(7, undefined);
  expect([worker.state, worker.line]).toEqual(['away', 2]);
  expect(() => worker.lostLine()).toThrow(broken);
  expect(() => worker.isAway(8, undefined)).toThrow(broken);
  worker.cameBack({ address: '10.0.0.2:1000', connectedAt: 5 });
  expect([worker.state, worker.address]).toEqual(['present', '10.0.0.2:1000']);
  worker.leave();
  expect(worker.state).toBe('leaving');
  expect(() => worker.leave()).toThrow(broken);
  worker.end();
  expect(worker.state).toBe('gone');
});

it('what is taken of shared memory is given back, once', () => {
  const account = new FairShares(100).open(() => [].values());
  account.take(10);
  expect(() => account.close()).toThrow(/"kept-bytes" is broken/);
  account.give(10);
  account.close();
  expect(() => account.give(1)).toThrow(/"kept-bytes" is broken/);
});
