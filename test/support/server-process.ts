import { spawn } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { type Exit, WatchedProcess } from './child-process.js';
import { removeDirectory, temporaryDirectory } from './temporary-directory.js';
import { Arrivals, within } from './waiting.js';

/** A line of the server's log. */
export type LogLine = Readonly<Record<string, unknown>>;

export interface ServerProcessOptions {
  /** Options of the server under their names in code. They are given by `--config`; default port 0, on localhost. */
  readonly options?: Readonly<Record<string, unknown>>;
  /** Flags beside that. */
  readonly flags?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** How many files it may open; default: as many as the test. */
  readonly openFiles?: number;
}

// The same tests can be run against another server, such as the original: that is how its faults were found.
export const otherServerScript = process.env['IPC_SERVER_SCRIPT'];
const script = otherServerScript ?? fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));

/** The command, as users start it, in a process of its own. */
export class ServerProcess {
  readonly #process: WatchedProcess;
  readonly #directory: string;
  readonly #lines = new Arrivals<LogLine>();
  #port = 0;

  private constructor(process: WatchedProcess, directory: string) {
    this.#process = process;
    this.#directory = directory;
  }

  /** Starts the server and resolves when it listens. */
  static async start(settings: ServerProcessOptions = {}): Promise<ServerProcess> {
    const directory = await temporaryDirectory('server');
    const config = join(directory, 'config.json');
    const options = { host: 'localhost', port: 0, logLevel: 'debug', ...settings.options };
    await writeFile(config, JSON.stringify(options), { mode: 0o600 });
    const command = [process.execPath, script, '--config', config, ...(settings.flags ?? [])];
    const limit = settings.openFiles === undefined ? '' : `ulimit -n ${settings.openFiles} && `;
    const child = spawn('sh', ['-c', `${limit}exec "$@"`, 'sh', ...command], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, ...settings.env },
    });
    const server = new ServerProcess(new WatchedProcess('IPC server', child), directory);
    createInterface({ input: child.stdout }).on('line', (text) => server.#lines.add(parseLine(text)));
    try {
      const listening = server.#lines.first((line) => typeof line['port'] === 'number');
      const describe = () => `The server does not listen: ${server.describe()}`;
      const first = await within(60_000, describe, Promise.race([listening, server.exited]));
      if (server.#process.exit) throw new Error(`The server did not start: ${server.describe()}`);
      server.#port = (first as LogLine)['port'] as number;
      return server;
    } catch (error) {
      await server.kill();
      throw error;
    }
  }

  get port(): number {
    return this.#port;
  }

  get pid(): number {
    return this.#process.pid;
  }

  get exited(): Promise<Exit> {
    return this.#process.exited;
  }

  /** What it has logged so far. */
  get lines(): readonly LogLine[] {
    return this.#lines.all;
  }

  /** The first line of the log that fits, whether it is there already or still to come. */
  line(fits: (line: LogLine) => boolean): Promise<LogLine> {
    const describe = () =>
      `No such line in the log:\n${this.lines.map((it) => JSON.stringify(it)).join('\n')}`;
    return within(60_000, describe, this.#lines.first(fits));
  }

  /** For the message of a failing test. */
  describe(): string {
    const log = this.lines.slice(-40).map((line) => JSON.stringify(line));
    return `${this.#process.describe()}\n${log.join('\n')}`;
  }

  /** Asks the server to stop, as a supervisor does. */
  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<Exit> {
    const exit = await this.#process.end(signal);
    await removeDirectory(this.#directory);
    return exit;
  }

  kill(): Promise<Exit> {
    return this.stop('SIGKILL');
  }
}

function parseLine(text: string): LogLine {
  try {
    return JSON.parse(text) as LogLine;
  } catch {
    return { text };
  }
}
