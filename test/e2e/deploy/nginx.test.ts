import { once } from 'node:events';
import { request } from 'node:https';
import { describe, expect, it, onTestFinished } from 'vitest';
import type { WebSocket } from 'ws';
import { AceBaseProcess } from '../../support/acebase-process.js';
import { join } from '../../support/conversation.js';
import { isInFull } from '../../support/in-full.js';
import { startNginx } from '../../support/nginx.js';
import { nginxPath } from '../../support/nginx-path.js';
import { connectPath } from '../../support/raw-socket.js';
import { serve } from '../../support/served.js';
import { removeDirectory, temporaryDirectory } from '../../support/temporary-directory.js';
import { eventually } from '../../support/waiting.js';

const token = 'a-token-of-this-test';

/** Resolves with the first frame of a peer that fits. */
function frame(peer: WebSocket, fits: (text: string) => boolean): Promise<string> {
  return new Promise((resolve, reject) => {
    peer.on('message', (data) => {
      const text = String(data);
      if (fits(text)) resolve(text);
    });
    peer.once('close', (code) => reject(new Error(`closed with ${code}`)));
  });
}

/** The answer to a request over TLS, with the head that is asked for. */
async function ask(
  port: number,
  path: string,
  options: {
    readonly method?: string;
    readonly headers?: Readonly<Record<string, string>>;
    readonly body?: string;
  } = {},
): Promise<{ status: number; text: string }> {
  const { method = 'GET', headers = {}, body } = options;
  const sent = request({
    port,
    host: '127.0.0.1',
    path,
    method,
    headers,
    agent: false,
    rejectUnauthorized: false,
  });
  sent.end(body);
  const [response] = await once(sent, 'response');
  let text = '';
  for await (const chunk of response.setEncoding('utf8')) text += chunk;
  return { status: response.statusCode, text };
}

describe.skipIf(nginxPath === undefined)('with the nginx of deploy/nginx in front', () => {
  // That AceBase processes come by TLS, test/e2e/client/tls.test.ts shows; that long messages pass, the next test.
  it.each(isInFull ? [false, true] : [])(
    'AceBase processes share a database by TLS, with large values (our client: %s)',
    async (client) => {
      const { port: target } = await serve({ token });
      const { port, authority } = await startNginx(target);
      const path = await temporaryDirectory('behind-nginx');
      onTestFinished(() => removeDirectory(path));
      const start = (name: string, role: 'master' | 'worker') => {
        const ipc = { host: 'localhost', port, ssl: true, token, role };
        const env = { NODE_EXTRA_CA_CERTS: authority.caPath };
        const started = new AceBaseProcess({ name, database: 'mydb', path, ipc, client, env });
        onTestFinished(() => void started.kill());
        return started;
      };
      const master = start('master', 'master');
      await master.ready();
      const worker = start('worker', 'worker');
      await worker.ready();
      await Promise.all([master, worker].map((peer) => peer.untilPeers(1)));
      const seen = await worker.subscribe('large', 'value');
      await master.untilSubscribed('large', 'value');
      const large = 'x'.repeat(isInFull ? 5_000_000 : 2_000_000);
      await master.set('large', large);
      await seen.event(({ value }) => value === large);
      expect(await worker.get('large')).toBe(large);
    },
  );

  it('passes long messages on, in frames and by POST', async () => {
    const { port: target } = await serve({ token });
    const { port } = await startNginx(target);
    const reader = await join({ port, secure: true, token }, 'reader01');
    const writer = await join({ port, secure: true, token }, 'writer01');
    const message = (text: string) => JSON.stringify({ type: 'test', from: 'writer01', text });
    const long = 'x'.repeat(isInFull ? 20_000_000 : 4_000_000);
    const received = frame(reader, (text) => text.includes('"test"'));
    writer.send(message(long));
    expect(await received).toBe(message(long));
    const posted = frame(reader, (text) => text.includes('posted'));
    const body = message(`posted${long}`);
    expect(await ask(port, `/mydb_data/send?id=writer01&t=${token}`, { method: 'POST', body })).toMatchObject(
      {
        status: 200,
        text: 'ok',
      },
    );
    expect(await posted).toBe(body);
  });

  /** How long nginx bears silence, in the tests of it. */
  const impatient = { 'proxy_read_timeout 60s': 'proxy_read_timeout 1s' };

  it('keeps a line on which nobody speaks, since it is pinged', async () => {
    const { port: target } = await serve({ token, heartbeatInterval: 250 });
    const { port } = await startNginx(target, impatient);
    const idle = await join({ port, secure: true, token }, 'worker01');
    let pings = 0;
    // Ten of them are two and a half of the seconds that nginx would bear.
    await new Promise<void>((resolve, reject) => {
      idle.on('ping', () => ++pings === 10 && resolve());
      idle.once('close', (code) => reject(new Error(`closed with ${code} after ${pings} pings`)));
    });
  });

  it('ends such a line if it is pinged less often than nginx bears', async () => {
    const { port: target, log } = await serve({ token, heartbeatInterval: '1m', heartbeatTimeout: '10m' });
    const { port } = await startNginx(target, impatient);
    await join({ port, secure: true, token }, 'worker01');
    await log.line(({ msg }) => msg === 'peer disconnected; it may reconnect');
  });

  it('passes refusals on, and writes no token down', async () => {
    const { server, port: target } = await serve({ token });
    const { port, log } = await startNginx(target);
    const upgrade = {
      Connection: 'Upgrade',
      Upgrade: 'websocket',
      'Sec-WebSocket-Version': '13',
      'Sec-WebSocket-Key': 'AAAAAAAAAAAAAAAAAAAAAA==',
    };
    const refused = await ask(port, connectPath({ token: 'a-wrong-token' }), { headers: upgrade });
    expect(refused.status).toBe(403);
    expect(JSON.parse(refused.text)).toMatchObject({ code: 'IPC_REFUSED_TOKEN' });
    expect(await ask(port, `/mydb_data/clients?t=${token}`)).toMatchObject({ status: 200, text: '[]' });
    await server.stop();
    expect((await ask(port, connectPath({ token }), { headers: upgrade })).status).toBe(502);
    // nginx writes its line when the answer is out.
    const written = await eventually(async () => {
      const text = await log();
      return text.includes('connect" 502 ') && text;
    });
    expect(written).toMatch(
      /"GET \/mydb_data\/connect" 403 .*\n.*"GET \/mydb_data\/clients" 200 .*\n.*"GET \/mydb_data\/connect" 502 /,
    );
    expect(written).not.toMatch(/token/);
  });
});
