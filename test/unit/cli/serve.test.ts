import { EventEmitter } from 'node:events';
import { describe, expect, test } from 'vitest';
import { describeError, exitCodeOf, serve } from '../../../src/cli/serve.js';
import { IPCError } from '../../../src/errors.js';
import { resolveOptions, type ServerOptions } from '../../../src/options.js';

/** A server and a process that write down what happens to them. */
function stage(
  options: ServerOptions = {},
  server: { start?: () => Promise<void>; drain?: () => Promise<void> } = {},
  takesTurns = false,
) {
  const events: string[] = [];
  const log = (level: string) => (_fields: object, message: string) =>
    void events.push(`${level}: ${message}`);
  const host = Object.assign(new EventEmitter(), {
    send: (message: string) => void events.push(`send: ${message}`),
    exit: (code: number) => void events.push(`exit: ${code}`),
  });
  const fake = Object.assign(new EventEmitter(), {
    start: async () => void events.push('start'),
    drain: async () => void events.push('drain'),
    stopTimes: { drainTimeout: 1_000, stopTimeout: 5_000 },
    address: { host: 'localhost', port: 9163, urls: ['ws://127.0.0.1:9163', 'ws://[::1]:9163'] },
    ...server,
  });
  const logger = {
    trace: log('trace'),
    debug: log('debug'),
    info: log('info'),
    warn: log('warn'),
    error: log('error'),
    fatal: log('fatal'),
  };
  const settings = resolveOptions(options);
  const time = { now: 0, timers: new Set<() => void>(), waits: [] as number[] };
  const schedule = (milliseconds: number, callback: () => void) => {
    time.timers.add(callback);
    time.waits.push(milliseconds);
    return () => void time.timers.delete(callback);
  };
  const clock = { now: () => time.now, wallTime: () => 0, schedule };
  const terminal = { isClosed: false };
  const serving = serve({
    server: fake,
    settings,
    logger,
    host,
    flush: async () => void events.push('flush'),
    print: (line) => void events.push(line),
    clock,
    reload: (cause) => void events.push(`reload: ${cause}`),
    isTerminalClosed: () => terminal.isClosed,
    takesTurns,
  });
  return { events, host, server: fake, serving, time, terminal };
}

const settled = () => new Promise((resolve) => setImmediate(resolve));
const LISTENING = 'info: listening on ws://127.0.0.1:9163 and ws://[::1]:9163 (no TLS, no token)';

describe('the command', () => {
  test('says where it listens, then tells pm2', async () => {
    const { events, serving } = stage();
    await serving;
    expect(events).toEqual(['start', LISTENING, 'send: ready']);
  });

  test.each([
    ['SIGTERM', undefined, 143],
    ['SIGINT', undefined, 130],
    ['message', 'shutdown', 143],
  ])('%s %s stops it well, a second one exits at once', async (event, message, code) => {
    const { events, host, serving, time } = stage();
    await serving;
    events.length = 0;
    host.emit('message', { type: 'process:msg' });
    host.emit(event, message);
    time.now = 499;
    host.emit(event, message);
    time.now = 500;
    host.emit(event, message);
    await settled();
    expect(time.timers.size).toBe(0);
    expect(events).toEqual(['info: stopping', 'drain', `exit: ${code}`, 'info: stopped', 'flush', 'exit: 0']);
  });

  test('SIGHUP reloads, but not while it stops, and stops it when the terminal was closed', async () => {
    const { events, host, serving, terminal } = stage();
    await serving;
    events.length = 0;
    host.emit('SIGHUP');
    expect(events).toEqual(['reload: SIGHUP']);
    terminal.isClosed = true;
    host.emit('SIGHUP');
    terminal.isClosed = false;
    host.emit('SIGHUP');
    await settled();
    expect(events.slice(1)).toEqual(['info: stopping', 'drain', 'info: stopped', 'flush', 'exit: 0']);
  });

  test('a server that does not stop in time is left', async () => {
    const { events, host, serving, time } = stage({}, { drain: () => new Promise(() => undefined) });
    await serving;
    host.emit('SIGTERM');
    for (const expire of time.timers) expire();
    await settled();
    expect(events.slice(-3)).toEqual(['error: the server did not stop in time', 'flush', 'exit: 1']);
  });

  test('waits for as long as the server has been told to meanwhile', async () => {
    const { host, server, serving, time } = stage({ drainTimeout: '1s', stopTimeout: '5s' });
    await serving;
    server.stopTimes = { drainTimeout: 600_000, stopTimeout: 20_000 };
    host.emit('SIGTERM');
    expect(time.waits).toEqual([627_000]);
    await settled();
  });

  test('a signal during the start is no failure', async () => {
    let fail: (error: Error) => void = () => undefined;
    const start = () => new Promise<void>((_resolve, reject) => (fail = reject));
    const { events, host, serving } = stage({}, { start });
    host.emit('SIGTERM');
    fail(new Error('stopped'));
    await serving;
    await settled();
    expect(events).toEqual(['info: stopping', 'drain', 'info: stopped', 'flush', 'exit: 0']);
  });

  test('a server that does not stop well is an error', async () => {
    const { events, host, serving } = stage({}, { drain: async () => Promise.reject(new Error('oops')) });
    await serving;
    host.emit('SIGTERM');
    await settled();
    expect(events.slice(-3)).toEqual(['error: the server did not stop well', 'flush', 'exit: 1']);
  });

  test.each(['uncaughtException', 'unhandledRejection'])('%s is logged and ends it with 1', async (event) => {
    const { events, host, serving } = stage();
    await serving;
    events.length = 0;
    host.emit(event, 'oops');
    await settled();
    expect(events).toEqual(['fatal: an error that nobody handled ends this process', 'flush', 'exit: 1']);
  });

  test('an error event of the server is logged', async () => {
    const { events, server, serving } = stage();
    await serving;
    server.emit('error', new Error('oops'));
    expect(events.at(-1)).toBe('error: the server reports an error');
  });

  test('a start that fails says what to do, with the exit code of the table', async () => {
    const start = async () => Promise.reject(new IPCError('IPC_LISTEN_PORT_IN_USE', 'port 9163 is in use'));
    const { events, serving } = stage({}, { start });
    await serving;
    expect(events).toEqual([
      'acebase-ipc-server: port 9163 is in use',
      expect.stringMatching(/^Stop the program .* \(IPC_LISTEN_PORT_IN_USE\)$/),
      'flush',
      'exit: 1',
    ]);
  });
});

describe('where a process is started before the last one has ended', () => {
  const taken = new IPCError('IPC_LISTEN_PORT_IN_USE', 'port 9163 is in use');
  const WAITS = 'info: the port is in use: waiting for the server before this one to stop';

  /** A server whose port is in use for so many attempts. */
  function waiting(attempts: number, error: Error = taken) {
    let left = attempts;
    const start = async () => {
      if (left-- > 0) throw error;
    };
    const it = stage({}, { start }, true);
    const pass = async (milliseconds: number) => {
      it.time.now += milliseconds;
      for (const timer of [...it.time.timers]) {
        it.time.timers.delete(timer);
        timer();
      }
      await settled();
    };
    return { ...it, pass };
  }

  test('the port is waited for, and pm2 is told once, so that it ends the last one', async () => {
    const { events, pass, serving } = waiting(2);
    await settled();
    expect(events).toEqual([WAITS, 'send: ready']);
    await pass(20);
    expect(events).toEqual([WAITS, 'send: ready']);
    await pass(20);
    await serving;
    expect(events).toEqual([WAITS, 'send: ready', LISTENING]);
  });

  test('a port that does not become free in the time that a server has to stop is an error', async () => {
    const { events, pass, serving } = waiting(9);
    await settled();
    await pass(12_999);
    expect(events).toHaveLength(2);
    await pass(1);
    await serving;
    expect(events.slice(2)).toEqual([
      'acebase-ipc-server: port 9163 is in use',
      expect.stringContaining('(IPC_LISTEN_PORT_IN_USE)'),
      'flush',
      'exit: 1',
    ]);
  });

  test('any other error ends it at once', async () => {
    const { events, serving } = waiting(1, new IPCError('IPC_LISTEN_NOT_PERMITTED', 'not permitted'));
    await serving;
    expect(events.at(-1)).toBe('exit: 1');
  });

  test('a signal ends it while it waits', async () => {
    const { events, host, pass, serving } = waiting(9);
    await settled();
    host.emit('SIGINT');
    await settled();
    await pass(20);
    await serving;
    expect(events.slice(2)).toEqual(['info: stopping', 'drain', 'info: stopped', 'flush', 'exit: 0']);
  });
});

test('TLS and tokens are in the line', async () => {
  const { events, serving } = stage({ token: { mydb: 'one' }, ssl: { cert: 'c', key: 'k' } });
  await serving;
  expect(events[1]).toMatch(/\(TLS, token required, one for each database\)$/);
});

test('each problem has a line of its own', () => {
  expect(describeError(new IPCError('IPC_OPTION_INVALID', 'one\ntwo'), 'x')).toEqual([
    'x: one',
    'x: two',
    'See x --help. (IPC_OPTION_INVALID)',
  ]);
  expect(describeError(new Error('oops'), 'x')).toEqual(['x: oops']);
  expect([
    exitCodeOf(new IPCError('IPC_OPTION_INVALID')),
    exitCodeOf(new Error('x')),
    exitCodeOf(new IPCError('IPC_SERVER_STOPPED')),
  ]).toEqual([2, 1, 1]);
});
