import { closeSync, existsSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import { rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, expect, it } from 'vitest';
import { Journal, OPEN_GATE } from '../../../src/client/journal/journal.js';
import { logPathsOf, MARKS } from '../../../src/client/patches/file-layout.js';
import { Cluster } from '../../support/cluster.js';
import { itInFull } from '../../support/in-full.js';
import { untilStatus } from '../../support/status.js';
import { eventually } from '../../support/waiting.js';

const fullDisk = fileURLToPath(new URL('../../support/full-disk.cjs', import.meta.url));
const noLogs = fileURLToPath(new URL('../../support/no-logs.cjs', import.meta.url));
const endAtMark = fileURLToPath(new URL('../../support/end-at-mark.cjs', import.meta.url));
const lateLine = fileURLToPath(new URL('../../support/late-line.cjs', import.meta.url));
const holdWrites = fileURLToPath(new URL('../../support/hold-writes.cjs', import.meta.url));

let cluster: Cluster | undefined;

afterEach(async () => {
  await cluster?.end();
  cluster = undefined;
});

it('a stock client is let in when nothing is left in the journal, which is in force again when it has left', async () => {
  cluster = await Cluster.start();
  const { server } = cluster;
  const isOn = () => server.line(({ msg }) => String(msg).startsWith('the journal is in force'));
  const isOff = () => server.line(({ msg }) => String(msg).startsWith('the journal is not in force'));
  const [on, off] = [isOn(), isOff()];
  const [master, worker] = await cluster.form(1, { client: true });
  await on;
  const notes: Record<string, string> = {};
  const write = async (peer: typeof master, name: string): Promise<void> => {
    for (let n = 0; n < 5; n++) {
      notes[`${name}${n}`] = 'x'.repeat(60 + n);
      await peer.set(`notes/${name}${n}`, notes[`${name}${n}`]);
    }
  };
  await write(worker, 'first');
  await write(master, 'second');
  const stock = cluster.worker({ client: false });
  await Promise.all([stock.ready(), off]);
  expect(await stock.get('notes')).toEqual(notes);
  await write(stock, 'third');
  await write(worker, 'fourth');
  const again = isOn();
  await stock.closeAndEnd();
  await again;
  await write(worker, 'fifth');
  await worker.kill();
  await write(master, 'sixth');
  expect(await master.get('notes')).toEqual(notes);
  await master.closeAndEnd();
  await cluster.reopened(async (file) => expect(await file.get('notes')).toEqual(notes));
});

itInFull(
  'a stock worker that opened the file before the root was moved goes on from where it is, though all who told of that are gone',
  async () => {
    cluster = await Cluster.start();
    const { server, path } = cluster;
    const [master, worker] = await cluster.form(1, { client: true });
    const notes: Record<string, string> = {};
    const write = async (peer: typeof master, name: string): Promise<void> => {
      notes[name] = 'x'.repeat(60);
      await peer.set(name, notes[name]);
    };
    for (let n = 0; n < 3; n++) await write(master, `first${n}`);
    const late = join(path, 'late');
    await writeFile(late, '');
    const env = { NODE_OPTIONS: `--require ${lateLine}`, LATE_LINE: late };
    const stock = cluster.worker({ client: false, env });
    await stock.ready();
    for (let n = 0; n < 30; n++) await write(worker, `second${n}`);
    const gone = server.line(({ msg, peer }) => msg === 'peer disconnected' && peer === '[master]');
    await master.kill();
    await gone;
    await rm(late);
    await server.line(({ msg }) => String(msg).startsWith('the journal is not in force'));
    // It says nothing of the root that it has found.
    const next = cluster.master({ client: false });
    await next.ready();
    expect(await stock.get('')).toEqual(notes);
    await write(stock, 'third');
    for (const each of [stock, worker, next]) expect(await each.get('')).toEqual(notes);
    await cluster.reopened(async (file) => expect(await file.get('')).toEqual(notes));
  },
);

itInFull(
  'who cannot carry out what it has committed comes back as a new peer, and all find it done',
  async () => {
    cluster = await Cluster.start();
    // The last byte of the address of the root: where a record is in its page.
    const env = { NODE_OPTIONS: `--require ${fullDisk}`, FULL_DISK_AT: '17', FULL_DISK_TIMES: '1' };
    const master = cluster.master({ client: true });
    await master.ready();
    const failing = cluster.worker({ client: true, env });
    const other = cluster.worker({ client: true });
    await Promise.all([failing.ready(), other.ready()]);
    const notes = Object.fromEntries(Array.from({ length: 3 }, (_, n) => [`note${n}`, 'x'.repeat(50)]));
    for (const [key, value] of Object.entries(notes)) await master.set(key, value);
    for (const each of [other, failing]) expect(await each.get('')).toEqual(notes);
    // What is left fits into one record, in the place of two: the root moves.
    await expect(failing.remove('note2')).rejects.toThrow('IPC_CLIENT_OUTCOME_UNKNOWN');
    delete notes['note2'];
    for (const each of [other, failing, master]) {
      expect(await each.get('')).toEqual(notes);
      notes['note0'] = each.name.slice(0, 1).repeat(50);
      await each.set('note0', notes['note0']);
      await cluster.reopened(async (file) => expect(await file.get('')).toEqual(notes), { client: true });
    }
  },
);

itInFull(
  'who finds when it writes that it cannot make a log comes back as one without a journal, and all hear that; what it writes then is logged',
  async () => {
    cluster = await Cluster.start();
    const { server } = cluster;
    const off = server.line(({ msg }) => String(msg).startsWith('the journal is not in force'));
    const options = { client: true, transactions: { log: true } } as const;
    const master = cluster.master(options);
    await master.ready();
    const worker = cluster.worker({ ...options, env: { NODE_OPTIONS: `--require ${noLogs}` } });
    await worker.ready();
    await expect(worker.set('one', 'x'.repeat(60))).rejects.toThrow('IPC_CLIENT_NO_JOURNAL');
    await off;
    await worker.set('two', 'y'.repeat(60));
    await master.set('three', 'z'.repeat(60));
    const content = { two: 'y'.repeat(60), three: 'z'.repeat(60) };
    for (const each of [worker, master]) expect(await each.get('')).toEqual(content);
    await untilStatus(server.port, 'mydb_data', ({ journal }) => journal.withoutCount === 1);
    const logged = await cluster.reopened((file) => file.mutations(), options);
    expect(logged.map((mutation) => mutation['path'])).toEqual(['', 'two', 'three']);
  },
);

itInFull(
  'an index that a process has marked is made again by the master if that process is killed before it tells anybody',
  async () => {
    cluster = await Cluster.start();
    const [master, worker, other] = await cluster.form(2, { client: true });
    for (let n = 0; n < 5; n++) await master.set(`people/person${n}`, { age: n, note: 'x'.repeat(60) });
    await master.createIndex('people', 'age');
    const folder = join(cluster.path, 'mydb.acebase');
    const file = 'people-age.idx';
    const former = (await stat(join(folder, file))).mtimeMs;
    const mark = { file, path: 'people', key: 'age', options: { type: 'normal', include: [] }, isNew: false };
    await writeFile(join(folder, `${file}.redo`), JSON.stringify(mark));
    await worker.kill();
    await eventually(async () => !existsSync(join(folder, `${file}.redo`)));
    expect((await stat(join(folder, file))).mtimeMs).toBeGreaterThan(former);
    await other.set('people/person5', { age: 5, note: 'x'.repeat(60) });
    for (const each of [master, other]) {
      const found = await each.query('people', [['age', '>=', 4]]);
      expect(found.map(({ key }) => key).sort()).toEqual(['person4', 'person5']);
    }
  },
);

itInFull('an index that was not told of a write is made anew by a stock master that comes then', async () => {
  cluster = await Cluster.start();
  const { path, server } = cluster;
  const end = join(path, 'end');
  const env = { NODE_OPTIONS: `--require ${endAtMark}`, END_AT_MARK: end };
  const master = cluster.master({ client: true });
  await master.ready();
  const writer = cluster.worker({ client: true, env });
  const other = cluster.worker({ client: true });
  await Promise.all([writer.ready(), other.ready()]);
  for (let n = 0; n < 5; n++) await master.set(`people/person${n}`, { age: n, note: 'x'.repeat(60) });
  await master.createIndex('people', 'age');
  const found = async (peer: typeof master): Promise<string[]> => {
    const results = await peer.query('people', [['age', '>=', 4]]);
    return results.map(({ key }) => key).sort();
  };
  expect(await found(other)).toEqual(['person4']);
  await writeFile(end, '');
  await expect(writer.set('people/person2/age', 22)).rejects.toThrow('SIGKILL');
  const gone = server.line(({ msg, peer }) => msg === 'peer disconnected' && peer === '[master]');
  await master.kill();
  await gone;
  const next = cluster.master({ client: false });
  await next.ready();
  // It has the file of the index open before it hears that there is a better one.
  await found(next);
  await next.untilPeers(1);
  expect(await other.get('people/person2/age')).toBe(22);
  const mark = join(path, 'mydb.acebase', 'people-age.idx.redo');
  await eventually(async () => !existsSync(mark));
  for (const each of [next, other]) expect(await found(each)).toEqual(['person2', 'person4']);
  await cluster.reopened(async (file) => expect(await found(file)).toEqual(['person2', 'person4']));
});

itInFull(
  'the next master is let in though a write waits to be logged by it, and that is logged then',
  async () => {
    cluster = await Cluster.start({ masterTimeout: '10m' });
    const { path } = cluster;
    const end = join(path, 'end');
    const options = { client: true, transactions: { log: true } } as const;
    const master = cluster.master(options);
    await master.ready();
    const env = { NODE_OPTIONS: `--require ${endAtMark}`, END_AT_MARK: end };
    const worker = cluster.worker({ ...options, env });
    await worker.ready();
    await worker.set('one', 'x'.repeat(60));
    await writeFile(end, String(master.pid));
    // What it writes is in the file; there is nobody to give it the lock under which that is logged.
    await worker.set('two', 'y'.repeat(60));
    const next = cluster.master({ ...options, journal: 'off' });
    await next.ready();
    await next.set('three', 'z'.repeat(60));
    await worker.set('four', 'z'.repeat(60));
    await worker.closeAndEnd();
    await next.closeAndEnd();
    const logged = await cluster.reopened((file) => file.mutations(), { transactions: { log: true } });
    expect(logged.map((mutation) => mutation['path']).sort()).toEqual(['', 'four', 'one', 'three', 'two']);
  },
);

for (const [who, isLone] of [
  ['a cluster', false],
  ['a process alone', true],
] as const)
  itInFull(
    `what ${who} has committed and not written is completed by a cluster that keeps no journal`,
    async () => {
      cluster = await Cluster.start();
      const options = { client: true, journal: 'off' } as const;
      const first = cluster.master(options);
      await first.ready();
      await first.set('people/ann', { name: 'before', text: 'x'.repeat(60) });
      await first.closeAndEnd();
      const folder = join(cluster.path, 'mydb.acebase');
      const path = join(folder, 'data.db');
      const content = readFileSync(path);
      const file = openSync(path, 'r+');
      const logPaths = logPathsOf(folder, 'data').data;
      const journal = new Journal<never>({ file, logPaths, mark: MARKS.data, isSynced: false, isLone });
      const [before, after] = [Buffer.from('before'), Buffer.from('behind')];
      await journal.commit({ changes: [{ position: content.indexOf(before), before, after }] }, OPEN_GATE);
      closeSync(file);
      writeFileSync(path, content);
      const [master, worker] = await cluster.form(1, options);
      for (const each of [worker, master]) expect(await each.get('people/ann/name')).toBe('behind');
    },
  );

it('what a cluster has committed is not written again after a power cut, over what came when the last of it had left: a worker', async () => {
  cluster = await Cluster.start();
  const { path } = cluster;
  const [master, worker] = await cluster.form(1, { client: true, journal: 'power' });
  await worker.set('letters', 'aaaaaaaaaa');
  await worker.set('letters', 'bbbbbbbbbb');
  await master.closeAndEnd();
  await worker.closeAndEnd();
  const use = join(path, 'mydb.acebase', 'data.use.redo');
  expect(JSON.parse(readFileSync(use, 'utf8'))).toMatchObject({ run: null });
  await cluster.reopened((file) => file.set('letters', 'aaaaaaaaaa'));
  writeFileSync(use, readFileSync(use, 'utf8').replace('"run":null', '"run":"another boot"'));
  const next = cluster.master({ client: true, journal: 'power' });
  expect(await next.get('letters')).toBe('aaaaaaaaaa');
});

it('a worker writes nothing under a lock that has expired, which others have got', async () => {
  // So long that a busy machine does in it what is to be done in time.
  cluster = await Cluster.start({ lockTimeout: '4s' });
  const options = { client: true, lockTimeout: 4 } as const;
  const master = cluster.master(options);
  await master.ready();
  const texts = { one: 'o'.repeat(100), two: 't'.repeat(400), both: { x: 'x'.repeat(100) } };
  await master.update('', { texts, numbers: { one: 1 } });
  const hold = join(cluster.path, 'hold');
  const env = { NODE_OPTIONS: `--require ${holdWrites}`, HOLD_WRITES: hold, HOLD_TEXT: 'slow' };
  const slow = cluster.worker({ ...options, env });
  const other = cluster.worker(options);
  await Promise.all([slow.ready(), other.ready()]);
  await writeFile(hold, '');
  const long = (text: string): string => `slow${text.repeat(200_000)}`;
  const expired = slow.update('texts', { one: long('1'), two: long('2'), both: { x: long('3') } });
  expired.catch(() => undefined);
  await untilStatus(cluster.server.port, 'mydb_data', ({ locks }) => locks.held.some(({ write }) => write));
  await other.update('numbers', { two: 2 });
  const next = slow.update('numbers', { three: 3 });
  await rm(hold);
  await expect(expired).rejects.toThrow('IPC_CLIENT_LOCK_EXPIRED');
  await next;
  const content = { texts, numbers: { one: 1, two: 2, three: 3 } };
  for (const each of [slow, other, master]) expect(await each.get('')).toEqual(content);
  await cluster.reopened(async (file) => expect(await file.get('')).toEqual(content));
});
