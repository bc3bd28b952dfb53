/**
 * What is read of messages in one pass, against the plain way that looks for one member at a time: the same bytes must
 * give the same answers.
 *
 * FRAME_FUZZ_RUNS sets how many inputs are tried, FRAME_FUZZ_SEED which.
 */

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ADDRESS_START, addressEnd, isAddressedTo, rangeEquals } from '../../src/protocol/frames.js';
import { findMember, findMembers } from '../../src/protocol/json-scan.js';
import { isFrom, messageType, messageTypeFrom } from '../../src/protocol/messages.js';
import { numRuns, seed } from '../support/fuzz-settings.js';

const settings = { numRuns, seed };
const timeout = 60_000 + numRuns * 5;

const ids = ['[master]', 'cpeer0000000000000000001', 'cpeer0000000000000000002', 'all'];
const id = fc.constantFrom(...ids);
const type = fc.constantFrom('event', 'lock-result', 'notification', 'request', 'resul', 'unheard-of', '');

/** Members as clients write them, in their order; some of them. */
const clientMembers = fc
  .record(
    {
      type: type.map((value) => `"type":"${value}"`),
      id: fc.constantFrom('"id":"c1"', '"id":"a\\"b"', '"id":7', '"id":""'),
      ok: fc.constantFrom('"ok":true', '"ok":false', '"ok":"true"'),
      from: id.map((value) => `"from":"${value}"`),
      to: id.map((value) => `"to":"${value}"`),
      data: fc.constantFrom(
        '"data":{"from":"[master]","type":"event","id":3}',
        '"data":[1,"}"]',
        '"data":null',
      ),
    },
    { requiredKeys: [] },
  )
  .map((members) => Object.values(members));

/** Any members in any order, with spaces and escapes. */
const anyMember = fc.oneof(
  clientMembers.map((members) => members[0] ?? '"a":1'),
  fc.constantFrom(
    '"from" : "[master]"',
    '"fr\\u006fm":"[master]"',
    '"from":["[master]"]',
    '"type":"ev\\u0065nt"',
    '"x":"\\\\"',
    ' "type"\n: "event" ',
    '',
    '"from"',
  ),
);
const object = fc
  .oneof(
    { weight: 3, arbitrary: clientMembers },
    { weight: 2, arbitrary: fc.array(anyMember, { maxLength: 6 }) },
  )
  .map((members) => `{${members.join(',')}}`);

const garbage = fc
  .array(fc.constantFrom('{"type":"', '"', ',"from":"', '[master]', '\\', '{', '}', ':', ',', 'id', 'é'), {
    maxLength: 14,
  })
  .map((parts) => parts.join(''));

/** Often whole, sometimes cut off or with a byte changed. */
const message = fc
  .tuple(
    fc.oneof({ weight: 4, arbitrary: object }, { weight: 1, arbitrary: garbage }),
    fc.option(fc.nat({ max: 120 }), { freq: 3, nil: undefined }),
    fc.option(fc.tuple(fc.nat({ max: 120 }), fc.nat({ max: 255 })), { freq: 3, nil: undefined }),
  )
  .map(([text, cut, change]) => {
    const bytes = new Uint8Array(Buffer.from(text));
    if (change !== undefined && change[0] < bytes.length) bytes[change[0]] = change[1];
    return cut === undefined ? bytes : bytes.subarray(0, cut);
  });

describe('what is read in one pass', () => {
  it('is the type, and whose name a message is in', { timeout }, () => {
    const verdicts = new Set<string>();
    fc.assert(
      fc.property(message, id, (bytes, from) => {
        const idBytes = Buffer.from(from);
        const expected = isFrom(bytes, idBytes) ? messageType(bytes) : undefined;
        verdicts.add(String(expected));
        expect(messageTypeFrom(bytes, idBytes)).toBe(expected);
      }),
      settings,
    );
    expect(verdicts.size).toBeGreaterThan(4);
  });

  it('is where members begin', { timeout }, () => {
    const keys = ['id', 'from', 'type', 'data', 'ok', 'absent'].map((key) => Buffer.from(key));
    const places: number[] = [];
    fc.assert(
      fc.property(message, fc.nat({ max: 3 }), (bytes, start) => {
        findMembers(bytes, start, keys, places);
        expect(places).toEqual(keys.map((key) => findMember(bytes, start, key)));
      }),
      settings,
    );
  });

  it('is who a frame is addressed to', { timeout }, () => {
    const frame = fc
      .tuple(
        fc.constantFrom('to:', 'to:', 'to:', 'tp:', ''),
        id,
        fc.constantFrom(';{', ';{', ';', '{', ';x'),
        message,
      )
      .map(([start, to, separator, rest]) => Buffer.concat([Buffer.from(start + to + separator), rest]));
    let hits = 0;
    fc.assert(
      fc.property(frame, id, (bytes, to) => {
        fc.pre(bytes.subarray(0, 3).toString() === 'to:');
        const end = addressEnd(bytes);
        const expected = end >= 0 && rangeEquals(bytes, ADDRESS_START, end, Buffer.from(to));
        if (expected) hits++;
        expect(isAddressedTo(bytes, Buffer.from(to))).toBe(expected);
      }),
      settings,
    );
    expect(hits).toBeGreaterThan(numRuns / 50);
  });
});
