import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { WatchedProcess } from '../support/child-process.js';
import { SERVES } from '../support/managed-master.js';
import { Arrivals, within } from '../support/waiting.js';
import { PackedProject } from './packed.js';

let project: PackedProject;

beforeAll(async () => {
  project = await PackedProject.unpacked();
}, 60_000);

afterAll(() => project.remove());

const words = ['--port', '0', '--master', 'mydb', '--path', 'data', '--log-format', 'json'];

test('without acebase, the command says what to install, and so does check-config', async () => {
  const main = project.path('node_modules/acebase-ipc-server/dist/cli/main.js');
  for (const command of [words, ['check-config', ...words]]) {
    const { code, stderr } = await project.node(main, ...command);
    expect(code, stderr).toBe(2);
    expect(stderr).toContain(`no acebase is found from ${project.path()}`);
    expect(stderr).toMatch(/npm install acebase@1.*\(IPC_MASTER_NO_ACEBASE\)/);
  }
});

test('with it, the command runs a master in the folder that it is started in', async () => {
  await project.link('acebase');
  const main = project.path('node_modules/acebase-ipc-server/dist/cli/main.js');
  const child: ChildProcess = spawn(process.execPath, [main, ...words], {
    cwd: project.path(),
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const server = new WatchedProcess('IPC server', child);
  onTestFinished(async () => void (await server.end('SIGKILL')));
  const lines = new Arrivals<Record<string, unknown>>();
  if (child.stdout === null) throw new Error('it has no output');
  createInterface({ input: child.stdout }).on('line', (text) => lines.add(JSON.parse(text)));
  const serves = lines.first(({ msg }) => msg === SERVES);
  const describe = () => `${server.describe()}\n${lines.all.map((line) => JSON.stringify(line)).join('\n')}`;
  expect(await within(60_000, describe, serves)).toMatchObject({
    database: 'mydb',
    path: project.path('data'),
  });
  expect(await server.end('SIGTERM'), describe()).toEqual({ code: 0, signal: null });
});
