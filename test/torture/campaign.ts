import type { AceBaseProcess } from '../support/acebase-process.js';
import { Cluster } from '../support/cluster.js';
import { type Difference, differences } from './differences.js';
import { expectedFile, Workload } from './workload.js';

export interface CampaignOptions {
  /** Replays the same writes per worker. How the workers interleave is up to the machine. */
  readonly seed: number;
  readonly workers: number;
  /** Writes per worker. */
  readonly operations: number;
  /** Is told after each batch how many writes have been acknowledged, of all workers. */
  readonly onProgress?: (acknowledged: number) => void;
}

export interface CampaignReport {
  /** Writes that were acknowledged. */
  readonly operations: number;
  readonly milliseconds: number;
  /** Where the file differs from what was acknowledged; none is right. */
  readonly differences: readonly Difference[];
  /** What processes wrote to stderr: errors of AceBase, which never should be any. */
  readonly complaints: readonly string[];
}

const batchSize = 25;

/**
 * A master and some workers write at random to one database over a real server. Then every process is closed, and the
 * file is opened fresh and compared with all that was acknowledged.
 */
export async function campaign(options: CampaignOptions): Promise<CampaignReport> {
  const cluster = await Cluster.startProcess({ options: { logLevel: 'info' } });
  try {
    const [master, ...workers] = await cluster.form(options.workers);
    const workloads = workers.map((_, index) => new Workload(options.seed, index, options.workers));
    const startedAt = performance.now();
    let acknowledged = 0;
    const work = async (worker: AceBaseProcess, workload: Workload) => {
      for (let left = options.operations; left > 0; left -= batchSize) {
        const batch = Array.from({ length: Math.min(batchSize, left) }, () => workload.next());
        await worker.apply(batch);
        acknowledged += batch.length;
        options.onProgress?.(acknowledged);
      }
    };
    await Promise.all(workers.map((worker, index) => work(worker, workloads[index] as Workload)));
    const milliseconds = performance.now() - startedAt;
    const complaints = [master, ...workers].filter((it) => it.complaints !== '').map((it) => it.describe());
    await cluster.close();
    const found = await cluster.reopened((file) => file.get(''));
    return {
      operations: acknowledged,
      milliseconds,
      differences: differences(expectedFile(workloads), found),
      complaints,
    };
  } finally {
    await cluster.end();
  }
}
