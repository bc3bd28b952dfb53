import { EventEmitter } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import { syncBuiltinESMExports } from 'node:module';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { takeTurns, untilNoMaster } from '../../../src/stock/index.js';
import { endpoint } from '../../../src/stock/server-requests.js';
import { removeDirectory, temporaryDirectory } from '../../support/temporary-directory.js';

const AT = 'http://localhost:9163/mydb_data/clients';
let said: string[];
/** What the server answers who asks for the peers, one after the other, and how often it was asked; and how it is, if it says. */
let answers: { readonly statusCode: number; readonly body: string }[];
let asked: number;
let status: string | undefined;

const { request } = http;

function fakeRequest(url: string, _options: object, respond: (response: object) => void): object {
  asked++;
  const { statusCode, body } = url.includes('/status?')
    ? { statusCode: status === undefined ? 404 : 200, body: status ?? '' }
    : (answers.shift() ?? { statusCode: 500, body: '' });
  const end = (): void => {
    const response = Object.assign(new PassThrough(), { statusCode });
    respond(response);
    response.end(body);
  };
  return Object.assign(new EventEmitter(), { end });
}

beforeEach(() => {
  said = [];
  answers = [];
  asked = 0;
  status = undefined;
  Object.assign(http, { request: fakeRequest });
  syncBuiltinESMExports();
  vi.spyOn(process.stderr, 'write').mockImplementation((line) => {
    said.push(String(line));
    return true;
  });
  vi.useFakeTimers({ toFake: ['setTimeout'] });
});

afterEach(() => {
  vi.useRealTimers();
  vi.restoreAllMocks();
  Object.assign(http, { request });
  syncBuiltinESMExports();
});

/** What is said to a server that answers so, and by which time there is no master. */
async function saidOf(status: number, body: string): Promise<string[]> {
  answers = [
    { statusCode: status, body },
    { statusCode: 200, body: '[{"id":"a worker"}]' },
  ];
  const until = untilNoMaster('mydb', { port: 9163 });
  await vi.waitUntil(() => said.length > 0 && vi.getTimerCount() > 0);
  vi.advanceTimersByTime(100);
  await until;
  return said;
}

it.each([
  [
    404,
    '{"error":"not found"}',
    `The IPC server at ${AT} answers with 404. Another program is there: is the port right?`,
  ],
  [502, '<html>', `The IPC server at ${AT} answers with 502. Another program is there: is the port right?`],
  [
    503,
    '{"message":"It starts.","remedy":"Wait."}',
    `The IPC server at ${AT} answers with 503. It starts. Wait.`,
  ],
  [200, '{"peers":[]}', `No IPC server answers at ${AT}. Another program is there: is the port right?`],
  [200, 'hello', `No IPC server answers at ${AT}. Another program is there: is the port right?`],
  [
    200,
    '[null,{"id":"[master]"}]',
    'Another process is its master: this one goes on when that one has ended.',
  ],
])('before a master opens its database, it is said what is waited for: %s %s', async (status, body, why) => {
  expect(await saidOf(status, body)).toEqual([`Waiting before mydb is opened. ${why}\n`]);
});

it.each([
  ['while its process is away', '[]'],
  ['while its process is there', '[{"id":"[master]"}]'],
])(
  'a stock master ends where the server runs the master itself, and says what to do: %s',
  async (_, peers) => {
    status = '{"server":{},"databases":[],"masters":[{"database":"other"},{"database":"mydb"}]}';
    answers = [{ statusCode: 200, body: peers }];
    const ended = new Promise((resolve) => {
      vi.spyOn(process, 'exit').mockImplementation((code) => {
        resolve(code);
        return undefined as never;
      });
    });
    void untilNoMaster('mydb', { port: 9163 });
    await vi.waitUntil(() => said.length > 0 && vi.getTimerCount() > 0);
    vi.advanceTimersByTime(500);
    expect(await ended).toBe(1);
    expect(said).toEqual([
      "mydb is not opened. The IPC server runs its master itself, and two destroy the file: start this process as a worker, with role: 'worker'.\n",
    ]);
  },
);

it('the address of a server may be one of IPv6', () => {
  const hosts = ['::1', '[::1]', 'ipc', undefined];
  expect(hosts.map((host) => endpoint({ host, port: 1, ssl: true }, '/ready'))).toEqual([
    'https://[::1]:1/ready',
    'https://[::1]:1/ready',
    'https://ipc:1/ready',
    'https://localhost:1/ready',
  ]);
});

it('a process does not wait for itself where one that was killed had its number', async () => {
  const folder = await temporaryDirectory('turns');
  const file = join(folder, 'turn');
  writeFileSync(file, String(process.pid));
  const ready: unknown[] = [];
  const send: unknown = process.send;
  // What the test runner sends goes on its way.
  vi.spyOn(process, 'send').mockImplementation((message: unknown, ...details: unknown[]) =>
    message === 'ready'
      ? ready.push(message) > 0
      : Reflect.apply(send as () => boolean, process, [message, ...details]),
  );
  const others = process.listeners('exit');
  await takeTurns(file, { port: 9163 });
  expect(ready).toEqual(['ready']);
  expect([vi.getTimerCount(), asked]).toEqual([0, 0]);
  expect(readFileSync(file, 'utf8')).toBe(String(process.pid));
  for (const listener of process.listeners('exit').filter((it) => !others.includes(it))) {
    process.off('exit', listener);
    listener(0);
  }
  vi.useRealTimers();
  await removeDirectory(folder);
});
