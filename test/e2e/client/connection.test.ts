import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, it } from 'vitest';
import { AceBaseProcess } from '../../support/acebase-process.js';
import { WatchedProcess } from '../../support/child-process.js';
import { freePort } from '../../support/free-port.js';
import { ServerProcess } from '../../support/server-process.js';
import { removeDirectory, temporaryDirectory } from '../../support/temporary-directory.js';

const fastTime = fileURLToPath(new URL('../../support/fast-time.cjs', import.meta.url));

/** What a test has started, to be ended after it. */
const started: { kill(): Promise<unknown> }[] = [];

afterEach(async () => {
  await Promise.all(started.splice(0).map((each) => each.kill()));
});

async function folder(): Promise<string> {
  const path = await temporaryDirectory('client');
  started.push({ kill: () => removeDirectory(path) });
  return path;
}

async function master(port: number, client: boolean, execArgv: readonly string[] = []) {
  const database = await unreadyMaster(port, client, execArgv);
  await database.ready();
  return database;
}

async function unreadyMaster(port: number, client: boolean, execArgv: readonly string[] = []) {
  const ipc = { port, role: 'master' as const };
  const database = new AceBaseProcess({
    name: 'master',
    database: 'mydb',
    path: await folder(),
    ipc,
    client,
    execArgv,
  });
  started.push(database);
  return database;
}

async function server(options: Readonly<Record<string, unknown>> = {}): Promise<ServerProcess> {
  const process = await ServerProcess.start({ options });
  started.push(process);
  return process;
}

// Rows 7 and 27 of what stock clients get wrong: a timer of the connection closes it with a code that is not allowed.
describe('a process that was started before the IPC server', () => {
  it('crashes some seconds later with a stock client', async () => {
    const port = await freePort();
    const early = await master(port, false, ['--require', fastTime]);
    expect(await early.exited).toMatchObject({ code: 1 });
    // It closes a socket with a code that is not allowed, or uses one that is not open.
    expect(early.complaints).toMatch(/valid error code number|WebSocket is not open/);
  });

  it('works with ours when the server comes, and nothing has piled up', async () => {
    const port = await freePort();
    const early = await unreadyMaster(port, true, ['--require', fastTime]);
    const timers = () => early.command<number>('resources', {});
    // With time running 20 times as fast, half a minute has passed when it has tried in vain so often.
    await early.untilComplains(/is not there/);
    const before = await timers();
    await early.command('pause', { milliseconds: 1_500 });
    expect(await timers()).toBeLessThanOrEqual(before + 1);
    await server({ port });
    await early.untilComplains(/Connected to the IPC server at localhost:\d+ after \d+\.\d s/);
    await early.set('came', 'late');
    expect(await early.get('came')).toBe('late');
    expect(await early.closeAndEnd()).toEqual({ code: 0, signal: null });
  });
});

describe('a process that was stopped for a while', () => {
  const running = async (client: boolean) => {
    const { port } = await server();
    return master(port, client, ['--require', fastTime]);
  };

  /** Stops it for longer than a stock client waits for a message; resolves soon after it goes on. */
  const stopAWhile = async (database: AceBaseProcess) => {
    process.kill(database.pid, 'SIGSTOP');
    await new Promise((resolve) => setTimeout(resolve, 1_000));
    process.kill(database.pid, 'SIGCONT');
    return Promise.race([
      database.exited,
      new Promise<undefined>((resolve) => setTimeout(resolve, 500, undefined)),
    ]);
  };

  it('crashes with a stock client when it goes on', async () => {
    const database = await running(false);
    // Not if it happened to be stopped between its ping and the pong: the pong is there when it goes on.
    let exit = await stopAWhile(database);
    while (exit === undefined) exit = await stopAWhile(database);
    expect(exit).toMatchObject({ code: 1 });
  });

  it('goes on with ours', async () => {
    const database = await running(true);
    await stopAWhile(database);
    await stopAWhile(database);
    await database.set('awake', true);
    expect(await database.closeAndEnd()).toEqual({ code: 0, signal: null });
  });
});

// Rows 12 and 13.
describe('a process that ends by process.exit()', () => {
  it('prints an exception and every message with a stock client', async () => {
    const { port } = await server();
    const database = await master(port, false);
    await database.untilReceived('welcome');
    await database.exit(3);
    expect(database.complaints).toContain('First argument must be a valid error code number');
  });

  it('prints nothing with ours, and keeps its exit code', async () => {
    const { port } = await server();
    const database = await master(port, true);
    await database.set('a', 1);
    expect((await database.counts()).received['welcome']).toBeUndefined();
    expect(await database.exit(3)).toEqual({ code: 3, signal: null });
    expect(database.complaints).toBe('');
  });
});

describe('a refusal', () => {
  it('is told in the words of the server, and closes the database', async () => {
    const { port } = await server({ token: 'sesame' });
    const database = await unreadyMaster(port, true);
    await database.untilComplains(/does not let this process in/);
    expect(database.complaints).toContain('IPC_REFUSED_TOKEN: The token is missing or wrong.');
    expect(database.complaints).toContain('Set `ipc.token` of the client');
  });
});

it('shows the token in a header, and not in the URL', async () => {
  const { port } = await server({ token: 'se+sa/me=' });
  const { database, requests, url } = await watched(port, 'se+sa/me=');
  await database.set('a', 1);
  expect(requests()).toContain('authorization: bearer se+sa/me=');
  expect(requests().split('\r\n')[0]).toContain('client=acebase-ipc-server/');
  expect(requests().split('\r\n')[0]).not.toMatch(/[?&]t=|se.?sa/);
  expect(url).toContain(String(port));
});

/** A master whose first request line and headers are recorded on the way. */
async function watched(port: number, token: string) {
  const { createServer, connect } = await import('node:net');
  let seen = '';
  const listener = createServer((socket) => {
    const onward = connect(port, 'localhost');
    socket.on('data', (bytes) => {
      if (!seen.includes('\r\n\r\n')) seen += bytes.toString('latin1').toLowerCase();
    });
    socket.pipe(onward).pipe(socket);
    for (const each of [socket, onward]) each.on('error', () => undefined);
  });
  await new Promise<void>((resolve) => {
    listener.listen(0, 'localhost', resolve);
  });
  started.push({ kill: async () => void listener.close() });
  const { port: own } = listener.address() as { port: number };
  const ipc = { port: own, role: 'master' as const, token };
  const database = new AceBaseProcess({
    name: 'watched',
    database: 'mydb',
    path: await folder(),
    ipc,
    client: true,
  });
  started.push(database);
  await database.ready();
  return { database, requests: () => seen, url: `http://localhost:${port}` };
}

describe('install() after the first AceBase was made', () => {
  it('is said by that database, once', async () => {
    const { port } = await server();
    const settings = { logLevel: 'error', storage: { path: await folder(), ipc: { port, role: 'master' } } };
    const code = `
      const { AceBase } = require('acebase');
      const db = new AceBase('mydb', ${JSON.stringify(settings)});
      require(${JSON.stringify(fileURLToPath(new URL('../../../dist/client.cjs', import.meta.url)))}).install();
      db.ready(async () => {
        await db.ref('one').set(1);
        await db.ref('two').set(2);
        console.error('written');
      });`;
    const child = spawn(process.execPath, ['-e', code], { stdio: ['ignore', 'ignore', 'pipe'] });
    const late = new WatchedProcess('late', child);
    started.push({ kill: () => late.end('SIGKILL') });
    await late.complains(/written/);
    expect(late.complaints.match(/made before install\(\)/g)).toHaveLength(1);
  });
});
