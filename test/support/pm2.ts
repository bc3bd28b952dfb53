import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { exampleEnvironment } from './example.js';
import { removeDirectory, temporaryDirectory } from './temporary-directory.js';
import { eventually } from './waiting.js';

const command = fileURLToPath(new URL('../../node_modules/pm2/bin/pm2', import.meta.url));

/** Ends a test that hangs; pm2 itself waits no longer than an app's `listen_timeout` and `kill_timeout`. */
const commandTimeoutMs = 60_000;

/** One process of an app, as `pm2 jlist` tells. */
export interface Pm2Process {
  readonly name: string;
  readonly pid: number;
  readonly status: string;
  readonly restarts: number;
  /** The instance number that pm2 gave it, for apps that have instances. */
  readonly instance: number | undefined;
}

/** How a process ended, as pm2 logged it. */
export interface Pm2Exit {
  readonly name: string;
  readonly code: number;
  readonly signal: string;
}

/** A pm2 of our own: its daemon, sockets and logs are in a temporary `PM2_HOME`. */
export class Pm2 {
  /** The daemon ends its processes, and then itself, at this signal too. */
  readonly #endDaemon = () => {
    const daemon = this.#daemon();
    if (isAlive(daemon)) process.kill(daemon as number, 'SIGTERM');
  };

  private constructor(
    readonly home: string,
    private readonly env: NodeJS.ProcessEnv,
    private readonly ecosystem: string,
  ) {}

  /** @param ecosystem the `ecosystem.config.js`; @param env the environment of all apps */
  static async create(ecosystem: string, env: Readonly<Record<string, string>>): Promise<Pm2> {
    const home = await temporaryDirectory('pm2');
    return new Pm2(home, { ...exampleEnvironment(env), PM2_HOME: home }, ecosystem);
  }

  /** Starts the apps of the ecosystem, or only those named, and resolves when they are ready or have failed. */
  async start(...names: string[]): Promise<void> {
    await this.run('start', this.ecosystem, ...(names.length > 0 ? ['--only', names.join(',')] : []));
  }

  /** Any pm2 command. Rejects, with what pm2 printed, if it fails. */
  run(...parameters: string[]): Promise<string> {
    return new Promise((resolve, reject) => {
      const options = { env: this.env, timeout: commandTimeoutMs, maxBuffer: 2 ** 26 };
      execFile(process.execPath, [command, ...parameters], options, async (error, stdout, stderr) => {
        if (!error) return resolve(stdout);
        reject(
          new Error(`pm2 ${parameters.join(' ')}: ${error.message}\n${stdout}${stderr}\n${await this.log()}`),
        );
      });
    });
  }

  async processes(name?: string): Promise<readonly Pm2Process[]> {
    const output = await this.run('jlist', '--silent');
    const list = JSON.parse(output.slice(output.indexOf('['))) as {
      name: string;
      pid: number;
      pm2_env: { status: string; restart_time: number; NODE_APP_INSTANCE?: number };
    }[];
    return list
      .map(({ name, pid, pm2_env }) => ({
        name,
        pid,
        status: pm2_env.status,
        restarts: pm2_env.restart_time,
        instance: pm2_env.NODE_APP_INSTANCE,
      }))
      .filter((it) => name === undefined || it.name === name);
  }

  /** What the daemon logged. */
  async log(): Promise<string> {
    return readFile(join(this.home, 'pm2.log'), 'utf8').catch(() => '');
  }

  /** What the processes of an app, or of all, wrote to stdout. */
  async output(name = ''): Promise<string> {
    const folder = join(this.home, 'logs');
    const files = (await readdir(folder)).filter((file) => file.startsWith(name) && file.includes('-out'));
    return (await Promise.all(files.map((file) => readFile(join(folder, file), 'utf8')))).join('');
  }

  /** Every process that has ended so far, in order. */
  async exits(): Promise<readonly Pm2Exit[]> {
    const pattern = /App \[(.+):\S+\] exited with code \[(\d+)\] via signal \[(\w+)\]/g;
    return Array.from((await this.log()).matchAll(pattern), ([, name = '', code, signal = '']) => ({
      name,
      code: Number(code),
      signal,
    }));
  }

  /** Ends every process and the daemon, as `pm2 kill` would, and removes the home. */
  async end(): Promise<void> {
    const daemon = this.#daemon();
    this.#endDaemon();
    await eventually(() => !isAlive(daemon));
    await removeDirectory(this.home);
  }

  #daemon(): number | undefined {
    try {
      return Number(readFileSync(join(this.home, 'pm2.pid'), 'utf8'));
    } catch {
      return undefined;
    }
  }
}

function isAlive(pid: number | undefined): boolean {
  try {
    return pid !== undefined && process.kill(pid, 0);
  } catch {
    return false;
  }
}
