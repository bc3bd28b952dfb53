import fc from 'fast-check';
import { describe, expect, it, vi } from 'vitest';
import { decode, encode } from '../../../src/protocol/frames.js';
import {
  type AskedLock,
  grant,
  lockNote,
  moved,
  readLockRequest,
  readNamedLock,
  refusal,
  unlocked,
} from '../../../src/protocol/lock-messages.js';
import { describeLock } from '../../../src/protocol/messages.js';

const worker = encode('worker01');
const head = { id: 'request"1', from: '[master]', to: 'worker01' };
const parse = (bytes: Uint8Array): unknown => JSON.parse(decode(bytes));

/** A request, its members in the order in which AceBase writes them unless they are given otherwise. */
function request(data: unknown, type = 'lock-request', id = head.id): Uint8Array {
  return encode(JSON.stringify({ type, id, from: 'worker01', to: '[master]', data }));
}

function asked(message: Uint8Array): AskedLock {
  const found = readLockRequest(message);
  if (found === undefined) throw new Error('it is malformed');
  return found;
}

const plainId = fc.stringMatching(/^[a-z0-9]{0,30}$/);

describe('requests for locks', () => {
  it('are read and granted whatever stands in them, in the order of AceBase and in any other', () => {
    const order = fc.shuffledSubarray([0, 1, 2, 3, 4], { minLength: 5 });
    const inner = fc.shuffledSubarray(['path', 'tid', 'write', 'comment'] as const);
    const id = fc.oneof(plainId, fc.string());
    const any = fc.record({ path: fc.string(), tid: id, write: fc.boolean(), comment: fc.string() });
    fc.assert(
      fc.property(fc.boolean(), order, inner, any, id, (isPlain, places, members, all, itsId) => {
        const data = isPlain ? all : Object.fromEntries(members.map((member) => [member, all[member]]));
        const parts = Object.entries({
          type: 'lock-request',
          id: itsId,
          from: 'worker01',
          to: '[master]',
          data,
        });
        const ordered = isPlain ? parts : places.map((place) => parts[place] as [string, unknown]);
        const lock = asked(encode(JSON.stringify(Object.fromEntries(ordered))));
        const { tid = itsId, write = true } = data;
        expect([lock.tid, lock.isWrite]).toEqual([tid, write]);
        const known = { path: '', tid: itsId, write: true, comment: '', ...data };
        expect(describeLock(lock.message)).toEqual({ path: known.path, comment: known.comment });
        const answer = grant(lock, worker, 123_456_789_012_345, 1_700_000_000_000.4);
        expect(parse(answer)).toEqual({
          type: 'lock-result',
          ...head,
          id: itsId,
          ok: true,
          data: { id: 123_456_789_012_345, expires: 1_700_000_000_000, ...known },
        });
        expect(describeLock(answer)).toEqual({ path: known.path, comment: known.comment });
      }),
    );
  });

  it('of AceBase are not copied', () => {
    const message = request({ path: 'a/b', tid: 't1', write: false, comment: 'c' }, 'lock-request', 'id1');
    expect(asked(message).message).toBe(message);
  });

  it('tell a client that goes by its own clock how long the lock lasts', () => {
    const lock = asked(request({ path: 'a', tid: 't', write: true, comment: '' }, 'lock-request', 'id1'));
    expect(parse(grant(lock, worker, 7, 5, 99.9))).toMatchObject({ data: { id: 7, expires: 5, lasts: 99 } });
    expect(parse(grant(lock, worker, 0, -1, -1))).toMatchObject({ data: { id: 0, expires: 0, lasts: 0 } });
  });

  it('may be long, and several of them may share memory', () => {
    const paths = ['a', '名'.repeat(5_000), 'b', 'c'.repeat(20_000), 'd'];
    const answers = paths.map((path, number) =>
      grant(asked(request({ path, tid: 't', write: true, comment: '' })), worker, number, number),
    );
    expect(answers.map((answer) => parse(answer))).toMatchObject(
      paths.map((path, number) => ({ data: { id: number, expires: number, path } })),
    );
  });

  it('are not parsed when they are long and in another order: that takes many times their memory', () => {
    const list = Array.from({ length: 40_000 }, () => ({}));
    const parses = vi.spyOn(JSON, 'parse');
    const data = { x: list, path: '', tid: 't', write: true, comment: '' };
    expect(readLockRequest(request(data, 'lock-request', 'id1'))).toBeUndefined();
    expect(
      readNamedLock('unlock-request', request({ x: list, id: 7 }, 'unlock-request', 'id1')),
    ).toBeUndefined();
    expect(parses).not.toHaveBeenCalled();
    parses.mockRestore();
  });

  it('have ids and transactions of 4 KiB at most', () => {
    const long = 'x'.repeat(5_000);
    const data = { path: '', tid: 't', write: true, comment: '' };
    for (const members of [data, { tid: 't', path: '' }]) {
      expect(readLockRequest(request(members, 'lock-request', long))).toBeUndefined();
      expect(readLockRequest(request({ ...members, tid: long }, 'lock-request', 'id1'))).toBeUndefined();
    }
    expect(readNamedLock('unlock-request', request({ id: 7 }, 'unlock-request', long))).toBeUndefined();
  });

  it('keep no memory alive that a long message took', () => {
    const named = readNamedLock(
      'unlock-request',
      encode(
        `{"type":"unlock-request","id":"id1","from":"worker01","to":"[master]","data":{"id":7,"x":"${'x'.repeat(1_000_000)}"}}`,
      ),
    );
    if (named === undefined) throw new Error('it is malformed');
    const path = 'y'.repeat(100_000);
    const long = asked(request({ path, tid: 't', write: true, comment: '' }, 'lock-request', 'id1'));
    const short = asked(request({ path: '', tid: 't', write: true, comment: '' }, 'lock-request', 'id1'));
    const memory = [unlocked(named, worker), grant(long, worker, 7, 5), grant(short, worker, 8, 5)].map(
      ({ buffer }) => buffer.byteLength,
    );
    expect(memory).toEqual([4_096, expect.closeTo(100_400, -3), 4_096]);
  });

  it.each([
    '{"type":"lock-request"}',
    '{"type":"lock-request","id":"r1","from":"worker01","to":"[master]","data":"text"}',
    '{"type":"lock-request","id":7,"from":"worker01","to":"[master]","data":{"path":"","tid":"t","write":true,"comment":""}}',
    '{"type":"lock-request","id":"r1","from":"worker01","to":"[master]","data":{"path":"","tid":"t","write":true,"comment":""}',
    '{"type":"lock-request","id":"r1","from":"worker01","to":"[master]","data":{"path":"","tid":"t","write":tru,"comment":""}}',
  ])('are malformed without an id, or without what is asked for: %s', (message) => {
    expect(readLockRequest(encode(message))).toBeUndefined();
  });
});

describe('what names a lock', () => {
  it('is read whatever the order', () => {
    const number = fc.oneof(fc.nat(), fc.integer({ min: 0, max: 999_999_999_999_999 }));
    const id = fc.oneof(plainId, fc.string());
    fc.assert(
      fc.property(number, id, fc.boolean(), fc.boolean(), (lockId, itsId, isMove, isOtherwise) => {
        const type = isMove ? 'move-lock-request' : 'unlock-request';
        const data = isMove ? { id: lockId, move_to: 'parent' } : { id: lockId };
        const message = isOtherwise
          ? encode(JSON.stringify({ data, id: itsId, from: 'worker01', type }))
          : request(data, type, itsId);
        const named = readNamedLock(type, message);
        expect(named?.lockId).toBe(lockId);
        if (named === undefined) return;
        expect(parse(unlocked(named, worker))).toEqual({
          type: 'unlock-result',
          ...head,
          id: itsId,
          ok: true,
          data: { id: lockId },
        });
      }),
    );
  });

  it.each([undefined, null, 'seven', 1.5, -1, 1e20])(
    'has no number in %s; it is answered all the same',
    (id) => {
      const named = readNamedLock('unlock-request', request({ id }, 'unlock-request'));
      if (named === undefined) throw new Error('it is malformed');
      expect(named.lockId).toBeUndefined();
      expect(parse(unlocked(named, worker))).toMatchObject({ ...head, ok: true, data: { id: null } });
    },
  );

  it('is malformed without an id', () => {
    for (const message of ['{"type":"unlock-request","data":{"id":7}}', '{"type":"unlock-request"'])
      expect(readNamedLock('unlock-request', encode(message))).toBeUndefined();
  });
});

describe('other answers', () => {
  const named = readNamedLock(
    'move-lock-request',
    request({ id: 7, move_to: 'parent' }, 'move-lock-request'),
  );

  it.each([
    ['a/b/c', 'a/b'],
    ['list[3]', 'list'],
    ['a', ''],
    ['', ''],
  ])('move a lock on "%s" to "%s", and change nothing else', (path, parent) => {
    if (named === undefined) throw new Error('it is malformed');
    const data = { path, tid: 't1', write: false, comment: 'why' };
    const expected = {
      type: 'lock-result',
      ...head,
      ok: true,
      data: { id: 7, expires: 5, ...data, path: parent },
    };
    const told = grant(asked(request(data)), worker, 7, 1);
    for (const message of [told, lockNote(data)])
      expect(parse(moved(named, worker, { id: 7, message }, 5))).toEqual(expected);
  });

  it('move a lock whose request was no JSON, and throw nothing', () => {
    if (named === undefined) throw new Error('it is malformed');
    const data = '{"path":"\\x","tid":"t","write":true,"comment":""}';
    const message = `{"type":"lock-request","id":"r1","from":"worker01","to":"[master]","data":${data}}`;
    const told = grant(asked(encode(message)), worker, 7, 1);
    expect(parse(moved(named, worker, { id: 7, message: told }, 5))).toMatchObject({
      ok: true,
      data: { id: 7 },
    });
  });

  it('refuse with a reason', () => {
    const lock = asked(request({ path: '', tid: 't', write: true, comment: '' }));
    expect(parse(refusal(lock, worker, 'it "expired"'))).toEqual({
      type: 'lock-result',
      ...head,
      ok: false,
      reason: 'it "expired"',
    });
  });
});
