import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterEach, expect, it } from 'vitest';
import { exampleFile, freePorts, startExample } from '../../support/example.js';
import { DatabaseClient } from '../../support/http-load.js';
import { ServerProcess } from '../../support/server-process.js';
import { removeDirectory, temporaryDirectory } from '../../support/temporary-directory.js';
import { eventually } from '../../support/waiting.js';

const command = fileURLToPath(new URL('../../../dist/cli/main.js', import.meta.url));
const register = fileURLToPath(new URL('../../../dist/register.js', import.meta.url));
const ends: (() => Promise<unknown>)[] = [];

afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

it.each([
  {
    how: 'with the one line',
    options: { NODE_OPTIONS: `--import ${register}` },
    client: /^acebase-ipc-server\//,
  },
  { how: 'without it', options: {}, client: /^stock$/ },
])('the example for containers runs $how, and the command `peers` tells', async ({ options, client }) => {
  const path = await temporaryDirectory('example');
  ends.push(() => removeDirectory(path));
  const server = await ServerProcess.start();
  ends.push(() => server.kill());
  const [httpPort = 0] = await freePorts(1);
  const environment = {
    ...options,
    DB_NAME: 'mydb',
    DB_PATH: path,
    DB_ADMIN_PASSWORD: 'correct horse',
    HTTP_HOST: 'localhost',
    HTTP_PORT: String(httpPort),
    ACEBASE_IPC_HOST: 'localhost',
    ACEBASE_IPC_PORT: String(server.port),
  };
  const start = (role: string) => {
    const started = startExample(role, exampleFile('cloud', 'start-db.js'), {
      ...environment,
      ACEBASE_IPC_ROLE: role,
    });
    ends.push(() => started.end('SIGKILL'));
    return started;
  };
  const list = async (): Promise<{ database: string; id: string; client: string }[]> => {
    const words = [command, 'peers', 'mydb', '--json', '--url', `http://localhost:${server.port}`];
    return JSON.parse((await promisify(execFile)(process.execPath, words)).stdout);
  };
  const master = start('master');
  await eventually(async () => (await list()).length === 1);
  const worker = start('worker');
  await eventually(() => new DatabaseClient(`http://localhost:${httpPort}`, 'mydb').ping());
  const peers = (await list()).filter(({ database }) => database === 'mydb_data');
  expect(peers).toHaveLength(2);
  for (const peer of peers) expect(peer.client).toMatch(client);
  const { stdout } = await promisify(execFile)(process.execPath, [
    command,
    'peers',
    'mydb',
    '--port',
    String(server.port),
  ]);
  expect(stdout).toMatch(/^DATABASE +PEER +STATE +CAME +CLIENT .*\nmydb_data +\[master\] +connected /);
  expect(await worker.end('SIGTERM')).toEqual({ code: 0, signal: null });
  expect(await master.end('SIGTERM')).toEqual({ code: 0, signal: null });
});
