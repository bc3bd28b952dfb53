import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { removeDirectory, temporaryDirectory } from '../support/temporary-directory.js';
import { Checker } from './checker-process.js';
import { isChange, loadTrace } from './trace.js';
import type { CrashPoint, Verdict } from './verdict.js';

/** What is done, and how often it crashes. */
export interface CampaignSettings {
  readonly seed: number;
  /** How many operations the workload has. */
  readonly operations: number;
  /** Of the crash points, each that many; 1 takes all. */
  readonly every: number;
  /** Whether the database has a transaction log. */
  readonly isLogged: boolean;
  /** The journal of the process, and of the one that opens the database behind it; without the client if `undefined`. */
  readonly journal?: 'off' | 'process' | 'power' | undefined;
  /** Only these, instead. */
  readonly points?: readonly CrashPoint[];
  onVerdict?(verdict: Verdict): void;
}

/** What was found. */
export interface CampaignReport {
  /** How many changes of files the workload made. */
  readonly changes: number;
  readonly verdicts: readonly Verdict[];
}

/**
 * Has a process do the workload once and note each change of its files; then makes the files that it would have left if it had been killed before a
 * change, or when it had made half of it, and looks at what AceBase makes of them.
 */
export async function campaign(settings: CampaignSettings): Promise<CampaignReport> {
  const folder = await temporaryDirectory('crash');
  try {
    const order = {
      folder: join(folder, 'original'),
      trace: join(folder, 'trace'),
      seed: settings.seed,
      operations: settings.operations,
      isLogged: settings.isLogged,
      journal: settings.journal,
    };
    await mkdir(order.folder);
    await record(order);
    const changes = loadTrace(order.trace).filter(isChange).length;
    const points = settings.points ?? pointsOf(changes, settings.every);
    const verdicts = await judgeAll({ ...order, folder }, [...points], settings.onVerdict);
    return { changes, verdicts };
  } finally {
    await removeDirectory(folder);
  }
}

/** Before each change, in half of each, and behind the last. */
function pointsOf(changes: number, every: number): CrashPoint[] {
  const points: CrashPoint[] = [];
  for (let change = 0; change < changes; change += every) {
    points.push({ change, isHalf: false }, { change, isHalf: true });
  }
  return [...points, { change: changes, isHalf: false }];
}

/** Has a process do the workload, and write its trace. */
export async function record(order: object): Promise<void> {
  const program = fileURLToPath(new URL('subject.js', import.meta.url));
  const subject = spawn(process.execPath, [program, JSON.stringify(order)], {
    stdio: ['ignore', 'ignore', 'inherit'],
    env: { ...process.env, UV_THREADPOOL_SIZE: '1' },
  });
  const [code] = await once(subject, 'exit');
  if (code !== 0) throw new Error(`The workload ended with ${code}`);
}

/** One process on each core, one crash after the other in each. */
async function judgeAll(
  order: object,
  points: CrashPoint[],
  onVerdict: ((verdict: Verdict) => void) | undefined,
): Promise<Verdict[]> {
  const verdicts: Verdict[] = [];
  const work = async (): Promise<void> => {
    const checker = new Checker(order);
    try {
      for (let point = points.shift(); point !== undefined; point = points.shift()) {
        const verdict = await checker.judge(point);
        if (verdict === undefined) continue;
        verdicts.push({ ...point, ...verdict });
        onVerdict?.({ ...point, ...verdict });
      }
    } finally {
      await checker.end();
    }
  };
  await Promise.all(Array.from({ length: availableParallelism() }, work));
  return inOrder(verdicts);
}

/** In the order of the changes. */
export function inOrder<V extends CrashPoint>(verdicts: readonly V[]): V[] {
  return [...verdicts].sort((a, b) => a.change - b.change || Number(a.isHalf) - Number(b.isHalf));
}
