import { expect } from 'vitest';
import { AceBaseProcess } from './acebase-process.js';
import { exampleFile } from './example.js';
import { freePorts } from './free-port.js';
import { DatabaseClient, HttpLoad } from './http-load.js';
import { Pm2, type Pm2Exit } from './pm2.js';
import { expectStored } from './shared-database.js';
import { removeDirectory, temporaryDirectory } from './temporary-directory.js';
import { eventually } from './waiting.js';

const database = 'mydb';

/** One of the examples for pm2, with ports, files and a pm2 of its own. */
export class Pm2Example {
  readonly #observers: AceBaseProcess[] = [];
  readonly #loads: HttpLoad[] = [];

  private constructor(
    readonly pm2: Pm2,
    /** The folder that holds the database. */
    readonly path: string,
    readonly ipcPort: number,
    /** Where the acebase-server processes listen, all on one port. */
    readonly origin: string,
  ) {}

  /**
   * Starts nothing yet.
   *
   * @param servers how many acebase-server processes
   * @param env more for the environment of all apps
   */
  static async create(
    name: string,
    servers: number,
    env: Readonly<Record<string, string>> = {},
  ): Promise<Pm2Example> {
    const path = await temporaryDirectory(name);
    const [ipcPort = 0, httpPort = 0] = await freePorts(2);
    const pm2 = await Pm2.create(exampleFile(name, 'ecosystem.config.js'), {
      DB_NAME: database,
      DB_PATH: path,
      HTTP_PORT: String(httpPort),
      ACEBASE_IPC_SERVER_PORT: String(ipcPort),
      DB_SERVERS: String(servers),
      ...env,
    });
    return new Pm2Example(pm2, path, ipcPort, `http://localhost:${httpPort}`);
  }

  client(options: { keepAlive?: boolean } = {}): DatabaseClient {
    return new DatabaseClient(this.origin, database, options);
  }

  /** Starts the apps in this order, each launched before the next, and resolves when all are ready and a write gets through. */
  async startInOrder(apps: readonly string[]): Promise<void> {
    const commands: Promise<void>[] = [];
    for (const app of apps) {
      // The command itself takes until the app is ready, and that may need the apps that are to come.
      commands.push(this.pm2.start(app));
      await eventually(async () => (await this.pm2.log()).includes(`App [${app}:`));
    }
    await this.untilItWorks();
    await Promise.all(commands);
    // A process that did not find what it needs ends, and pm2 starts it again.
    await eventually(async () => (await this.pm2.processes()).every(({ status }) => status === 'online'));
  }

  /** Resolves when a write gets through: the server, the master and a worker have found each other. */
  async untilItWorks(): Promise<void> {
    const client = this.client();
    await eventually(() => client.set('probe', Date.now()).then(() => true), {
      timeout: 60_000,
      interval: 200,
    });
  }

  /**
   * Reloads an app while clients write, and resolves when they get on after it. One half of the clients keeps its
   * connection, the other makes one for each request. No process had to be killed because it did not end in time.
   */
  async reloadUnderLoad(app: string): Promise<HttpLoad> {
    const clients = [true, true, false, false].map((keepAlive) => this.client({ keepAlive }));
    const load = new HttpLoad(`during-${app}`, clients);
    this.#loads.push(load);
    await load.progress(20);
    await this.pm2.run('reload', app);
    await load.progress(20);
    await load.stop();
    const exits = await this.pm2.exits();
    expect(exits.filter(({ signal }) => signal === 'SIGKILL')).toEqual([]);
    return load;
  }

  /** A process that is not under pm2, as a worker of the same cluster. */
  async observer(): Promise<AceBaseProcess> {
    const ipc = { port: this.ipcPort, role: 'worker' } as const;
    const observer = new AceBaseProcess({ name: 'observer', database, path: this.path, ipc });
    this.#observers.push(observer);
    await observer.ready();
    return observer;
  }

  /** The ids of all that are connected to the IPC server. */
  async peers(): Promise<readonly string[]> {
    const response = await fetch(`http://localhost:${this.ipcPort}/${database}_data/clients`);
    return ((await response.json()) as { id: string }[]).map((peer) => peer.id);
  }

  /** Stops one app after the other, and gives how their processes ended. */
  async shutDown(...apps: readonly string[]): Promise<readonly Pm2Exit[]> {
    const before = (await this.pm2.exits()).length;
    for (const app of apps) await this.pm2.run('stop', app);
    return (await this.pm2.exits()).slice(before);
  }

  /** With all processes gone: everything that was acknowledged during the reloads is in the file. */
  expectStored(): Promise<void> {
    return expectStored(this.path, database, this.#loads);
  }

  /** Ends every process and removes the files, however the test went. */
  async end(): Promise<void> {
    await Promise.all(this.#observers.map((observer) => observer.kill()));
    await this.pm2.end();
    await removeDirectory(this.path);
  }
}
