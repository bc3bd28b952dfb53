import { expect, it } from 'vitest';
import { failRequest } from '../../../src/client/core/outgoing.js';

it('answers what nobody awaits with what does no harm, instead of failing it: that would end the process [PROTOCOL-5.3]', () => {
  const outcomeOf = (type: string, data: object): unknown => {
    let outcome: unknown;
    const request = { type, id: 'r', from: 'a', to: '[master]', data };
    const settle = (result: unknown): void => {
      outcome = result;
    };
    failRequest({ request, resolve: settle, reject: settle }, new Error('the server is not there'));
    return outcome;
  };
  expect(outcomeOf('request', { type: 'kit.add', key: 'name' })).toEqual({
    ok: true,
    index: -1,
    isAssumed: true,
  });
  expect(outcomeOf('request', { type: 'fst.release', ranges: [] })).toEqual({ ok: true, isAssumed: true });
  for (const [type, data] of [
    ['request', { type: 'fst.allocate', records: 1 }],
    ['lock-request', { path: 'a', tid: 't', write: true }],
  ] as const) {
    expect(outcomeOf(type, data)).toEqual(new Error('the server is not there'));
  }
});
