import { once } from 'node:events';
import { afterEach, describe, expect, it, onTestFinished } from 'vitest';
import type { WebSocket } from 'ws';
import { Cluster } from '../support/cluster.js';
import { join } from '../support/conversation.js';
import { joinAsGrantingMaster } from '../support/granting-master.js';
import { isInFull, itInFull } from '../support/in-full.js';
import { connectPath } from '../support/raw-socket.js';
import { knock } from '../support/requests.js';
import { serve } from '../support/served.js';
import { ServerProcess } from '../support/server-process.js';
import { WriteLoad } from '../support/write-load.js';

let cluster: Cluster | undefined;

afterEach(() => cluster?.end());

const DRAINING = [
  'stopping',
  'draining: nobody is let in, and no transaction begins',
  'workers were told to come back',
  'masters were told to come back',
  'drained',
  'stopped',
];

/** Joins with a master, and with a worker that holds a lock. */
async function busy(port: number): Promise<{ master: WebSocket; worker: WebSocket; lockId: number }> {
  const master = await joinAsGrantingMaster({ port });
  const worker = await join({ port }, 'worker01');
  const granted = new Promise<{ data: { id: number } }>((resolve) => {
    worker.on('message', (data) => {
      if (String(data).includes('"lock-result"')) resolve(JSON.parse(String(data)));
    });
  });
  const data = { path: '', tid: 't', write: true, comment: '' };
  const request = { type: 'lock-request', from: 'worker01', to: '[master]', id: '1', data };
  worker.send(`to:[master];${JSON.stringify(request)}`);
  return { master, worker, lockId: (await granted).data.id };
}

const [RESTARTS, WORKERS] = isInFull ? [3, 2] : [1, 1];

describe('the command, at SIGTERM', () => {
  it('under load with our client: a pause, nothing lost, no event twice, and everything in its order', async () => {
    // Time enough on a busy machine: that somebody was not done would be a warning.
    cluster = await Cluster.startProcess({ options: { drainTimeout: '30s' } });
    const [master, ...workers] = await cluster.form<number>(WORKERS, { client: true });
    await master.set('items', { first: { n: 0 } });
    const watchers = [
      await master.subscribe('items', 'child_added'),
      ...(await Promise.all(workers.slice(0, 1).map((worker) => worker.subscribe('items', 'child_added')))),
    ];
    await Promise.all([master, ...workers].map((peer) => peer.untilSubscribed('items', 'child_added')));
    const load = new WriteLoad(workers);
    for (let restarts = 0; restarts < RESTARTS; restarts++) {
      await load.progress(20);
      const former = cluster.serverProcess;
      await cluster.restartServer('SIGTERM');
      expect(await former.exited).toEqual({ code: 0, signal: null });
      const lines = former.lines.map(({ msg }) => String(msg));
      expect(lines.filter((line) => DRAINING.includes(line))).toEqual(DRAINING);
      // Whoever was in the middle of something was let finish it.
      expect(former.lines.filter(({ level }) => level === 'error' || level === 'warn')).toEqual([]);
      await load.progress(20);
    }
    const acknowledged = await load.stop();
    for (const events of watchers) {
      await events.atLeast(acknowledged.size);
      const paths = events.events.map(({ path }) => path);
      expect(new Set(paths).size, 'events that came twice').toBe(paths.length);
      expect([...acknowledged.keys()].filter((path) => !paths.includes(path))).toEqual([]);
    }
    await cluster.close();
    const items = await cluster.reopened((file) => file.get<Record<string, { n: number }>>('items'));
    const wrong = [...acknowledged].filter(([path, n]) => items[path.replace('items/', '')]?.n !== n);
    expect(wrong).toEqual([]);
    expect([master, ...workers].flatMap(({ complaints }) => complaints.match(/rror: .*/g) ?? [])).toEqual([]);
  });

  // The broker's part of it: test/unit/broker/draining.test.ts.
  itInFull('with stock clients: who has begun gets its answers, and who has not is told so', async () => {
    cluster = await Cluster.startProcess({ options: { drainTimeout: '30s' } });
    const [, holder, other] = await cluster.form(2);
    await holder.set('a', { b: 0 });
    await holder.hold('a/b');
    const stopped = cluster.serverProcess.stop('SIGTERM');
    await cluster.server.line(({ msg }) => msg === DRAINING[1]);
    // It waits for a lock that nobody gives any more.
    const write = other.set('c', 1);
    const failure = expect(write).rejects.toThrow(/IPC_REQUEST_DRAINING/);
    await other.untilSent('lock-request');
    // A process that dies does not keep the others.
    await holder.kill();
    expect(await stopped).toEqual({ code: 0, signal: null });
    await failure;
  });

  it('a second signal ends it at once', async () => {
    const server = await ServerProcess.start({ options: { drainTimeout: '10m', masterSettle: 0 } });
    onTestFinished(() => void server.kill());
    await busy(server.port);
    process.kill(server.pid, 'SIGTERM');
    await server.line(({ msg }) => msg === DRAINING[1]);
    // Signals within half a second are taken for one.
    const again = setInterval(() => process.kill(server.pid, 'SIGTERM'), 100);
    const exit = await server.exited.finally(() => clearInterval(again));
    expect(exit).toEqual({ code: 143, signal: null });
  });
});

describe('server.drain()', () => {
  it('refuses newcomers with 503 and when to come again, while others finish', async () => {
    const { server, port, log } = await serve({ drainTimeout: '10m', masterSettle: 0, stopTimeout: '10s' });
    expect(server.isDraining).toBe(false);
    const { master, worker, lockId } = await busy(port);
    const drained = server.drain();
    expect(server.isDraining).toBe(true);
    const refused = await knock(port, connectPath({ id: 'newcomer' }));
    expect(refused).toMatchObject({ status: 503, headers: { 'retry-after': '1' } });
    expect(JSON.parse(refused.body)).toMatchObject({ code: 'IPC_REFUSED_DRAINING' });
    const closed = [worker, master].map((peer) => once(peer, 'close'));
    const giveBack = {
      type: 'unlock-request',
      from: 'worker01',
      to: '[master]',
      id: '2',
      data: { id: lockId },
    };
    worker.send(`to:[master];${JSON.stringify(giveBack)}`);
    const codes = (await Promise.all(closed)).map(([code, reason]) => [code, String(reason)]);
    expect(codes).toEqual([
      [4001, 'IPC_CLOSED_DRAINING'],
      [4001, 'IPC_CLOSED_DRAINING'],
    ]);
    await drained;
    expect(server.address).toBeNull();
    expect(log.lines.map(({ msg }) => msg).filter((msg) => DRAINING.includes(String(msg)))).toEqual(
      DRAINING.slice(1, -1),
    );
  });

  it('lets who was there come back when its line breaks', async () => {
    const { server, port } = await serve({ drainTimeout: '10m', masterSettle: 0 });
    await busy(port);
    const other = await join({ port }, 'worker02');
    const drained = server.drain();
    other.terminate();
    const back = await join({ port }, 'worker02');
    expect(server.peers('mydb_data').map(({ id }) => id)).toContain('worker02');
    expect((await knock(port, connectPath({ id: 'newcomer' }))).status).toBe(503);
    const closed = once(back, 'close');
    await Promise.all([server.stop(), drained, closed]);
  });

  it('waits no longer than drainTimeout, and ends at once at stop()', async () => {
    const short = await serve({ drainTimeout: 50, masterSettle: 0 });
    await busy(short.port);
    await short.server.drain();
    expect(short.log.complaints).toMatchObject([{ busyWorkers: 1, drainTimeout: 50 }]);

    const long = await serve({ drainTimeout: '10m', masterSettle: 0 });
    const { worker } = await busy(long.port);
    const closed = once(worker, 'close');
    const drained = long.server.drain();
    await Promise.all([long.server.stop(), drained, long.server.drain()]);
    expect((await closed)[0]).toBe(1001);
  });
});
