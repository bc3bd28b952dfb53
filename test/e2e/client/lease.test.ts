import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, it } from 'vitest';
import type { AceBaseProcess } from '../../support/acebase-process.js';
import { Cluster } from '../../support/cluster.js';
import { itInFull } from '../../support/in-full.js';
import { LineProxy } from '../../support/line-proxy.js';

/** The server notices a dead line soon, and waits for its peer for so long; the lease is shorter. */
const GRACE_MS = 3_000;
const server = (reconnectGrace: number) => ({
  reconnectGrace,
  heartbeatInterval: 200,
  heartbeatTimeout: 400,
});
const leaseWithin = (reconnectGrace: number) => Math.floor((reconnectGrace * 8) / 11);

const watchWrites = fileURLToPath(new URL('../../support/watch-writes.cjs', import.meta.url));
const watched = { env: { NODE_OPTIONS: `--require ${watchWrites}` } };

let cluster: Cluster | undefined;
let line: LineProxy | undefined;

afterEach(async () => {
  await cluster?.end();
  await line?.close();
  [cluster, line] = [undefined, undefined];
});

/** What it changed in the files of the database, and when: milliseconds since 1970. */
const changes = (database: AceBaseProcess): number[] =>
  [...database.complaints.matchAll(/^changes a file by \w+ at (\d+)$/gm)].map(([, at]) => Number(at));

const failureOf = (operation: Promise<unknown>): Promise<string> =>
  operation.then(
    () => 'it did not fail',
    (error: Error) => error.message,
  );

/** Resolves when the server has given the master up. */
const givenUp = ({ server }: Cluster): Promise<unknown> =>
  server.line(({ msg, peer }) => msg === 'peer disconnected' && peer === '[master]');

/** A master, a worker, and one of them, or another worker, behind a line that can be broken. */
async function begin(reconnectGrace: number, isMasterBehind: boolean, options: object = watched) {
  cluster = await Cluster.start(server(reconnectGrace));
  line = await LineProxy.start(cluster.server.port);
  const behind = { port: line.port, client: true, ...options };
  const master = cluster.master(isMasterBehind ? behind : { client: true });
  await master.ready();
  await master.set('accounts', { ann: 1, bob: 1 });
  const worker = cluster.worker({ client: true });
  await worker.ready();
  const other = isMasterBehind ? master : cluster.worker(behind);
  await other.ready();
  return { cluster, line, master, worker, other };
}

itInFull(
  'a process that is busy, while others wait for its lock, keeps it as long as its event loop turns now and then [PROTOCOL-13.5]',
  async () => {
    cluster = await Cluster.start({ reconnectGrace: GRACE_MS });
    const [, busy, other] = await cluster.form(2, { client: true });
    await busy.set('accounts', { ann: 1, bob: 1 });
    await busy.hold('accounts/ann');
    const waiting = other.set('accounts/bob', 2);
    await busy.block((GRACE_MS * 2) / 3, (GRACE_MS * 2) / 3 + 1);
    // It answers once in each turn.
    for (let turn = 0; turn < 4; turn++) await busy.counts();
    await busy.letGo(2);
    await waiting;
    expect(await other.get('accounts')).toEqual({ ann: 2, bob: 2 });
    expect(busy.complaints).not.toContain('new peer');
  },
);

describe('a process that cannot reach the server, and does not know [PROTOCOL-14.11]', () => {
  it('as a worker, changes nothing in the file after its lease, and comes back by itself', async () => {
    const { line, master, worker, other } = await begin(GRACE_MS, false);
    await other.set('accounts/ann', 2);
    await other.hold('accounts/ann');
    const cutAt = Date.now();
    line.stall();
    // Its lock is somebody else's when it goes on with its transaction.
    await worker.set('accounts/bob', 2);
    const failure = failureOf(other.letGo(99));
    await worker.set('accounts/bob', 3);
    line.resume();
    expect(await failure).toMatch(/IPC_CLIENT_LEASE_LOST|was lost with the connection/);
    const late = changes(other).filter((at) => at >= cutAt + leaseWithin(GRACE_MS));
    expect([changes(other).length > 0, late]).toEqual([true, []]);
    await other.set('accounts/cid', 4);
    expect(await master.get('accounts')).toEqual({ ann: 2, bob: 3, cid: 4 });
    expect(await other.get('accounts')).toEqual({ ann: 2, bob: 3, cid: 4 });
  });

  it('as a master, changes nothing in the files after its lease, and the next one finds them whole', async () => {
    const { cluster, line, master, worker } = await begin(GRACE_MS, true);
    await master.hold('accounts/ann');
    const cutAt = Date.now();
    line.stall();
    const next = cluster.master({ client: true, name: 'next master' });
    await next.ready();
    await worker.set('accounts/bob', 2);
    const failure = failureOf(master.letGo(99));
    await worker.set('accounts/bob', 3);
    line.resume();
    expect(await failure).toContain('IPC_CLIENT_LEASE_LOST');
    await master.untilComplains(/does not let this process in\. IPC_REFUSED_SECOND_MASTER/);
    const late = changes(master).filter((at) => at >= cutAt + leaseWithin(GRACE_MS));
    expect([changes(master).length > 0, late]).toEqual([true, []]);
    await next.set('accounts/cid', 4);
    for (const each of [next, worker]) expect(await each.get('accounts')).toEqual({ ann: 1, bob: 3, cid: 4 });
  });

  itInFull(
    'as a worker, comes back though a transaction of it never ends, which has lost its lock',
    async () => {
      const { line, worker, other } = await begin(GRACE_MS, false);
      await other.hold('accounts/ann');
      line.stall();
      await worker.set('accounts/bob', 2);
      line.resume();
      await other.untilComplains(/is back as a new peer/);
      await other.set('accounts/cid', 4);
      expect(await failureOf(other.letGo(99))).toContain('IPC_CLIENT_LEASE_LOST');
      for (const each of [other, worker]) {
        expect(await each.get('accounts')).toEqual({ ann: 1, bob: 2, cid: 4 });
      }
    },
  );

  itInFull('as a master, comes back as a new one, though a transaction of it never ends', async () => {
    const { cluster, line, master, worker } = await begin(GRACE_MS, true);
    await master.hold('accounts/ann');
    line.stall();
    await givenUp(cluster);
    // No master is there: it waits.
    const waiting = worker.set('accounts/bob', 2);
    line.resume();
    await master.untilComplains(
      /is back as a new peer\. The IPC server had not heard this process for \d+\.\d s/,
    );
    await waiting;
    await master.set('accounts/cid', 4);
    expect(await failureOf(master.letGo(99))).toContain('IPC_CLIENT_LEASE_LOST');
    for (const each of [master, worker]) {
      expect(await each.get('accounts')).toEqual({ ann: 1, bob: 2, cid: 4 });
    }
    await worker.set('accounts/dan', 5);
    expect(await master.get('accounts/dan')).toBe(5);
  });

  itInFull(
    'as a master in whose place another one was, comes back with the tables that that one has left',
    async () => {
      const { cluster, line, master, worker } = await begin(GRACE_MS, true, {});
      await master.createIndex('accounts', 'balance');
      line.stall();
      const next = cluster.master({ client: true, name: 'next master' });
      await next.ready();
      const balances = (who: string, count: number): Record<string, object> =>
        Object.fromEntries(
          Array.from({ length: count }, (_, n) => [
            `of-${who}${n}`,
            { balance: n, [`key-${who}${n}`]: 'x'.repeat(200) },
          ]),
        );
      for (const [key, value] of Object.entries(balances('next', 30)))
        await next.set(`accounts/${key}`, value);
      await worker.update('accounts', balances('worker', 30));
      await next.closeAndEnd();
      line.resume();
      await master.untilComplains(/is back as a new peer/);
      for (const [key, value] of Object.entries(balances('first', 30)))
        await master.set(`accounts/${key}`, value);
      await worker.update('accounts', balances('last', 30));
      // Its folder was the other one's meanwhile: it takes it back when it is let in, and is not given up for that once more.
      expect(master.complaints.match(/is back as a new peer/g)).toHaveLength(1);
      expect(master.complaints).not.toContain('its folder');
      const records = (await readdir(join(cluster.path, 'mydb.acebase'))).filter((name) =>
        name.startsWith('ipc-owner'),
      );
      expect(records).toEqual(['ipc-owner.json']);
      const all = { ann: 1, bob: 1 };
      for (const who of ['next', 'worker', 'first', 'last']) Object.assign(all, balances(who, 30));
      for (const each of [master, worker]) {
        expect(await each.get('accounts')).toEqual(all);
        expect(await each.query('accounts', [['balance', '>=', 28]])).toHaveLength(8);
      }
      for (const each of [worker, master]) await each.closeAndEnd();
      await cluster.reopened(async (database) => expect(await database.get('accounts')).toEqual(all));
    },
  );

  itInFull('as a master with a transaction log, comes back with both files', async () => {
    cluster = await Cluster.start(server(GRACE_MS));
    line = await LineProxy.start(cluster.server.port);
    const logged = { client: true, transactions: { log: true } };
    const master = cluster.master({ ...logged, port: line.port });
    await master.ready();
    const worker = cluster.worker(logged);
    await worker.ready();
    await master.set('accounts', { ann: 1 });
    await master.hold('accounts/ann');
    line.stall();
    await givenUp(cluster);
    line.resume();
    await master.untilComplains(/mydb_data is back as a new peer/);
    await master.untilComplains(/mydb_transaction is back as a new peer/);
    await master.set('accounts/bob', 2);
    await worker.set('accounts/cid', 3);
    expect(await failureOf(master.letGo(99))).toContain('IPC_CLIENT_LEASE_LOST');
    expect(await worker.get('accounts')).toEqual({ ann: 1, bob: 2, cid: 3 });
    expect(await master.mutations()).toEqual(await worker.mutations());
  });

  itInFull(
    'as a master that is killed then, leaves a file in which the others find what it wrote',
    async () => {
      const { cluster, line, master, worker } = await begin(GRACE_MS, true);
      const written = Object.fromEntries(
        Array.from({ length: 20 }, (_, n) => [`account${n}`, 'x'.repeat(50)]),
      );
      for (const [n, [key, value]] of Object.entries(written).entries()) {
        // The root has moved already, and the others know; it moves again, and what it leaves is given to something else.
        if (n === 10) line.stall();
        await master.set(key, value);
      }
      await master.kill();
      const next = cluster.master({ client: true, name: 'next master' });
      await next.ready();
      for (let n = 0; n < 12; n++) await worker.set(`accounts/of-worker${n}`, 'y'.repeat(200));
      const { accounts, ...others } = (await worker.get('')) as Record<string, object>;
      expect(others).toEqual(written);
      expect(Object.keys(accounts ?? {})).toHaveLength(14);
      expect(await next.get('')).toEqual({ accounts, ...written });
    },
  );

  itInFull('goes on where it was when the line is back before others have got its place', async () => {
    const grace = 2 * GRACE_MS;
    const { line, master, other } = await begin(grace, false);
    await other.hold('accounts/ann');
    line.stall();
    await delay(leaseWithin(grace));
    const done = other.letGo(99);
    await other.untilComplains(/reading and writing wait/);
    line.resume();
    await done;
    await other.untilComplains(/goes on after \d+\.\d s: nobody else has got what it held/);
    expect(await master.get('accounts')).toEqual({ ann: 99, bob: 1 });
  });
});

// No heartbeat will find it out.
const inVain = { reconnectGrace: GRACE_MS, heartbeatInterval: 600_000, heartbeatTimeout: 1_200_000 };
const ended = 'others wait for a peer that answers no ping; it is given up';

const ways: readonly ['worker' | 'master', 'stopped' | 'cut off'][] = [
  ['worker', 'cut off'],
  ['master', 'stopped'],
  ['worker', 'stopped'],
  ['master', 'cut off'],
];
for (const [role, how] of ways)
  itInFull(
    `a ${role} that is ${how} while others wait for it lets them go on, and comes back [PROTOCOL-13.5]`,
    async () => {
      cluster = await Cluster.start(inVain);
      line = await LineProxy.start(cluster.server.port);
      const behind = { port: line.port, client: true };
      const master = cluster.master(role === 'master' ? behind : { client: true });
      await master.ready();
      await master.set('accounts', { ann: 1 });
      const worker = cluster.worker({ client: true });
      const other = role === 'master' ? master : cluster.worker(behind);
      await Promise.all([worker.ready(), other.ready()]);
      await other.hold('accounts/ann');
      if (how === 'stopped') process.kill(other.pid, 'SIGSTOP');
      else line.stall();
      const written = worker.set('accounts/bob', 2);
      await cluster.server.line(({ msg }) => msg === ended);
      if (role === 'worker') await written;
      else await givenUp(cluster);
      const failure = failureOf(other.letGo(99));
      if (how === 'stopped') process.kill(other.pid, 'SIGCONT');
      else line.resume();
      expect(await failure).toMatch(/IPC_CLIENT_LEASE_LOST|was lost with the connection/);
      await other.set('accounts/cid', 3);
      await written;
      for (const each of [worker, other])
        expect(await each.get('accounts')).toEqual({ ann: 1, bob: 2, cid: 3 });
    },
  );
