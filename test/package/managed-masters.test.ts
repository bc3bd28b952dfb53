import { type ChildProcess, spawn } from 'node:child_process';
import { readFile } from 'node:fs/promises';
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

/** The first minute of README: the command that starts the server, and the program that is started as often as one likes. */
async function firstMinute(port: number | undefined): Promise<{ words: readonly string[]; program: string }> {
  const readme = await readFile(new URL('../../README.md', import.meta.url), 'utf8');
  const command = /^npx acebase-ipc-server (--master .*)$/m.exec(readme)?.[1];
  const program = /```js\n(.*?)```/s.exec(readme)?.[1];
  if (command === undefined || program === undefined) throw new Error('README begins in another way');
  expect(program).toContain('port: 9163');
  return { words: command.split(' '), program: program.replace('9163', String(port)) };
}

test('the first minute of README: a server, and a program that is started twice and hears both', async () => {
  await project.link('acebase');
  const main = project.path('node_modules/acebase-ipc-server/dist/cli/main.js');
  const { words } = await firstMinute(undefined);
  const child: ChildProcess = spawn(
    process.execPath,
    [main, ...words, '--port', '0', '--log-format', 'json'],
    {
      cwd: project.path(),
      stdio: ['ignore', 'pipe', 'pipe'],
    },
  );
  const server = new WatchedProcess('IPC server', child);
  onTestFinished(async () => void (await server.end('SIGKILL')));
  const lines = new Arrivals<Record<string, unknown>>();
  readLines(child, (text) => lines.add(JSON.parse(text) as Record<string, unknown>));
  const describe = () => `${server.describe()}\n${lines.all.map((line) => JSON.stringify(line)).join('\n')}`;
  const { port } = await within(
    60_000,
    describe,
    lines.first((line) => typeof line['port'] === 'number'),
  );
  // Nobody waits for the master: the program does.
  await project.write('app.js', (await firstMinute(Number(port))).program);
  const programs = ['first', 'second'].map((name) => startProgram(name));
  const hellos = programs.map(({ process }) => `heard hello from ${process.pid}`);
  for (const { process, heard } of programs)
    for (const hello of hellos)
      await within(
        60_000,
        () => `${hello}? ${process.describe()}\n${describe()}`,
        heard.first((text) => text === hello),
      );
  expect(lines.all.find(({ msg }) => msg === SERVES)).toMatchObject({
    database: 'mydb',
    path: project.path(),
  });
  expect(await server.end('SIGTERM'), describe()).toEqual({ code: 0, signal: null });
});

/** Starts README's program, and listens to it. */
function startProgram(name: string) {
  const child = spawn(process.execPath, ['app.js'], {
    cwd: project.path(),
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const program = new WatchedProcess(name, child);
  onTestFinished(async () => void (await program.end('SIGKILL')));
  const heard = new Arrivals<string>();
  readLines(child, (text) => heard.add(text));
  return { process: program, heard };
}

function readLines({ stdout }: ChildProcess, line: (text: string) => void): void {
  if (stdout === null) throw new Error('it has no output');
  createInterface({ input: stdout }).on('line', line);
}
