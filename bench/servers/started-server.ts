import { fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { BenchProcess } from '../bench-process.js';

/** Which server is measured. */
export type ServerKind = 'ours' | 'yardstick';

/** What a server has cost so far. */
export interface Costs {
  readonly cpuMicroseconds: number;
  /** The part of it that the operating system took. */
  readonly kernelMicroseconds: number;
  readonly rssBytes: number;
  /** The most memory since it was last asked. */
  readonly peakBytes: number;
  /** Of the pauses since it was last asked. */
  readonly pauseP99Ms: number;
  readonly longestPauseMs: number;
  /** What the server refused or dropped, by kind; the yardstick knows of nothing. */
  readonly counters: Readonly<Record<string, number>>;
}

/** From the process of a server to who started it. */
export type FromHost =
  | { readonly kind: 'port'; readonly port: number }
  | { readonly kind: 'costs'; readonly costs: Costs };

/** A server that runs in a process of its own, ready to be measured. */
export interface StartedServer {
  readonly port: number;
  readonly pid: number;
  /** What it has cost so far; `undefined` if it cannot tell. */
  costs(): Promise<Costs | undefined>;
  /** Ends it. */
  end(): Promise<void>;
}

const hostPath = fileURLToPath(new URL('host.js', import.meta.url));

/**
 * Starts the yardstick or ours.
 *
 * @param execArgv flags for Node, such as `--cpu-prof`
 */
export async function startServer(
  kind: ServerKind,
  execArgv: readonly string[] = [],
): Promise<StartedServer> {
  const child = fork(hostPath, [kind], {
    execArgv: [...execArgv],
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  });
  const host = new BenchProcess<FromHost>(kind, child);
  const { port } = await host.next('port');
  return {
    port,
    pid: host.pid,
    async costs() {
      const answer = host.next('costs');
      host.tell('costs');
      return (await answer).costs;
    },
    end: () => host.end(),
  };
}
