import { cp } from 'node:fs/promises';
import type { ServerOptions } from '../../src/index.js';
import { OWNER_FILE } from '../../src/platform/owner-record.js';
import { AceBaseProcess, type AceBaseProcessOptions } from './acebase-process.js';
import {
  type LogLine,
  otherServerScript,
  ServerProcess,
  type ServerProcessOptions,
} from './server-process.js';
import { removeDirectory, temporaryDirectory } from './temporary-directory.js';

/** As many workers as were asked for, where that is known when the test is compiled. */
type Workers<N extends number> = N extends keyof KnownWorkers ? KnownWorkers[N] : AceBaseProcess[];
type KnownWorkers = {
  0: [];
  1: [AceBaseProcess];
  2: [AceBaseProcess, AceBaseProcess];
  3: [AceBaseProcess, AceBaseProcess, AceBaseProcess];
  4: [AceBaseProcess, AceBaseProcess, AceBaseProcess, AceBaseProcess];
};

const PASSING = new RegExp(`${OWNER_FILE}|/ipc-check-`);

type DatabaseOptions = Partial<Omit<AceBaseProcessOptions, 'ipc'>> & {
  readonly token?: string;
  /** Another way to the server than its own port, such as a line that can be broken. */
  readonly port?: number;
};

/** The server of a cluster, wherever it runs. */
export interface ClusterServer {
  readonly port: number;
  /** What it has logged so far. */
  readonly lines: readonly LogLine[];
  /** The first line of the log that fits, whether it is there already or still to come. */
  line(fits: (line: LogLine) => boolean): Promise<LogLine>;
  /** For the message of a failing test. */
  describe(): string;
  /** Ends it, whatever it is in the middle of. */
  kill(): Promise<unknown>;
}

/**
 * One IPC server, its AceBase processes, and the folder with their files. Whoever makes a cluster ends it with
 * {@link Cluster.end}; after that nothing of it is left, however the test went.
 */
export class Cluster {
  readonly #processes: AceBaseProcess[] = [];
  #workers = 0;
  #server: ClusterServer;
  #restarting: Promise<ServerProcess> | undefined;

  private constructor(
    /** The folder that holds the databases. */
    readonly path: string,
    server: ClusterServer,
    readonly serverOptions: ServerProcessOptions = {},
  ) {
    this.#server = server;
  }

  /** Starts the server, embedded in this process, and nothing else yet. */
  static async start(options: ServerOptions = {}): Promise<Cluster> {
    if (otherServerScript !== undefined) return Cluster.startProcess({ options: { ...options } });
    // Only now: campaigns that start processes only need not load the server's source.
    const { EmbeddedServer } = await import('./embedded-server.js');
    const server = await EmbeddedServer.start(options);
    return new Cluster(await temporaryDirectory('cluster'), server);
  }

  /** The same with the command, in a process of its own, which can be killed and restarted. */
  static async startProcess(options: ServerProcessOptions = {}): Promise<Cluster> {
    const server = await ServerProcess.start(options);
    return new Cluster(await temporaryDirectory('cluster'), server, options);
  }

  /**
   * The same, with a server that runs the master of `mydb` itself.
   *
   * @param master its settings, beside the path
   */
  static async managed(
    options: ServerProcessOptions = {},
    master: Readonly<Record<string, unknown>> = {},
  ): Promise<Cluster> {
    const path = await temporaryDirectory('cluster');
    const all = { ...options, options: { ...options.options, masters: { mydb: { path, ...master } } } };
    return new Cluster(path, await ServerProcess.start(all), all);
  }

  get server(): ClusterServer {
    return this.#server;
  }

  /** The process of the server, which has one if the cluster was made with {@link Cluster.startProcess}. */
  get serverProcess(): ServerProcess {
    if (this.#server instanceof ServerProcess) return this.#server;
    throw new Error('the server of this cluster is embedded');
  }

  /** Ends the process of the server, and starts another one at the same port. @returns when that listens */
  async restartServer(signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
    const { port } = this.#server;
    await this.serverProcess.stop(signal);
    const options = { ...this.serverOptions.options, port };
    // Whoever gives up while it starts ends that one, too.
    this.#restarting = ServerProcess.start({ ...this.serverOptions, options });
    this.#server = await this.#restarting;
  }

  /** Starts the master; does not wait until it is ready. */
  master(options: DatabaseOptions = {}): AceBaseProcess {
    return this.#database('master', { name: 'master', ...options });
  }

  /** Starts a worker; does not wait until it is ready. */
  worker(options: DatabaseOptions = {}): AceBaseProcess {
    this.#workers += 1;
    return this.#database('worker', { name: `worker ${this.#workers}`, ...options });
  }

  /**
   * Resolves with a worker that is ready: the given one, or one that took its place, as a supervisor would see to it.
   *
   * For workers that start before there is a file. They look for it once a second; one that looks in the moment in
   * which the master writes it finds it half made and dies, on any server.
   */
  async supervised(worker: AceBaseProcess, options: DatabaseOptions = {}): Promise<AceBaseProcess> {
    try {
      await worker.ready();
      return worker;
    } catch (error) {
      if (!worker.complaints.includes('unsupported_db')) throw error;
      this.#processes.splice(this.#processes.indexOf(worker), 1);
      const next = this.worker(options);
      await next.ready();
      return next;
    }
  }

  /**
   * Starts a master and `count` workers, and resolves when all are ready and have met each other. The file is there
   * before the workers come, so none of them can find it half made.
   */
  async form<N extends number>(
    count: N,
    options: DatabaseOptions = {},
  ): Promise<[AceBaseProcess, ...Workers<N>]> {
    const master = this.master(options);
    await master.ready();
    const workers = Array.from({ length: count }, () => this.worker(options));
    await Promise.all(workers.map((worker) => worker.ready()));
    await Promise.all([master, ...workers].map((peer) => peer.untilPeers(count)));
    return [master, ...(workers as Workers<N>)];
  }

  /** Closes workers, then masters, in the order that users are taught, and waits until each process has ended. */
  async close(): Promise<void> {
    const running = this.#processes.splice(0).reverse();
    for (const role of ['worker', 'master'] as const) {
      const those = running.filter((it) => roles.get(it) === role);
      await Promise.all(those.map((it) => it.closeAndEnd()));
    }
  }

  /**
   * Opens the file in a new process with no IPC server, hands it to `look`, and closes it again. For what is really
   * in the file: nothing of it comes from a cache. With the client, it is a copy: others may have the folder. Files by which folders are told apart come and
   * go in it.
   */
  async reopened<T>(
    look: (database: AceBaseProcess) => Promise<T>,
    options: DatabaseOptions = {},
  ): Promise<T> {
    const { token: _token, port: _port, ...rest } = options;
    const copy = options.client === true ? await temporaryDirectory('copy') : undefined;
    if (copy !== undefined)
      await cp(this.path, copy, { recursive: true, filter: (file) => !PASSING.test(file) });
    const path = copy ?? this.path;
    const database = new AceBaseProcess({ name: 'fresh open', database: 'mydb', path, ...rest });
    try {
      await database.ready();
      return await look(database);
    } finally {
      await database.kill();
      if (copy !== undefined) await removeDirectory(copy);
    }
  }

  /** Ends every process that is still there, and removes the files. Nothing in it depends on anyone's good will. */
  async end(): Promise<void> {
    await Promise.all(this.#processes.splice(0).map((process) => process.kill()));
    const restarted = await this.#restarting?.catch(() => undefined);
    await Promise.all([this.#server.kill(), restarted?.kill()]);
    await removeDirectory(this.path);
  }

  #database(role: 'master' | 'worker', options: DatabaseOptions & { name: string }): AceBaseProcess {
    const { token, port = this.server.port, ...rest } = options;
    const ipc = { host: 'localhost', port, role, ...(token !== undefined && { token }) };
    const started = new AceBaseProcess({ database: 'mydb', path: this.path, ...rest, ipc });
    roles.set(started, role);
    this.#processes.push(started);
    return started;
  }
}

const roles = new WeakMap<AceBaseProcess, 'master' | 'worker'>();
