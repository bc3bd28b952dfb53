import { fork, spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, it, onTestFinished } from 'vitest';
import type { FromChild, OpenRequest } from '../../../src/managed-masters/messages.js';
import { WatchedProcess } from '../../support/child-process.js';
import { freePort } from '../../support/free-port.js';
import { removeDirectory, temporaryDirectory } from '../../support/temporary-directory.js';
import { Arrivals, within } from '../../support/waiting.js';

const program = fileURLToPath(new URL('../../../dist/managed-master.cjs', import.meta.url));
const acebase = createRequire(import.meta.url).resolve('acebase');

/** The program, with this process in the place of its server. */
function started(execArgv: readonly string[] = []) {
  const child = fork(program, ['mydb'], {
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    execArgv: [...execArgv],
  });
  const watched = new WatchedProcess('managed master', child);
  onTestFinished(() => void child.kill('SIGKILL'));
  // Node.js emits no `close` for a process whose channel was closed from here.
  const exited = once(child, 'exit');
  const messages = new Arrivals<FromChild>();
  child.on('message', (message: FromChild) => messages.add(message));
  const says = (kind: FromChild['kind']) =>
    within(
      60_000,
      () => `it does not say ${kind}: ${watched.describe()}`,
      messages.first((it) => it.kind === kind),
    );
  return { child, watched, exited, says };
}

/** To open a database of its own, at a server that is not there. */
async function request(): Promise<OpenRequest> {
  const path = await temporaryDirectory('program');
  onTestFinished(() => removeDirectory(path));
  return {
    kind: 'open',
    database: 'mydb',
    settings: {
      path,
      create: true,
      journal: undefined,
      transactions: { log: false, maxAge: 30, noWait: false },
      removeVoidProperties: false,
      maxInlineValueSize: undefined,
      pageSize: undefined,
      recordSize: undefined,
    },
    lockTimeout: 120_000,
    door: { host: '127.0.0.1', port: await freePort(), secret: 'secret' },
    server: { id: 'test', process: null, urls: [] },
    grace: 11_000,
    acebase: { folder: join(dirname(acebase), '../..'), entry: acebase },
  };
}

it('kills itself when its server is gone', async () => {
  const { child, exited, says } = started();
  child.send(await request());
  await says('opening');
  child.disconnect();
  expect(await exited).toEqual([null, 'SIGKILL']);
});

it('kills itself, too, if its server has gone before it was told anything', async () => {
  const { child, exited } = started();
  child.disconnect();
  expect(await exited).toEqual([null, 'SIGKILL']);
});

it('hears no signal that others send, and ends when its server says so', async () => {
  const { child, watched, says } = started();
  child.send(await request());
  await says('opening');
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) child.kill(signal);
  child.send({ kind: 'close' });
  await says('closed');
  expect(await watched.exited, watched.describe()).toEqual({ code: 0, signal: null });
});

it('says where it was that something went wrong which nobody foresaw', async () => {
  const folder = await temporaryDirectory('program');
  onTestFinished(() => removeDirectory(folder));
  const faulty = join(folder, 'faulty.cjs');
  await writeFile(
    faulty,
    "process.on('message', function inTheMidst() { throw new TypeError('no length') })",
  );
  const { child, watched, says } = started(['--require', faulty]);
  child.send({});
  expect(await says('cannot')).toMatchObject({ reason: 'no length' });
  expect(await watched.exited).toEqual({ code: 1, signal: null });
  expect(watched.complaints).toMatch(/^TypeError: no length\n +at .*inTheMidst \(.*faulty\.cjs:1:/);
});

it('cannot be started by hand, and says so', async () => {
  const child = spawn(process.execPath, [program], { stdio: ['ignore', 'ignore', 'pipe'] });
  const watched = new WatchedProcess('managed master', child);
  await once(child, 'close');
  expect(await watched.exited).toEqual({ code: 1, signal: null });
  expect(watched.complaints).toMatch(/^This program is started by acebase-ipc-server/);
});
