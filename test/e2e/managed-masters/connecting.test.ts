import { readFile } from 'node:fs/promises';
import { networkInterfaces } from 'node:os';
import { afterEach, describe, expect, it, onTestFinished } from 'vitest';
import type { ServerOptions } from '../../../src/index.js';
import { Cluster } from '../../support/cluster.js';
import { itInFull, someOf } from '../../support/in-full.js';
import { SERVES, servingMaster } from '../../support/managed-master.js';
import { privateAuthority } from '../../support/private-authority.js';
import { connectPath, RawSocket, upgradeRequest } from '../../support/raw-socket.js';
import { serve } from '../../support/served.js';
import { removeDirectory, temporaryDirectory } from '../../support/temporary-directory.js';

let cluster: Cluster | undefined;

afterEach(async () => {
  await cluster?.end();
  cluster = undefined;
});

async function folder(): Promise<string> {
  const path = await temporaryDirectory('managed');
  onTestFinished(() => removeDirectory(path));
  return path;
}

/** A server in this process with the master of `mydb`, and the number of that when it serves. */
async function served(options: ServerOptions = {}) {
  const path = await folder();
  // Enough to close; most servers of tests end without waiting for anybody.
  const all = await serve({ stopTimeout: 5_000, masters: { mydb: { path } }, ...options });
  const { log, server } = all;
  const lines = { port: all.port, lines: log.lines, line: log.line.bind(log) };
  const pid = await servingMaster({ ...lines, describe: () => '', kill: () => server.stop() });
  return { ...all, path, pid };
}

const host = Object.values(networkInterfaces())
  .flat()
  .find((it) => it !== undefined && !it.internal && it.family === 'IPv4')?.address;

describe('the way of a managed master to its server', () => {
  const ways: readonly [string, ServerOptions][] = [
    ['tokens of other databases', { token: { shop: 'sesame' } }],
    ['one connection for others', { maxConnections: 1 }],
    ['a token', { token: 'sesame-sesame-sesame' }],
    ['every interface', { host: '0.0.0.0', token: 'sesame-sesame-sesame' }],
    ...(host === undefined
      ? []
      : [['one address', { host, allowAnonymous: true }] as [string, ServerOptions]]),
  ];
  it.each(someOf(ways, 2))('needs nothing of what others do: %s', async (_, options) => {
    const { server, log, pid } = await served(options);
    expect(server.peers('mydb_data')).toMatchObject([{ id: '[master]', role: 'master', pid }]);
    expect(log.complaints).toEqual([]);
    await server.stop();
    expect(log.complaints).toEqual([]);
  });

  itInFull('needs no certificate where clients must show one', async () => {
    const { certPath, keyPath, caPath } = await privateAuthority(await folder());
    const { server, log, pid } = await served({ ssl: { certPath, keyPath, caPath } });
    expect(server.peers('mydb_data')).toMatchObject([{ id: '[master]', pid }]);
    expect(log.complaints).toEqual([]);
  });

  it('is open after a reload that changes tokens and databases', async () => {
    const { server, log, path, pid } = await served({ token: 'sesame-sesame-sesame' });
    const masters = { mydb: { path } };
    const options = { port: 0, stopTimeout: 5_000, masters, token: 'another-token-for-all' };
    expect(server.reload({ ...options, databases: ['mydb'] })).toEqual({
      changed: ['token', 'databases', 'adminToken'],
      needRestart: [],
    });
    expect(server.reload({ ...options, masters: {} }).needRestart).toEqual(['masters']);
    process.kill(pid, 'SIGKILL');
    await log.line(({ msg, masterPid }) => msg === SERVES && masterPid !== pid);
  });

  it('is closed to all others, who are not answered', async () => {
    const { server, log } = await served();
    const [{ address = '' } = {}] = server.peers('mydb_data');
    const privatePort = await portOfOtherEnd(Number(address.split(':').at(-1)));
    expect(privatePort).not.toBe(server.address?.port);
    for (const headers of [{}, { Authorization: 'Bearer 00112233' }]) {
      const socket = await RawSocket.connect({ port: privatePort });
      const path = connectPath({ id: '%5Bmaster%5D' });
      socket.send(upgradeRequest({ path, headers }));
      await socket.closed;
      expect(socket.received.length).toBe(0);
    }
    expect(log.complaints).toEqual([]);
  });
});

describe('another master of a database that has a managed one', () => {
  it('is refused, and the file is as it was', async () => {
    const { port, path, log } = await served();
    const file = `${path}/mydb.acebase/data.db`;
    const before = await readFile(file);
    const socket = await RawSocket.connect({ port });
    socket.send(upgradeRequest({ path: connectPath({ id: '%5Bmaster%5D' }) }));
    const { status, body } = await socket.response();
    expect([status, JSON.parse(body)]).toMatchObject([500, { code: 'IPC_REFUSED_MANAGED_MASTER' }]);
    expect(await readFile(file)).toEqual(before);
    expect(log.refusals).toMatchObject([{ code: 'IPC_REFUSED_MANAGED_MASTER' }]);
  });

  itInFull('gives up, with our client, and says so', async () => {
    cluster = await Cluster.managed();
    await servingMaster(cluster.server);
    const other = cluster.master({ client: true });
    await other.untilComplains(/IPC_REFUSED_MANAGED_MASTER/);
  });
});

/** The state of a connection, in `/proc/net/tcp`. */
const ESTABLISHED = '01';

/** Where a connection within this machine leads to, by the port of its other end. One that is over may have had that port before. */
async function portOfOtherEnd(port: number): Promise<number> {
  const end = port.toString(16).toUpperCase().padStart(4, '0');
  const text = await readFile('/proc/net/tcp', 'latin1');
  const [, local = ''] =
    new RegExp(`^ *\\d+: [0-9A-F]{8}:([0-9A-F]{4}) [0-9A-F]{8}:${end} ${ESTABLISHED} `, 'm').exec(text) ?? [];
  if (local === '') throw new Error(`no connection leads to port ${port}`);
  return Number.parseInt(local, 16);
}
