import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { AceBaseProcess } from '../support/acebase-process.js';
import { Cluster } from '../support/cluster.js';
import { freePort } from '../support/free-port.js';
import { removeDirectory, temporaryDirectory } from '../support/temporary-directory.js';
import { eventually } from '../support/waiting.js';
import type { Cast } from './casts.js';

/** Something that every version should be able to do. */
export interface Scenario {
  /** The heading of its column. */
  readonly name: string;
  /** Needs no cluster. */
  readonly alone?: true;
  run(cast: Cast): Promise<void>;
}

const cleo = { name: 'Cleo', age: 44 };
const people = { ann: { name: 'Ann', age: 31 }, bob: { name: 'Bob', age: 52 } };

async function inCluster(work: (cluster: Cluster) => Promise<void>): Promise<void> {
  const cluster = await Cluster.startProcess({ options: { logLevel: 'info' } });
  try {
    await work(cluster);
  } finally {
    await cluster.end();
  }
}

async function formed(
  cluster: Cluster,
  cast: Cast,
): Promise<[AceBaseProcess, AceBaseProcess, AceBaseProcess]> {
  const master = cluster.master(await cast.master());
  await master.ready();
  const [first, second] = cast.workers;
  const workers = [cluster.worker(await first()), cluster.worker(await second())] as const;
  await Promise.all(workers.map((worker) => worker.ready()));
  const peers: [AceBaseProcess, AceBaseProcess, AceBaseProcess] = [master, ...workers];
  await Promise.all(peers.map((peer) => peer.untilPeers(2)));
  return peers;
}

/** Sorted here: acebase 1.18.0 does not sort results as it was asked to, without IPC too. */
async function over40(database: AceBaseProcess): Promise<string[]> {
  const found = await database.query('people', [['age', '>', 40]]);
  return found.map((it) => it.key).sort();
}

/** First of all: does this version work on this Node at all, without us? */
const byItself: Scenario = {
  name: 'no IPC',
  alone: true,
  async run(cast) {
    const path = await temporaryDirectory('matrix');
    const member = await cast.workers[0]();
    const ipc = cast.ignoresIPC && { ipc: { port: await freePort(), role: 'master' as const } };
    const database = new AceBaseProcess({ name: 'alone', database: 'mydb', path, ...member, ...ipc });
    try {
      await database.ready();
      assert.equal(await database.joins(), false);
      await database.set('people', people);
      await database.transaction('visits', { increment: 2 });
      assert.deepEqual(await database.get('people'), people);
      assert.equal(await database.get('visits'), 2);
      assert.deepEqual(await database.query('people', [['age', '>', 40]]), [
        { key: 'bob', value: people.bob },
      ]);
      // With the client, it has a journal; 1.18 writes past it.
      const hasJournal = cast.hasClient === true && !cast.name.includes('1.18');
      assert.equal(existsSync(join(path, 'mydb.acebase/data.redo')), hasJournal);
    } finally {
      await database.kill();
      await removeDirectory(path);
    }
  },
};

const sharing: Scenario = {
  name: 'write/read/query/event',
  run: (cast) =>
    inCluster(async (cluster) => {
      const [master, writer, reader] = await formed(cluster, cast);
      const events = await reader.subscribe('people', 'child_added');
      await Promise.all([master, writer].map((peer) => peer.untilSubscribed('people', 'child_added')));
      await writer.set('people', people);
      await master.set('people/cleo', cleo);
      assert.deepEqual(await reader.get('people'), { ...people, cleo });
      assert.deepEqual(await over40(reader), ['bob', 'cleo']);
      await events.atLeast(3);
      assert.deepEqual(events.events.map((it) => it.path).sort(), [
        'people/ann',
        'people/bob',
        'people/cleo',
      ]);
      await cluster.close();
    }),
};

/** What workers write must be found by the index of the master. */
const indexed: Scenario = {
  name: 'indexed writes',
  run: (cast) =>
    inCluster(async (cluster) => {
      const [master, writer, reader] = await formed(cluster, cast);
      await master.createIndex('people', 'age');
      await Promise.all([writer, reader].map((peer) => peer.untilReceived('index.created')));
      // It reads the index then, and tells the master nothing for it before.
      await eventually(() => writer.hasIndex('people', 'age'));
      await writer.set('people', people);
      await master.set('people/cleo', cleo);
      assert.deepEqual(await over40(reader), ['bob', 'cleo']);
      await cluster.close();
    }),
};

const indexing: Scenario = {
  name: 'index by a worker',
  run: (cast) =>
    inCluster(async (cluster) => {
      const [master, writer, reader] = await formed(cluster, cast);
      await reader.set('people', people);
      await writer.createIndex('people', 'age');
      await reader.untilReceived('index.created');
      await master.set('people/cleo', cleo);
      assert.deepEqual(await over40(reader), ['bob', 'cleo']);
      await cluster.close();
    }),
};

const counting: Scenario = {
  name: 'transactions',
  run: (cast) =>
    inCluster(async (cluster) => {
      const peers = await formed(cluster, cast);
      const increments = Array.from({ length: 20 }, () => ({
        command: 'transaction' as const,
        path: 'counters/visits',
        change: { increment: 1 },
      }));
      await Promise.all(peers.map((peer) => peer.apply(increments)));
      assert.deepEqual(await Promise.all(peers.map((peer) => peer.get('counters/visits'))), [60, 60, 60]);
      await cluster.close();
    }),
};

const large: Scenario = {
  name: '1 MB event',
  run: (cast) =>
    inCluster(async (cluster) => {
      const [, writer, reader] = await formed(cluster, cast);
      const events = await reader.subscribe('blobs', 'child_added');
      await writer.untilSubscribed('blobs', 'child_added');
      const megabyte = 'abcdefgh'.repeat(131_072);
      await writer.set('blobs/large', megabyte);
      const { value } = await events.event((it) => it.path === 'blobs/large');
      assert.ok(value === megabyte, 'the event holds another value');
      assert.ok((await reader.get('blobs/large')) === megabyte, 'the file holds another value');
      await cluster.close();
    }),
};

const masterLast: Scenario = {
  name: 'master last',
  run: (cast) =>
    inCluster(async (cluster) => {
      const members = await Promise.all(cast.workers.map((member) => member()));
      const early = members.map((member) => cluster.worker(member));
      // Our client does not print what it receives; that they know each other shows as much.
      if (!cast.hasClient) await Promise.all(early.map((worker) => worker.untilReceived('welcome')));
      await Promise.all(early.map((worker) => worker.untilPeers(1)));
      const master = cluster.master(await cast.master());
      await master.ready();
      const workers = await Promise.all(early.map((it, index) => cluster.supervised(it, members[index])));
      await Promise.all(workers.map((worker, index) => worker.set(`texts/worker${index}`, `text ${index}`)));
      const expected = { worker0: 'text 0', worker1: 'text 1' };
      for (const peer of [master, ...workers]) assert.deepEqual(await peer.get('texts'), expected);
      await cluster.close();
    }),
};

/** The IPC server is killed and started again while all write: what only our client survives. */
const restart: Scenario = {
  name: 'server restart',
  run: (cast) =>
    inCluster(async (cluster) => {
      const peers = await formed(cluster, cast);
      const writes = peers.map(async (peer, place) => {
        for (let n = 0; n < 40; n++) await peer.set(`items/p${place}_${n}`, { n });
        await peer.transaction('counter', { increment: 1 });
      });
      await cluster.restartServer();
      await Promise.all(writes);
      await cluster.close();
      const items = await cluster.reopened((file) => file.get<object>('items'), await cast.master());
      assert.equal(Object.keys(items).length, 120);
    }),
};

/** Writes by HTTP to one server and reads by HTTP from another. */
const overHTTP: Scenario = {
  name: 'over HTTP',
  run: (cast) =>
    inCluster(async (cluster) => {
      const master = cluster.master(await cast.master());
      await master.ready();
      const members = await Promise.all(cast.workers.map((member) => member()));
      const workers = members.map((member) => cluster.worker(member));
      await Promise.all(workers.map((worker) => worker.ready()));
      const url = (index: number) => `http://localhost:${members[index]?.server?.port}/data/mydb/people`;
      const put = await fetch(url(0), {
        method: 'PUT',
        headers: { 'Content-Type': 'application/json', Connection: 'close' },
        body: JSON.stringify({ val: people }),
      });
      assert.equal(put.status, 200);
      const answer = (await (await fetch(url(1), { headers: { Connection: 'close' } })).json()) as {
        val: unknown;
      };
      assert.deepEqual(answer.val, people);
      await cluster.close();
    }),
};

/** The columns of the table. */
export const scenarios: readonly Scenario[] = [
  byItself,
  sharing,
  indexed,
  indexing,
  counting,
  large,
  masterLast,
  restart,
  overHTTP,
];

/** Whether a scenario means anything for a cast. */
export async function applies(scenario: Scenario, cast: Cast): Promise<boolean> {
  if (cast.alone !== undefined) return scenario.alone === true;
  if (scenario === restart) return cast.hasClient === true;
  if (scenario === overHTTP) return (await cast.workers[0]()).server !== undefined;
  // What a version does by itself is shown once, in the row where all are of that version.
  return scenario !== byItself || !cast.name.startsWith('master');
}
