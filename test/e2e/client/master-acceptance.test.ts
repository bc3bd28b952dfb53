import { createHash } from 'node:crypto';
import { cp, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { AceBaseProcess, type AceBaseProcessOptions } from '../../support/acebase-process.js';
import { Cluster } from '../../support/cluster.js';
import { EmbeddedServer } from '../../support/embedded-server.js';
import { freePort } from '../../support/free-port.js';
import { itInFull } from '../../support/in-full.js';
import { removeDirectory, temporaryDirectory } from '../../support/temporary-directory.js';

const support = (name: string) => fileURLToPath(new URL(`../../support/${name}`, import.meta.url));

/** What a test has started, to be ended after it. */
const started: (() => Promise<unknown>)[] = [];

afterEach(async () => {
  for (const end of started.splice(0).reverse()) await end();
});

async function folder(): Promise<string> {
  const path = await temporaryDirectory('acceptance');
  started.push(() => removeDirectory(path));
  return path;
}

/** A master whose every step to a file is heard. */
function watchedMaster(
  port: number,
  path: string,
  options: Partial<AceBaseProcessOptions> = {},
): AceBaseProcess {
  const ipc = { port, role: 'master' as const };
  const execArgv = ['--require', support('watch-fs.cjs')];
  const base = { name: 'second master', database: 'mydb', path, ipc, client: true, execArgv };
  const database = new AceBaseProcess({ ...base, ...options });
  started.push(() => database.kill());
  return database;
}

/** Each file below a folder, and a digest of what is in it; but for the record of who uses it, which is renewed. */
async function contents(path: string): Promise<Readonly<Record<string, string>>> {
  const all = await readdir(path, { recursive: true, withFileTypes: true });
  const files = all.filter((it) => it.isFile() && it.name !== 'ipc-owner.json');
  const entries = files.map(async (file) => {
    const name = join(file.parentPath, file.name);
    return [
      name,
      createHash('sha256')
        .update(await readFile(name))
        .digest('hex'),
    ] as const;
  });
  return Object.fromEntries(await Promise.all(entries));
}

const steps = (database: AceBaseProcess): string[] => database.complaints.match(/^fs\..*$/gm) ?? [];

/** How an operation ends: with its error, which must come. */
const failure = (operation: Promise<unknown>): Promise<string> =>
  operation.then(() => 'it succeeded', String);

/** A cluster with data in its file: the tests knock at its server, and change nothing in it. */
let withData: Cluster;
let master: AceBaseProcess;

beforeAll(async () => {
  withData = await Cluster.start();
  master = withData.master({ client: true, transactions: { log: true } });
  await master.ready();
  await master.set('people', { ann: { age: 30 } });
  await master.createIndex('people', 'age');
});
afterAll(() => withData?.end());

describe('a second master with our client', () => {
  it('opens nothing and writes nothing: its operations fail in the words of the server, and it ends', async () => {
    const { server, path } = withData;
    const before = await contents(path);
    const second = watchedMaster(server.port, path, { transactions: { log: true } });
    const operations = [
      failure(second.set('x', 1)),
      failure(second.get('x')),
      failure(second.createIndex('people', 'age')),
      failure(second.mutations()),
    ];
    for (const error of await Promise.all(operations)) {
      expect(error).toMatch(/IPCError: The IPC server .* IPC_REFUSED_SECOND_MASTER/);
    }
    expect(await failure(second.set('x', 2))).toContain('IPC_REFUSED_SECOND_MASTER');
    expect(steps(second)).toEqual([]);
    expect(await contents(path)).toEqual(before);
    expect(await second.closeAndEnd()).toEqual({ code: 0, signal: null });
    expect(await master.get('people/ann/age')).toBe(30);
  });

  itInFull('makes no file', async () => {
    const empty = await folder();
    const second = watchedMaster(withData.server.port, empty);
    expect(await failure(second.createIndex('people', 'age'))).toContain('IPC_REFUSED_SECOND_MASTER');
    expect(await failure(second.set('x', 1))).toContain('IPC_REFUSED_SECOND_MASTER');
    expect(await readdir(empty)).toEqual([]);
  });
});

async function serverAt(port: number): Promise<void> {
  const server = await EmbeddedServer.start({ port });
  started.push(() => server.kill());
}

describe('a master that is there before the server', () => {
  it('makes its file when the server has accepted it; operations wait until then', async () => {
    const port = await freePort();
    const path = await folder();
    const early = watchedMaster(port, path);
    const written = early.set('x', 1);
    await early.untilComplains(/is not there/);
    expect(await readdir(path)).toEqual([]);
    expect(steps(early)).toEqual([]);
    await serverAt(port);
    await written;
    expect(await early.get('x')).toBe(1);
  });

  itInFull('that is closed meanwhile ends, has made no file, and what it was asked fails', async () => {
    const path = await folder();
    const early = watchedMaster(await freePort(), path);
    const written = failure(early.set('x', 1));
    await early.untilComplains(/is not there/);
    expect(await early.closeAndEnd()).toEqual({ code: 0, signal: null });
    expect(await written).toMatch(/IPCError: The database was closed, and/);
    expect(await readdir(path)).toEqual([]);
  });

  it('does not overwrite a file that was put there meanwhile', async () => {
    const port = await freePort();
    const path = await folder();
    const early = watchedMaster(port, path);
    const written = failure(early.set('x', 1));
    await early.untilComplains(/is not there/);
    await cp(join(withData.path, 'mydb.acebase'), join(path, 'mydb.acebase'), { recursive: true });
    const before = await contents(path);
    await serverAt(port);
    expect(await written).toMatch(/IPCError: .* The database file was made while it waited/);
    expect(await contents(path)).toEqual(before);
  });
});

itInFull('a master that is closed while it makes its file ends with a whole one', async () => {
  const made = await Cluster.start();
  started.push(() => made.end());
  const master = made.master({
    client: true,
    execArgv: ['--require', support('slow-fs.cjs')],
    env: { SLOW_FS_CALLS: 'open,write', SLOW_FS_MILLISECONDS: '300' },
  });
  await made.server.line(({ peer }) => peer === '[master]');
  expect(await master.closeAndEnd()).toEqual({ code: 0, signal: null });
  expect(master.complaints).toBe('');
  expect(await made.reopened((file) => file.exists(''))).toBe(true);
});
