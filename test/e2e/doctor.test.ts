import { once } from 'node:events';
import { mkdir, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join as joinPath } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { commandHere, runCommand } from '../support/command.js';
import { join } from '../support/conversation.js';
import { freePort } from '../support/free-port.js';
import { isInFull } from '../support/in-full.js';
import { startNginx } from '../support/nginx.js';
import { nginxPath } from '../support/nginx-path.js';
import { privateAuthority } from '../support/private-authority.js';
import { serve } from '../support/served.js';
import { removeDirectory, temporaryDirectory } from '../support/temporary-directory.js';
import { userProject } from '../support/user-project.js';

interface Finding {
  readonly subject: string;
  readonly status: string;
  readonly message: string;
  readonly remedy?: string;
}

/** The findings by subject, and the exit code. An authority is trusted by a process that was started with it, only. */
async function doctor(words: readonly string[], env: Readonly<Record<string, string>> = {}, folder?: string) {
  const run = 'NODE_EXTRA_CA_CERTS' in env ? runCommand : commandHere;
  const { code, stdout, stderr } = await run(['doctor', 'mydb', '--json', ...words], {
    env,
    ...(folder !== undefined && { folder }),
  });
  expect(stderr).toBe('');
  const findings = JSON.parse(stdout) as Finding[];
  const of = Object.fromEntries(findings.map((finding) => [finding.subject, finding]));
  return { code, of: of as Record<string, Finding | undefined> };
}

describe('acebase-ipc-server doctor', () => {
  it('finds nobody, then a server without a master, then a cluster, and says what to do', async () => {
    const gone = await doctor(['--port', String(await freePort())]);
    expect(gone.code).toBe(1);
    expect(gone.of['server']).toMatchObject({
      status: 'error',
      message: expect.stringContaining('nobody listens there'),
    });

    const { port, log } = await serve();
    const worker = await join({ port }, 'worker01');
    const waiting = await doctor(['--port', String(port)]);
    expect(waiting.code).toBe(1);
    expect(waiting.of['master']).toMatchObject({
      status: 'error',
      message: 'mydb has no master, and 1 worker is there',
    });

    await join({ port }, '[master]');
    const well = await doctor(['--port', String(port)]);
    expect(well.code).toBe(0);
    expect(well.of).toMatchObject({
      server: { status: 'ok' },
      certificate: { status: 'skipped' },
      websocket: { status: 'ok' },
      token: { status: 'ok' },
      master: { status: 'ok' },
      clients: { status: 'warning', message: expect.stringContaining('2 of 2') },
      status: { status: 'ok' },
      clock: { status: 'ok' },
      ws: { status: 'ok' },
      acebase: { status: 'ok' },
    });
    // It asks as nobody who could come in, and nobody need look at that.
    const loud = log.lines.filter(({ level }) => level !== 'info' && level !== 'debug' && level !== 'trace');
    expect(loud).toEqual([]);
    expect(log.lines.filter(({ msg }) => /^connection probe accepted/.test(String(msg)))).toHaveLength(2);
    // It never joined.
    expect(log.lines.filter(({ msg }) => msg === 'peer connected')).toHaveLength(2);
    worker.close();
  });

  it('prints lines for people', async () => {
    const { port } = await serve();
    const run = isInFull ? runCommand : commandHere;
    const { code, stdout } = await run(['doctor', 'mydb', '--port', String(port)]);
    expect(code).toBe(1);
    expect(stdout).toMatch(/^ok +server +answers at http:\/\/localhost:\d+$/m);
    expect(stdout).toMatch(
      /^error +master +nobody is connected to mydb\n +→ Start the process with `role: "master"`/m,
    );
  });

  it('knows a token that is missing, wrong, and right', async () => {
    const { port } = await serve({ token: { mydb: 'sesame' } });
    const where = ['--port', String(port)];
    const missing = await doctor(where);
    expect(missing).toMatchObject({
      code: 1,
      of: { token: { status: 'error', message: 'the server wants a token' } },
    });
    const wrong = await doctor(where, { ACEBASE_IPC_SERVER_TOKEN: 'barley' });
    expect(wrong.of['token']).toMatchObject({
      status: 'error',
      message: 'the server does not accept this token',
    });
    expect(wrong.of['master']?.status).toBe('skipped');
    const right = await doctor(where, { ACEBASE_IPC_TOKEN: 'sesame' });
    expect(right.of['token']).toMatchObject({ status: 'ok', message: 'it is accepted' });
    // What the server itself has to say: who was refused.
    expect(right.of['status']).toMatchObject({
      status: 'warning',
      message: expect.stringContaining('2 attempts to connect were refused in the last minute'),
    });
  });

  it('knows a database that is not served', async () => {
    const { port } = await serve({ databases: ['other'] });
    const { of } = await doctor(['--port', String(port)]);
    expect(of['token']).toMatchObject({ status: 'error', message: 'the server does not serve mydb' });
  });

  it('looks at the certificate as AceBase does: its authority, its names, its end', async () => {
    const folder = await temporaryDirectory('doctor');
    onTestFinished(() => removeDirectory(folder));
    const { certPath, keyPath, caPath } = await privateAuthority(folder);
    // With a token it may be called anything.
    const { port } = await serve({ ssl: { certPath, keyPath }, token: 'sesame' });
    const at = (host: string) => ['--url', `https://${host}:${port}`];
    const unknown = await doctor(at('localhost'), { ACEBASE_IPC_TOKEN: 'sesame' });
    expect(unknown.code).toBe(1);
    expect(unknown.of['certificate']).toMatchObject({
      status: 'error',
      message: expect.stringContaining('not trusted here'),
      remedy: expect.stringContaining('NODE_EXTRA_CA_CERTS'),
    });
    // Nobody knows who that is: the token is not for him.
    expect(unknown.of['token']?.status).toBe('skipped');
    expect(unknown.of['clock']?.status).toBe('ok');
    const trusting = { NODE_EXTRA_CA_CERTS: caPath, ACEBASE_IPC_TOKEN: 'sesame' };
    // It lasts for two days.
    const short = await doctor(at('localhost'), trusting);
    expect(short.of['certificate']).toMatchObject({
      status: 'warning',
      message: expect.stringMatching(/^the certificate expires in 1 days/),
    });
    // test/unit/cli/doctor.test.ts has the names of certificates.
    if (!isInFull) return;
    const misnamed = await doctor(at('0.0.0.0'), trusting);
    expect(misnamed.of['certificate']).toMatchObject({
      status: 'error',
      message: expect.stringContaining('not for 0.0.0.0, but for DNS:localhost'),
    });
  });

  it('tells a server that speaks TLS from one that does not', async () => {
    const folder = await temporaryDirectory('doctor');
    onTestFinished(() => removeDirectory(folder));
    const { certPath, keyPath } = await privateAuthority(folder);
    const secure = await serve({ ssl: { certPath, keyPath } });
    const plain = await serve();
    const toSecure = await doctor(['--url', `http://localhost:${secure.port}`]);
    expect(toSecure.of['server']).toMatchObject({
      status: 'error',
      remedy: expect.stringContaining('may speak TLS'),
    });
    const toPlain = await doctor(['--url', `https://localhost:${plain.port}`]);
    expect(toPlain.of['server']).toMatchObject({
      status: 'error',
      remedy: expect.stringContaining('not speak TLS'),
    });
  });

  it('knows another program, and a proxy that loses the upgrade', async () => {
    const { port: target } = await serve();
    /** Passes requests on, as a proxy that knows nothing of upgrades. */
    const proxy = createServer(async ({ url = '' }, response) => {
      const answer = await fetch(`http://localhost:${target}${url}`);
      response.writeHead(answer.status, { 'Content-Type': 'application/json' }).end(await answer.text());
    });
    const other = createServer((_request, response) => response.end('hello'));
    const ports: number[] = [];
    for (const server of [proxy, other]) {
      await once(server.listen(0, 'localhost'), 'listening');
      onTestFinished(() => void server.close());
      ports.push((server.address() as AddressInfo).port);
    }
    const behindProxy = await doctor(['--port', String(ports[0])]);
    expect(behindProxy.of['websocket']).toMatchObject({
      status: 'error',
      remedy: expect.stringContaining('Upgrade and Connection'),
    });
    const elsewhere = await doctor(['--port', String(ports[1])]);
    expect(elsewhere.of['server']).toMatchObject({
      status: 'error',
      remedy: expect.stringContaining('Another program'),
    });
  });

  const belowPath = {
    'location / {': 'location /ipc/ {',
    'proxy_pass http://acebase_ipc;': 'proxy_pass http://acebase_ipc/;',
  };
  const paths: [string, Readonly<Record<string, string>>][] = [
    ['/ipc', belowPath],
    ['', {}],
  ];
  // What a path does to addresses, test/unit/cli/doctor.test.ts knows; what nginx does, deploy/nginx.test.ts.
  it.skipIf(nginxPath === undefined).each(isInFull ? paths : [])(
    'finds the way through the nginx of deploy/nginx, with path "%s"',
    async (path, change) => {
      const { port: target } = await serve({ token: 'sesame' });
      const { port, authority } = await startNginx(target, change);
      await join({ port: target, token: 'sesame' }, '[master]');
      const env = { NODE_EXTRA_CA_CERTS: authority.caPath, ACEBASE_IPC_TOKEN: 'sesame' };
      const { of } = await doctor(['--url', `https://localhost:${port}${path}`], env);
      const { server, websocket, token, master, status, clock } = of;
      expect([server, websocket, token, master, status, clock].map((it) => it?.status)).toEqual(
        Array.from({ length: 6 }, () => 'ok'),
      );
    },
  );

  it('looks at the packages of the folder that it is run in', async () => {
    const { folder, remove } = await userProject('commonjs', []);
    onTestFinished(remove);
    const acebase = joinPath(folder, 'node_modules/acebase');
    await mkdir(acebase);
    await writeFile(joinPath(acebase, 'package.json'), '{ "name": "acebase", "version": "1.29.7" }');
    await writeFile(joinPath(acebase, 'index.js'), '');
    const { port } = await serve();
    const { of } = await doctor(['--port', String(port)], {}, folder);
    expect(of['ws']).toMatchObject({ status: 'warning', remedy: expect.stringContaining('npm install ws') });
    expect(of['acebase']).toMatchObject({ status: 'ok', message: 'acebase 1.29.7' });
  });
});
