import { once } from 'node:events';
import { copyFile, mkdir, readFile, rename, symlink, writeFile } from 'node:fs/promises';
import { join as joinPath } from 'node:path';
import { connect, type PeerCertificate } from 'node:tls';
import { beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import type { WebSocket } from 'ws';
import { AceBaseIPCServer } from '../../src/index.js';
import { CollectedLog } from '../support/collected-log.js';
import { join } from '../support/conversation.js';
import { itInFull } from '../support/in-full.js';
import { type PrivateAuthority, privateAuthority } from '../support/private-authority.js';
import { connectPath } from '../support/raw-socket.js';
import { knock } from '../support/requests.js';
import { serve } from '../support/served.js';
import { type LogLine, ServerProcess } from '../support/server-process.js';
import { removeDirectory, temporaryDirectory } from '../support/temporary-directory.js';

let folder: string;

beforeEach(async () => {
  folder = await temporaryDirectory('reload');
  return () => removeDirectory(folder);
});

const file = (name: string) => joinPath(folder, name);

/** Makes an authority, and a certificate of it, in a folder of their own. */
async function authority(name: string): Promise<PrivateAuthority> {
  await mkdir(file(name));
  return privateAuthority(file(name));
}

async function start(options: Readonly<Record<string, unknown>>, flags: string[] = []) {
  const server = await ServerProcess.start({ options, flags });
  onTestFinished(() => void server.kill());
  return server;
}

/** The serial number of the certificate that a new connection is shown. */
async function certificateOf(port: number): Promise<string> {
  const socket = connect({ port, host: '127.0.0.1', servername: 'localhost', rejectUnauthorized: false });
  await once(socket, 'secureConnect');
  const { serialNumber } = socket.getPeerCertificate() as PeerCertificate;
  socket.destroy();
  return serialNumber;
}

/** The n-th line of that text, once it is there. */
function nth(server: ServerProcess, msg: string, count: number): Promise<LogLine> {
  return server.line(() => server.lines.filter((line) => line['msg'] === msg).length >= count);
}

async function expectAlive(...peers: readonly WebSocket[]): Promise<void> {
  for (const peer of peers) {
    const pong = new Promise<void>((resolve, reject) => {
      peer.on('message', (data) => String(data) === 'pong' && resolve());
      peer.once('close', () => reject(new Error('the connection was ended')));
    });
    peer.send('ping');
    await pong;
  }
}

const RELOADED = 'reloaded';
const REFUSED = 'the new options are invalid; keeping the current ones';
const RESTART = 'these options changed, and are in force only after a restart of the server';

describe('certificates', () => {
  /** Puts a pair of files in place of another, each by a rename. */
  async function install({ certPath, keyPath }: PrivateAuthority): Promise<void> {
    await copyFile(certPath, file('next-cert'));
    await copyFile(keyPath, file('next-key'));
    await rename(file('next-cert'), file('cert.pem'));
    await rename(file('next-key'), file('key.pem'));
  }

  it('that are replaced are shown to new connections, while old ones live on', async () => {
    await authority('first');
    await authority('second');
    await symlink('first', file('..data'));
    for (const name of ['cert.pem', 'key.pem']) await symlink(`..data/${name}`, file(name));
    const server = await start({ ssl: { certPath: file('cert.pem'), keyPath: file('key.pem') } });
    const { port } = server;
    const old = await join({ port, secure: true }, 'worker01');
    const first = await certificateOf(port);
    // As Kubernetes does it: the link to their folder is turned.
    await symlink('second', file('..data_tmp'));
    await rename(file('..data_tmp'), file('..data'));
    await nth(server, RELOADED, 1);
    expect(server.lines.find(({ msg }) => msg === RELOADED)).toMatchObject({ changed: 'certificate' });
    const second = await certificateOf(port);
    expect(second).not.toBe(first);
    // As others do it.
    await install(await authority('third'));
    await nth(server, RELOADED, 2);
    expect([first, second]).not.toContain(await certificateOf(port));
    await expectAlive(old, await join({ port, secure: true }, 'worker02'));
    expect(await server.stop()).toEqual({ code: 0, signal: null });
  });

  // Without a server of its own: test/unit/cli/reload.test.ts.
  itInFull(
    'that cannot be used leave the old ones in force, and the log says why and what to do',
    async () => {
      const first = await authority('first');
      await install(first);
      const server = await start({ ssl: { certPath: file('cert.pem'), keyPath: file('key.pem') } });
      const before = await certificateOf(server.port);
      await copyFile((await authority('second')).certPath, file('cert.pem'));
      await nth(server, REFUSED, 1);
      expect(server.lines.find(({ msg }) => msg === REFUSED)).toMatchObject({
        level: 'error',
        code: 'IPC_TLS_BAD_CERTIFICATE',
        reason: expect.stringContaining('does not belong to'),
        remedy: expect.any(String),
      });
      expect(await certificateOf(server.port)).toBe(before);
      await writeFile(file('cert.pem'), 'no certificate');
      await nth(server, REFUSED, 2);
      expect(await certificateOf(server.port)).toBe(before);
      // And what is repaired is taken.
      await copyFile(first.certPath, file('cert.pem'));
      await nth(server, RELOADED, 1);
      expect(await certificateOf(server.port)).toBe(before);
    },
  );
});

describe('tokens', () => {
  const open = async (port: number, token: string) => (await knock(port, connectPath({ token }))).status;

  it('of a file that is replaced are in force at once; who is in stays in', async () => {
    await writeFile(file('token'), 'first-token\n');
    const server = await start({ tokenFile: file('token') });
    const { port } = server;
    const old = await join({ port, token: 'first-token' }, 'worker01');
    await writeFile(file('token'), 'first-token\nsecond-token\n');
    await nth(server, RELOADED, 1);
    expect([await open(port, 'first-token'), await open(port, 'second-token')]).toEqual([101, 101]);
    await writeFile(file('next'), 'second-token\n');
    await rename(file('next'), file('token'));
    await nth(server, RELOADED, 2);
    expect([await open(port, 'first-token'), await open(port, 'second-token')]).toEqual([403, 101]);
    await expectAlive(old);
    // An empty file opens the server to nobody.
    await writeFile(file('token'), '\n');
    await nth(server, REFUSED, 1);
    expect([await open(port, 'second-token'), await open(port, 'undefined')]).toEqual([101, 403]);
    expect(JSON.stringify(server.lines)).not.toMatch(/(first|second)-token/);
  });
});

describe('SIGHUP', () => {
  it('has the config file read again; what needs a restart is named', async () => {
    await writeFile(
      file('config.json'),
      JSON.stringify({ port: 0, token: 'first-token', logLevel: 'debug' }),
    );
    const running = await start({}, ['--config', file('config.json')]);
    await writeFile(
      file('config.json'),
      JSON.stringify({ port: 1, token: 'second-token', maxPeers: 5, databases: ['mydb'] }),
    );
    process.kill(running.pid, 'SIGHUP');
    await nth(running, RELOADED, 1);
    await nth(running, RESTART, 1);
    expect(running.lines.find(({ msg }) => msg === RELOADED)).toMatchObject({
      changed: expect.stringContaining('token, databases'),
    });
    expect(running.lines.find(({ msg }) => msg === RESTART)).toMatchObject({ options: 'port, maxPeers' });
    const { port } = running;
    const status = async (token: string, database = 'mydb_data') =>
      (await knock(port, connectPath({ token, database }))).status;
    expect([await status('first-token'), await status('second-token')]).toEqual([403, 101]);
    expect(await status('second-token', 'other')).toBe(403);
    await writeFile(file('config.json'), '{ "port": ');
    process.kill(running.pid, 'SIGHUP');
    await nth(running, REFUSED, 1);
    expect(running.lines.find(({ msg }) => msg === REFUSED)).toMatchObject({
      cause: expect.any(String),
      code: 'IPC_CONFIG_UNREADABLE',
    });
    expect(await status('second-token')).toBe(101);
    expect(await running.stop()).toEqual({ code: 0, signal: null });
  });
});

describe('server.reload()', () => {
  it('takes over other options, and reads files again', async () => {
    const { certPath, keyPath } = await authority('first');
    const log = new CollectedLog();
    const server = new AceBaseIPCServer({ port: 0, ssl: { certPath, keyPath } }, { logger: log });
    onTestFinished(() => server.stop());
    expect(server.reload()).toEqual({ changed: [], needRestart: [] });
    await server.start();
    const port = server.address?.port ?? 0;
    const before = await certificateOf(port);
    const second = await authority('second');
    for (const name of ['cert.pem', 'key.pem']) {
      await writeFile(joinPath(file('first'), name), await readFile(joinPath(file('second'), name)));
    }
    expect(server.reload()).toEqual({ changed: ['certificate'], needRestart: [] });
    expect(await certificateOf(port)).not.toBe(before);
    const ssl = { certPath: second.certPath, keyPath: second.keyPath };
    expect(server.reload({ port: 1, ssl, stopTimeout: 0 })).toEqual({
      changed: ['stopTimeout', 'ssl.certPath', 'ssl.keyPath'],
      needRestart: ['port'],
    });
    expect(() => server.reload({ ssl: { ...ssl, keyPath: file('nothing') } })).toThrow(
      expect.objectContaining({ code: 'IPC_TLS_FILE_UNREADABLE' }),
    );
    expect(await certificateOf(port)).not.toBe(before);
  });

  it('sends those away who watch when it changes who may', async () => {
    const { server, port } = await serve({ token: { shop: 'first-token' }, adminToken: 'boss' });
    const watch = async (token: string) => {
      const headers = { Authorization: `Bearer ${token}` };
      const response = await fetch(`http://127.0.0.1:${port}/status/stream`, { headers });
      return { status: response.status, reader: response.body?.getReader() };
    };
    const { reader } = await watch('first-token');
    await reader?.read();
    const options = { adminToken: 'boss', stopTimeout: 0 } as const;
    server.reload({ ...options, token: { shop: 'first-token' }, logLevel: 'warn' });
    expect((await reader?.read())?.done).toBe(false);
    server.reload({ ...options, token: { shop: 'second-token' } });
    while (!(await reader?.read())?.done);
    expect((await watch('first-token')).status).toBe(401);
    const again = await watch('second-token');
    expect(again.status).toBe(200);
    await again.reader?.cancel();
  });
});
