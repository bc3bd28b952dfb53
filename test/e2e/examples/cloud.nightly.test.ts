import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { AceBaseProcess } from '../../support/acebase-process.js';
import type { WatchedProcess } from '../../support/child-process.js';
import { exampleFile, startExample } from '../../support/example.js';
import { freePorts } from '../../support/free-port.js';
import { Balancer, DatabaseClient, HttpLoad } from '../../support/http-load.js';
import { privateAuthority } from '../../support/private-authority.js';
import { expectSharedDatabase, expectStored } from '../../support/shared-database.js';
import { removeDirectory, temporaryDirectory } from '../../support/temporary-directory.js';
import { eventually } from '../../support/waiting.js';

const command = fileURLToPath(new URL('../../../dist/cli/main.js', import.meta.url));
const script = exampleFile('cloud', 'start-db.js');
const database = 'mydb';
const password = 'correct horse battery staple';
// With all the characters that clients put into the URL as they are.
const token = 'f0+Y/2%3D==';

const WORKERS = 3;

const processes: WatchedProcess[] = [];
let path: string;
/** What every AceBase process is told. */
let environment: Record<string, string>;
let server: WatchedProcess;
let master: WatchedProcess;
let workers: readonly Worker[];
let observer: AceBaseProcess;
let load: HttpLoad;

function start(name: string, file: string, env: Record<string, string>): WatchedProcess {
  const started = startExample(name, file, env);
  processes.push(started);
  return started;
}

/** An acebase-server, as its orchestrator sees it. */
class Worker {
  readonly origin: string;
  #process: WatchedProcess | undefined;

  constructor(private readonly port: number) {
    this.origin = `http://localhost:${port}`;
  }

  /** Starts a process, and resolves when it can be sent requests. */
  async start(): Promise<void> {
    const started = start(`worker ${this.port}`, script, {
      ...environment,
      ACEBASE_IPC_ROLE: 'worker',
      DB_ADMIN_PASSWORD: password,
      HTTP_HOST: 'localhost',
      HTTP_PORT: String(this.port),
    });
    this.#process = started;
    const died = started.exited.then(() => Promise.reject(new Error(started.describe())));
    const ready = eventually(() => new DatabaseClient(this.origin, database).ping());
    await Promise.race([ready, died]);
  }

  /** Ends the process as orchestrators do, and expects that it ends well. */
  async stop(): Promise<void> {
    expect(await this.#process?.end('SIGTERM')).toEqual({ code: 0, signal: null });
  }
}

let accessToken: string;

/** A client that is signed in, and has one connection, to one worker. */
function client(worker: Worker | undefined): DatabaseClient {
  return new DatabaseClient(worker?.origin ?? '', database, { keepAlive: true, accessToken });
}

beforeAll(async () => {
  path = await temporaryDirectory('cloud');
  const authority = await privateAuthority(path);
  const [ipcPort = 0, ...httpPorts] = await freePorts(1 + WORKERS);
  const folder = join(path, `${database}.acebase`);
  environment = {
    DB_NAME: database,
    DB_PATH: path,
    ACEBASE_IPC_HOST: 'localhost',
    ACEBASE_IPC_PORT: String(ipcPort),
    ACEBASE_IPC_SSL: '1',
    ACEBASE_IPC_TOKEN: token,
    NODE_EXTRA_CA_CERTS: authority.caPath,
  };
  server = start('IPC server', command, {
    ACEBASE_IPC_SERVER_HOST: 'localhost',
    ACEBASE_IPC_SERVER_PORT: String(ipcPort),
    ACEBASE_IPC_SERVER_TOKEN: token,
    ACEBASE_IPC_SERVER_SSL_CERT_PATH: authority.certPath,
    ACEBASE_IPC_SERVER_SSL_KEY_PATH: authority.keyPath,
  });
  master = start('master', script, { ...environment, ACEBASE_IPC_ROLE: 'master' });

  // No supervisor starts these processes again, so they come when they find what they need: the root of the
  // database, after the 128 KiB of tables with which its file begins.
  await eventually(async () => (await stat(join(folder, 'data.db'))).size > 2 ** 17);
  // The first server makes the account of the administrator. Two that do so at the same time make two of that name,
  // and only one of them stays.
  const [first, ...others] = httpPorts.map((port) => new Worker(port)) as [Worker, ...Worker[]];
  await first.start();
  await Promise.all(others.map((worker) => worker.start()));
  workers = [first, ...others];
  accessToken = await new DatabaseClient(first.origin, database).signIn('admin', password);

  observer = new AceBaseProcess({
    name: 'observer',
    database,
    path,
    ipc: { port: ipcPort, role: 'worker', ssl: true, token },
    env: { NODE_EXTRA_CA_CERTS: authority.caPath },
  });
  await observer.ready();
});

afterAll(async () => {
  await Promise.all([observer?.kill(), ...processes.map((process) => process.end('SIGKILL'))]);
  await removeDirectory(path);
});

describe('examples/cloud', () => {
  it('serves one database from several processes, over TLS and with a token', async () => {
    await expectSharedDatabase([client(workers[0]), client(workers[1])], observer);
  });

  it('carries values of a megabyte in answers and events', async () => {
    const subscription = await observer.subscribe('large', 'value');
    const writer = client(workers[1]);
    // Nothing tells when the writer's process knows of the subscription.
    let count = 0;
    await eventually(async () => {
      await writer.set('large', `small ${++count}`);
      return subscription.events.length > 0;
    });
    const value = 'ä'.repeat(2 ** 20);
    await writer.set('large', value);
    await subscription.event((event) => event.value === value);
    expect(await client(workers[0]).get('large')).toBe(value);
  });

  it('restarts the workers one at a time under load: at most what is under way to the one that stops fails', async () => {
    const balancers = [1, 2, 3].map(() => new Balancer(workers.map(client)));
    load = new HttpLoad('rolling', balancers);
    let failed = 0;
    for (const worker of workers) {
      await load.progress(20);
      expect(load.failures).toHaveLength(failed);
      await worker.stop();
      await worker.start();
      // The system resets connections that the process had not yet accepted when it closed its port.
      const reset = { code: 'ECONNRESET', origin: worker.origin };
      for (const { error } of load.failures.slice(failed)) expect(error).toMatchObject(reset);
      failed = load.failures.length;
    }
    await load.progress(20);
    await load.stop();
    expect(load.failures).toHaveLength(failed);
  });

  it('ends at SIGTERM in the order workers, master, server, and the data is there', async () => {
    await observer.closeAndEnd();
    await Promise.all(workers.map((worker) => worker.stop()));
    expect(await master.end('SIGTERM')).toEqual({ code: 0, signal: null });
    expect(await server.end('SIGTERM')).toEqual({ code: 0, signal: null });
    await expectStored(path, database, [load]);
  });
});
