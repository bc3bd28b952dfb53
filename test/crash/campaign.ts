import { mkdir } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { removeDirectory, temporaryDirectory } from '../support/temporary-directory.js';
import { Checker, type Judgement, type Remains } from './checker-process.js';
import { record } from './subject-process.js';
import { isChange, loadTrace, type TraceEvent } from './trace.js';
import type { CrashPoint, Verdict } from './verdict.js';

/** So few crashes are judged by one process. */
const POINTS_FOR_ONE = 10;

/** What is done. */
export interface WorkSettings {
  readonly seed: number;
  /** How many operations the workload has. */
  readonly operations: number;
  /** Whether the database has a transaction log. */
  readonly isLogged: boolean;
  /** The journal of the process, and of the one that opens the database behind it; without the client if `undefined`. */
  readonly journal?: 'off' | 'process' | 'power' | undefined;
  onVerdict?(verdict: Verdict): void;
}

/** What is done, and how often it crashes. */
export interface CampaignSettings extends WorkSettings {
  /** Of the crash points, each that many; 1 takes all. */
  readonly every: number;
  /** So many power cuts at each, in the place of a process that is killed: what was not synced may be lost. */
  readonly losses?: number | undefined;
  /** Only these, instead. */
  readonly points?: readonly CrashPoint[] | undefined;
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
  return await recorded(settings, async (order, trace) => {
    const changes = trace.filter(isChange).length;
    const points = settings.points ?? pointsOf(changes, settings.every, settings.losses);
    const verdicts = await judgeAll(order, points, async (point) => point, settings.onVerdict);
    return { changes, verdicts };
  });
}

/** Has a process do the workload, and write its trace. @param act is given what a checker needs to have the trace, and a folder */
export async function recorded<T>(
  settings: WorkSettings,
  act: (order: WorkSettings & { readonly folder: string }, trace: readonly TraceEvent[]) => Promise<T>,
): Promise<T> {
  const folder = await temporaryDirectory('crash');
  try {
    const { seed, operations, isLogged, journal } = settings;
    const order = { seed, operations, isLogged, journal, trace: join(folder, 'trace') };
    const original = join(folder, 'original');
    await mkdir(original);
    await record({ ...order, folder: original });
    return await act({ ...order, folder }, loadTrace(order.trace));
  } finally {
    await removeDirectory(folder);
  }
}

/** Before each change, in half of each, and behind the last; or a number of power cuts before each. */
export function pointsOf(changes: number, every: number, losses?: number): CrashPoint[] {
  const points: CrashPoint[] = [];
  const add = (change: number, hasHalf: boolean): void => {
    for (let loss = 0; loss < (losses ?? 0); loss++) points.push({ change, isHalf: false, loss });
    if (losses !== undefined) return;
    points.push({ change, isHalf: false });
    if (hasHalf) points.push({ change, isHalf: true });
  };
  for (let change = 0; change < changes; change += every) add(change, true);
  add(changes, false);
  return points;
}

/**
 * Judges crashes: one process on each core if there are many, one crash after the other in each.
 *
 * @param order what {@link Checker} wants
 * @param ask has it happen: what the checker is asked then, or what is known without it; `undefined` if there is no such crash
 */
export async function judgeAll<Point extends CrashPoint>(
  order: object,
  points: readonly Point[],
  ask: (point: Point) => Promise<CrashPoint | Remains | { readonly verdict: Judgement } | undefined>,
  onVerdict: ((verdict: Verdict) => void) | undefined,
): Promise<Verdict[]> {
  const verdicts: Verdict[] = [];
  const waiting = [...points];
  const work = async (): Promise<void> => {
    const checker = new Checker(order);
    try {
      for (let point = waiting.shift(); point !== undefined; point = waiting.shift()) {
        const asked = await ask(point);
        const isKnown = asked !== undefined && 'verdict' in asked;
        const verdict = isKnown ? asked.verdict : asked && (await checker.judge(asked));
        if (verdict === undefined) continue;
        verdicts.push({ ...point, ...verdict });
        onVerdict?.({ ...point, ...verdict });
      }
    } finally {
      await checker.end();
    }
  };
  // It takes a while to start one.
  const processes = Math.min(availableParallelism(), Math.ceil(points.length / POINTS_FOR_ONE));
  await Promise.all(Array.from({ length: processes }, work));
  return inOrder(verdicts);
}

/** In the order of the changes. */
export function inOrder<V extends CrashPoint>(verdicts: readonly V[]): V[] {
  return [...verdicts].sort((a, b) => a.change - b.change || Number(a.isHalf) - Number(b.isHalf));
}
