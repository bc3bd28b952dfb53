import { describe, expect, it } from 'vitest';
import { describeRefusal, judgeRefusal, parseRefusal } from '../../../src/client/core/refusals.js';

describe('a refusal', () => {
  it.each([403, 409, 500])('of our server with %i is its last word', (status) => {
    expect(judgeRefusal({ status, code: 'IPC_REFUSED_TOKEN' }, false)).toBe('never');
  });

  it.each([200, 302, 401, 403, 404, 409, 426, 500, 502, 503])(
    'without a code of ours is not the server’s word: %i',
    (status) => {
      expect(judgeRefusal({ status, code: undefined }, false)).toBe('later');
      expect(judgeRefusal({ status, code: undefined }, true)).toBe('later');
    },
  );

  it('lets a worker come again as another peer, if its place is lost', () => {
    const refusal = { status: 500, code: 'IPC_REFUSED_PEER_GONE' };
    expect(judgeRefusal(refusal, true)).toBe('place is lost');
    expect(judgeRefusal(refusal, false)).toBe('never');
  });
});

it.each([
  '',
  '<html>403</html>',
  '"IPC_REFUSED_TOKEN"',
  'null',
  '{"code":403}',
  '{"code":"FORBIDDEN"}',
  '{"code":"IPC_',
])('%j is not the body of a refusal of ours', (body) => expect(parseRefusal(body)).toBeUndefined());

it.each([
  ['This one has /a; the others have /b', 'IPC_X: This one has /a; the others have /b. Give both /b.'],
  ['The token is wrong.', 'IPC_X: The token is wrong. Give both /b.'],
])('%j and its remedy are sentences of their own', (message, text) => {
  expect(describeRefusal({ status: 500, code: 'IPC_X', message, remedy: 'Give both /b.' })).toBe(text);
});
