import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { playFirstMinute } from './first-minute.js';
import { PackedProject } from './packed.js';
import { commonJsProgram, databaseProgram, RegistryProject } from './registry-project.js';

const OURS = expect.stringMatching(/^acebase-ipc-server\//);
let packed: PackedProject;
let tools: RegistryProject;
let tarball: string;

beforeAll(async () => {
  packed = await PackedProject.create();
  const { version } = await packed.manifest();
  tarball = `file:${packed.path(`acebase-ipc-server-${version}.tgz`)}`;
  tools = await RegistryProject.create({ 'package.json': '{ "private": true }' });
  await tools.npm('pnpm@10.20.0', '@yarnpkg/cli-dist@4.18.1', 'esbuild@0.28.2');
}, 240_000);

afterAll(async () => {
  await packed.remove();
  await rm(tools.folder, { recursive: true, force: true });
});

async function project(
  dependencies: Readonly<Record<string, string>>,
  files: Readonly<Record<string, string>>,
): Promise<RegistryProject> {
  const manifest = { private: true, dependencies: { 'acebase-ipc-server': tarball, ...dependencies } };
  const made = await RegistryProject.create({ 'package.json': JSON.stringify(manifest), ...files });
  onTestFinished(() => rm(made.folder, { recursive: true, force: true }));
  return made;
}

const pnpmProgram = () => join(tools.folder, 'node_modules/.bin/pnpm');

async function pnpm(made: RegistryProject): Promise<void> {
  const outcome = await made.run(pnpmProgram(), ['install']);
  expect(outcome.code, outcome.stdout + outcome.stderr).toBe(0);
}

const BELOW_SERVER = `require('module').createRequire(require.resolve('acebase-server'))('acebase')`;

test.each([true, false])(
  'pnpm, with acebase-server alone, hoist=%s: the client, doctor and a managed master find acebase',
  async (hoist) => {
    const made = await project(
      { 'acebase-server': '1.15.2' },
      { 'app.cjs': commonJsProgram(`${BELOW_SERVER}.AceBase`), 'pnpm-workspace.yaml': `hoist: ${hoist}\n` },
    );
    await pnpm(made);
    expect(await made.client(process.execPath, ['app.cjs'])).toEqual(OURS);
    const doctor = await made.run(join(made.folder, 'node_modules/.bin/acebase-ipc-server'), [
      ...['doctor', 'mydb', '--port', '9', '--json'],
    ]);
    const findings = JSON.parse(doctor.stdout) as { subject: string; status: string }[];
    const packages = findings.filter(({ subject }) => /^(?:ws|acebase|acebase-server)$/.test(subject));
    expect(packages.map(({ status }) => status)).toEqual([hoist ? 'ok' : 'warning', 'ok', 'ok']);
    await playFirstMinute({
      folder: made.folder,
      command: [pnpmProgram(), 'exec', 'acebase-ipc-server'],
      node: [process.execPath],
      acebase: BELOW_SERVER,
    });
  },
  300_000,
);

test("Yarn Plug'n'Play: the client and a managed master find acebase in its archive, the client also by `packages`", async () => {
  const made = await project(
    { acebase: '1.29.13' },
    {
      'app.cjs': commonJsProgram(`require('acebase').AceBase`),
      'named.cjs': commonJsProgram(
        `require('acebase').AceBase`,
        `install({ packages: [require('path').dirname(require.resolve('acebase'))] })`,
      ),
      '.yarnrc.yml': 'nodeLinker: pnp\nenableGlobalCache: false\nenableTelemetry: false\n',
      'yarn.lock': '',
    },
  );
  const yarn = join(tools.folder, 'node_modules/@yarnpkg/cli-dist/bin/yarn.js');
  const outcome = await made.run(process.execPath, [yarn, 'install'], { CI: '' });
  expect(outcome.code, outcome.stdout).toBe(0);
  expect(await made.client(process.execPath, [yarn, 'node', 'app.cjs'])).toEqual(OURS);
  expect(await made.client(process.execPath, [yarn, 'node', 'named.cjs'])).toEqual(OURS);
  const byYarn = [process.execPath, yarn];
  await playFirstMinute({
    folder: made.folder,
    command: [...byYarn, 'acebase-ipc-server'],
    node: [...byYarn, 'node'],
  });
}, 300_000);

test('npm workspaces: the acebase of one workspace is found from its program, and by a server that is started there', async () => {
  const made = await project(
    {},
    {
      'packages/shop/package.json': JSON.stringify({
        name: 'shop',
        version: '1.0.0',
        dependencies: { acebase: '1.28.1' },
      }),
      'packages/shop/app.cjs': commonJsProgram(`require('acebase').AceBase`),
      'packages/wiki/package.json': JSON.stringify({
        name: 'wiki',
        version: '1.0.0',
        dependencies: { acebase: '1.29.13' },
      }),
    },
  );
  await made.write(
    'package.json',
    JSON.stringify({
      private: true,
      workspaces: ['packages/*'],
      dependencies: { 'acebase-ipc-server': tarball },
    }),
  );
  await made.npm();
  expect(await made.client(process.execPath, ['packages/shop/app.cjs'])).toEqual(OURS);
  for (const name of ['shop', 'wiki'])
    await playFirstMinute({
      folder: join(made.folder, 'packages', name),
      command: ['npx', 'acebase-ipc-server'],
      node: [process.execPath],
    });
}, 300_000);

const inTest = `
test('a database', async () => {
  const acebase = await load();
  ${databaseProgram('acebase.AceBase')}
}, 60_000);
`;

test('jest: the CommonJS build has the client', async () => {
  const made = await project(
    { acebase: '1.29.13', jest: '30.5.2' },
    {
      'a.test.cjs': `require('acebase-ipc-server/client').install();\nconst load = async () => require('acebase');\n${inTest}`,
    },
  );
  await made.npm();
  const jest = ['node_modules/jest/bin/jest.js', '--forceExit', '--testMatch', '**/a.test.cjs'];
  expect(await made.client(process.execPath, jest)).toEqual(OURS);
}, 300_000);

test('vitest: the ES build has the client', async () => {
  const made = await project(
    { acebase: '1.29.13', vitest: '4.1.12' },
    {
      'a.test.mjs': `import { test } from 'vitest';\nimport 'acebase-ipc-server/register';\nconst load = () => import('acebase');\n${inTest}`,
    },
  );
  await made.npm();
  expect(await made.client(process.execPath, ['node_modules/vitest/vitest.mjs', 'run'])).toEqual(OURS);
}, 300_000);

test('esbuild: an ES module that becomes CommonJS has the client where it is external, or acebase is handed over', async () => {
  const body = `(async () => {${databaseProgram('acebase.AceBase')}\n  process.exit(0);\n})();\n`;
  const head = `import { install } from 'acebase-ipc-server/client';\nimport * as acebase from 'acebase';\n`;
  const made = await project(
    { acebase: '1.29.13' },
    { 'handed.mjs': `${head}install({ acebase });\n${body}`, 'plain.mjs': `${head}install();\n${body}` },
  );
  await made.npm();
  const bundle = async (file: string, ...flags: readonly string[]): Promise<void> => {
    const words = ['--bundle', '--platform=node', '--log-level=warning', ...flags];
    const outcome = await made.run(join(tools.folder, 'node_modules/.bin/esbuild'), [file, ...words]);
    expect(outcome).toMatchObject({ code: 0, stderr: '' });
  };
  await bundle('handed.mjs', '--outfile=handed.cjs', '--minify');
  expect(await made.client(process.execPath, ['handed.cjs'])).toEqual(OURS);
  await bundle('plain.mjs', '--outfile=plain.cjs');
  expect(await made.client(process.execPath, ['plain.cjs'])).toBe('stock');
  await bundle('plain.mjs', '--outfile=out.cjs', '--external:acebase', '--external:acebase-ipc-server');
  expect(await made.client(process.execPath, ['out.cjs'])).toEqual(OURS);
}, 300_000);
