import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decode, encode } from '../../../src/protocol/frames.js';
import { dataOf } from '../../../src/protocol/messages.js';
import { grant, moved, refusal, unlocked } from '../../../src/protocol/server-messages.js';

const answered = { id: 'request"1', to: 'worker01' };
const head = { id: 'request"1', from: '[master]', to: 'worker01' };
const parse = (bytes: Uint8Array): unknown => JSON.parse(decode(bytes));

/** The details of a request as a worker of AceBase writes it. */
function detailsOf(data: object): Uint8Array {
  const request = { type: 'lock-request', id: 'r1', from: 'worker01', to: '[master]', data };
  const details = dataOf(encode(JSON.stringify(request)));
  if (details === undefined) throw new Error('it has no data');
  return details;
}

describe('answers to requests for locks', () => {
  it('grant what was asked for, whatever stands in it', () => {
    fc.assert(
      fc.property(fc.string(), fc.string(), fc.boolean(), (path, comment, write) => {
        const data = { path, tid: 't1', write, comment };
        expect(parse(grant(answered, { id: 7 }, detailsOf(data), 1_700_000_000_000.4))).toEqual({
          type: 'lock-result',
          ...head,
          ok: true,
          data: { id: 7, expires: 1_700_000_000_000, ...data },
        });
      }),
    );
  });

  it('grant a lock for writing to who does not say what for, as AceBase does', () => {
    const { data } = parse(grant(answered, { id: 7 }, detailsOf({ path: '', tid: 't1' }), 0)) as {
      data: object;
    };
    expect(data).toEqual({ id: 7, expires: 0, path: '', tid: 't1', write: true });
  });

  it.each([
    ['a/b/c', 'a/b'],
    ['list[3]', 'list'],
    ['a', ''],
    ['', ''],
  ])('move a lock on "%s" to "%s", and change nothing else', (path, parent) => {
    const data = { path, tid: 't1', write: false, comment: 'why' };
    expect(parse(moved(answered, { id: 7 }, detailsOf(data), 5))).toEqual({
      type: 'lock-result',
      ...head,
      ok: true,
      data: { id: 7, expires: 5, ...data, path: parent },
    });
  });

  it('refuse with a reason, and take back whatever number it is', () => {
    expect(parse(refusal(answered, 'it "expired"'))).toEqual({
      type: 'lock-result',
      ...head,
      ok: false,
      reason: 'it "expired"',
    });
    expect(parse(unlocked(answered, 7))).toEqual({
      type: 'unlock-result',
      ...head,
      ok: true,
      data: { id: 7 },
    });
    expect(parse(unlocked(answered, undefined))).toMatchObject({ ok: true, data: { id: null } });
  });
});

describe('dataOf', () => {
  it.each(['{"type":"lock-request"}', '{"data":"text"}', '{"data":{"a":1'])('finds none in %s', (message) =>
    expect(dataOf(encode(message))).toBeUndefined(),
  );

  it('finds it wherever it stands, with what is in it', () => {
    // A path has as many keys as somebody likes, of 128 characters each.
    const data = { text: 'a } "b" {', list: [{}], path: Array(50).fill('名'.repeat(128)).join('/') };
    for (const message of [
      { data, id: 1 },
      { id: 1, data },
    ]) {
      expect(JSON.parse(decode(dataOf(encode(JSON.stringify(message))) as Uint8Array))).toEqual(data);
    }
  });
});
