import { rm } from 'node:fs/promises';
import { delimiter, dirname, join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { playFirstMinute } from './first-minute.js';
import { PackedProject } from './packed.js';
import { commonJsProgram, databaseProgram, RegistryProject } from './registry-project.js';

const OURS = expect.stringMatching(/^acebase-ipc-server\//);
const ESM = `
import 'acebase-ipc-server/register';
const acebase = await import('acebase');
${databaseProgram('acebase.AceBase')}
process.exit(0);
`;
let project: RegistryProject;

beforeAll(async () => {
  const packed = await PackedProject.create();
  const { version } = await packed.manifest();
  project = await RegistryProject.create({
    'package.json': '{ "private": true }',
    'app.cjs': commonJsProgram(`require('acebase').AceBase`),
    'app.mjs': ESM,
  });
  await project.npm(packed.path(`acebase-ipc-server-${version}.tgz`), 'acebase@1.29.13', 'ws@8');
  await packed.remove();
}, 240_000);

afterAll(() => rm(project.folder, { recursive: true, force: true }));

/** Installs a runtime from the registry, beside the project: npm's packages bring the binaries. */
async function runtime(name: string, version: string, binary: string): Promise<string> {
  const home = await RegistryProject.create({ 'package.json': '{ "private": true }' });
  await home.npm(`${name}@${version}`);
  return join(home.folder, 'node_modules', binary);
}

test.each(['20.19.0', '22.23.3', '24.9.0', '26.10.0'])(
  'Node.js %s: CommonJS and ES modules have the client, and the first minute of README is as it says',
  async (version) => {
    const node = await runtime('node', version, 'node/bin/node');
    expect(await project.client(node, ['app.cjs'])).toEqual(OURS);
    expect(await project.client(node, ['app.mjs'])).toEqual(OURS);
    const command = 'node_modules/acebase-ipc-server/dist/cli/main.js';
    expect(await project.run(node, [command, 'check-config', '--port', '0'])).toMatchObject({
      code: 0,
      stderr: '',
    });
    await playFirstMinute({
      folder: project.folder,
      command: ['npx', 'acebase-ipc-server'],
      node: ['node'],
      env: { PATH: [dirname(node), process.env['PATH']].join(delimiter) },
    });
    await rm(join(node, '../../../..'), { recursive: true, force: true });
  },
  300_000,
);

test('Node.js 18 gets one line that says which is needed, whatever is loaded', async () => {
  const node = await runtime('node', '18.20.8', 'node/bin/node');
  const needed = /acebase-ipc-server needs Node\.js 20\.19 or later, or 22\.12 or later; this is 18\.20\.8/;
  const command = await project.run(node, ['node_modules/acebase-ipc-server/dist/cli/main.js', '--version']);
  expect(command).toMatchObject({ code: 1, stdout: '', stderr: expect.stringMatching(needed) });
  expect(command.stderr.trim().split('\n')).toHaveLength(1);
  for (const name of ['acebase-ipc-server', 'acebase-ipc-server/client', 'acebase-ipc-server/register']) {
    expect((await project.run(node, ['-e', `require('${name}')`])).stderr).toMatch(needed);
    const imported = await project.run(node, ['--input-type=module', '-e', `import '${name}'`]);
    expect(imported.stderr).toMatch(needed);
  }
  await rm(join(node, '../../../..'), { recursive: true, force: true });
}, 300_000);

test('Deno has the client', async () => {
  const deno = await runtime('deno', '2.9.6', '.bin/deno');
  expect(await project.client(deno, ['run', '-A', 'app.mjs'])).toEqual(OURS);
  await rm(join(deno, '../../..'), { recursive: true, force: true });
}, 300_000);

test('Bun: the client is refused with a code, and stock AceBase works', async () => {
  const bun = await runtime('bun', '1.4.5', '.bin/bun');
  const { code, stderr } = await project.run(bun, ['app.mjs']);
  expect(code).toBe(1);
  expect(stderr).toContain('IPC_CLIENT_RUNTIME');
  await project.write('stock.mjs', ESM.replace("import 'acebase-ipc-server/register';", ''));
  expect(await project.client(bun, ['stock.mjs'])).toBe('stock');
  await rm(join(bun, '../../..'), { recursive: true, force: true });
}, 300_000);
