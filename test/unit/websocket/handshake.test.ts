import { describe, expect, it } from 'vitest';
import { acceptResponse, checkHandshake, type HandshakeRequest } from '../../../src/websocket/handshake.js';

/** The request of RFC 6455 section 1.3, with other headers where told. */
function request(
  headers: Record<string, string | undefined> = {},
  different: Partial<HandshakeRequest> = {},
) {
  return checkHandshake({
    method: 'GET',
    httpVersion: '1.1',
    headers: {
      host: 'server.example.com',
      upgrade: 'websocket',
      connection: 'Upgrade',
      'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==',
      'sec-websocket-version': '13',
      ...headers,
    },
    ...different,
  });
}

describe('checkHandshake', () => {
  it('accepts the example of the RFC', () => {
    expect(request()).toEqual({ ok: true, accept: 's3pPLMBiTxaQ9kYGzzhZRbK+xOo=' });
  });

  it.each([
    [{ upgrade: 'WebSocket' }],
    [{ upgrade: 'h2c, websocket' }],
    [{ connection: 'keep-alive, UPGRADE' }],
    [{ 'sec-websocket-extensions': 'permessage-deflate', 'sec-websocket-protocol': 'chat' }],
  ])('accepts %j', (headers) => {
    expect(request(headers).ok).toBe(true);
  });

  it.each([
    ['no-upgrade', { upgrade: undefined }],
    ['no-upgrade', { upgrade: 'h2c' }],
    ['no-upgrade', { upgrade: 'websockets' }],
    ['no-upgrade', { connection: undefined }],
    ['no-upgrade', { connection: 'keep-alive' }],
    ['malformed', { host: undefined }],
    ['malformed', { 'sec-websocket-key': undefined }],
    ['malformed', { 'sec-websocket-key': '' }],
    ['malformed', { 'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ' }],
    ['malformed', { 'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZTE=' }],
    ['malformed', { 'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==, dGhlIHNhbXBsZSBub25jZQ==' }],
    ['version', { 'sec-websocket-version': undefined }],
    ['version', { 'sec-websocket-version': '8' }],
    ['version', { 'sec-websocket-version': '13, 8' }],
  ] as const)('says %s to %j', (reason, headers) => {
    expect(request(headers)).toMatchObject({ ok: false, reason });
  });

  it('needs GET', () => {
    expect(request({}, { method: 'POST' })).toMatchObject({ ok: false, reason: 'malformed' });
  });

  it.each([
    ['1.0', false],
    ['0.9', false],
    ['1.1', true],
    ['2.0', true],
  ])('says to HTTP %s: %s', (httpVersion, ok) => {
    expect(request({}, { httpVersion }).ok).toBe(ok);
  });
});

describe('acceptResponse', () => {
  it('names no extension and no subprotocol', () => {
    expect(Buffer.from(acceptResponse('abc=')).toString().split('\r\n')).toEqual([
      'HTTP/1.1 101 Switching Protocols',
      'Upgrade: websocket',
      'Connection: Upgrade',
      'Sec-WebSocket-Accept: abc=',
      '',
      '',
    ]);
  });
});
