import { createHash } from 'node:crypto';
import { chmod, cp, mkdir, readdir, readFile, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, it, onTestFinished } from 'vitest';
import { AceBaseProcess, type AceBaseProcessOptions } from '../support/acebase-process.js';
import { Cluster } from '../support/cluster.js';
import { freePort } from '../support/free-port.js';
import { isInFull, itInFull } from '../support/in-full.js';
import { leaveRecord } from '../support/left-record.js';
import { LineProxy } from '../support/line-proxy.js';
import { removeDirectory, temporaryDirectory } from '../support/temporary-directory.js';

const folders: string[] = [];
/** Two tests share a cluster with our client, until the last of them closes it to look at its file. */
let shared: { readonly cluster: Cluster; readonly writer: Promise<AceBaseProcess> } | undefined;
let template: Promise<string> | undefined;

afterAll(async () => {
  await endShared();
  await Promise.all(folders.map(removeDirectory));
});

async function endShared(): Promise<void> {
  await shared?.cluster.end();
  shared = undefined;
}

/** A folder that is removed at the end. */
async function newFolder(): Promise<string> {
  const path = await temporaryDirectory('folder');
  folders.push(path);
  return path;
}

/** A folder with another database of the same name. */
async function otherDatabase(): Promise<string> {
  const path = await newFolder();
  const database = new AceBaseProcess({ name: 'other', database: 'mydb', path });
  await database.ready();
  await database.set('here', 'other');
  await database.kill();
  return path;
}

async function otherFolder(): Promise<string> {
  template ??= otherDatabase();
  return copyOf(await template);
}

async function copyOf(folder: string): Promise<string> {
  const path = await newFolder();
  await cp(folder, path, { recursive: true, preserveTimestamps: true });
  return path;
}

/** With a server of its own process: one in a busy test would be slow to find out which file a process has open. */
async function startCluster(): Promise<Cluster> {
  const cluster = await Cluster.startProcess();
  onTestFinished(() => cluster.end());
  return cluster;
}

/** A master and as many workers of one folder, with ten writes. @returns the last of them */
async function formed(cluster: Cluster, client: boolean, workers = 1): Promise<AceBaseProcess> {
  const writer = (await cluster.form(workers, { client })).at(-1) as AceBaseProcess;
  for (let n = 0; n < 10; n++) await writer.set(`list/before${n}`, n);
  return writer;
}

async function sharedCluster() {
  if (shared === undefined) {
    const cluster = await Cluster.startProcess();
    shared = { cluster, writer: formed(cluster, true, isInFull ? 1 : 0) };
  }
  return { cluster: shared.cluster, writer: await shared.writer };
}

/** What makes a process believe that it runs on another machine than the others. */
const onOtherMachine = {
  execArgv: ['--require', fileURLToPath(new URL('../support/other-machine.cjs', import.meta.url))],
};

/** A process that the server is to refuse; it is not closed with the others. */
function intruder(
  cluster: Cluster,
  path: string,
  client: boolean,
  role: 'master' | 'worker' = 'worker',
  more: Partial<AceBaseProcessOptions> = {},
) {
  const name = `${client ? 'our' : 'stock'} ${role} of ${path}`;
  const ipc = { host: 'localhost', port: cluster.server.port, role };
  const started = new AceBaseProcess({ name, database: 'mydb', path, client, ipc, ...more });
  onTestFinished(async () => {
    await started.kill();
  });
  return started;
}

async function hashOf(path: string): Promise<string> {
  const content = await readFile(join(path, 'mydb.acebase', 'data.db'));
  return createHash('sha256').update(content).digest('hex');
}

/** It writes as soon as it can. It must not get to it, and its file stays as it is. */
async function expectRefused(
  cluster: Cluster,
  path: string,
  client: boolean,
  words = /has another database file/,
): Promise<void> {
  const before = await hashOf(path);
  const process = intruder(cluster, path, client);
  const writes = Array.from({ length: 20 }, (_, n) => process.set(`by/intruder${n}`, n));
  const outcomes = Promise.allSettled(writes);
  await process.untilComplains(client ? words : /Cannot connect to IPC server/);
  if (client) {
    expect(process.complaints).toContain(join(path, 'mydb.acebase'));
    expect(process.complaints).toContain(join(cluster.path, 'mydb.acebase'));
  }
  // Operations of a stock process that is not let in wait for ever.
  await process.kill();
  expect((await outcomes).filter(({ status }) => status === 'fulfilled')).toEqual([]);
  expect(await hashOf(path)).toBe(before);
}

/** The server says what was refused, the first time of several within ten seconds. */
async function expectLogged(cluster: Cluster, path: string): Promise<void> {
  const line = await cluster.server.line(({ incident }) => incident === 'other-file');
  expect(line).toMatchObject({ level: 'error', database: 'mydb_data' });
  expect(String(line['file'])).toContain(join(path, 'mydb.acebase'));
  expect(String(line['others'])).toContain(join(cluster.path, 'mydb.acebase'));
}

/** Everything that was acknowledged to that process is in its file. */
async function expectIntact(cluster: Cluster, writer: AceBaseProcess): Promise<void> {
  for (let n = 0; n < 10; n++) await writer.set(`list/after${n}`, n);
  await cluster.close();
  const list = await cluster.reopened((file) => file.get<Record<string, number>>('list'));
  expect(Object.keys(list)).toHaveLength(20);
}

/** What runs a process in a mount namespace of its own, in which `to` is the folder `from`. */
async function bindMounted(from: string, to: string): Promise<string> {
  const script = join(to, 'node-with-mount.sh');
  const unshare = process.getuid?.() === 0 ? 'unshare -m' : 'unshare -rm';
  const mounted = join(to, 'mounted');
  await mkdir(mounted);
  const command = `mount --bind '${from}' '${mounted}' && exec '${process.execPath}' "$@"`;
  await writeFile(
    script,
    `#!/bin/sh\nexec ${unshare} sh -c ${JSON.stringify(command).replaceAll('$', '\\$')} sh "$@"\n`,
  );
  await chmod(script, 0o755);
  return script;
}

describe('one folder', () => {
  it('is one by a link and by another mount, and nothing is left in it', async () => {
    const { cluster, writer } = await sharedCluster();
    const before = cluster.server.lines.length;
    const elsewhere = await newFolder();
    await symlink(cluster.path, join(elsewhere, 'linked'));
    const execPath = await bindMounted(cluster.path, elsewhere);
    const paths = [{ path: join(elsewhere, 'linked') }, { path: join(elsewhere, 'mounted'), execPath }];
    const others = paths.flatMap((place, n) =>
      (isInFull ? [true, false] : [n === 1]).map((client) => cluster.worker({ ...place, client })),
    );
    await Promise.all(others.map((other, n) => other.set(`by/${n}`, n)));
    const by = await writer.get<Record<string, number>>('by');
    expect(Object.values(by)).toEqual(others.map((_, n) => n));
    const lines = cluster.server.lines.slice(before);
    expect(lines.filter(({ level }) => level === 'warn' || level === 'error')).toEqual([]);
    const files = await readdir(join(cluster.path, 'mydb.acebase'));
    expect(files.filter((file) => !/\.redo2?$/.test(file)).sort()).toEqual(['data.db', 'ipc-owner.json']);
  });

  itInFull(
    'is another one when it was replaced while it was open, and as good as any when nobody is left',
    async () => {
      const cluster = await startCluster();
      const worker = await formed(cluster, true);
      const place = join(cluster.path, 'mydb.acebase');
      await rename(place, `${place}.before`);
      await cp(`${place}.before`, place, { recursive: true });
      await expectRefused(cluster, cluster.path, true, /was replaced while processes had it open/);
      await worker.set('list/more', 1);
      await cluster.close();
      const fresh = cluster.master({ client: true });
      expect(await fresh.get('list/more')).toBeNull();
      expect(await fresh.get('list/before9')).toBe(9);
    },
  );
});

describe('two folders under one name', () => {
  itInFull('are not served together with stock processes in the first one', async () => {
    const cluster = await startCluster();
    const worker = await formed(cluster, false);
    const other = await otherFolder();
    for (const client of [false, true]) await expectRefused(cluster, other, client);
    await expectLogged(cluster, other);
    await expectIntact(cluster, worker);
  });

  itInFull('are not served together with our client in the first one', async () => {
    const cluster = await startCluster();
    const worker = await formed(cluster, true);
    const other = await otherFolder();
    for (const client of [true, false]) await expectRefused(cluster, other, client);
    await expectLogged(cluster, other);
    await expectIntact(cluster, worker);
  });

  it('are not served together, not even if one is a copy of the other', async () => {
    const { cluster, writer } = await sharedCluster();
    const copy = await copyOf(cluster.path);
    for (const client of [false, true]) await expectRefused(cluster, copy, client);
    await expectLogged(cluster, copy);
    await expectIntact(cluster, writer);
    await endShared();
  });

  itInFull('are not served together when the master comes last, and it makes no file', async () => {
    const cluster = await startCluster();
    await cp(await otherFolder(), cluster.path, { recursive: true });
    const worker = cluster.worker({ client: true });
    await worker.ready();
    await cluster.server.line(({ peer }) => peer !== undefined);
    const empty = await newFolder();
    const master = intruder(cluster, empty, true, 'master');
    await master.untilComplains(/IPC_CLOSED_OTHER_FILE/);
    expect(await readdir(empty)).toEqual([]);
    const right = cluster.master({ client: true });
    await worker.set('here', 'worker');
    expect(await right.get('here')).toBe('worker');
  });

  itInFull(
    'belong to those who had them before the server was killed, though a master and a worker of the other one come first',
    async () => {
      const cluster = await Cluster.startProcess();
      onTestFinished(() => cluster.end());
      const line = await LineProxy.start(cluster.server.port);
      onTestFinished(() => line.close());
      const [master, worker] = await cluster.form(1, { client: true, port: line.port });
      for (let n = 0; n < 10; n++) await worker.set(`list/before${n}`, n);
      const copy = await copyOf(cluster.path);
      // Nobody is there: those who come from here are kept away for a while.
      line.target = await freePort();
      await cluster.restartServer();
      const writes = Promise.all([master, worker].map((it, n) => it.set(`meanwhile/${n}`, n)));
      const intruders = [intruder(cluster, copy, true, 'master'), intruder(cluster, copy, true)];
      await Promise.all(intruders.map((it, n) => it.set(`by/intruder${n}`, n)));
      line.target = cluster.server.port;
      for (const it of intruders) {
        await it.untilComplains(/IPC_CLOSED_OTHER_FILE: This process has another database file/);
        expect(it.complaints).toContain(join(copy, 'mydb.acebase'));
        expect(it.complaints).toContain(join(cluster.path, 'mydb.acebase'));
      }
      await writes;
      for (const it of [master, worker])
        expect(it.complaints).not.toMatch(/IPC_(CLOSED_(?!CONNECT_AGAIN)|REFUSED)/);
      for (const it of intruders) await it.kill();
      expect(await worker.exists('by')).toBe(false);
      await expectIntact(cluster, worker);
    },
  );
});

// As between machines: the server does not see which files are open, and nobody can compare their numbers.
itInFull(
  'a folder belongs to those who had it before, though all their lines broke and a worker of another one came meanwhile',
  async () => {
    const cluster = await Cluster.startProcess({ options: { watchProcesses: false } });
    onTestFinished(() => cluster.end());
    const line = await LineProxy.start(cluster.server.port);
    onTestFinished(() => line.close());
    const [, worker] = await cluster.form(1, { client: true, port: line.port });
    for (let n = 0; n < 10; n++) await worker.set(`list/before${n}`, n);
    const other = await otherFolder();
    const before = await hashOf(other);
    line.target = await freePort();
    line.cut();
    const elsewhere = intruder(cluster, other, true, 'worker', onOtherMachine);
    await elsewhere.ready();
    const outcome = elsewhere.set('by/intruder', 1).catch(String);
    await elsewhere.untilSent('lock-request');
    const write = worker.set('meanwhile', 1);
    line.target = cluster.server.port;
    await elsewhere.untilComplains(/IPC_CLOSED_OTHER_FILE: This process has another database file/);
    expect(await outcome).toContain('IPC_CLOSED_OTHER_FILE');
    await write;
    expect(await hashOf(other)).toBe(before);
    expect(await worker.exists('by')).toBe(false);
    await expectIntact(cluster, worker);
  },
);

describe('a master that waits for a folder which another one may have', () => {
  const transactions = { log: true };
  const waiting = async () => {
    const cluster = await startCluster();
    const folder = join(cluster.path, 'mydb.acebase');
    /** A process without IPC, that has the folder for itself. */
    const alone = async (keys: readonly string[]): Promise<void> => {
      const database = new AceBaseProcess({
        name: 'alone',
        database: 'mydb',
        path: cluster.path,
        transactions,
      });
      await database.ready();
      for (const key of keys) await database.set(key, 'x'.repeat(300));
      await database.closeAndEnd();
    };
    await alone(['before']);
    await leaveRecord(join(folder, 'ipc-owner.json'), 'another');
    const master = cluster.master({ client: true, transactions });
    await cluster.server.line(
      ({ msg, database }) => msg === 'peer connected' && database === 'mydb_transaction',
    );
    return { folder, master, alone };
  };

  it('opens neither its files nor those of its transaction log before it is free', async () => {
    const { folder, master, alone } = await waiting();
    const meanwhile = Array.from({ length: 10 }, (_, n) => `meanwhile${n}`);
    await alone(meanwhile);
    await rm(join(folder, 'ipc-owner.json'));
    await master.set('after', 'x'.repeat(300));
    const paths = (await master.mutations()).map(({ path }) => path);
    expect(paths.filter((path) => path !== '')).toEqual(['before', ...meanwhile, 'after']);
  });

  it('can be closed, and has not taken it', async () => {
    const { folder, master } = await waiting();
    await master.closeAndEnd();
    expect(await readFile(join(folder, 'ipc-owner.json'), 'utf8')).toContain('"id":"far"');
  });
});
