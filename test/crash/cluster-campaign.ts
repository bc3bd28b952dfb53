import { inOrder } from './campaign.js';
import { Checker } from './checker-process.js';
import { type ClusterSettings, type ClusterVerdict, runCluster } from './cluster-run.js';
import type { CrashPoint } from './verdict.js';

/** Where the processes of a cluster are killed, and how. */
export interface ClusterCampaignSettings extends ClusterSettings {
  /** Of the crash points, each that many; 1 takes all. */
  readonly every: number;
  /** Only these, instead. */
  readonly points?: readonly CrashPoint[];
  /** How many clusters there are at one time. */
  readonly parallel: number;
  onVerdict?(verdict: ClusterVerdict): void;
}

/** What was found. */
export interface ClusterCampaignReport {
  /** How many changes of files the victim makes in a run; `undefined` if it was not counted. */
  readonly changes: number | undefined;
  readonly verdicts: readonly ClusterVerdict[];
}

/**
 * Has clusters do the workload, each until its victim has ended. In the first one it ends properly: its changes are counted; it is the last of the
 * verdicts. How the processes of a cluster meet is up to the machine, so a change with the same number may be another one the next time.
 */
export async function clusterCampaign(settings: ClusterCampaignSettings): Promise<ClusterCampaignReport> {
  const verdicts: ClusterVerdict[] = [];
  const order = { ...settings, journal: settings.journal ?? 'process' };
  const run = async (checker: Checker, point: CrashPoint | undefined): Promise<readonly boolean[]> => {
    const { verdict, changes } = await runCluster(settings, point, checker);
    verdicts.push(verdict);
    settings.onVerdict?.(verdict);
    return changes;
  };
  const inTurn = async (points: (CrashPoint | undefined)[]): Promise<readonly boolean[]> => {
    const checker = new Checker(order);
    let changes: readonly boolean[] = [];
    try {
      while (points.length > 0) changes = await run(checker, points.shift());
    } finally {
      await checker.end();
    }
    return changes;
  };
  const changes = settings.points === undefined ? await inTurn([undefined]) : undefined;
  const points = [...(settings.points ?? pointsOf(changes ?? [], settings.every))];
  await Promise.all(Array.from({ length: settings.parallel }, () => inTurn(points)));
  return { changes: changes?.length, verdicts: inOrder(verdicts) };
}

/** Before each change, and in half of each that has halves. */
function pointsOf(changes: readonly boolean[], every: number): CrashPoint[] {
  const points: CrashPoint[] = [];
  for (let change = 0; change < changes.length; change += every) {
    points.push({ change, isHalf: false });
    if (changes[change] === true) points.push({ change, isHalf: true });
  }
  return points;
}
