import { afterAll, beforeAll, expect, test } from 'vitest';
import { playFirstMinute } from './first-minute.js';
import { PackedProject } from './packed.js';

let project: PackedProject;
let main: string;

beforeAll(async () => {
  project = await PackedProject.unpacked();
  main = project.path('node_modules/acebase-ipc-server/dist/cli/main.js');
}, 60_000);

afterAll(() => project.remove());

test('without acebase, the command says what to install, and so does check-config', async () => {
  const words = ['--port', '0', '--master', 'mydb', '--path', 'data', '--log-format', 'json'];
  for (const command of [words, ['check-config', ...words]]) {
    const { code, stderr } = await project.node(main, ...command);
    expect(code, stderr).toBe(2);
    expect(stderr).toContain(`no acebase is found from ${project.path()}`);
    expect(stderr).toMatch(/npm install acebase@1.*\(IPC_MASTER_NO_ACEBASE\)/);
  }
});

/** The nightly run does it with other versions of Node.js, and with package managers. */
test('the first minute of README: a server, and a program that is started twice and hears both', async () => {
  await project.link('acebase');
  const node = [process.execPath];
  await playFirstMinute({ folder: project.path(), command: [...node, main], node });
});
