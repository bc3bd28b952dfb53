import { EventEmitter } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { endWithConnection, ipcSettings, quiet, releaseClients } from '../../../src/stock/index.js';
import { removeDirectory, temporaryDirectory } from '../../support/temporary-directory.js';

/** Those of the test runner are none of these tests'. */
let others: readonly NodeJS.SignalsListener[];

beforeEach(() => {
  others = process.listeners('SIGINT');
});

const ownListeners = (): NodeJS.SignalsListener[] =>
  process.listeners('SIGINT').filter((listener) => !others.includes(listener));

afterEach(() => {
  for (const listener of ownListeners()) process.off('SIGINT', listener);
  vi.useRealTimers();
  vi.restoreAllMocks();
  vi.unstubAllEnvs();
});

describe('settings from the config file of the server', () => {
  let folder: string;
  beforeEach(async () => {
    folder = await temporaryDirectory('stock');
    return () => removeDirectory(folder);
  });

  const settings = (contents: object, role?: 'master' | 'worker') => {
    const file = join(folder, 'ipc.json');
    // As an editor of Windows saves it.
    writeFileSync(file, `\uFEFF${JSON.stringify(contents)}\r\n`);
    return ipcSettings(file, role);
  };

  it('have its place, and the role if one is given', () => {
    expect(settings({})).toEqual({ host: 'localhost', port: 9163, ssl: false });
    expect(settings({ host: '10.0.0.5', port: '7' }, 'worker')).toEqual({
      host: '10.0.0.5',
      port: 7,
      ssl: false,
      role: 'worker',
    });
    // It listens everywhere, and is reached by its own name.
    expect(settings({ host: '::' }).host).toBe('localhost');
  });

  it('go by what the environment says', () => {
    vi.stubEnv('ACEBASE_IPC_SERVER_PORT', '8');
    vi.stubEnv('ACEBASE_IPC_HOST', 'ipc');
    expect(settings({ host: '0.0.0.0', port: 7 })).toMatchObject({ host: 'ipc', port: 8 });
  });

  it('have its first token, of the file or of its own', () => {
    expect(settings({ token: ['sesame\n', 'other'] })).toMatchObject({ token: 'sesame' });
    writeFileSync(join(folder, 'tokens'), '\uFEFF# mine\r\n\r\nsesame\r\nother\r\n');
    expect(settings({ tokenFile: 'tokens' })).toMatchObject({ token: 'sesame' });
  });

  it('have none of their own where each database has one, and go by a file as the server does', () => {
    expect(settings({ token: { mydb: 'sesame' } })).not.toHaveProperty('token');
    writeFileSync(join(folder, 'tokens'), '\uFEFF["sesame", "other"]\n');
    expect(settings({ tokenFile: 'tokens' })).toMatchObject({ token: 'sesame' });
    writeFileSync(join(folder, 'tokens'), '{ "mydb": ["sesame"] }');
    expect(settings({ tokenFile: 'tokens' })).not.toHaveProperty('token');
  });

  it.each(['', 'tcp://10.0.0.1:9163'])('go past a variable that says no port: "%s"', (port) => {
    vi.stubEnv('ACEBASE_IPC_SERVER_PORT', port);
    expect(settings({ port: 7 }).port).toBe(7);
  });

  it('have TLS where it has, and trust the authority that lies beside it', () => {
    const ssl = { certPath: 'cert.pem', keyPath: 'key.pem' };
    expect(settings({ ssl }).ssl).toBe(true);
    writeFileSync(join(folder, 'ipc-ca.pem'), 'PEM');
    expect(settings({ ssl }).ssl).toEqual({ ca: 'PEM' });
  });
});

it('quiet leaves out messages of the IPC server, and nothing else', () => {
  const printed: unknown[][] = [];
  const log = vi.spyOn(console, 'log').mockImplementation((...values) => void printed.push(values));
  const before = console.log;
  try {
    quiet();
    console.log('pong');
    console.log('{"type":"event"}');
    console.log('welcome:{}');
    console.log('%s', 'welcome');
    console.log({ type: 'mine' });
  } finally {
    console.log = before;
  }
  expect(log).toHaveBeenCalledTimes(2);
  expect(printed).toEqual([['%s', 'welcome'], [{ type: 'mine' }]]);
});

it('HTTP clients are let go when the process is asked to stop', () => {
  const handlers: ((request: never, response: never, next: () => void) => void)[] = [];
  releaseClients({ app: { use: (handler) => handlers.push(handler as never) } });
  const response = (headersSent = false) =>
    Object.assign(new EventEmitter(), { headersSent, setHeader: vi.fn() });
  const serve = (given: ReturnType<typeof response>) => {
    const next = vi.fn();
    handlers[0]?.({} as never, given as never, next);
    expect(next).toHaveBeenCalledOnce();
    return given;
  };
  const [open, begun, over] = [serve(response()), serve(response(true)), serve(response())];
  over.emit('close');
  for (const listener of ownListeners()) listener('SIGINT');
  const late = serve(response());
  expect([open, begun, over, late].map(({ setHeader }) => setHeader.mock.calls)).toEqual([
    [['Connection', 'close']],
    [],
    [],
    [['Connection', 'close']],
  ]);
});

describe('a process without its connection', () => {
  /** A database as AceBase makes it: with the client it has no socket of its own. */
  const databaseWith = (ipc: EventEmitter & { ws?: EventEmitter }) => ({
    api: { storage: { ipc } },
    ready: vi.fn(),
    close: vi.fn(async () => undefined),
  });
  const exits = () => vi.spyOn(process, 'exit').mockImplementation((() => undefined) as never);

  it.each(['stock', 'client'])('ends, after it has stopped to listen: %s', async (kind) => {
    const exit = exits();
    const said = vi.spyOn(process.stderr, 'write').mockReturnValue(true);
    vi.useFakeTimers({ toFake: ['setTimeout'] });
    const socket = new EventEmitter();
    const ipc = Object.assign(new EventEmitter(), kind === 'stock' ? { ws: socket } : {});
    const database = databaseWith(ipc);
    const stopListening = vi.fn();
    const before = process.listenerCount('unhandledRejection');
    endWithConnection(database, stopListening);
    expect(process.listenerCount('unhandledRejection')).toBe(before + 1);
    database.ready.mock.calls[0]?.[0]();
    expect(process.listenerCount('unhandledRejection')).toBe(before);
    await turn();
    if (kind === 'stock') socket.emit('close');
    else ipc.emit('exit');
    expect([stopListening, database.close].map(({ mock }) => mock.calls.length)).toEqual([1, 1]);
    expect(String(said.mock.calls[0]?.[0])).toMatch(/^Not connected to the IPC server\./);
    expect(exit).not.toHaveBeenCalled();
    vi.advanceTimersByTime(500);
    expect(exit.mock.calls).toEqual([[1]]);
  });
});
