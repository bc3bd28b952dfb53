import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { connectPath, type RawResponse, rawPeer } from '../support/raw-socket.js';
import { get, knock } from '../support/requests.js';
import { serve } from '../support/served.js';
import { removeDirectory, temporaryDirectory } from '../support/temporary-directory.js';

const statusOf = async (answer: Promise<RawResponse>) => (await answer).status;

describe('tokens', () => {
  it.each([
    { what: 'as it is', token: 'sesame+/=', sent: 'sesame+/=' },
    { what: 'percent-encoded', token: 'sesame+/=', sent: encodeURIComponent('sesame+/=') },
    { what: 'with a percent sign as it is', token: '100%sure', sent: '100%sure' },
    { what: 'with a percent sign encoded', token: '100%sure', sent: '100%25sure' },
    { what: 'with an ampersand as it is', token: 'salt&pepper', sent: 'salt&pepper' },
    { what: 'one of several', token: ['old-token', 'new-token'], sent: 'old-token' },
    { what: 'another of several', token: ['old-token', 'new-token'], sent: 'new-token' },
  ])('let in a client that sends one $what', async ({ token, sent }) => {
    const { port } = await serve({ token });
    expect(await statusOf(knock(port, connectPath({ token: sent })))).toBe(101);
    expect(await statusOf(get(port, `/mydb_data/clients?t=${sent}`))).toBe(200);
  });

  it.each(['', 'sesam', 'sesame2', 'SESAME', 'undefined', 'null', '%', '%zz', '%00', 'sesame%20', 'a b'])(
    'keep out a client that sends %j',
    async (sent) => {
      const { port } = await serve({ token: 'sesame' });
      const path = connectPath({ token: sent.replace(' ', '+') });
      expect(await statusOf(knock(port, path))).toBe(403);
    },
  );

  it('are never read with a plus as a space', async () => {
    const { port } = await serve({ token: 'a+b' });
    expect(await statusOf(knock(port, connectPath({ token: 'a%20b' })))).toBe(403);
    expect(await statusOf(knock(port, connectPath({ token: 'a+b' })))).toBe(101);
  });

  it('are taken from the Authorization header as well', async () => {
    const { port } = await serve({ token: 'sesame' });
    const path = '/mydb_data/connect?v=1.0.0&id=mallory1';
    expect(await statusOf(knock(port, path, { Authorization: 'Bearer sesame' }))).toBe(101);
    expect(await statusOf(knock(port, path, { Authorization: 'Bearer barley' }))).toBe(403);
    expect(await statusOf(knock(port, path, { Authorization: 'Basic sesame' }))).toBe(403);
    expect(await statusOf(get(port, '/mydb_data/clients', { Authorization: 'Bearer sesame' }))).toBe(200);
  });

  it('open their own database only, where each has its own', async () => {
    const { port } = await serve({ token: { mydb: 'first', other: ['second', 'third'] } });
    const open = (database: string, token: string) => statusOf(knock(port, connectPath({ database, token })));
    expect(await open('mydb_data', 'first')).toBe(101);
    expect(await open('mydb_transaction', 'first')).toBe(101);
    expect(await open('other_data', 'third')).toBe(101);
    expect(await open('other_data', 'first')).toBe(403);
    expect(await open('mydb_data', 'second')).toBe(403);
    expect(await open('mydb_dataset', 'first')).toBe(403);
    expect(await open('third_data', 'first')).toBe(403);
    expect(await open('__proto__', 'first')).toBe(403);
    expect(await statusOf(get(port, '/other_data/clients?t=first'))).toBe(401);
    expect(await statusOf(get(port, '/other_data/clients?t=second'))).toBe(200);
  });

  it('are read from a file', async () => {
    const directory = await temporaryDirectory('token');
    onTestFinished(() => removeDirectory(directory));
    const tokenFile = join(directory, 'token');
    await writeFile(tokenFile, '# of this year\nfirst-token\n\nsecond-token\n', { mode: 0o600 });
    const { port } = await serve({ tokenFile });
    expect(await statusOf(knock(port, connectPath({ token: 'first-token' })))).toBe(101);
    expect(await statusOf(knock(port, connectPath({ token: 'second-token' })))).toBe(101);
    expect(await statusOf(knock(port, connectPath({ token: '# of this year' })))).not.toBe(101);
  });
});

it('serves the databases of the list, with all their files, and no others', async () => {
  const { port } = await serve({ databases: ['mydb'] });
  const open = (database: string) => statusOf(knock(port, connectPath({ database })));
  expect(await open('mydb')).toBe(101);
  expect(await open('mydb_data')).toBe(101);
  expect(await open('mydb_transaction')).toBe(101);
  for (const other of ['mydb2', 'mydb_data2', 'mydb_data_data', 'MYDB', 'other', '__proto__']) {
    expect(await open(other), other).toBe(403);
    expect(await statusOf(get(port, `/${other}/clients`)), other).toBe(401);
  }
});

describe('over HTTP', () => {
  it('gives the peers of a database to those with the token alone', async () => {
    const { port } = await serve({ token: 'sesame' });
    await rawPeer({ port }, { token: 'sesame' });
    expect(await get(port, '/mydb_data/clients')).toMatchObject({ status: 401 });
    expect(await get(port, '/mydb_data/clients?t=barley')).toMatchObject({ status: 401 });
    const { status, body } = await get(port, '/mydb_data/clients?t=sesame');
    expect(status).toBe(200);
    expect(JSON.parse(body)).toEqual([{ id: 'mallory1', connected: expect.any(Number) }]);
  });

  it('takes messages from connected peers with the token alone', async () => {
    const { port } = await serve({ token: 'sesame' });
    await rawPeer({ port }, { token: 'sesame' });
    const reader = await rawPeer({ port }, { id: 'reader01', token: 'sesame' });
    const send = (query: string) =>
      fetch(`http://127.0.0.1:${port}/mydb_data/send?${query}`, {
        method: 'POST',
        body: '{"type":"test","from":"mallory1"}',
      });
    expect((await send('id=mallory1')).status).toBe(401);
    expect((await send('id=mallory1&t=barley')).status).toBe(401);
    expect((await send('id=nobody00&t=sesame')).status).toBe(401);
    const accepted = await send('id=mallory1&t=sesame');
    expect(accepted.status).toBe(200);
    expect(await accepted.text()).toBe('ok');
    let text = '';
    while (!text.includes('"test"')) text = await reader.text();
  });

  it('tells everybody that it lives, and nothing more', async () => {
    const { port } = await serve({ token: 'sesame' });
    expect(await get(port, '/health')).toMatchObject({ status: 200, body: '{"status":"ok"}' });
  });
});

describe('a server without a token', () => {
  it.each(['localhost', 'LOCALHOST', '127.0.0.1', '[::1]', '127.0.0.2'])('may be called %s', async (name) => {
    const { port } = await serve();
    const headers = { Host: `${name}:${port}` };
    expect(await statusOf(get(port, '/health', headers))).toBe(200);
    expect(await statusOf(knock(port, connectPath(), headers))).toBe(101);
  });

  it.each([
    'evil.example',
    'localhost.evil.example',
    '127.0.0.1.evil.example',
    '10.0.0.1',
    'evil.example:80',
  ])('may not be called %s', async (host) => {
    const { port, log } = await serve();
    for (const path of ['/health', '/mydb_data/clients', '/nothing']) {
      expect(await statusOf(get(port, path, { Host: host })), path).toBe(421);
    }
    const refused = await knock(port, connectPath(), { Host: host });
    expect(refused.status).toBe(421);
    expect(JSON.parse(refused.body)).toMatchObject({ code: 'IPC_REFUSED_HOST' });
    expect(log.refusals).toMatchObject([{ code: 'IPC_REFUSED_HOST', path: '/health' }]);
  });

  it('may be called by an allowed name', async () => {
    const { port } = await serve({ allowedHosts: ['ipc.internal'] });
    expect(await statusOf(get(port, '/health', { Host: 'ipc.internal' }))).toBe(200);
    expect(await statusOf(get(port, '/health', { Host: 'ipc.internal.evil.example' }))).toBe(421);
  });
});

it('may be called anything where a token is asked for', async () => {
  const { port } = await serve({ token: 'sesame' });
  expect(await statusOf(get(port, '/health', { Host: 'ipc.internal' }))).toBe(200);
});

describe('a web page', () => {
  const origins = ['http://evil.example', 'null', 'http://localhost', 'https://localhost', 'file://', ''];

  it.each(origins)('of the origin %j is kept out', async (Origin) => {
    const { port, log } = await serve({ allowedOrigins: ['http://app.example'] });
    const refused = await knock(port, connectPath(), { Host: `localhost:${port}`, Origin });
    expect(refused.status).toBe(403);
    expect(JSON.parse(refused.body)).toMatchObject({ code: 'IPC_REFUSED_ORIGIN' });
    const answer = await get(port, '/mydb_data/clients', { Origin });
    expect(answer.status).toBe(403);
    expect(answer.headers['access-control-allow-origin']).toBeUndefined();
    expect(log.refusals).toMatchObject([{ code: 'IPC_REFUSED_ORIGIN' }]);
  });

  it.each(['cross-site', 'same-site'])('cannot ask by an image or a link (%s)', async (site) => {
    const { port } = await serve();
    const headers = { 'Sec-Fetch-Site': site };
    expect(await statusOf(get(port, '/mydb_data/clients', headers))).toBe(403);
    expect(await statusOf(get(port, '/health', headers))).toBe(200);
    expect(await statusOf(get(port, '/mydb_data/clients', { 'Sec-Fetch-Site': 'none' }))).toBe(200);
  });

  it('of the same origin, or an allowed one, is let in, and may read', async () => {
    const { port } = await serve({ allowedOrigins: ['http://app.example'] });
    for (const Origin of ['http://app.example', `http://localhost:${port}`]) {
      const headers = { Host: `localhost:${port}`, Origin };
      expect(await statusOf(knock(port, connectPath(), headers))).toBe(101);
      const answer = await get(port, '/mydb_data/clients', headers);
      expect(answer).toMatchObject({
        status: 200,
        headers: { 'access-control-allow-origin': Origin, vary: 'Origin' },
      });
    }
  });

  it('of an allowed origin may send the token in a header', async () => {
    const { port } = await serve({ token: 'sesame', allowedOrigins: ['http://app.example'] });
    const ask = (Origin: string) =>
      get(port, '/mydb_data/clients', { Origin, 'Access-Control-Request-Method': 'GET' }, 'OPTIONS');
    expect(await ask('http://app.example')).toMatchObject({
      status: 204,
      headers: {
        'access-control-allow-origin': 'http://app.example',
        'access-control-allow-headers': expect.stringContaining('Authorization'),
      },
    });
    expect(await statusOf(ask('http://evil.example'))).toBe(403);
  });
});
