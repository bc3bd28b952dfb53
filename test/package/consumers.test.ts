import { readFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { isInFull } from '../support/in-full.js';
import { PackedProject } from './packed.js';

let project: PackedProject;

beforeAll(async () => {
  project = await PackedProject.create();
  for (const name of ['acebase', 'acebase-core']) await project.link(name);
}, 60_000);

afterAll(() => project.remove());

/** What a program does that has got hold of the package as `ipc`; it prints what it found. */
const RUN = `
const server = new ipc.AceBaseIPCServer({ port: 0, logLevel: 'silent' });
(async () => {
  await server.start();
  const { port, urls } = server.address;
  const response = await fetch(urls[0] + '/health');
  const page = await fetch(urls[0] + '/');
  await server.stop();
  let code;
  try { new ipc.AceBaseIPCServer({ prot: 1 }); } catch (error) { code = error instanceof ipc.IPCError && error.code; }
  console.log(JSON.stringify({ names: Object.keys(ipc).sort(), listened: port > 0, health: response.status, page: page.status, code }));
})();
`;

/** A program in TypeScript that uses all there is. */
const CONSUMER = `
import { AceBaseIPCServer, ERRORS, type ErrorCode, IPCError, type ServerOptions } from 'acebase-ipc-server';
import type { DatabaseStatus, Duration, LogLevel, Problem, Size, SslOptions, Status, TokenInput } from 'acebase-ipc-server';
import { type ClientStatus, type InstalledBuild, install, ipcSettings } from 'acebase-ipc-server/client';
import 'acebase-ipc-server/register';
import { endWithConnection, ipcSettings as fromFile, quiet, releaseClients, takeTurns, untilNoMaster } from 'acebase-ipc-server/stock';
import { AceBase } from 'acebase';
import { AceBaseServer } from 'acebase-server';

const ssl: SslOptions = { certPath: 'cert.pem', keyPath: 'key.pem' };
const [size, time, logLevel, token]: [Size, Duration, LogLevel, TokenInput] = ['64MiB', '10s', 'warn', ['one', 'two']];
const options: ServerOptions = { port: 0, maxBuffered: size, lockTimeout: time, logLevel, token, ssl };
const server = new AceBaseIPCServer(options);
server.on('peer-connected', (peer) => { const id: string = peer.id; const role: 'master' | 'worker' = peer.role; void [id, role]; });
server.on('peer-disconnected', (peer, cause) => { const text: string = cause + peer.database; void text; });
const started: Promise<void> = server.start();
const port: number | undefined = server.address?.port;
const code: ErrorCode = new IPCError('IPC_LISTEN_PORT_IN_USE').code;
void [started, port, code, ERRORS.IPC_LISTEN_PORT_IN_USE.exitCode];
const { server: { connections }, databases }: Status = server.status('mydb');
const problems: readonly Problem[] = databases.flatMap((database: DatabaseStatus) => database.problems);
void [connections, problems];
export async function briefly() { await using inBlock = new AceBaseIPCServer(); await inBlock.start(); }
// @ts-expect-error: there is no such option
new AceBaseIPCServer({ prot: 9163 });
// @ts-expect-error: that is no port
new AceBaseIPCServer({ port: 'nine' });
// @ts-expect-error: there is no such event
server.on('peer-conected', () => undefined);
// @ts-expect-error: that is how the command makes one
AceBaseIPCServer.fromSettings;

const status = (told: ClientStatus): string => (told.kind === 'gave-up' ? told.reason : told.database);
const builds: readonly InstalledBuild[] = install({ repairs: { locks: false }, onStatus: (told) => void status(told) });
void builds;
const ipc = ipcSettings({ url: 'wss://ipc.example.com/path', ssl: { ca: Buffer.from('') }, token: 'one', role: 'worker' });
export const database = () => new AceBase('mydb', { storage: { ipc } });
export const webServer = () => new AceBaseServer('mydb', { ipc: ipcSettings({ port: 9163, ssl: { ca: 'PEM' }, role: 'master' }) });
ipcSettings({ port: 9163 });
export const stock = async () => {
  quiet();
  const place = fromFile('/srv/ipc.json', 'master');
  await takeTurns('/srv/master.pid', place);
  await untilNoMaster('mydb', place);
  endWithConnection(new AceBase('mydb', { storage: { ipc: place } }));
  const web = new AceBaseServer('mydb', { ipc: fromFile('/srv/ipc.json', 'worker') });
  endWithConnection(web.db, () => web.pause());
  releaseClients(web);
};
// @ts-expect-error: no such role
ipcSettings({ port: 9163, role: 'slave' });
// @ts-expect-error: one of the two says where it is
ipcSettings({ port: 9163, url: 'wss://ipc.example.com', role: 'worker' });
`;

/** Checks it under each way to look for modules, in one process that reads each file once. */
const CHECK = `
const ts = require('typescript');
const PACKAGE = '/node_modules/acebase-ipc-server/';
const { ModuleKind: Module, ModuleResolutionKind: Resolution } = ts;
const ways = {
  node10: { files: ['consumer.ts'], module: Module.CommonJS, moduleResolution: Resolution.Node10, ignoreDeprecations: '5.0' },
  node16: { files: ['consumer.mts', 'consumer.cts'], module: Module.Node16, moduleResolution: Resolution.Node16 },
  nodenext: { files: ['consumer.mts', 'consumer.cts', 'readme.mts', 'client.mts'], module: Module.NodeNext, moduleResolution: Resolution.NodeNext },
  bundler: { files: ['consumer.ts'], module: Module.ESNext, moduleResolution: Resolution.Bundler },
};
const sources = new Map();
const asked = process.argv.slice(2);
for (const way of asked) {
  const { files, ...how } = ways[way];
  const options = {
    ...how, target: ts.ScriptTarget.ES2022, lib: ['lib.es2022.d.ts', 'lib.esnext.disposable.d.ts'], types: ['node'], strict: true,
    exactOptionalPropertyTypes: true, noEmit: true, skipLibCheck: way !== 'nodenext', esModuleInterop: true,
  };
  const host = ts.createCompilerHost(options);
  const read = host.getSourceFile;
  host.getSourceFile = (name, how, ...rest) => {
    const key = name + ' ' + JSON.stringify(how);
    if (!sources.has(key)) sources.set(key, read(name, how, ...rest));
    return sources.get(key);
  };
  const program = ts.createProgram(files, options, host);
  // Whether other packages are right is not asked: to find out takes longer than all else.
  const checked = program.getSourceFiles().filter(({ fileName }) => !fileName.includes('/node_modules/') || fileName.includes(PACKAGE));
  const ours = [
    ...program.getOptionsDiagnostics(),
    ...program.getGlobalDiagnostics(),
    ...checked.flatMap((file) => [...program.getSyntacticDiagnostics(file), ...program.getSemanticDiagnostics(file)]),
  ];
  if (!checked.some(({ fileName }) => fileName.includes(PACKAGE))) console.error(way + ': the package has no types');
  if (ours.length > 0) console.error(way + ': ' + ts.formatDiagnostics(ours, { ...host, getNewLine: () => '\\n' }));
}
console.log(asked.join(' '));
`;

/** The first program below a heading of a document, as an ES module: `require()` has no types. */
async function snippet(document: string, heading: string): Promise<string> {
  const text = await readFile(new URL(`../../${document}`, import.meta.url), 'utf8');
  const [, below = ''] = text.split(`\n## ${heading}\n`);
  const [, code] = /```js\n([\s\S]*?)```/.exec(below) ?? [];
  if (code === undefined) throw new Error(`${document} has no program below ${heading}`);
  return code.replaceAll(/const (\{.*\}) = require\((.*)\);/g, 'import $1 from $2;');
}

/** How TypeScript looks for modules: the strictest way, in full all. */
const WAYS = isInFull ? ['node10', 'node16', 'nodenext', 'bundler'] : ['nodenext'];

const EXPECTED = {
  names: ['AceBaseIPCServer', 'ERRORS', 'IPCError'],
  listened: true,
  health: 200,
  page: 200,
  code: 'IPC_OPTION_UNKNOWN',
};

describe('in a project of a user', () => {
  test.each([
    [
      'required.cjs',
      `const ipc = require('acebase-ipc-server');
const { install } = require('acebase-ipc-server/client');
const { AceBase } = require('acebase');`,
    ],
    [
      'imported.mjs',
      `import * as ipc from 'acebase-ipc-server';
import { install } from 'acebase-ipc-server/client';
import { AceBase } from 'acebase';`,
    ],
  ])('%s has the server, and the client in its acebase, under the same names', async (file, head) => {
    await project.write(
      file,
      `${head}
const builds = install();
console.log(JSON.stringify({ formats: builds.map(({ format }) => format), again: install() === builds, made: typeof AceBase }));
${RUN}`,
    );
    const outcome = await project.node(file);
    expect(outcome).toMatchObject({ code: 0, stderr: '' });
    const [client, server] = outcome.stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as unknown);
    expect(client).toEqual({
      formats: expect.arrayContaining(['CommonJS', 'ESM']),
      again: true,
      made: 'function',
    });
    expect(server).toEqual(EXPECTED);
  });

  test.each([
    ['--import', 'acebase-ipc-server/register'],
    ...(isInFull ? [['--require', 'acebase-ipc-server/register'] as const] : []),
  ] as const)('node %s %s installs the client', async (flag, name) => {
    await project.write(
      'bare.cjs',
      `console.log(globalThis[Symbol.for('acebase-ipc-server.client')].builds.length > 0);`,
    );
    expect(await project.node(flag, name, 'bare.cjs')).toEqual({ code: 0, stdout: 'true\n', stderr: '' });
  });

  test('the types are there, however TypeScript looks for them', async () => {
    for (const name of ['typescript', '@types/node', 'acebase-server']) await project.link(name);
    for (const name of ['consumer.mts', 'consumer.cts', 'consumer.ts']) await project.write(name, CONSUMER);
    await project.write('readme.mts', await snippet('README.md', 'In code'));
    await project.write('client.mts', await snippet('docs/CLIENT.md', 'Options'));
    await project.write('check.cjs', CHECK);
    const outcome = await project.node('check.cjs', ...WAYS);
    expect(outcome).toEqual({ code: 0, stdout: `${WAYS.join(' ')}\n`, stderr: '' });
  }, 120_000);

  test('the command runs', async () => {
    const { version, bin } = await project.manifest();
    const command = `node_modules/acebase-ipc-server/${bin['acebase-ipc-server']}`;
    expect(await project.node(command, '--version')).toEqual({ code: 0, stdout: `${version}\n`, stderr: '' });
    // What it says otherwise, test/unit/cli asks without a process for each.
    if (!isInFull) return;
    const help = await project.node(command, '--help');
    expect(help).toMatchObject({ code: 0, stderr: '' });
    expect(help.stdout).toContain('--port <port>');
    expect(await project.node(command, 'check-config', '--port', '0')).toMatchObject({ code: 0, stderr: '' });
    expect(await project.node(command, '--prot', '1')).toMatchObject({ code: 2, stdout: '' });
  });
});
