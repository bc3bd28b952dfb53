import { fork } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { BenchProcess } from '../bench-process.js';

/** What a member is told at its start. */
export interface MemberOptions {
  readonly member: number;
  readonly database: string;
  readonly path: string;
  /** AceBase's `storage.ipc`. */
  readonly ipc?:
    | 'socket'
    | { readonly host: string; readonly port: number; readonly role: 'master' | 'worker' };
  /** The module of our client, if it is to be installed. */
  readonly client?: string;
}

/** What a member is to do: for how long, and how much of it at one time. */
export interface Order {
  readonly what: 'fill' | 'write' | 'read';
  readonly milliseconds: number;
  readonly streams: number;
}

/** From a member to who started it. */
export type FromMember =
  | { readonly kind: 'ready' }
  | { readonly kind: 'done'; readonly count: number; readonly seconds: number };

const memberPath = fileURLToPath(new URL('member.cjs', import.meta.url));

/** How the members of a cluster talk, and how many there are. */
export interface ClusterSettings {
  /** Members that work. */
  readonly workers: number;
  /** The port of our server, or AceBase's own way, or nothing. */
  readonly ipc: number | 'socket' | undefined;
  readonly client: string | undefined;
}

/** Real AceBase processes that share one database in a directory of its own. */
export class Cluster {
  readonly #directory: string;
  readonly #members: BenchProcess<FromMember>[] = [];
  #workers: readonly BenchProcess<FromMember>[] = [];

  private constructor(directory: string) {
    this.#directory = directory;
  }

  /** Starts it: the master first, if there is one, then the workers. */
  static async start(settings: ClusterSettings): Promise<Cluster> {
    const cluster = new Cluster(await mkdtemp(join(tmpdir(), 'acebase-bench-')));
    try {
      // With sockets, the first one that comes is the master.
      if (settings.ipc !== undefined) await cluster.#add(settings, 'master');
      for (let count = 0; count < settings.workers; count++) await cluster.#add(settings, 'worker');
      cluster.#workers = cluster.#members.slice(-settings.workers);
      return cluster;
    } catch (error) {
      await cluster.end();
      throw error;
    }
  }

  /** Lets the first worker write the records that are read later. */
  async fill(): Promise<void> {
    const [first] = this.#workers;
    if (first !== undefined) await ask(first, { what: 'fill', milliseconds: 0, streams: 1 });
  }

  /** Lets all workers do something. @returns how often they did it, each second, all together */
  rate(order: Order): Promise<number> {
    return rateOf(this.#workers, order);
  }

  /** Lets the first worker write while all others read. @returns how often, each second, the readers all together */
  async mixedRates(milliseconds: number): Promise<{ readonly writes: number; readonly reads: number }> {
    const order = { milliseconds, streams: 1 };
    const [writes, reads] = await Promise.all([
      rateOf(this.#workers.slice(0, 1), { what: 'write', ...order }),
      rateOf(this.#workers.slice(1), { what: 'read', ...order }),
    ]);
    return { writes, reads };
  }

  /** Ends all processes, and removes the database. */
  async end(): Promise<void> {
    await Promise.all(this.#members.map((member) => member.end()));
    await rm(this.#directory, { recursive: true, force: true });
  }

  async #add({ ipc, client }: ClusterSettings, role: 'master' | 'worker'): Promise<void> {
    const options: MemberOptions = {
      member: this.#members.length,
      database: 'bench',
      path: this.#directory,
      ...(ipc === undefined ? {} : { ipc: ipc === 'socket' ? ipc : { host: '127.0.0.1', port: ipc, role } }),
      ...(client === undefined ? {} : { client }),
    };
    // Stock clients print every message; nobody reads that here.
    const child = fork(memberPath, [JSON.stringify(options)], {
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    });
    const member = new BenchProcess<FromMember>(`AceBase ${role}`, child);
    this.#members.push(member);
    await member.next('ready');
  }
}

async function rateOf(workers: readonly BenchProcess<FromMember>[], order: Order): Promise<number> {
  const results = await Promise.all(workers.map((worker) => ask(worker, order)));
  return results.reduce((total, { count, seconds }) => total + count / seconds, 0);
}

async function ask(
  member: BenchProcess<FromMember>,
  order: Order,
): Promise<Extract<FromMember, { kind: 'done' }>> {
  const done = member.next('done');
  member.tell(order);
  return done;
}
