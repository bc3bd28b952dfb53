import { spawn } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { WatchedProcess } from '../../support/child-process.js';
import { join } from '../../support/conversation.js';
import { EmbeddedServer } from '../../support/embedded-server.js';
import { exampleEnvironment, exampleFile, startExample } from '../../support/example.js';
import { freePorts } from '../../support/free-port.js';
import { type PrivateAuthority, privateAuthority } from '../../support/private-authority.js';
import { removeDirectory, temporaryDirectory } from '../../support/temporary-directory.js';

const token = 'correct-horse-battery';

let directory: string;
let authority: PrivateAuthority;
let plain: EmbeddedServer;
let secure: EmbeddedServer;

beforeAll(async () => {
  directory = await temporaryDirectory('until-no-master');
  authority = await privateAuthority(directory);
  const { certPath, keyPath } = authority;
  plain = await EmbeddedServer.start({ token });
  secure = await EmbeddedServer.start({ token, ssl: { certPath, keyPath } });
});

afterAll(async () => {
  await plain?.kill();
  await secure?.kill();
  await removeDirectory(directory);
});

/** A process that waits, and ends with 0 when nothing is to be waited for. */
function waiting(ipc: object): WatchedProcess {
  const code = `require('acebase-ipc-server/stock').untilNoMaster('mydb', ${JSON.stringify(ipc)})`;
  const child = spawn(process.execPath, ['-e', code], {
    stdio: ['ignore', 'ignore', 'pipe'],
    env: exampleEnvironment({}),
  });
  const started = new WatchedProcess('waiting', child);
  onTestFinished(() => void started.end('SIGKILL'));
  return started;
}

it('goes on without a word where no master is', async () => {
  const started = waiting({ port: plain.port, token });
  expect(await started.endedWithin(20_000)).toEqual({ code: 0, signal: null });
  expect(started.complaints).toBe('');
});

it('waits for a master whose connection is broken: it may still write, and another one would be refused', async () => {
  // The process of that master, which is that of this test, lives on.
  const server = await EmbeddedServer.start({ token, reconnectGrace: '5s' });
  onTestFinished(() => server.kill());
  const master = await join({ port: server.port, token }, '[master]');
  master.terminate();
  await server.line(({ msg }) => msg === 'peer disconnected; it may reconnect');
  const started = waiting({ port: server.port, token });
  await started.complains(/Another process is its master: this one goes on when that one has ended/);
  expect(await started.endedWithin(20_000)).toEqual({ code: 0, signal: null });
  expect(server.lines.map(({ msg }) => msg)).toContain('peer disconnected');
});

it('ends with 1 where the server runs the master itself, and says what to do', async () => {
  const folder = await temporaryDirectory('until-no-master');
  onTestFinished(() => removeDirectory(folder));
  const server = await EmbeddedServer.start({ token, masters: { mydb: { path: folder } } });
  onTestFinished(() => server.kill());
  const started = waiting({ port: server.port, token });
  expect(await started.endedWithin(20_000)).toEqual({ code: 1, signal: null });
  expect(started.complaints).toMatch(/The IPC server runs its master itself, .*role: 'worker'/);
});

it('trusts the authority of the same settings', async () => {
  const ca = await readFile(authority.caPath, 'utf8');
  const started = waiting({ port: secure.port, token, ssl: { ca } });
  expect(await started.endedWithin(20_000)).toEqual({ code: 0, signal: null });
  expect(started.complaints).toBe('');
});

const tokens: [what: string, settings: object][] = [['a wrong token', { token: 'wrong' }]];
tokens.push(['no token', {}]);

it.each(tokens)('ends with 1 for %s, and says so', async (_what, settings) => {
  const started = waiting({ port: plain.port, ...settings });
  expect(await started.endedWithin(20_000)).toEqual({ code: 1, signal: null });
  expect(started.complaints).toMatch(/answers with 401\. .*token/);
  expect(started.complaints).not.toContain('peer');
});

it('says that the certificate is not trusted, and what to do', async () => {
  await waiting({ port: secure.port, token, ssl: true }).complains(/not trusted.*ssl: \{ ca \}/);
});

it('says that the server may speak TLS', async () => {
  await waiting({ port: secure.port, token }).complains(/Does it speak TLS\?/);
});

it('says that the server may speak no TLS', async () => {
  await waiting({ port: plain.port, token, ssl: true }).complains(/It may speak no TLS/);
});

it('says that nobody listens, and says it again', async () => {
  const [port = 0] = await freePorts(1);
  const started = waiting({ port });
  await started.complains(/ECONNREFUSED.*Is it running(.|\n)*ECONNREFUSED/);
});

describe('the cloud example', () => {
  const script = exampleFile('cloud', 'start-db.js');
  const start = (env: Readonly<Record<string, string>>): WatchedProcess => {
    const started = startExample('cloud', script, env);
    onTestFinished(() => void started.end('SIGKILL'));
    return started;
  };

  it('ends at SIGTERM while it waits for its turn', async () => {
    const started = start({
      DB_NAME: 'mydb',
      DB_PATH: directory,
      ACEBASE_IPC_ROLE: 'master',
      ACEBASE_IPC_HOST: 'localhost',
      ACEBASE_IPC_PORT: String((await freePorts(1))[0]),
    });
    await started.complains(/Waiting before mydb is opened/);
    expect(await started.end('SIGTERM')).toEqual({ code: 0, signal: null });
  });

  it('says which variables are missing', async () => {
    const started = start({ DB_NAME: 'mydb', ACEBASE_IPC_ROLE: 'worker', ACEBASE_IPC_HOST: 'localhost' });
    expect(await started.endedWithin(20_000)).toEqual({ code: 1, signal: null });
    expect(started.complaints).toBe('Set DB_PATH, ACEBASE_IPC_PORT, HTTP_PORT in the environment.\n');
  });
});
