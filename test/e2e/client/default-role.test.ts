import { fileURLToPath } from 'node:url';
import { expect, it, onTestFinished } from 'vitest';
import { AceBaseProcess, type AceBaseProcessOptions } from '../../support/acebase-process.js';
import { itInFull, someOf } from '../../support/in-full.js';
import { servingMaster } from '../../support/managed-master.js';
import { ServerProcess } from '../../support/server-process.js';
import { removeDirectory, temporaryDirectory } from '../../support/temporary-directory.js';

const slowDisk = fileURLToPath(new URL('../../support/slow-fs.cjs', import.meta.url));

/** A server, with the master of `mydb` if its settings are given. */
async function served(
  master?: Readonly<Record<string, unknown>>,
  env: Readonly<Record<string, string>> = {},
) {
  const path = await temporaryDirectory('role');
  onTestFinished(() => removeDirectory(path));
  const masters = master === undefined ? {} : { mydb: { path, journal: 'process', ...master } };
  const server = await ServerProcess.start({ options: { masters }, env });
  onTestFinished(async () => void (await server.kill()));
  return { server, path };
}

/** A process that says no role. */
function join(port: number, path: string, more: Partial<AceBaseProcessOptions> = {}): AceBaseProcess {
  const started = new AceBaseProcess({
    name: 'process',
    database: 'mydb',
    path,
    ipc: { port },
    client: true,
    ...more,
  });
  onTestFinished(async () => void (await started.kill()));
  return started;
}

it('a process without a role is a worker where the server runs the master, also before that has made the file', async () => {
  // Half of the file is there for seconds: a worker that opens it then ends.
  const env = {
    NODE_OPTIONS: `--require ${slowDisk}`,
    SLOW_FS_CALLS: 'write',
    SLOW_FS_MILLISECONDS: '200',
  };
  const { server, path } = await served({}, env);
  const [first, second] = [join(server.port, path), join(server.port, path)];
  await Promise.all([first.ready(), second.ready()]);
  await servingMaster(server);
  await first.set('people/ann', { age: 31 });
  expect(await second.get('people/ann')).toEqual({ age: 31 });
  expect(first.complaints + second.complaints).not.toContain('unsupported_db');
});

it('where the server does not run the master, it says the two ways out', async () => {
  const { server, path } = await served();
  const process = join(server.port, path);
  await expect(process.get('a')).rejects.toThrow(/storage\.ipc has no role.*--master mydb.*role: 'master'/s);
  await process.untilComplains(/has no role/);
});

it.each(
  someOf([
    [
      'has one that the master does not keep',
      false,
      true,
      /IPC_REFUSED_NO_TRANSACTION_LOG|IPC_CLIENT_STORAGE_DIFFERS|transactions\.log is true here/,
    ],
    [
      'has none and the master keeps one',
      true,
      false,
      /transactions\.log is false here, and true at the master/,
    ],
  ] as const),
)('a worker whose transaction log differs is refused: it %s', async (_, log, own, words) => {
  const { server, path } = await served({ transactions: { log } });
  await servingMaster(server);
  const process = join(server.port, path, { transactions: { log: own } });
  await process.untilComplains(words);
  await expect(process.set('a', 1)).rejects.toThrow(/transaction/);
});

itInFull('a transaction log of the cluster has what workers write', async () => {
  const { server, path } = await served({ transactions: { log: true } });
  await servingMaster(server);
  const [first, second] = [0, 1].map(() => join(server.port, path, { transactions: { log: true } }));
  await first?.set('people/ann', { age: 31 });
  await second?.set('people/bob', { age: 52 });
  const written = (await first?.mutations())?.map(({ path: at }) => at);
  // The first is that of the root, when the master made the file.
  expect(written).toEqual(['', 'people/ann', 'people/bob']);
});
