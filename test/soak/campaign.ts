import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { AceBaseProcess } from '../support/acebase-process.js';
import { Cluster } from '../support/cluster.js';
import { memoryNow } from '../support/process-memory.js';
import { differences } from '../torture/differences.js';
import { expectedFile, Workload } from '../torture/workload.js';
import { type Growth, growthOf, MemorySamples } from './memory-samples.js';

/** How long, and how many. */
export interface SoakOptions {
  /** Replays the same writes per worker. */
  readonly seed: number;
  readonly workers: number;
  /** Whether all processes have the client of this package. */
  readonly client: boolean;
  /** At half of the peak. */
  readonly milliseconds: number;
  /** Is told how it goes, now and then. */
  readonly onNews: (news: string) => void;
}

/** What came of it. */
export interface SoakReport {
  readonly operations: number;
  readonly perSecond: number;
  readonly peakPerSecond: number;
  readonly memory: readonly Growth[];
  /** What is wrong; nothing is right. */
  readonly findings: readonly string[];
}

const collectOften = fileURLToPath(new URL('collect-often.cjs', import.meta.url));
const BATCH = 25;
const MOST_PEAK_MS = 60_000;
const SAMPLES = 200;
const NEWS = 10;

/** A master and some workers write at half of the rate that they can keep up; then the file is opened fresh. */
export async function soak(options: SoakOptions): Promise<SoakReport> {
  const cluster = await Cluster.startProcess({
    options: { logLevel: 'info' },
    env: { NODE_OPTIONS: `--require ${collectOften}` },
  });
  try {
    const { seed, client, onNews, milliseconds } = options;
    const [master, ...workers] = await cluster.form(options.workers, { client });
    const workloads = workers.map((_, index) => new Workload(seed, index, options.workers));
    const peak = await write(workers, workloads, Math.min(milliseconds, MOST_PEAK_MS));
    onNews(`at the peak: ${peak.perSecond.toFixed(0)} writes per second`);
    const samples = new MemorySamples(() => {
      const processes = [{ name: 'IPC server', pid: cluster.serverProcess.pid }, master, ...workers];
      return Promise.all(processes.map(async ({ name, pid }) => ({ name, bytes: await memoryNow(pid) })));
    });
    const sampling = samples.take(SAMPLES, milliseconds / SAMPLES, (taken, [server]) => {
      if (taken % (SAMPLES / NEWS) === 0)
        onNews(`${(100 * taken) / SAMPLES} %: IPC server ${((server?.bytes ?? 0) / 1e6).toFixed(1)} MB`);
    });
    const [half] = await Promise.all([write(workers, workloads, milliseconds, peak.perSecond / 2), sampling]);
    const memory = growthOf(samples.all);
    const complaints = [master, ...workers].filter((it) => it.complaints !== '').map((it) => it.describe());
    await cluster.close();
    const found = await cluster.reopened((file) => file.get(''));
    const [server] = memory;
    return {
      operations: peak.operations + half.operations,
      perSecond: half.perSecond,
      peakPerSecond: peak.perSecond,
      memory,
      findings: [
        ...complaints,
        ...differences(expectedFile(workloads), found).map(
          (it) => `/${it.path} is not what was acknowledged`,
        ),
        ...(server?.isGrowing ? ['the IPC server grows'] : []),
      ],
    };
  } finally {
    await cluster.end();
  }
}

/** All write as fast as they can, or so many each second together. */
async function write(
  workers: readonly AceBaseProcess[],
  workloads: readonly Workload[],
  milliseconds: number,
  perSecond = Number.POSITIVE_INFINITY,
): Promise<{ readonly operations: number; readonly perSecond: number }> {
  const startedAt = performance.now();
  const batchMs = (1000 * BATCH * workers.length) / perSecond;
  let operations = 0;
  const work = async (worker: AceBaseProcess, workload: Workload) => {
    for (let due = startedAt; performance.now() - startedAt < milliseconds; due += batchMs) {
      const early = due - performance.now();
      if (early > 0) await delay(early);
      await worker.apply(Array.from({ length: BATCH }, () => workload.next()));
      operations += BATCH;
    }
  };
  await Promise.all(workers.map((worker, index) => work(worker, workloads[index] as Workload)));
  return { operations, perSecond: operations / ((performance.now() - startedAt) / 1000) };
}
