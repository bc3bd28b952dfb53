import { mkdir } from 'node:fs/promises';
import { build } from 'vite';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { join } from '../support/conversation.js';
import { itInFull } from '../support/in-full.js';
import { serve } from '../support/served.js';
import { type Outcome, PackedProject } from './packed.js';

let project: PackedProject;

/** What `HANDED` is there for: to hand AceBase over, or to let it be looked for, as a program does that was not bundled. */
const PROGRAM = `
import { readdirSync } from 'node:fs';
import { install } from 'acebase-ipc-server/client';
import * as acebase from 'acebase';

const statuses = [];
const onStatus = ({ kind, database }) => statuses.push([kind, database]);
const builds = install(process.env.HANDED ? { acebase, onStatus } : { onStatus });
const port = Number(process.env.PORT);
const ipc = process.env.HANDED ? { url: 'http://localhost:' + port, role: 'master' } : { port, role: 'master' };
const db = new acebase.AceBase('mydb', { logLevel: 'error', storage: { path: process.env.FOLDER, ipc } });
const say = (result) => {
  process.stdout.write('RESULT ' + JSON.stringify(result) + '\\n');
  process.kill(process.pid, 'SIGKILL');
};
const work = async () => {
  await db.indexes.create('things', 'at');
  await db.ref('things/a').set({ at: new Date(5) });
  const found = await db.query('things').filter('at', '==', new Date(5)).get();
  const peers = await (await fetch('http://localhost:' + port + '/mydb_data/clients')).json();
  const clients = peers.map(({ client = 'stock' }) => client);
  say({ formats: builds.map(({ format }) => format), found: found.length, clients, statuses });
};
db.ready().then(work, ({ code }) => say({ code, files: readdirSync(process.env.FOLDER) }));
`;

beforeAll(async () => {
  project = await PackedProject.unpacked();
  for (const name of ['acebase', 'acebase-core', 'unidecode']) await project.link(name);
  await project.write('app.mjs', PROGRAM);
  await build({
    root: project.path(),
    configFile: false,
    logLevel: 'error',
    // As esbuild leaves it, where an ES module becomes CommonJS.
    define: { 'import.meta.url': 'undefined' },
    ssr: { noExternal: true },
    build: {
      ssr: project.path('app.mjs'),
      outDir: project.path('bundle'),
      rolldownOptions: { output: { format: 'cjs', entryFileNames: 'app.cjs' } },
    },
  });
}, 60_000);

afterAll(() => project.remove());

/** Runs the bundle in a folder, and gives what it found. */
async function run(
  bundle: string,
  env: Readonly<Record<string, string>>,
): Promise<Outcome & { result: unknown }> {
  const { port } = await serve();
  if (env['SECOND'] !== undefined) await join({ port }, '[master]');
  const folder = project.path(`data-${port}`);
  await mkdir(folder);
  const outcome = await project.run(process.execPath, [bundle], {
    PORT: String(port),
    FOLDER: folder,
    ...env,
  });
  const line = /^RESULT (.*)$/m.exec(outcome.stdout)?.[1];
  return { ...outcome, result: line === undefined ? undefined : JSON.parse(line) };
}

test('a bundled AceBase that is handed over has the client, and needs no port beside a URL', async () => {
  const { result, stderr } = await run('bundle/app.cjs', { HANDED: '1' });
  expect(result, stderr).toEqual({
    formats: ['handed over'],
    found: 1,
    clients: [expect.stringMatching(/^acebase-ipc-server\//)],
    statuses: [['connected', 'mydb_data']],
  });
  expect(stderr).not.toContain('IPC_CLIENT');
});

// Of one that is not bundled, test/e2e/client/master-acceptance.test.ts shows it.
itInFull('a bundled master that is refused has not made its file', async () => {
  const { result, stderr } = await run('bundle/app.cjs', { HANDED: '1', SECOND: '1' });
  expect(result, stderr).toEqual({ code: 'IPC_REFUSED_SECOND_MASTER', files: [] });
  expect(stderr).not.toContain('Could not close');
});

test('one that is not handed over is told of, though there is another acebase beside it that can be patched', async () => {
  const { result, stderr } = await run('bundle/app.cjs', {});
  expect(result, stderr).toEqual({
    formats: ['CommonJS', 'ESM'],
    found: 1,
    clients: ['stock'],
    statuses: [['unpatched', 'mydb_data']],
  });
  expect(stderr).toMatch(
    /IPC_CLIENT_UNPATCHED.*mydb_data was opened by a copy of AceBase.*install\(\{ acebase \}\)/,
  );
});
