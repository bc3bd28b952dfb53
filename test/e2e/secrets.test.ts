import { once } from 'node:events';
import { describe, expect, it, onTestFinished } from 'vitest';
import { WebSocket } from 'ws';
import type { ServerOptions } from '../../src/index.js';
import { clientFrame } from '../support/client-frames.js';
import { connectPath, type RawResponse, RawSocket, rawPeer } from '../support/raw-socket.js';
import { get, knock } from '../support/requests.js';
import { serve } from '../support/served.js';
import { ServerProcess } from '../support/server-process.js';

describe('a token', () => {
  const secret = 'qX7-secret-Zw3';
  const wrong = 'qX7-wrong-Zw3';

  /** Does with tokens all that can be done, and gives everything that the server answered. */
  async function use(port: number): Promise<string> {
    let answers = '';
    const keep = (answer: RawResponse) => {
      answers += `${JSON.stringify(answer.headers)}${answer.body}`;
    };
    for (const token of [secret, wrong]) {
      const paths = [
        connectPath({ token }),
        connectPath({ token, id: 'x' }),
        connectPath({ token, version: '2.0.0' }),
        connectPath({ token, database: 'my%20db' }),
        `/mydb_data/join?t=${token}`,
        `/mydb_data/connect&t=${token}`,
        `/mydb_data/connect%3Ft=${token}`,
        `/mydb_data/connect;t=${token}`,
        `/t=${token}`,
        `http://localhost/mydb_data/connect?t=${token}`,
      ];
      for (const path of paths) {
        keep(await knock(port, path));
        keep(await get(port, path));
      }
      keep(
        await knock(port, connectPath(), { 'Sec-WebSocket-Key': token, Authorization: `Bearer ${token}` }),
      );
      keep(
        await knock(port, connectPath(), { Origin: 'http://evil.example', Authorization: `Bearer ${token}` }),
      );
      keep(await get(port, '/mydb_data/clients', { Authorization: `Bearer ${token}` }));
      keep(await get(port, `/mydb_data/receive?id=x&msg=m1&t=${token}`));
      for (const path of ['/status', '/ready', '/metrics', '/status/nothing']) {
        keep(await get(port, `${path}?database=mydb&t=${token}`));
        keep(await get(port, path, { Authorization: `Bearer ${token}` }));
      }
      keep(await get(port, `/mydb_data/send?id=x&t=${token}`, {}, 'POST'));
      const garbage = await RawSocket.connect({ port });
      garbage.send(`${token}\r\n\r\n`);
      keep(await garbage.response());
    }
    // Members of the cluster: payloads belong into no log either.
    const peer = await rawPeer({ port }, { token: secret });
    const other = new WebSocket(`ws://127.0.0.1:${port}${connectPath({ token: secret, id: 'other001' })}`);
    await once(other, 'open');
    for (const text of [`{"type":"hello","from":"mallory1","x":"${secret}"}`, secret, `to:${secret};{}`]) {
      peer.send(clientFrame(1, text));
    }
    peer.send(clientFrame(8, Buffer.concat([Buffer.from('03e8', 'hex'), Buffer.from(secret)])));
    await peer.closeCode();
    other.close(1000, secret);
    await once(other, 'close');
    for (const path of ['/status', '/metrics']) {
      keep(await get(port, path, { Authorization: `Bearer ${secret}` }));
      keep(await get(port, path, { Authorization: `Bearer ${secret}-admin` }));
    }
    return answers;
  }

  const settings: readonly { what: string; options: ServerOptions }[] = [
    { what: 'one token', options: { token: secret } },
    { what: 'one for each database', options: { token: { mydb: secret } } },
    { what: 'an admin token', options: { token: secret, adminToken: `${secret}-admin` } },
  ];

  it.each(settings)('is in no line of the log and in no answer ($what)', async ({ options }) => {
    const { port, log, server } = await serve(options);
    const answers = await use(port);
    await server.stop();
    expect(log.lines.length).toBeGreaterThan(10);
    expect(answers.length).toBeGreaterThan(1_000);
    expect(JSON.stringify(log.lines)).not.toMatch(/qX7|Zw3/);
    expect(answers).not.toMatch(/qX7|Zw3/);
    expect(JSON.stringify(server.counters)).not.toMatch(/qX7|Zw3/);
  });

  it('is in nothing that the command prints', async () => {
    const server = await ServerProcess.start({
      options: { token: secret, logLevel: 'trace', stopTimeout: 0 },
    });
    onTestFinished(() => void server.kill());
    await use(server.port);
    await server.stop();
    expect(server.lines.length).toBeGreaterThan(10);
    expect(JSON.stringify(server.lines)).not.toMatch(/qX7|Zw3/);
    expect(server.describe()).not.toMatch(/qX7|Zw3/);
  });
});
