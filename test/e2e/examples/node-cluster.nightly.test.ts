import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import type { WatchedProcess } from '../../support/child-process.js';
import { exampleFile, slowDisk, startExample } from '../../support/example.js';
import { freePorts } from '../../support/free-port.js';
import { DatabaseClient, HttpLoad } from '../../support/http-load.js';
import { expectStored } from '../../support/shared-database.js';
import { removeDirectory, temporaryDirectory } from '../../support/temporary-directory.js';
import { eventually } from '../../support/waiting.js';

const database = 'mydb';
let path: string;
let origin: string;
let cluster: WatchedProcess;

async function start(options: Readonly<Record<string, string>> = {}): Promise<void> {
  path = await temporaryDirectory('node-cluster');
  const [port] = await freePorts(1);
  origin = `http://localhost:${port}`;
  cluster = startExample('cluster', exampleFile('node-cluster', 'cluster.js'), {
    DB_NAME: database,
    DB_PATH: path,
    HTTP_PORT: String(port),
    DB_SERVERS: '2',
    ...options,
  });
}

afterEach(async () => {
  await cluster?.end('SIGKILL');
  await removeDirectory(path);
});

describe('examples/node-cluster', () => {
  it('serves one database from several processes, and ends at SIGINT', async () => {
    await start();
    await eventually(() => new DatabaseClient(origin, database).ping());
    const clients = [1, 2, 3, 4].map(() => new DatabaseClient(origin, database, { keepAlive: true }));
    const load = new HttpLoad('load', clients);
    await load.progress(40);
    await load.stop();
    expect(load.failures).toEqual([]);
    expect(await cluster.end('SIGINT')).toEqual({ code: 0, signal: null });
    await expectStored(path, database, [load]);
  });

  it('ends at SIGINT while its workers still open the database', async () => {
    // AceBase has taken the signal over by then, but ends nothing; acebase-server does not listen for it yet.
    await start(slowDisk);
    await cluster.complains(/not using https[\s\S]*not using https/);
    expect(await cluster.end('SIGINT')).toEqual({ code: 0, signal: null });
  });

  it('ends at SIGINT before the first worker was started', async () => {
    await start(slowDisk);
    await eventually(() => existsSync(join(path, `${database}.acebase`, 'data.db')));
    expect(await cluster.end('SIGINT')).toEqual({ code: 0, signal: null });
    expect(cluster.complaints).not.toContain('not using https');
  });
});
