import { fork } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { BenchProcess } from '../bench-process.js';
import { cpuTimeOf } from './cpu-time.js';

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
  /** What that is to outlive. Default: the client's. */
  readonly journal?: Journal;
}

/** What a journal of our client outlives. */
export type Journal = 'off' | 'process' | 'power';

/** What a member is to do: for how long, and how much of it at one time. */
export interface Order {
  /** `fill` makes the records of one writer, and those that all read; `remember` has so many nodes cached, and no others. */
  readonly what: 'fill' | 'remember' | 'write' | 'read';
  /** Not for `fill` and `remember`. */
  readonly milliseconds: number;
  readonly streams: number;
  /** For `remember`. */
  readonly nodes?: number;
}

/** From a member to who started it. */
export type FromMember =
  | { readonly kind: 'ready' }
  | {
      readonly kind: 'done';
      readonly seconds: number;
      /** How long each operation took, in milliseconds. */
      readonly durations: readonly number[];
      /** How long it waited for each lock, in milliseconds. */
      readonly lockWaits: readonly number[];
    };

/** What several members did. */
export interface Work {
  /** Operations each second, all together. */
  readonly rate: number;
  /** How long each took, and how long each lock was waited for, in milliseconds. */
  readonly durations: readonly number[];
  readonly lockWaits: readonly number[];
  /** Milliseconds of processor time for each operation: of those who did it, and of all processes. */
  readonly ownCpu: number;
  readonly allCpu: number;
}

const memberPath = fileURLToPath(new URL('member.cjs', import.meta.url));

/** How the members of a cluster talk, and how many there are. */
export interface ClusterSettings {
  /** Members that work. */
  readonly workers: number;
  /** Our server, or AceBase's own way, or nothing. */
  readonly ipc: { readonly port: number; readonly pid: number } | 'socket' | undefined;
  readonly client: string | undefined;
  readonly journal?: Journal;
}

/** Real AceBase processes that share one database in a directory of its own. */
export class Cluster {
  readonly #directory: string;
  readonly #members: BenchProcess<FromMember>[] = [];
  readonly #pids: number[] = [];
  #workers: readonly BenchProcess<FromMember>[] = [];

  private constructor(directory: string) {
    this.#directory = directory;
  }

  /** Starts it: the master first, if there is one, then the workers. */
  static async start(settings: ClusterSettings): Promise<Cluster> {
    const cluster = new Cluster(await mkdtemp(join(tmpdir(), 'acebase-bench-')));
    const { ipc } = settings;
    if (typeof ipc === 'object') cluster.#pids.push(ipc.pid);
    try {
      // With sockets, the first one that comes is the master.
      if (ipc !== undefined) await cluster.#add(settings, 'master');
      for (let count = 0; count < settings.workers; count++) await cluster.#add(settings, 'worker');
      cluster.#workers = cluster.#members.slice(-settings.workers);
      return cluster;
    } catch (error) {
      await cluster.end();
      throw error;
    }
  }

  /** Makes all records, one worker after the other: what is measured then makes no new keys. */
  async fill(streams: number): Promise<void> {
    for (const worker of this.#workers) await ask(worker, { what: 'fill', milliseconds: 0, streams });
  }

  /** Lets the first `workers` do something, or all. */
  work(order: Order, workers = this.#workers.length): Promise<Work> {
    return this.#work(this.#workers.slice(0, workers), order);
  }

  /**
   * Lets the first two workers write, while the master, which is as an elected one then, does so or does nothing.
   *
   * @returns what the workers did
   */
  async workBesideMaster(order: Order, isMasterBusy: boolean): Promise<Work> {
    const [master] = this.#members;
    if (master === undefined) throw new Error('there is no master');
    await ask(master, { what: 'fill', milliseconds: 0, streams: order.streams });
    const [ofWorkers] = await Promise.all([
      this.work(order, 2),
      isMasterBusy ? ask(master, order) : Promise.resolve(),
    ]);
    return ofWorkers;
  }

  /** Lets the first worker write while all others read. */
  async mixedWork(milliseconds: number): Promise<{ readonly writes: Work; readonly reads: Work }> {
    const order = { milliseconds, streams: 1 };
    const [writes, reads] = await Promise.all([
      this.#work(this.#workers.slice(0, 1), { what: 'write', ...order }),
      this.#work(this.#workers.slice(1), { what: 'read', ...order }),
    ]);
    return { writes, reads };
  }

  /**
   * Lets the first worker write.
   *
   * @param nodes that the second one, which does nothing else, has cached
   * @returns milliseconds of its processor time for each write
   */
  async bystanderCpu(milliseconds: number, nodes: number): Promise<number> {
    const [writer, bystander] = this.#workers;
    if (writer === undefined || bystander === undefined) throw new Error('two workers are needed');
    await ask(bystander, { what: 'remember', milliseconds: 0, streams: 0, nodes });
    await this.#work([writer], { what: 'write', milliseconds: milliseconds / 4, streams: 1 });
    const before = cpuTimeOf(bystander.pid);
    const { durations } = await this.#work([writer], { what: 'write', milliseconds, streams: 1 });
    return (cpuTimeOf(bystander.pid) - before) / durations.length;
  }

  /** Ends all processes, and removes the database. */
  async end(): Promise<void> {
    await Promise.all(this.#members.map((member) => member.end()));
    await rm(this.#directory, { recursive: true, force: true });
  }

  async #work(workers: readonly BenchProcess<FromMember>[], order: Order): Promise<Work> {
    const own = workers.map(({ pid }) => pid);
    const [ownBefore, allBefore] = [cpuTimesOf(own), cpuTimesOf(this.#pids)];
    const results = await Promise.all(workers.map((worker) => ask(worker, order)));
    const [ownAfter, allAfter] = [cpuTimesOf(own), cpuTimesOf(this.#pids)];
    const durations = results.flatMap((result) => result.durations);
    return {
      rate: results.reduce((total, result) => total + result.durations.length / result.seconds, 0),
      durations,
      lockWaits: results.flatMap((result) => result.lockWaits),
      ownCpu: (ownAfter - ownBefore) / durations.length,
      allCpu: (allAfter - allBefore) / durations.length,
    };
  }

  async #add({ ipc, client, journal }: ClusterSettings, role: 'master' | 'worker'): Promise<void> {
    const options: MemberOptions = {
      member: this.#members.length,
      database: 'bench',
      path: this.#directory,
      ...(ipc === undefined
        ? {}
        : { ipc: ipc === 'socket' ? ipc : { host: '127.0.0.1', port: ipc.port, role } }),
      ...(client === undefined ? {} : { client }),
      ...(journal === undefined ? {} : { journal }),
    };
    // Stock clients print every message; nobody reads that here.
    const child = fork(memberPath, [JSON.stringify(options)], {
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    });
    const member = new BenchProcess<FromMember>(`AceBase ${role}`, child);
    this.#members.push(member);
    this.#pids.push(member.pid);
    await member.next('ready');
  }
}

function cpuTimesOf(pids: readonly number[]): number {
  return pids.reduce((total, pid) => total + cpuTimeOf(pid), 0);
}

async function ask(
  member: BenchProcess<FromMember>,
  order: Order,
): Promise<Extract<FromMember, { kind: 'done' }>> {
  const done = member.next('done');
  member.tell(order);
  return done;
}
