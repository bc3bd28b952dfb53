import { type ChildProcess, spawn } from 'node:child_process';
import { mkdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { WatchedProcess } from '../support/child-process.js';
import { freePort } from '../support/free-port.js';
import { serve } from '../support/served.js';
import { eventually } from '../support/waiting.js';
import { PackedProject } from './packed.js';
import { commonJsProgram, databaseProgram, RegistryProject } from './registry-project.js';

const OURS = expect.stringMatching(/^acebase-ipc-server\//);
const CLIENT_DOCS = fileURLToPath(new URL('../../docs/CLIENT.md', import.meta.url));
let packed: PackedProject;
let tarball: string;

beforeAll(async () => {
  packed = await PackedProject.create();
  const { version } = await packed.manifest();
  tarball = `file:${packed.path(`acebase-ipc-server-${version}.tgz`)}`;
}, 240_000);

afterAll(() => packed.remove());

async function project(files: Readonly<Record<string, string>>, ...packages: string[]) {
  const made = await RegistryProject.create({ 'package.json': '{ "private": true }', ...files });
  onTestFinished(() => rm(made.folder, { recursive: true, force: true, maxRetries: 5 }));
  await made.npm(tarball, 'acebase@1.29.13', ...packages);
  return made;
}

/** The settings for a bundler that docs/CLIENT.md shows: the lines that follow a comment with the name of the file. */
async function documented(file: string): Promise<string> {
  const lines = (await readFile(CLIENT_DOCS, 'utf8')).split('\n');
  const first = lines.findIndex((line) => line.startsWith(`// ${file}`)) + 1;
  expect(first, file).toBeGreaterThan(0);
  return lines.slice(first, lines.indexOf('', first)).join('\n');
}

const MODULE_PROGRAM = `
import 'acebase-ipc-server/register';
import { AceBase } from 'acebase';
(async () => {${databaseProgram('AceBase')}
  process.exit(0);
})();
`;

test('webpack, with the settings of the docs: a program of either kind has the client', async () => {
  const files = {
    'webpack.config.js': await documented('webpack.config.js'),
    'app.cjs': commonJsProgram(`require('acebase').AceBase`),
    'app.mjs': MODULE_PROGRAM,
  };
  const made = await project(files, 'webpack@5.113.0', 'webpack-cli@7.3.1');
  for (const program of ['app.cjs', 'app.mjs']) {
    const words = ['--mode', 'production', '--entry', `./${program}`];
    const outcome = await made.run(join(made.folder, 'node_modules/.bin/webpack'), words);
    expect(outcome.code, outcome.stdout + outcome.stderr).toBe(0);
    expect(await made.client(process.execPath, ['dist/main.js']), program).toEqual(OURS);
  }
}, 300_000);

test('Next.js, with the settings of the docs: a route has the client', async () => {
  const files = {
    'next.config.js': await documented('next.config.js'),
    'instrumentation.js': await documented('instrumentation.js'),
    'app/layout.js': 'export default ({ children }) => <html><body>{children}</body></html>;',
    'app/page.js': 'export default () => <p>hello</p>;',
    'app/client/route.js': `
      import { AceBase } from 'acebase';
      export const dynamic = 'force-dynamic';
      let db;
      export async function GET() {
        const port = Number(process.env.IPC_PORT);
        const ipc = { port, role: 'master' };
        db ??= new AceBase('mydb', { logLevel: 'error', storage: { path: process.env.DATA, ipc } });
        await db.ready();
        const peers = await (await fetch('http://localhost:' + port + '/mydb_data/clients')).json();
        return new Response(peers[0].client ?? 'stock');
      }`,
  };
  const made = await project(files, 'next@16.4.6', 'react@19.3.1', 'react-dom@19.3.1');
  const next = join(made.folder, 'node_modules/next/dist/bin/next');
  const env = { NEXT_TELEMETRY_DISABLED: '1' };
  const outcome = await made.run(process.execPath, [next, 'build'], env);
  expect(outcome.code, outcome.stdout + outcome.stderr).toBe(0);
  const { port } = await serve();
  const data = join(made.folder, 'data');
  await mkdir(data);
  const http = await freePort();
  const child: ChildProcess = spawn(process.execPath, [next, 'start', '-p', String(http)], {
    cwd: made.folder,
    stdio: ['ignore', 'ignore', 'pipe'],
    env: { ...process.env, ...env, NODE_ENV: 'production', IPC_PORT: String(port), DATA: data },
  });
  const server = new WatchedProcess('next', child);
  onTestFinished(async () => {
    await server.end('SIGKILL');
  });
  const answer = await eventually(async () => (await fetch(`http://localhost:${http}/client`)).text());
  expect(answer, server.describe()).toEqual(OURS);
}, 400_000);
