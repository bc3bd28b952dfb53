/** One run of one load against one server. */

import { fork } from 'node:child_process';
import { BenchProcess } from './bench-process.js';
import { compiledLoad } from './compiled-load.js';
import type { FromGenerator, GeneratorOrder, GeneratorResult } from './load/generator.js';
import type { LoadSpec, Phase } from './load/load.js';
import type { WireName } from './load/wire.js';
import { startNatsServer } from './servers/nats-server.js';
import { type Costs, type ServerKind, type StartedServer, startServer } from './servers/started-server.js';
import { percentile } from './statistics.js';

/** What can be measured. */
export type Contestant = ServerKind | 'nats';

/** How long a load runs. */
export interface Duration {
  readonly warmUpMs: number;
  readonly runMs: number;
}

/** What one run has shown. */
export interface Sample {
  readonly messages: number;
  readonly perSecond: number;
  /** CPU time of the server for each message, in microseconds: what neighbours on the machine hardly change. */
  readonly serverMicroseconds?: number;
  /** The part of it that the operating system took: reading and writing. */
  readonly kernelMicroseconds?: number;
  /** Shares of one core. */
  readonly serverShare?: number;
  readonly generatorShare: number;
  readonly roundTripP50Ms?: number;
  readonly roundTripP99Ms?: number;
  /** Pauses of the server's event loop. */
  readonly pauseP99Ms?: number;
  readonly longestPauseMs?: number;
  /** What the server has grown by from begin to end, and at most. */
  readonly grownBytes?: number;
  readonly peakBytes?: number;
  /** How long the parts of the load took. */
  readonly phases?: readonly Phase[];
  /** What ours refused or dropped meanwhile. */
  readonly counters?: Readonly<Record<string, number>>;
}

/** Starts a server, runs a load, ends both. */
export async function takeSample(
  contestant: Contestant,
  load: LoadSpec,
  duration: Duration,
  execArgv: readonly string[] = [],
): Promise<Sample> {
  const server = await (contestant === 'nats' ? startNatsServer() : startServer(contestant, execArgv));
  try {
    return await sampleOf(server, contestant === 'nats' ? 'nats' : 'websocket', load, duration);
  } finally {
    await server.end();
  }
}

/** Runs a load against a server that is there. */
export async function sampleOf(
  server: StartedServer,
  wire: WireName,
  load: LoadSpec,
  duration: Duration,
): Promise<Sample> {
  const order = { port: server.port, wire, load, ...duration };
  const generator = startGenerator(order);
  try {
    await generator.next('ready');
    const before = await server.costs();
    const done = generator.next('done');
    generator.tell('go');
    const { result } = await done;
    const after = await server.costs();
    generator.tell('end');
    const generated = {
      messages: result.messages,
      perSecond: result.messages / result.seconds,
      generatorShare: result.cpuSeconds / result.seconds,
      ...roundTripsOf(result),
      ...(result.phases === undefined ? {} : { phases: result.phases }),
    };
    return before === undefined || after === undefined
      ? generated
      : { ...generated, ...costsOf(before, after, result) };
  } finally {
    await generator.end();
  }
}

/** Starts a load generator; it opens its connections, warms up, and says that it is ready. */
export function startGenerator(order: GeneratorOrder): BenchProcess<FromGenerator> {
  const child = fork(compiledLoad(), [JSON.stringify(order)], {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  });
  return new BenchProcess(`the load "${order.load.kind}"`, child);
}

function roundTripsOf({ roundTrips = [] }: GeneratorResult): Partial<Sample> {
  if (roundTrips.length === 0) return {};
  return { roundTripP50Ms: percentile(roundTrips, 50), roundTripP99Ms: percentile(roundTrips, 99) };
}

function costsOf(before: Costs, after: Costs, { messages, seconds }: GeneratorResult): Partial<Sample> {
  const cpu = after.cpuMicroseconds - before.cpuMicroseconds;
  return {
    serverMicroseconds: cpu / messages,
    kernelMicroseconds: (after.kernelMicroseconds - before.kernelMicroseconds) / messages,
    serverShare: cpu / 1e6 / seconds,
    pauseP99Ms: after.pauseP99Ms,
    longestPauseMs: after.longestPauseMs,
    grownBytes: after.rssBytes - before.rssBytes,
    peakBytes: Math.max(0, after.peakBytes - before.rssBytes),
    counters: after.counters,
  };
}
