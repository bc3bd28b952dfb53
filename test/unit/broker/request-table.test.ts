import { describe, expect, it } from 'vitest';
import { BrokenInvariant } from '../../../src/broker/invariants.js';
import {
  type Limits,
  MAX_ABANDONED_REQUESTS,
  MAX_UNANSWERED_REQUESTS,
  WAITING_REQUEST_BYTES,
} from '../../../src/broker/limits.js';
import { ByteBudget } from '../../../src/broker/memory.js';
import type { Peer } from '../../../src/broker/peers/peer.js';
import { type OpenRequest, RequestTable } from '../../../src/broker/requests/request-table.js';
import { encode } from '../../../src/protocol/frames.js';
import { BrokerLab, LIMITS, type ScriptedPeer } from '../../support/broker-lab.js';

const MESSAGE = encode('x'.repeat(300));
const SIZE = MESSAGE.length + WAITING_REQUEST_BYTES;

/** A table, and workers that ask. */
function scene(more: Partial<Limits> = {}) {
  const kept = new ByteBudget(1_000_000);
  const limits = { ...LIMITS, maxOutstandingRequests: 2, ...more };
  const table = new RequestTable({ limits, kept, framesSoFar: () => 7 });
  const [a, b] = ['peerA', 'peerB'].map((id) => ({ id }) as Peer) as [Peer, Peer];
  const request = {
    type: 'request',
    from: 'peerA',
    lockId: undefined,
    tid: undefined,
    isWrite: false,
  } as const;
  const ask = (id: string, subject = 'fst.allocate', worker = a): OpenRequest => {
    const open = table.add(worker, { ...request, id, subject, key: undefined }, 0, MESSAGE);
    if (open === undefined) throw new Error(`${id} is open already`);
    return open;
  };
  const held = () => [...table.held()].map((item) => item.request?.request.id ?? 'message');
  return { table, kept, a, b, ask, held };
}

describe('a request', () => {
  it('is in one state at a time, and is counted once', () => {
    const { table, kept, a, ask, held } = scene();
    const open = ask('1');
    expect([open.state.kind, kept.bytes]).toEqual(['arrived', 0]);
    table.enqueue(open);
    expect([open.state.kind, kept.bytes]).toEqual(['queued', SIZE]);
    table.hold(open);
    expect([open.state.kind, kept.bytes, held()]).toEqual(['held', MESSAGE.length, ['1']]);
    table.postpone(open);
    expect([open.state.kind, kept.bytes, held()]).toEqual(['postponed', MESSAGE.length, []]);
    expect(table.forward(open)).toEqual(MESSAGE);
    expect([open.state.kind, kept.bytes, table.isOwed(a)]).toEqual(['forwarded', MESSAGE.length, true]);
    table.abandon(a);
    expect([open.state.kind, kept.bytes, table.isOwed(a)]).toEqual(['abandoned', 0, false]);
    expect(table.findAbandoned('1')).toBe(open);
    table.close(open);
    expect([open.state.kind, table.findAbandoned('1')]).toEqual(['closed', undefined]);
    // Whoever closes it again is late.
    table.close(open);
    expect(table.count().requests).toBe(0);
  });

  it('that must not be asked again is not kept while the master has it', () => {
    const { table, kept, ask } = scene();
    const open = ask('1', 'fst.release');
    table.hold(open);
    table.forward(open);
    expect([kept.bytes, open.payload]).toEqual([0, undefined]);
    expect(() => table.hold(open)).toThrow(BrokenInvariant);
  });

  it('that has its answer does nothing more', () => {
    const { table, ask } = scene();
    const open = ask('1');
    table.forward(open);
    table.close(open);
    expect(() => table.forward(open)).toThrow('the invariant "request-table" is broken');
  });

  it('has the place in which it waits until another one is found for it', () => {
    const { table, kept, ask } = scene({ maxMailPerPeer: SIZE });
    const [first, second] = [ask('1'), ask('2')];
    expect([table.enqueue(first), table.enqueue(second)]).toEqual([true, false]);
    expect(second.state.kind).toBe('arrived');
    expect([table.hold(second), table.hold(first)]).toEqual([true, false]);
    expect([first.state.kind, kept.bytes]).toEqual(['queued', SIZE + MESSAGE.length]);
    for (const open of [first, second]) table.close(open);
    expect(kept.bytes).toBe(0);
  });

  it('of a worker that is gone must not wait any more', () => {
    const { table, a, ask } = scene();
    table.enqueue(ask('1'));
    expect(() => table.abandon(a)).toThrow(BrokenInvariant);
  });

  it('takes one of the places of its worker from when it is held until it is closed', () => {
    const { table, a, b, ask } = scene();
    const [first, second, third] = [ask('1'), ask('2'), ask('3')];
    table.hold(first);
    expect(table.hasTurn(second)).toBe(true);
    table.forward(second);
    expect([table.hasTurn(third), table.hasTurn(ask('4', 'fst.allocate', b))]).toEqual([false, true]);
    table.enqueue(third);
    expect(table.nextQueued(a)).toBeUndefined();
    table.close(first);
    expect(table.nextQueued(a)).toBe(third);
    table.forward(third);
    expect(table.nextQueued(a)).toBeUndefined();
  });
});

describe('what is held for a master', () => {
  it('keeps its order, messages that nobody answers among requests', () => {
    const { table, kept, ask, held } = scene();
    const had = [ask('had 1'), ask('had 2')];
    for (const open of had) table.forward(open);
    table.hold(ask('1', 'index.delete'));
    expect(table.caughtUpTo).toBe(Number.POSITIVE_INFINITY);
    table.holdMessage('peerA', MESSAGE);
    table.hold(ask('2', 'index.delete'));
    expect(table.holdFirst(had)).toEqual([]);
    expect(held()).toEqual(['had 1', 'had 2', '1', 'message', '2']);
    expect([table.heldCount, table.heldRequests, table.caughtUpTo]).toEqual([5, 4, 6]);
    expect(kept.bytes).toBe(5 * MESSAGE.length);
    table.dropMessages();
    expect([held(), table.caughtUpTo]).toEqual([['had 1', 'had 2', '1', '2'], Number.POSITIVE_INFINITY]);
    table.clear();
    expect([table.heldBytes, kept.bytes]).toEqual([0, 0]);
  });

  it('gives way to what a lost master had, from its end', () => {
    const { table, ask, held } = scene({ maxMailPerPeer: 3 * MESSAGE.length });
    const had = [ask('had 1'), ask('had 2')];
    for (const open of had) table.forward(open);
    table.hold(ask('1', 'index.delete'));
    table.holdMessage('peerA', MESSAGE);
    table.hold(ask('2', 'index.delete'));
    const refused = table.holdFirst(had).map(({ request }) => request);
    expect(refused).toMatchObject([undefined, { request: { id: '2' } }]);
    for (const open of refused) if (open !== undefined) table.close(open);
    expect(held()).toEqual(['had 1', 'had 2', '1']);
  });
});

const asked = (peer: ScriptedPeer) => peer.messages('request').map(({ id }) => id);
const request = (id: string, type: string) => ({ type: 'request', id, data: { type } });
const result = (id: string) => ({ type: 'result', id, ok: true, data: { ok: true } });

describe('an answer of the master', () => {
  it('to a request that it was not given yet is dropped, and the request goes its way', () => {
    const lab = new BrokerLab({ maxOutstandingRequests: 1 });
    const master = lab.connectMaster();
    const worker = lab.connect('peerA');
    for (const id of ['1', '2']) worker.tells(request(id, 'fst.allocate'), '[master]');
    master.tells(result('2'), 'peerA');
    expect([lab.count('unasked-answer'), worker.messages('result')]).toEqual([1, []]);
    for (const id of ['1', '2']) master.tells(result(id), 'peerA');
    expect(asked(master)).toEqual(['1', '2']);
    expect(worker.messages('result').map(({ id }) => id)).toEqual(['1', '2']);
    expect(lab.count('unasked-answer')).toBe(1);
  });
});

describe('requests that no master answers', () => {
  it('wait for their turn when a worker has too many, also those that take no place', () => {
    const { table, a, b, ask } = scene();
    const first = ask('first', 'index.delete');
    table.forward(first);
    for (let n = 1; n < MAX_UNANSWERED_REQUESTS; n++) table.forward(ask(`${n}`, 'index.delete'));
    const next = ask('next', 'index.delete');
    expect([table.hasTurn(next), table.hasTurn(ask('1', 'index.delete', b))]).toEqual([false, true]);
    table.enqueue(next);
    expect(table.nextQueued(a)).toBeUndefined();
    table.close(first);
    expect(table.nextQueued(a)).toBe(next);
  });

  it('are forgotten, the oldest first, when too many of those who asked are gone', () => {
    const { table, a, b, ask } = scene({ maxOutstandingRequests: MAX_ABANDONED_REQUESTS });
    for (let n = 0; n < MAX_ABANDONED_REQUESTS; n++) table.forward(ask(`${n}`));
    expect(table.abandon(a)).toEqual([]);
    for (const id of ['next', 'last']) table.forward(ask(id, 'kit.add', b));
    expect(table.abandon(b)).toMatchObject([{ request: { id: '0' } }, { request: { id: '1' } }]);
    expect([table.findAbandoned('1'), table.findAbandoned('2')?.request.id]).toEqual([undefined, '2']);
    expect(table.masterEnded().abandoned).toHaveLength(MAX_ABANDONED_REQUESTS);
    expect(table.findAbandoned('2')).toBeUndefined();
  });
});
