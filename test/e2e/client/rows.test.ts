import { mkdir, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, describe, expect, it } from 'vitest';
import { AceBaseProcess } from '../../support/acebase-process.js';
import { Cluster } from '../../support/cluster.js';
import { isInFull, itInFull } from '../../support/in-full.js';
import { ScriptedServer } from '../../support/scripted-server.js';
import { removeDirectory, temporaryDirectory } from '../../support/temporary-directory.js';
import { eventually } from '../../support/waiting.js';

const slowDisk = fileURLToPath(new URL('../../support/slow-fs.cjs', import.meta.url));
const fastTime = fileURLToPath(new URL('../../support/fast-time.cjs', import.meta.url));

/** A master and two workers; the second one has the folder under another path. */
type Peers = readonly [master: AceBaseProcess, first: AceBaseProcess, second: AceBaseProcess];

/** All tests with our client share one cluster, each with paths of its own; a stock one may be broken after a test. */
let shared: { readonly cluster: Cluster; readonly peers: Peers } | undefined;
const ends: (() => Promise<unknown>)[] = [];

afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});
afterAll(async () => {
  await shared?.cluster.end();
});

/**
 * Each fault with stock clients, and the cure by the same test. What is wrong with stock clients changes with their
 * versions only: `npm run test:nightly` shows it.
 */
/** @param its how that with ours is run */
function both(title: string, check: (client: boolean) => Promise<void>, its: typeof itInFull = it): void {
  itInFull(`${title}: wrong with stock clients`, () =>
    expect(check(false)).rejects.toThrow(/expected|Expected/),
  );
  its(`${title}: right with ours`, () => check(true));
}

async function formed(client: boolean): Promise<{ cluster: Cluster; peers: Peers }> {
  // With the end of a process unseen, a lock that it leaves behind stays until the server reports it.
  const cluster = await Cluster.start({ watchProcesses: false });
  const real = join(cluster.path, 'real');
  const linked = join(cluster.path, 'linked');
  await mkdir(real);
  await symlink(real, linked);
  // Slow for indexes of that name only.
  const env = { SLOW_FS_FILES: 'slow.*\\.build$', SLOW_FS_CALLS: 'write' };
  const common = { client, env, execArgv: ['--require', slowDisk] };
  const master = cluster.master({ ...common, path: real });
  await master.ready();
  // A worker that comes later finds it by the path that it has itself.
  await master.set('linked', { a: { age: 1 } });
  await master.createIndex('linked', 'age');
  const first = cluster.worker({ ...common, path: real });
  const second = cluster.worker({ ...common, path: linked });
  await Promise.all([first, second].map((worker) => worker.ready()));
  await Promise.all([master, first, second].map((peer) => peer.untilPeers(2)));
  return { cluster, peers: [master, first, second] };
}

async function peersOf(client: boolean): Promise<Peers> {
  if (client) {
    shared ??= await formed(true);
    return shared.peers;
  }
  const own = await formed(false);
  ends.push(() => own.cluster.end());
  return own.peers;
}

/** While `act` runs, the process stands still. */
async function whileStopped<T>({ pid }: AceBaseProcess, act: () => Promise<T>): Promise<T> {
  process.kill(pid, 'SIGSTOP');
  try {
    return await act();
  } finally {
    process.kill(pid, 'SIGCONT');
  }
}

describe('values (row 10)', () => {
  both('dates, BigInts, binary and holes survive in events', async (client) => {
    const [master, worker] = await peersOf(client);
    const value = {
      date: new Date(1_700_000_000_000),
      bytes: new Uint8Array([1, 2, 3]).buffer,
      ...(client ? { large: 123_456_789_012_345_678_901n } : {}),
    };
    const events = await master.subscribe('things', 'child_added');
    await worker.untilSubscribed('things', 'child_added');
    await worker.set('things/a', value);
    const [event] = await events.atLeast(1);
    expect(event?.value).toEqual(value);
  });

  both('an index on dates finds what a worker has written', async (client) => {
    const [master, worker] = await peersOf(client);
    await master.createIndex('visits', 'at');
    for (let n = 0; n < 5; n++) await worker.set(`visits/v${n}`, { at: new Date(1_000_000 * n) });
    const found = await master.query('visits', [['at', '==', new Date(2_000_000)]]);
    expect(found.map(({ key }) => key)).toEqual(['v2']);
  });
});

describe('the root (row 15)', () => {
  both('an update of the root is not repeated by who hears of it', async (client) => {
    const peers = await peersOf(client);
    const [, first, second] = peers;
    const sent = async (kind: string) => {
      const counts = await Promise.all(peers.map((peer) => peer.counts()));
      return counts.reduce((sum, it) => sum + (it.sent[kind] ?? 0), 0);
    };
    const before = await sent('root.update');
    for (let n = 0; n < 20; n++) await [first, second][n % 2]?.set(`key_${n}_of_the_root`, { n });
    expect(await sent('root.update')).toBeGreaterThan(before);
    expect(await sent('root.update echo'), 'expected no echo').toBe(0);
  });
});

describe('indexes', () => {
  both(
    'an index that the master makes while others write misses nothing (row 19)',
    async (client) => {
      const [master, first, second] = await peersOf(client);
      const seed = Object.fromEntries(Array.from({ length: 300 }, (_, n) => [`s${n}`, { age: n }]));
      await master.set('crowd', seed);
      let isOver = false;
      const write = async (worker: AceBaseProcess, name: string) => {
        let count = 0;
        while (!isOver) await worker.set(`crowd/${name}${count++}`, { age: 1_000 });
        return count;
      };
      const writing = Promise.all([write(first, 'a'), write(second, 'b')]);
      await master.createIndex('crowd', 'age').finally(() => {
        isOver = true;
      });
      const written = (await writing).reduce((sum, count) => sum + count, 0);
      const found = await master.query('crowd', [['age', '==', 1_000]]);
      expect(found.length).toBe(written);
    },
    itInFull,
  );

  both('a worker reads the index file that has taken the place of its own (row 20)', async (client) => {
    const [master, worker] = await peersOf(client);
    await master.set('rebuilt', { a: { age: 1 } });
    await worker.createIndex('rebuilt', 'age');
    expect((await worker.query('rebuilt', [['age', '>', 0]])).length).toBe(1);
    await master.command('rebuildIndex', { path: 'rebuilt', key: 'age' });
    for (let n = 0; n < 5; n++) await master.set(`rebuilt/p${n}`, { age: 1_000 });
    expect((await worker.query('rebuilt', [['age', '==', 1_000]])).length).toBe(5);
  });

  both(
    'a query after an acknowledged write finds it, whatever was asked meanwhile (row 21)',
    async (client) => {
      const [master, first, second] = await peersOf(client);
      await master.set('asked', { a: { age: 0 } });
      const workers = [first, second];
      const known = await Promise.all(workers.map((worker) => worker.counts()));
      await master.createIndex('asked', 'age');
      const more = (n: number) => (known[n]?.received['index.created'] ?? 0) + 1;
      await Promise.all(workers.map((worker, n) => worker.untilReceived('index.created', more(n))));
      const stale: number[] = [];
      for (let n = 1; n <= (isInFull ? 40 : 10); n++) {
        let isOver = false;
        const asking = Promise.all(
          [first, second, master].map(async (peer) => {
            while (!isOver) await peer.query('asked', [['age', '==', n]]);
          }),
        );
        await first.set('asked/a', { age: n });
        isOver = true;
        await asking;
        for (const peer of [first, second, master]) {
          if ((await peer.query('asked', [['age', '==', n]])).length !== 1) stale.push(n);
        }
      }
      expect(stale).toEqual([]);
    },
  );

  both(
    'a worker that has the folder under another path keeps indexes up to date (row 22)',
    async (client) => {
      const [master, , worker] = await peersOf(client);
      await worker.set('linked/b', { age: 2 });
      expect((await master.query('linked', [['age', '==', 2]])).map(({ key }) => key)).toEqual(['b']);
    },
  );

  both(
    'an index can be made on a slow disk',
    async (client) => {
      const [master, worker] = await peersOf(client);
      await master.set('slow', { a: { age: 1, height: 3 }, b: { age: 2, height: 4 } });
      const attempt = (key: string) => master.createIndex('slow', key).then(() => 'made', String);
      // The second takes longer than any write for the first that is still under way when that is said to be made.
      expect([await attempt('age'), await attempt('height')]).toEqual(['made', 'made']);
      expect((await worker.query('slow', [['age', '>', 1]])).map(({ key }) => key)).toEqual(['b']);
    },
    itInFull,
  );
});

describe('locks', () => {
  both('a worker that reads many values at one time asks for one lock', async (client) => {
    const [master, worker] = await peersOf(client);
    const keys = Array.from({ length: 100 }, (_, n) => `t${n}`);
    await master.set('many', Object.fromEntries(keys.map((key, n) => [key, { n }])));
    const asked = async () => (await worker.counts()).sent['lock-request'] ?? 0;
    const before = await asked();
    // Until all of them wait for a lock, none is granted.
    const { reading, questions } = await whileStopped(master, async () => {
      const reading = worker.command('getAll', { paths: keys.map((key) => `many/${key}`) });
      await worker.untilSent('lock-request', before + 1);
      return { reading, questions: (await asked()) - before };
    });
    expect(await reading).toEqual(keys.map((_, n) => ({ n })));
    expect(questions, `expected one, not ${questions}`).toBe(1);
  });
});

it('a worker that reads and exits in the same turn leaves no lock behind', async () => {
  const [master, writer] = await peersOf(true);
  await master.set('left', { a: 1 });
  const reader = shared?.cluster.worker({ client: true, path: join(shared.cluster.path, 'real') });
  await reader?.ready();
  reader?.command('getAndExit', { path: 'left/a' }).catch(() => undefined);
  await reader?.exited;
  await writer.set('left/b', 2);
  expect(shared?.cluster.server.lines.map((line) => line['incident'])).not.toContain('locks-recovered');
});

describe('closing (row 23)', () => {
  both('the transaction log has every write that was acknowledged', async (client) => {
    const cluster = await Cluster.start();
    ends.push(() => cluster.end());
    const [master] = await cluster.form(0, { client, transactions: { log: true } });
    const writes = Array.from({ length: 20 }, (_, n) => master.set(`k${n}`, n).then(() => n));
    // Closed while they are under way: those that succeed must be in the log.
    const closing = master.command('close', {}).catch(() => undefined);
    const outcomes = await Promise.allSettled(writes);
    await closing;
    const acknowledged = outcomes.flatMap((it) => (it.status === 'fulfilled' ? [`k${it.value}`] : []));
    await master.kill();
    const logged = await cluster.reopened((file) => file.mutations(), { transactions: { log: true } });
    const paths = JSON.stringify(logged);
    expect(acknowledged.length).toBeGreaterThan(0);
    expect(acknowledged.filter((key) => !paths.includes(`"${key}"`))).toEqual([]);
  });
});

it('what a master asked for before it was closed is done, though the server has to speak first', async () => {
  const server = await ScriptedServer.start();
  ends.push(() => server.stop());
  const cluster = await Cluster.start();
  ends.push(() => cluster.end());
  const master = cluster.master({ client: true, port: server.port });
  const connection = await server.connection();
  // What it has to say to a master whose file is open stands before the next pong.
  connection.answerPingsUntil('ready');
  const session = { resumed: false, since: 1, received: 0, grace: 11_000 };
  connection.say(`welcome:${JSON.stringify({ maxPayload: 1_000_000, session })}`);
  await master.ready();
  const write = master.set('before', 1);
  const closing = master.command('close', {});
  // It answers one command after the other.
  await master.counts();
  connection.answerPings();
  await write;
  while ((await connection.next())?.includes('"type":"bye"') === false);
  connection.close();
  await closing;
});

/** The longest that a stock client is watched while it waits. */
const WATCHED_MS = 1_000;

/** Whether a worker with our client waits for nothing of the master, what it has asked for ahead included. */
async function hasAllAnswers(worker: AceBaseProcess): Promise<boolean> {
  const { sent, received } = await worker.counts();
  const asked = ['fst.allocate', 'kit.add', 'root.update'].map((kind) => sent[kind] ?? 0);
  return received['result'] === asked.reduce((all, count) => all + count);
}

describe('space in the file', () => {
  both(
    'a worker that writes often needs no answer of the master in the middle of a write',
    async (client) => {
      const cluster = await Cluster.start();
      ends.push(() => cluster.end());
      const master = cluster.master({ client });
      await master.ready();
      // Who writes often is told by a second: one of these is five, for a machine that has much else to do.
      const unhurried = { execArgv: ['--require', fastTime], env: { FAST_TIME: '0.2' } };
      const worker = cluster.worker({ client, ...unhurried });
      await worker.ready();
      for (let n = 0; n < 20; n++) await worker.set(`space/t${n}`, { n, text: 'x'.repeat(100) });
      await worker.command('hold', { path: 'space/last' });
      if (client) await eventually(() => hasAllAnswers(worker));
      const { outcome, writing } = await whileStopped(master, async () => {
        const writing = worker.command('letGo', { value: { text: 'y'.repeat(100) } }).then(() => 'written');
        const giveUp = new Promise((resolve) => setTimeout(resolve, WATCHED_MS, 'waits for the master'));
        return { outcome: await (client ? writing : Promise.race([writing, giveUp])), writing };
      });
      await writing;
      expect(outcome).toBe('written');
      expect(await master.get('space/last/text')).toBe('y'.repeat(100));
    },
  );

  itInFull(
    'what a worker had ready and did not need is free again, when it has stopped writing and when it closes',
    async () => {
      const write = async (peer: AceBaseProcess, from: number) => {
        for (let n = from; n < from + 10; n++) await peer.set(`things/t${n}`, { n, text: 'x'.repeat(100) });
      };
      const taken = (peer: AceBaseProcess) => peer.command<number>('takenRecords', {});
      const cluster = await Cluster.start();
      ends.push(() => cluster.end());
      const [master, worker] = await cluster.form(1, { client: true });
      await write(worker, 0);
      await worker.untilSent('fst.release', 1);
      await write(worker, 10);
      await worker.closeAndEnd();
      // Behind all that the worker has said.
      await master.untilReceived('bye');
      // What a process by itself takes, which allocates when it writes.
      const path = await temporaryDirectory('alone');
      ends.push(() => removeDirectory(path));
      const alone = new AceBaseProcess({ name: 'alone', database: 'mydb', path });
      ends.push(() => alone.kill());
      await alone.ready();
      await write(alone, 0);
      await write(alone, 10);
      expect(await taken(master)).toBe(await taken(alone));
    },
  );
});

describe('off (row 25)', () => {
  both('events end when the last subscriber has left, and not before', async (client) => {
    const [master, worker] = await peersOf(client);
    const one = await master.subscribe('off/a', 'value');
    const two = await master.subscribe('off/a', 'value');
    await worker.untilSubscribed('off/a', 'value');
    await one.stop();
    await worker.set('off/a', 1);
    await two.event(({ value }) => value === 1);
    await two.stop();
    // Whatever goes to the master now goes behind the end of the subscription.
    await master.set('off/b', 1);
    await worker.get('off/b');
    const before = (await worker.counts()).sent['event'];
    await worker.set('off/a', 2);
    expect((await worker.counts()).sent['event']).toBe(before);
  });
});
