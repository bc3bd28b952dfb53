import { fork } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, it, onTestFinished } from 'vitest';
import { WatchedProcess } from '../support/child-process.js';
import { freePort } from '../support/free-port.js';
import { get } from '../support/requests.js';
import { removeDirectory, temporaryDirectory } from '../support/temporary-directory.js';
import { Arrivals, eventually, within } from '../support/waiting.js';

const primary = fileURLToPath(new URL('../support/cluster-primary.cjs', import.meta.url));
const command = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));

// pm2 reloads an app in cluster mode so. Without a turn, both would share the port, and each would know half of the processes.
it('a server that a cluster starts before the last one has ended says `ready`, and listens when that one has left', async () => {
  const folder = await temporaryDirectory('turns');
  onTestFinished(() => removeDirectory(folder));
  const output = join(folder, 'output.txt');
  const port = await freePort();
  const child = fork(primary, [command, String(port), output], {
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
  });
  const supervisor = new WatchedProcess('supervisor', child);
  onTestFinished(async () => {
    await supervisor.end('SIGTERM');
  });
  const news = new Arrivals<string>();
  child.on('message', (message) => news.add(String(message)));
  const until = (text: string) =>
    within(
      60_000,
      () => `No "${text}" in ${news.all}: ${supervisor.describe()}`,
      news.first((it) => it === text),
    );
  const lines = async () =>
    (await readFile(output, 'utf8')).split('\n').flatMap((line) => {
      return line === '' ? [] : [(JSON.parse(line) as { msg: string }).msg];
    });

  await until('first: ready');
  child.send('start the second');
  await until('second: ready');
  expect((await get(port, '/ready')).status).toBe(200);
  expect(await lines()).toEqual([
    expect.stringContaining(`:${port}`),
    'the port is in use: waiting for the server before this one to stop',
  ]);
  child.send('stop the first');
  await until('first ended with 0');
  await eventually(
    async () => (await lines()).filter((line) => line.startsWith('listening on')).length === 2,
  );
  expect(await lines()).toContain('stopped');
  child.send('stop the second');
  await until('second ended with 0');
  expect(news.all.filter((it) => it === 'second: ready')).toHaveLength(1);
});
