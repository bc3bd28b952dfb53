import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { WatchedProcess } from '../../support/child-process.js';
import { exampleFile, freePorts, startExample } from '../../support/example.js';
import { DatabaseClient, HttpLoad } from '../../support/http-load.js';
import { expectStored } from '../../support/shared-database.js';
import { removeDirectory, temporaryDirectory } from '../../support/temporary-directory.js';
import { eventually } from '../../support/waiting.js';

const database = 'mydb';
let path: string;
let origin: string;
let cluster: WatchedProcess;

beforeAll(async () => {
  path = await temporaryDirectory('node-cluster');
  const [port] = await freePorts(1);
  origin = `http://localhost:${port}`;
  cluster = startExample('cluster', exampleFile('node-cluster', 'cluster.js'), {
    DB_NAME: database,
    DB_PATH: path,
    HTTP_PORT: String(port),
    DB_SERVERS: '2',
  });
  await eventually(() => new DatabaseClient(origin, database).ping());
});

afterAll(async () => {
  await cluster?.end('SIGKILL');
  await removeDirectory(path);
});

describe('examples/node-cluster', () => {
  it('serves one database from several processes, and ends at SIGINT', async () => {
    const clients = [1, 2, 3, 4].map(() => new DatabaseClient(origin, database, { keepAlive: true }));
    const load = new HttpLoad('load', clients);
    await load.progress(100);
    await load.stop();
    expect(load.failures).toEqual([]);
    expect(await cluster.end('SIGINT')).toEqual({ code: 0, signal: null });
    await expectStored(path, database, [load]);
  });
});
