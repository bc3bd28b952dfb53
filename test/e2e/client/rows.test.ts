import { mkdir, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, it } from 'vitest';
import type { AceBaseProcess } from '../../support/acebase-process.js';
import { Cluster } from '../../support/cluster.js';
import { isInFull } from '../../support/in-full.js';

const slowDisk = fileURLToPath(new URL('../../support/slow-fs.cjs', import.meta.url));
let cluster: Cluster | undefined;

afterEach(async () => {
  await cluster?.end();
});

/**
 * Each fault with stock clients, and the cure by the same test. What is wrong with stock clients changes with their
 * versions only: `npm test` shows one of it, `npm run test:nightly` all.
 */
function both(title: string, check: (client: boolean) => Promise<void>, isShownAlways = false): void {
  const wrong = isShownAlways || isInFull ? it : undefined;
  wrong?.(`${title}: wrong with stock clients`, () =>
    expect(check(false)).rejects.toThrow(/expected|Expected/),
  );
  it(`${title}: right with ours`, () => check(true));
}

async function formed<N extends 1 | 2>(workers: N, client: boolean, more: object = {}) {
  cluster = await Cluster.start();
  return cluster.form(workers, { client, ...more });
}

describe('values (row 10)', () => {
  both(
    'dates, BigInts, binary and holes survive in events',
    async (client) => {
      const [master, worker] = await formed(1, client);
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
    },
    true,
  );

  both('an index on dates finds what a worker has written', async (client) => {
    const [master, worker] = await formed(1, client);
    await master.createIndex('visits', 'at');
    for (let n = 0; n < 5; n++) await worker.set(`visits/v${n}`, { at: new Date(1_000_000 * n) });
    const found = await master.query('visits', [['at', '==', new Date(2_000_000)]]);
    expect(found.map(({ key }) => key)).toEqual(['v2']);
  });
});

describe('the root (row 15)', () => {
  both('an update of the root is not repeated by who hears of it', async (client) => {
    const [master, first, second] = await formed(2, client);
    for (let n = 0; n < 20; n++) await [first, second][n % 2]?.set(`key_${n}_of_the_root`, { n });
    const counts = await Promise.all([master, first, second].map((peer) => peer.counts()));
    expect(counts.reduce((sum, { sent }) => sum + (sent['root.update'] ?? 0), 0)).toBeGreaterThan(0);
    expect(
      counts.reduce((sum, { sent }) => sum + (sent['root.update echo'] ?? 0), 0),
      'expected no echo',
    ).toBe(0);
  });
});

describe('indexes', () => {
  both('an index that the master makes while others write misses nothing (row 19)', async (client) => {
    const [master, first, second] = await formed(2, client);
    const seed = Object.fromEntries(Array.from({ length: 300 }, (_, n) => [`s${n}`, { age: n }]));
    await master.set('people', seed);
    let isOver = false;
    const write = async (worker: AceBaseProcess, name: string) => {
      let count = 0;
      while (!isOver) await worker.set(`people/${name}${count++}`, { age: 1_000 });
      return count;
    };
    const writing = Promise.all([write(first, 'a'), write(second, 'b')]);
    await master.createIndex('people', 'age');
    isOver = true;
    const written = (await writing).reduce((sum, count) => sum + count, 0);
    const found = await master.query('people', [['age', '==', 1_000]]);
    expect(found.length).toBe(written);
  });

  both('a worker reads the index file that has taken the place of its own (row 20)', async (client) => {
    const [master, worker] = await formed(1, client);
    await master.set('people', { a: { age: 1 } });
    await worker.createIndex('people', 'age');
    expect((await worker.query('people', [['age', '>', 0]])).length).toBe(1);
    await master.command('rebuildIndex', { path: 'people', key: 'age' });
    for (let n = 0; n < 5; n++) await master.set(`people/p${n}`, { age: 1_000 });
    expect((await worker.query('people', [['age', '==', 1_000]])).length).toBe(5);
  });

  both(
    'a query after an acknowledged write finds it, whatever was asked meanwhile (row 21)',
    async (client) => {
      const [master, first, second] = await formed(2, client);
      await master.set('people', { a: { age: 0 } });
      await master.createIndex('people', 'age');
      await Promise.all([first, second].map((worker) => worker.untilReceived('index.created')));
      const stale: number[] = [];
      for (let n = 1; n <= 40; n++) {
        let isOver = false;
        const asking = Promise.all(
          [first, second, master].map(async (peer) => {
            while (!isOver) await peer.query('people', [['age', '==', n]]);
          }),
        );
        await first.set('people/a', { age: n });
        isOver = true;
        await asking;
        for (const peer of [first, second, master]) {
          if ((await peer.query('people', [['age', '==', n]])).length !== 1) stale.push(n);
        }
      }
      expect(stale).toEqual([]);
    },
  );

  both(
    'a worker that has the folder under another path keeps indexes up to date (row 22)',
    async (client) => {
      cluster = await Cluster.start();
      const real = join(cluster.path, 'real');
      const linked = join(cluster.path, 'linked');
      await mkdir(real);
      await symlink(real, linked);
      const master = cluster.master({ client, path: real });
      await master.ready();
      await master.set('people', { a: { age: 1 } });
      await master.createIndex('people', 'age');
      const worker = cluster.worker({ client, path: linked });
      await worker.ready();
      await worker.untilPeers(1);
      await worker.set('people/b', { age: 2 });
      expect((await master.query('people', [['age', '==', 2]])).map(({ key }) => key)).toEqual(['b']);
    },
  );
});

describe('files', () => {
  both('an index can be made on a slow disk', async (client) => {
    const env = { SLOW_FS_FILES: '\\.build$', SLOW_FS_CALLS: 'write' };
    const [master, worker] = await formed(1, client, { execArgv: ['--require', slowDisk], env });
    await master.set('people', { a: { age: 1, height: 3 }, b: { age: 2, height: 4 } });
    const attempt = (key: string) => master.createIndex('people', key).then(() => 'made', String);
    // The second takes longer than any write for the first that is still under way when that is said to be made.
    expect([await attempt('age'), await attempt('height')]).toEqual(['made', 'made']);
    expect((await worker.query('people', [['age', '>', 1]])).map(({ key }) => key)).toEqual(['b']);
  });
});

describe('locks', () => {
  both('a worker that reads many values at one time asks for one lock', async (client) => {
    const [master, worker] = await formed(1, client);
    const keys = Array.from({ length: 100 }, (_, n) => `t${n}`);
    await master.set('things', Object.fromEntries(keys.map((key, n) => [key, { n }])));
    const asked = async () => (await worker.counts()).sent['lock-request'] ?? 0;
    const before = await asked();
    // Until all of them wait for a lock, none is granted.
    process.kill(master.pid, 'SIGSTOP');
    const reading = worker.command('getAll', { paths: keys.map((key) => `things/${key}`) });
    await worker.untilSent('lock-request', before + 1);
    const questions = (await asked()) - before;
    process.kill(master.pid, 'SIGCONT');
    expect(await reading).toEqual(keys.map((_, n) => ({ n })));
    expect(questions, `expected one, not ${questions}`).toBe(1);
  });
});

it('a worker that reads and exits in the same turn leaves no lock behind', async () => {
  cluster = await Cluster.start({ watchProcesses: false });
  const [master, reader, writer] = await cluster.form(2, { client: true });
  await master.set('things', { a: 1 });
  reader.command('getAndExit', { path: 'things/a' }).catch(() => undefined);
  await reader.exited;
  await writer.set('things/b', 2);
  expect(cluster.server.lines.map((line) => line['incident'])).not.toContain('locks-recovered');
});

describe('closing (row 23)', () => {
  both('the transaction log has every write that was acknowledged', async (client) => {
    const [master] = await formed(1, client, { transactions: { log: true } });
    const writes = Array.from({ length: 20 }, (_, n) => master.set(`k${n}`, n).then(() => n));
    // Closed while they are under way: those that succeed must be in the log.
    const closing = master.command('close', {}).catch(() => undefined);
    const outcomes = await Promise.allSettled(writes);
    await closing;
    const acknowledged = outcomes.flatMap((it) => (it.status === 'fulfilled' ? [`k${it.value}`] : []));
    await master.kill();
    const logged = await cluster?.reopened((file) => file.mutations(), { transactions: { log: true } });
    const paths = JSON.stringify(logged);
    expect(acknowledged.length).toBeGreaterThan(0);
    expect(acknowledged.filter((key) => !paths.includes(`"${key}"`))).toEqual([]);
  });
});

/** The longest that a stock client is watched while it waits. */
const WATCHED_MS = 1_000;

describe('space in the file', () => {
  both(
    'a worker that writes often needs no answer of the master in the middle of a write',
    async (client) => {
      const [master, worker] = await formed(1, client);
      for (let n = 0; n < 20; n++) await worker.set(`things/t${n}`, { n, text: 'x'.repeat(100) });
      await worker.command('hold', { path: 'things/last' });
      process.kill(master.pid, 'SIGSTOP');
      const writing = worker.command('letGo', { value: { text: 'y'.repeat(100) } }).then(() => 'written');
      const giveUp = new Promise((resolve) => setTimeout(resolve, WATCHED_MS, 'waits for the master'));
      const outcome = await (client ? writing : Promise.race([writing, giveUp]));
      process.kill(master.pid, 'SIGCONT');
      await writing;
      expect(outcome).toBe('written');
      expect(await master.get('things/last/text')).toBe('y'.repeat(100));
    },
  );

  it('what a worker had ready and did not need is free again, when it has stopped writing and when it closes', async () => {
    const taken: number[] = [];
    for (const client of [false, true]) {
      const [master, worker] = await formed(1, client);
      const write = async (from: number) => {
        for (let n = from; n < from + 10; n++) await worker.set(`things/t${n}`, { n, text: 'x'.repeat(100) });
      };
      await write(0);
      if (client) await worker.untilSent('fst.release', 1);
      await write(10);
      await worker.closeAndEnd();
      // Behind all that the worker has said.
      await master.untilReceived('bye');
      taken.push(await master.command('takenRecords', {}));
      await cluster?.end();
    }
    expect(taken[1]).toBe(taken[0]);
  });
});

describe('off (row 25)', () => {
  both('events end when the last subscriber has left, and not before', async (client) => {
    const [master, worker] = await formed(1, client);
    const one = await master.subscribe('a', 'value');
    const two = await master.subscribe('a', 'value');
    await worker.untilSubscribed('a', 'value');
    await one.stop();
    await worker.set('a', 1);
    await two.event(({ value }) => value === 1);
    await two.stop();
    // Whatever goes to the master now goes behind the end of the subscription.
    await master.set('b', 1);
    await worker.get('b');
    const before = (await worker.counts()).sent['event'];
    await worker.set('a', 2);
    expect((await worker.counts()).sent['event']).toBe(before);
  });
});
