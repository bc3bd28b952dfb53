import { afterAll, beforeAll, describe, expect, test } from 'vitest';
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

const EXPECTED = {
  names: ['AceBaseIPCServer', 'ERRORS', 'IPCError'],
  listened: true,
  health: 200,
  page: 200,
  code: 'IPC_OPTION_UNKNOWN',
};

describe('in a project of a user', () => {
  test('require gives the server', async () => {
    await project.write('required.cjs', `const ipc = require('acebase-ipc-server');\n${RUN}`);
    const outcome = await project.node('required.cjs');
    expect(outcome).toMatchObject({ code: 0, stderr: '' });
    expect(JSON.parse(outcome.stdout)).toEqual(EXPECTED);
  });

  test('import gives the server, under the same names', async () => {
    await project.write('imported.mjs', `import * as ipc from 'acebase-ipc-server';\n${RUN}`);
    const outcome = await project.node('imported.mjs');
    expect(outcome).toMatchObject({ code: 0, stderr: '' });
    expect(JSON.parse(outcome.stdout)).toEqual(EXPECTED);
  });

  test.each([
    [
      'required-client.cjs',
      `const { install } = require('acebase-ipc-server/client');\nconst { AceBase } = require('acebase');`,
    ],
    [
      'imported-client.mjs',
      `import { install } from 'acebase-ipc-server/client';\nimport { AceBase } from 'acebase';`,
    ],
  ])('%s: the client is installed in the acebase of the program', async (file, head) => {
    await project.write(
      file,
      `${head}
const builds = install();
console.log(JSON.stringify({ formats: builds.map(({ format }) => format), again: install() === builds, made: typeof AceBase }));`,
    );
    const outcome = await project.node(file);
    expect(outcome).toMatchObject({ code: 0, stderr: '' });
    const found = JSON.parse(outcome.stdout) as { formats: string[]; again: boolean; made: string };
    expect(found).toMatchObject({ again: true, made: 'function' });
    expect(found.formats).toEqual(expect.arrayContaining(['CommonJS', 'ESM']));
  });

  test.each([
    ['--import', 'acebase-ipc-server/register'],
    ['--require', 'acebase-ipc-server/register'],
  ])('node %s %s installs the client', async (flag, name) => {
    await project.write(
      'bare.cjs',
      `console.log(globalThis[Symbol.for('acebase-ipc-server.client')].builds.length > 0);`,
    );
    expect(await project.node(flag, name, 'bare.cjs')).toEqual({ code: 0, stdout: 'true\n', stderr: '' });
  });

  test('the types are there for ES modules and for CommonJS', async () => {
    for (const name of ['typescript', '@types/node']) await project.link(name);
    const program = `
const options: ServerOptions = { port: 0, maxBuffered: '64MiB', ssl: { certPath: 'cert.pem', keyPath: 'key.pem' } };
const server = new AceBaseIPCServer(options);
server.on('peer-connected', (peer) => { const id: string = peer.id; const role: 'master' | 'worker' = peer.role; void [id, role]; });
server.on('peer-disconnected', (peer, cause) => { const text: string = cause + peer.database; void text; });
const started: Promise<void> = server.start();
const port: number | undefined = server.address?.port;
const code: ErrorCode = new IPCError('IPC_LISTEN_PORT_IN_USE').code;
void [started, port, code, ERRORS.IPC_LISTEN_PORT_IN_USE.exitCode];
// @ts-expect-error: there is no such option
new AceBaseIPCServer({ prot: 9163 });
const status = (told: ClientStatus): string => (told.kind === 'gave-up' ? told.reason : told.database);
const builds: readonly InstalledBuild[] = install({ repairs: { locks: false }, onStatus: (told) => void status(told) });
void builds;
// @ts-expect-error: there is no such event
server.on('peer-conected', () => undefined);
`;
    const names = '{ AceBaseIPCServer, ERRORS, type ErrorCode, IPCError, type ServerOptions }';
    const clientNames = '{ type ClientStatus, type InstalledBuild, install }';
    const imports = `import ${names} from 'acebase-ipc-server';\nimport ${clientNames} from 'acebase-ipc-server/client';`;
    await project.write('consumer.mts', `${imports}\n${program}`);
    await project.write('consumer.cts', `${imports}\n${program}`);
    await project.write(
      'tsconfig.json',
      JSON.stringify({
        compilerOptions: {
          module: 'NodeNext',
          target: 'ES2022',
          lib: ['ES2022'],
          types: ['node'],
          strict: true,
          exactOptionalPropertyTypes: true,
          noEmit: true,
        },
        files: ['consumer.mts', 'consumer.cts'],
      }),
    );
    const outcome = await project.node('node_modules/typescript/bin/tsc', '-p', '.');
    expect(outcome).toEqual({ code: 0, stdout: '', stderr: '' });
  }, 120_000);

  test('the command runs', async () => {
    const { version, bin } = await project.manifest();
    const command = `node_modules/acebase-ipc-server/${bin['acebase-ipc-server']}`;
    expect(await project.node(command, '--version')).toEqual({ code: 0, stdout: `${version}\n`, stderr: '' });
    const help = await project.node(command, '--help');
    expect(help).toMatchObject({ code: 0, stderr: '' });
    expect(help.stdout).toContain('--port <port>');
    expect(await project.node(command, 'check-config', '--port', '0')).toMatchObject({ code: 0, stderr: '' });
    expect(await project.node(command, '--prot', '1')).toMatchObject({ code: 2, stdout: '' });
  });
});
