import { execFile, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseEnv, promisify } from 'node:util';
import { describe, expect, it, onTestFinished } from 'vitest';
import { WatchedProcess } from '../support/child-process.js';
import { commandHere, runCommand } from '../support/command.js';
import { freePorts } from '../support/free-port.js';
import { DatabaseClient } from '../support/http-load.js';
import { isInFull, itInFull } from '../support/in-full.js';
import { Pm2 } from '../support/pm2.js';
import { userProject } from '../support/user-project.js';
import { eventually } from '../support/waiting.js';

const PACKAGES = ['acebase', 'acebase-server', 'ws'];
/** `npm test` starts no process for it. */
const run = isInFull ? runCommand : commandHere;
const analyze = '/usr/bin/systemd-analyze';

/** Changes the one file for the server and all processes. */
async function changeSettings(folder: string, changes: object): Promise<void> {
  const path = join(folder, 'ipc.json');
  const before = JSON.parse(await readFile(path, 'utf8')) as object;
  await writeFile(path, JSON.stringify({ ...before, ...changes }));
}

/** Starts the cluster of a folder, and resolves when it takes what is written. */
async function startShop(ecosystem: string, httpPort: number) {
  const pm2 = await Pm2.create(ecosystem, { HTTP_PORT: String(httpPort), NODE_PATH: '' });
  onTestFinished(() => pm2.end());
  await pm2.start();
  const client = new DatabaseClient(`http://localhost:${httpPort}`, 'shop');
  await eventually(() => client.set('greeting', 'hello').then(() => true), {
    timeout: 60_000,
    interval: 200,
  });
  return { pm2, client };
}

describe('acebase-ipc-server init pm2', () => {
  it.each(isInFull ? (['commonjs', 'module'] as const) : (['module'] as const))(
    'writes files that pm2 runs, in a project of type %s',
    async (type) => {
      const { folder, remove } = await userProject(type, PACKAGES);
      onTestFinished(remove);
      const words = ['init', 'pm2', 'shop', ...(isInFull ? [] : ['--folder', folder])];
      expect(await run(words, { folder })).toMatchObject({ code: 0, stderr: '' });
      const again = await run(words, { folder });
      expect(again).toMatchObject({ code: 2, stderr: expect.stringContaining('IPC_INIT_FILE_EXISTS') });

      const [ipcPort = 0, httpPort = 0] = await freePorts(2);
      const ecosystem = join(folder, `ecosystem.config.${type === 'module' ? 'cjs' : 'js'}`);
      const change = (changes: object) => changeSettings(folder, changes);
      await change({ port: ipcPort });
      const { pm2, client } = await startShop(ecosystem, httpPort);
      expect(await client.get('greeting')).toBe('hello');

      // And the doctor finds it well: all processes have the client of this package.
      const config = join(folder, 'ipc.json');
      const { code, findings } = await eventually(async () => {
        const { code, stdout } = await run(['doctor', 'shop', '--config', config, '--json'], { folder });
        const findings = JSON.parse(stdout) as { subject: string; status: string; message: string }[];
        // On a busy machine pm2 does not wait for the last of them.
        const clients = findings.find(({ subject }) => subject === 'clients');
        return /^all 3 have the client/.test(clients?.message ?? '') && { code, findings };
      });
      expect(findings.filter(({ status }) => status !== 'ok').map(({ subject }) => subject)).toEqual([
        'certificate',
      ]);
      expect(findings.find(({ subject }) => subject === 'master')?.message).toMatch(
        /^shop: the server runs the master itself: serving/,
      );
      expect(code).toBe(0);

      // It is the command that runs: it says where it listens, and reads its file again, by itself and at SIGHUP.
      const logged = (text: string) => eventually(async () => (await pm2.output()).includes(text));
      await logged(`:${ipcPort} (no TLS, no token, runs the master of shop)`);
      await change({ logLevel: 'debug' });
      await logged('"changed":"logLevel"');
      const before = await pm2.processes();
      const server = before.find(({ name }) => name === 'ipc-server');
      process.kill(server?.pid ?? 0, 'SIGHUP');
      await logged('"cause":"SIGHUP"');

      // The server is replaced under them; nobody needs to end for it.
      await pm2.run('reload', 'ipc-server');
      await eventually(() => client.set('greeting', 'again').then(() => true), {
        timeout: 60_000,
        interval: 200,
      });
      for (const { name, pid } of before) {
        if (name !== 'ipc-server') expect(process.kill(pid, 0), name).toBe(true);
      }
      await eventually(async () => (await pm2.exits()).length > 0);
      expect((await pm2.exits()).map(({ name, code: exit }) => [name, exit])).toEqual([['ipc-server', 0]]);
    },
  );

  itInFull('--tls writes files and prints commands that make a cluster with TLS and a token', async () => {
    const { folder, remove } = await userProject('commonjs', [...PACKAGES, 'pm2']);
    onTestFinished(remove);
    const { code, stdout: said } = await runCommand(['init', 'pm2', 'shop', '--tls'], { folder });
    expect(code).toBe(0);
    const steps =
      said
        .split('\nnow:\n')[1]
        ?.split('\n')
        .map((line) => line.trim()) ?? [];
    const commands = steps.filter((line) => /openssl|^echo/.test(line));
    expect(steps.filter((line) => !commands.includes(line) && line !== '')).toEqual([
      'npx pm2 start ecosystem.config.js',
      'NODE_EXTRA_CA_CERTS=ipc-ca.pem npx acebase-ipc-server doctor shop --config ipc.json',
    ]);
    await promisify(execFile)('sh', ['-ec', commands.join('\n')], { cwd: folder });

    const [ipcPort = 0, httpPort = 0] = await freePorts(2);
    await changeSettings(folder, { port: ipcPort });
    const { pm2 } = await startShop(join(folder, 'ecosystem.config.js'), httpPort);
    await eventually(async () =>
      (await pm2.output()).includes(`:${ipcPort} (TLS, token required, runs the master of shop)`),
    );
    const doctor = await runCommand(['doctor', 'shop', '--config', 'ipc.json', '--json'], {
      folder,
      env: { NODE_EXTRA_CA_CERTS: join(folder, 'ipc-ca.pem') },
    });
    const findings = JSON.parse(doctor.stdout) as { subject: string; status: string; message: string }[];
    expect(findings.filter(({ status }) => status !== 'ok')).toEqual([]);
    expect(findings.find(({ subject }) => subject === 'clients')?.message).toMatch(/^all 3 have the client/);
  });
});

/** The units of one database, started as systemd would. */
function describeSystemd(): void {
  /** What systemd would start by that unit, with `%i` filled in. */
  async function start(folder: string, name: string, more: Readonly<Record<string, string>>, instance = '') {
    const unit = (await readFile(join(folder, name), 'utf8')).replaceAll('%i', instance);
    const setting = (key: string) =>
      [...unit.matchAll(new RegExp(`^${key}=(.*)$`, 'gm'))].map(([, it = '']) => it);
    const [program = '', ...words] = (setting('ExecStart')[0] ?? '').split(' ');
    const env: NodeJS.ProcessEnv = { PATH: process.env['PATH'], HOME: process.env['HOME'] };
    for (const file of setting('EnvironmentFile')) Object.assign(env, parseEnv(await readFile(file, 'utf8')));
    for (const line of setting('Environment')) Object.assign(env, parseEnv(line.replaceAll(' ', '\n')));
    Object.assign(env, more);
    const cwd = setting('WorkingDirectory')[0] ?? folder;
    const child = spawn(program, words, { cwd, env, stdio: ['ignore', 'ignore', 'pipe'] });
    const started = new WatchedProcess(name, child);
    onTestFinished(() => void started.end('SIGKILL'));
    return started;
  }

  it.each([
    ['the server runs the master', []],
    ['the master is a process of its own', ['--dedicated-master']],
  ])('writes units that systemd understands, and whose programs make a cluster: %s', async (_, flags) => {
    const { folder, remove } = await userProject('module', PACKAGES);
    onTestFinished(remove);
    expect(await runCommand(['init', 'systemd', 'shop', '--folder', folder, ...flags])).toMatchObject({
      code: 0,
      stderr: '',
    });
    const isDedicated = flags.length > 0;
    const names = [
      'shop-ipc.service',
      'shop-server@.service',
      ...(isDedicated ? ['shop-master.service'] : []),
    ];
    const units = names.map((it) => join(folder, it));
    if (existsSync(analyze)) {
      const { stdout, stderr } = await promisify(execFile)(analyze, ['verify', '--man=no', ...units]);
      expect(stdout + stderr).toBe('');
    }
    const [ipcPort = 0, httpPort = 0] = (await freePorts(2)).map(String);
    const place = { ACEBASE_IPC_PORT: String(ipcPort), ACEBASE_IPC_SERVER_PORT: String(ipcPort) };
    const server = await start(folder, 'shop-ipc.service', { ACEBASE_IPC_SERVER_PORT: String(ipcPort) });
    const masters = isDedicated ? [await start(folder, 'shop-master.service', place)] : [];
    const doctor = () => runCommand(['doctor', 'shop', '--port', String(ipcPort)], { folder });
    await eventually(async () => (await doctor()).code === 0, { timeout: 60_000, interval: 200 });
    const worker = await start(folder, 'shop-server@.service', place, String(httpPort));
    const answers = async () => (await fetch(`http://localhost:${httpPort}/ping/shop`)).ok;
    await eventually(answers, { timeout: 60_000, interval: 200 });
    for (const each of [worker, ...masters, server]) {
      expect(await each.end('SIGTERM'), each.describe()).toEqual({ code: 0, signal: null });
    }
  });
}

if (isInFull) describe('acebase-ipc-server init systemd', describeSystemd);
