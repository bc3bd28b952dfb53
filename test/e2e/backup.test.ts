/** `acebase-ipc-server backup`, of clusters that write meanwhile. */
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, expect, it, onTestFinished } from 'vitest';
import { AceBaseProcess } from '../support/acebase-process.js';
import { Cluster } from '../support/cluster.js';
import { commandHere, runCommand } from '../support/command.js';
import { itInFull } from '../support/in-full.js';
import { untilStatus } from '../support/status.js';
import { removeDirectory, temporaryDirectory } from '../support/temporary-directory.js';
import { eventually } from '../support/waiting.js';
import { WriteLoad } from '../support/write-load.js';

const slowStatfs = fileURLToPath(new URL('../support/slow-statfs.cjs', import.meta.url));
const stuckRm = fileURLToPath(new URL('../support/stuck-rm.cjs', import.meta.url));

let cluster: Cluster | undefined;

afterEach(async () => {
  await cluster?.end();
  cluster = undefined;
});

async function folderFor(purpose: string): Promise<string> {
  const folder = await temporaryDirectory(purpose);
  onTestFinished(() => removeDirectory(folder));
  return folder;
}

function wordsFor({ server, path: own }: Cluster, to: string, path = own): readonly string[] {
  return ['backup', 'mydb', '--port', String(server.port), '--path', path, '--to', to];
}

/** Runs it as a person does, in the folder of a program. */
function backUp(ofCluster: Cluster, to: string, ...words: readonly string[]) {
  return run([...wordsFor(ofCluster, to), ...words]);
}

/** The process is ended with the test, whatever became of both. */
function run(words: readonly string[], env: Readonly<Record<string, string>> = {}) {
  return runCommand(words, { env, started: (child) => onTestFinished(() => void child.kill('SIGKILL')) });
}

/** Where it does not come to join the cluster: it need not be a process of its own. */
function refused(ofCluster: Cluster, to: string, ...words: readonly string[]) {
  return commandHere([...wordsFor(ofCluster, to), ...words]);
}

async function backUpAndOpen(client: boolean): Promise<void> {
  cluster = await Cluster.startProcess();
  const [master, ...workers] = await cluster.form(2, { client });
  await master.set('items', { first: { n: 0 } });
  await master.createIndex('items', 'n');
  // What a stock worker writes before it has read the index is not in that.
  for (const worker of workers) await eventually(() => worker.hasIndex('items', 'n'));
  const to = await folderFor('backups');
  const load = new WriteLoad(workers);
  await load.progress(30);
  const before = load.acknowledged;
  const { code, stdout, stderr } = await backUp(cluster, to);
  expect([code, stderr]).toEqual([0, '']);
  expect(stdout).toMatch(
    /^copied \d+ files, [\d.]+ [kM]B, to .*; writes waited for \d+ ms\nchecked the copy: it is sound\n$/,
  );
  await load.progress(10);
  await load.stop();
  await cluster.close();

  const [name = ''] = await readdir(to);
  expect(name).toMatch(/^mydb\.\d{4}-\d\d-\d\dT\d\d-\d\d-\d\d$/);
  const copy = new AceBaseProcess({ name: 'copy', database: 'mydb', path: join(to, name) });
  onTestFinished(() => void copy.kill());
  await copy.ready();
  const items = await copy.get<Record<string, { n: number }>>('items');
  expect([...before].filter(([path, n]) => items[path.replace('items/', '')]?.n !== n)).toEqual([]);
  // Nothing in it is half done.
  expect(Object.values(items).filter((item) => typeof item.n !== 'number')).toEqual([]);
  await copy.set('items/later', { n: 1 });
  expect(await copy.get('items/later')).toEqual({ n: 1 });
}

it('has everything that was acknowledged before, indexes too, and can be opened and written', () =>
  backUpAndOpen(true));

it('makes no copy that is not sound, and says why in its own words alone', async () => {
  cluster = await Cluster.startProcess();
  const [master] = await cluster.form(1, { client: true });
  await master.set('a', 1);
  await writeFile(join(cluster.path, 'mydb.acebase/bad.idx'), Buffer.alloc(1_000, 1));
  const to = await folderFor('backups');
  const { code, stderr } = await backUp(cluster, to);
  expect(code).toBe(1);
  expect(stderr).toMatch(/^acebase-ipc-server: .*bad\.idx.*\n.*\(IPC_BACKUP_UNSOUND\)\n$/);
  expect(await readdir(to)).toEqual([]);
});

itInFull('the same, of stock clients', () => backUpAndOpen(false));

itInFull(
  'keeps as many copies as it is told, of that database alone, and what it has copied can be put back',
  async () => {
    cluster = await Cluster.startProcess();
    const [master] = await cluster.form(1, { client: true, transactions: { log: true } });
    await master.set('a', 1);
    const to = await folderFor('backups');
    for (const name of [
      'mydb.2001-02-03T04-05-06',
      'mydb.2001-02-03T04-05-06-2',
      'mydb.2001-02-03T04-05-06-10',
      // Made while a clock was ahead.
      'mydb.2999-02-03T04-05-06',
      'mydb.2002-02-03T04-05-06',
      'other.2001-02-03T04-05-06',
      'mydb.old',
    ])
      await mkdir(join(to, name, `${name.split('.')[0]}.acebase`), { recursive: true });
    expect(await readdir(join(cluster.path, 'mydb.acebase'))).toContain('ipc-owner.json');
    const { code, stdout } = await backUp(cluster, to, '--keep', '4', '--json');
    expect(code).toBe(0);
    const { copy, removed, isChecked } = JSON.parse(stdout) as {
      copy: string;
      removed: string[];
      isChecked: boolean;
    };
    const oldest = ['mydb.2001-02-03T04-05-06', 'mydb.2001-02-03T04-05-06-2'];
    expect([removed, isChecked]).toEqual([oldest.map((name) => join(to, name)), true]);
    expect((await readdir(to)).sort()).toEqual(
      [
        copy.slice(to.length + 1),
        'mydb.2001-02-03T04-05-06-10',
        'mydb.2002-02-03T04-05-06',
        'mydb.2999-02-03T04-05-06',
        'mydb.old',
        'other.2001-02-03T04-05-06',
      ].sort(),
    );
    const copied = await readdir(join(copy, 'mydb.acebase'));
    expect(copied).toEqual(expect.arrayContaining(['data.db', 'transaction.db']));
    // That is of who has the original.
    expect(copied).not.toContain('ipc-owner.json');
    const env = { NODE_OPTIONS: `--require ${stuckRm}`, STUCK_RM: '.2001-' };
    const stuck = await run([...wordsFor(cluster, to), '--keep', '4', '--json'], env);
    const folder = join(to, 'mydb.2001-02-03T04-05-06-10');
    expect([stuck.code, stuck.stderr]).toEqual([
      0,
      expect.stringMatching(`^could not remove ${folder}: EACCES`),
    ]);
    expect(JSON.parse(stuck.stdout)).toMatchObject({
      removed: [],
      notRemoved: [{ folder }],
      isChecked: true,
    });
    await master.set('a', 2);
    await cluster.close();
    // Put back as docs/OPERATIONS.md says, in an empty folder.
    const restored = new AceBaseProcess({
      name: 'restored',
      database: 'mydb',
      path: copy,
      transactions: { log: true },
    });
    onTestFinished(() => void restored.kill());
    await restored.ready();
    expect(await restored.get('a')).toBe(1);
  },
);

itInFull('is none if others were given its lock meanwhile', async () => {
  cluster = await Cluster.startProcess({ options: { lockTimeout: '3s' } });
  const [master, worker] = await cluster.form(1, { client: true, lockTimeout: 3 });
  await master.set('a', 1);
  const to = await folderFor('backups');
  const env = { NODE_OPTIONS: `--require ${slowStatfs}`, SLOW_STATFS_MS: '6000' };
  const running = run(wordsFor(cluster, to), env);
  await untilStatus(cluster.server.port, 'mydb_data', ({ locks }) =>
    locks.held.some(({ comment }) => comment.startsWith('backup')),
  );
  await worker.set('a', 2);
  const { code, stderr } = await running;
  expect([code, stderr]).toEqual([1, expect.stringContaining('IPC_BACKUP_LOST')]);
  expect(await readdir(to)).toEqual([]);
});

itInFull('says what is wrong, and leaves no copy and no older one less', async () => {
  cluster = await Cluster.startProcess();
  const to = await folderFor('backups');
  const nobody = await refused(cluster, to);
  expect([nobody.code, nobody.stderr]).toEqual([2, expect.stringContaining('IPC_CHECK_NO_DATABASE')]);
  const [master] = await cluster.form(0, { client: true });
  await master.set('a', 1);
  const inside = await refused(cluster, join(cluster.path, 'mydb.acebase', 'copies'));
  expect([inside.code, inside.stderr]).toEqual([2, expect.stringContaining('IPC_BACKUP_FOLDER')]);
  const none = await refused(cluster, to, '--keep', '0');
  expect([none.code, none.stderr]).toEqual([2, expect.stringContaining('a whole number from 1 on')]);
  // Of another folder than that of the cluster.
  const elsewhere = await folderFor('elsewhere');
  await mkdir(join(elsewhere, 'mydb.acebase'));
  await writeFile(
    join(elsewhere, 'mydb.acebase', 'data.db'),
    await readFile(join(cluster.path, 'mydb.acebase', 'data.db')),
  );
  const other = await run(wordsFor(cluster, to, elsewhere));
  expect([other.code, other.stderr]).toEqual([
    1,
    expect.stringMatching(/^acebase-ipc-server: mydb: .*\nGive all processes .*\(IPC_CLOSED_OTHER_FILE\)\n$/),
  ]);
  await cluster.close();
  const stopped = await refused(cluster, to, '--wait', '1s');
  expect([stopped.code, stopped.stderr]).toEqual([2, expect.stringContaining('IPC_BACKUP_NO_CLUSTER')]);
  expect(await readdir(to)).toEqual([]);
});

/** What a backup that has waited for too long ends with. */
const tooLate = [1, expect.stringContaining('IPC_BACKUP_TIMEOUT')];

itInFull('ends in time when its server goes away, while it waits for a lock, and for a file', async () => {
  cluster = await Cluster.startProcess();
  const { port } = cluster.server;
  const to = await folderFor('backups');
  const [, worker] = await cluster.form(1, { client: true });
  await worker.hold('a');
  const elsewhere = await folderFor('elsewhere');
  await mkdir(join(elsewhere, 'mydb.acebase'));
  // Whoever makes it may be in the midst of that.
  await writeFile(join(elsewhere, 'mydb.acebase', 'data.db'), '');
  const first = run([...wordsFor(cluster, to), '--wait', '10s']);
  await untilStatus(port, 'mydb_data', ({ locks }) =>
    locks.waiting.some(({ comment }) => comment.startsWith('backup')),
  );
  const second = run([...wordsFor(cluster, to, elsewhere), '--wait', '4s']);
  // Soon it would be known that this is another folder.
  await untilStatus(port, 'mydb_data', ({ peerCount }) => peerCount === 4);
  await cluster.serverProcess.stop('SIGKILL');
  const [locked, unopened] = await Promise.all([first, second]);
  expect([locked.code, locked.stderr]).toEqual(tooLate);
  expect(locked.stderr).toContain('the lock for writing was not granted within 10 s');
  expect([unopened.code, unopened.stderr]).toEqual(tooLate);
  expect(unopened.stderr).toContain('the file was not opened within 4 s');
  expect(await readdir(to)).toEqual([]);
});

itInFull('ends in time when it gets no lock, and is in the way of nobody then', async () => {
  cluster = await Cluster.startProcess();
  const to = await folderFor('backups');
  const [master, worker] = await cluster.form(1, { client: true });
  await worker.hold('a');
  const refused = await backUp(cluster, to, '--wait', '2s');
  expect([refused.code, refused.stderr]).toEqual(tooLate);
  await worker.letGo(1);
  await master.set('b', 2);
  expect(await worker.get('b')).toBe(2);
  expect(await readdir(to)).toEqual([]);
});
