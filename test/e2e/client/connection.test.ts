import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { AceBaseProcess, type AceBaseProcessOptions } from '../../support/acebase-process.js';
import { WatchedProcess } from '../../support/child-process.js';
import { EmbeddedServer } from '../../support/embedded-server.js';
import { freePort } from '../../support/free-port.js';
import { itInFull } from '../../support/in-full.js';
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

let made = 0;

/** Each with a database of its own: they share a server. */
async function unreadyMaster(port: number, client: boolean, more: Partial<AceBaseProcessOptions> = {}) {
  const ipc = { port, role: 'master' as const, ...more.ipc };
  const path = await folder();
  made += 1;
  const database = new AceBaseProcess({
    name: 'master',
    database: `mydb${made}`,
    path,
    client,
    ...more,
    ipc,
  });
  started.push(database);
  return database;
}

async function master(port: number, client: boolean, more: Partial<AceBaseProcessOptions> = {}) {
  const database = await unreadyMaster(port, client, more);
  await database.ready();
  return database;
}

const hurry = { execArgv: ['--require', fastTime] };
let open: EmbeddedServer;
let guarded: EmbeddedServer;

beforeAll(async () => {
  open = await EmbeddedServer.start({});
  guarded = await EmbeddedServer.start({ token: 'se+sa/me=' });
});
afterAll(() => Promise.all([open.kill(), guarded.kill()]));

// Rows 7 and 27 of what stock clients get wrong: a timer of the connection closes it with a code that is not allowed.
describe('a process that was started before the IPC server', () => {
  itInFull('crashes some seconds later with a stock client', async () => {
    const port = await freePort();
    const early = await master(port, false, hurry);
    expect(await early.exited).toMatchObject({ code: 1 });
    // It closes a socket with a code that is not allowed, or uses one that is not open.
    expect(early.complaints).toMatch(/valid error code number|WebSocket is not open/);
  });

  it('works with ours when the server comes, and nothing has piled up', async () => {
    const port = await freePort();
    const early = await unreadyMaster(port, true, hurry);
    const timers = () => early.command<number>('resources', {});
    // With time running 20 times as fast, half a minute has passed when it has tried in vain so often.
    await early.untilComplains(/is not there/);
    const before = await timers();
    await early.command('pause', { milliseconds: 1_500 });
    expect(await timers()).toBeLessThanOrEqual(before + 1);
    started.push(await EmbeddedServer.start({ port }));
    await early.untilComplains(/Connected to the IPC server at localhost:\d+ after \d+\.\d s/);
    await early.set('came', 'late');
    expect(await early.get('came')).toBe('late');
    expect(await early.closeAndEnd()).toEqual({ code: 0, signal: null });
  });
});

const running = (client: boolean) => master(open.port, client, hurry);

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

itInFull('a process that was stopped for a while crashes with a stock client when it goes on', async () => {
  const database = await running(false);
  // Not if it happened to be stopped between its ping and the pong: the pong is there when it goes on.
  let exit = await stopAWhile(database);
  while (exit === undefined) exit = await stopAWhile(database);
  expect(exit).toMatchObject({ code: 1 });
});

itInFull('a process that was stopped for a while goes on with ours', async () => {
  const database = await running(true);
  await stopAWhile(database);
  await stopAWhile(database);
  await database.set('awake', true);
  expect(await database.closeAndEnd()).toEqual({ code: 0, signal: null });
});

// Rows 12 and 13.
describe('a process that ends by process.exit()', () => {
  itInFull('prints an exception and every message with a stock client', async () => {
    const database = await master(open.port, false);
    await database.untilReceived('welcome');
    await database.exit(3);
    expect(database.complaints).toContain('First argument must be a valid error code number');
  });

  it('prints nothing with ours, and keeps its exit code', async () => {
    const database = await master(open.port, true);
    await database.set('a', 1);
    expect((await database.counts()).received['welcome']).toBeUndefined();
    expect(await database.exit(3)).toEqual({ code: 3, signal: null });
    expect(database.complaints).toBe('');
  });
});

describe('a refusal', () => {
  it('is told in the words of the server, and closes the database', async () => {
    const database = await unreadyMaster(guarded.port, true);
    await database.untilComplains(/does not let this process in/);
    expect(database.complaints).toContain('IPC_REFUSED_TOKEN: The token is missing or wrong.');
    expect(database.complaints).toContain('Set `ipc.token` of the client');
  });
});

it('shows the token in a header, and not in the URL', async () => {
  const { database, requests, url } = await watched(guarded.port, 'se+sa/me=');
  await database.set('a', 1);
  expect(requests()).toContain('authorization: bearer se+sa/me=');
  expect(requests().split('\r\n')[0]).toContain('client=acebase-ipc-server/');
  expect(requests().split('\r\n')[0]).not.toMatch(/[?&]t=|se.?sa/);
  expect(url).toContain(String(guarded.port));
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
  const database = await master(own, true, { ipc: { port: own, role: 'master', token } });
  return { database, requests: () => seen, url: `http://localhost:${port}` };
}

describe('install() after the first AceBase was made', () => {
  it('is said by that database, once', async () => {
    const { port } = open;
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
