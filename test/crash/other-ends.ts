/** Ends of a process that are not made of its trace: it is really killed, its disk is full, or what mends a crash is killed as well. */

import { mkdir, mkdtemp } from 'node:fs/promises';
import { join } from 'node:path';
import { removeDirectory, temporaryDirectory } from '../support/temporary-directory.js';
import { Random } from '../torture/random.js';
import { type CampaignReport, judgeAll, pointsOf, recorded, type WorkSettings } from './campaign.js';
import { type Remains, unreadable } from './checker-process.js';
import { hasHalves } from './disk.js';
import { record, Subject } from './subject-process.js';
import { isChange, loadTrace } from './trace.js';
import { type CrashPoint, crashAt, expectationOf } from './verdict.js';
import { workload } from './workload.js';

/** How long a process may take, which is to end by itself, in milliseconds. */
const PATIENCE_MS = 120_000;

/** Real processes are killed, each at a random moment, and each in a workload of its own. @param kills how many */
export async function killCampaign(settings: WorkSettings, kills: number): Promise<CampaignReport> {
  const lasts = await lastingOf(settings);
  const points = Array.from({ length: kills }, (_, change) => ({ change, isHalf: false }));
  return await ended(settings, points, async (point, folder) => {
    const seed = settings.seed + point.change;
    const subject = new Subject({ ...settings, seed, folder });
    const moment = new Random(seed).fraction() * lasts;
    await Promise.race([subject.exited, new Promise((resolve) => setTimeout(resolve, moment))]);
    await subject.end('SIGKILL');
    return { subject, seed };
  });
}

/** How long the workload takes, in milliseconds. */
async function lastingOf(settings: WorkSettings): Promise<number> {
  const folder = await temporaryDirectory('crash');
  try {
    const begun = performance.now();
    await record({ ...settings, folder });
    return performance.now() - begun;
  } finally {
    await removeDirectory(folder);
  }
}

/** The disk is full at a change, and for some that follow: what fails has left nothing. @param every of the changes, each that many */
export async function fullDiskCampaign(
  settings: WorkSettings & { readonly points?: readonly CrashPoint[] | undefined },
  every: number,
): Promise<CampaignReport> {
  const count = async (): Promise<number> =>
    await recorded(settings, async (_, trace) => trace.filter(isChange).length);
  const changes = settings.points === undefined ? await count() : 0;
  const points = settings.points ?? pointsOf(changes, every);
  const report = await ended(settings, points, async (point, folder) => {
    const full = { ...point, times: 1 + (point.change % 3) };
    const subject = new Subject({ ...settings, folder, full });
    await subject.endedWithin(PATIENCE_MS);
    return { subject, seed: settings.seed };
  });
  return { ...report, changes };
}

/** What a process has left that has come to its end. */
async function ended(
  settings: WorkSettings,
  points: readonly CrashPoint[],
  end: (point: CrashPoint, folder: string) => Promise<{ subject: Subject; seed: number }>,
): Promise<CampaignReport> {
  const folder = await temporaryDirectory('crash');
  try {
    const ask = async (point: CrashPoint) => {
      const home = await mkdtemp(join(folder, 'ended-'));
      try {
        const { subject, seed } = await end(point, home);
        const { exit, complaints, steps } = subject;
        // AceBase throws where nobody listens if it cannot make the file.
        const isUnmade = steps.length === 0 && complaints.includes('ENOSPC');
        const isEnded = exit?.code === 0 || exit?.signal === 'SIGKILL' || isUnmade;
        if (!isEnded) throw new Error(subject.describe());
        const operations = [...workload(seed, settings.operations)];
        return { home, expectation: expectationOf(subject.steps, operations) };
      } catch (error) {
        return { verdict: unreadable(String(error)) };
      }
    };
    const verdicts = await judgeAll(settings, points, ask, settings.onVerdict);
    return { changes: points.length, verdicts };
  } finally {
    await removeDirectory(folder);
  }
}

/**
 * What mends a crash is killed as well: before one of its changes, or in half of it.
 *
 * @param every of the crashes, each that many
 * @param everyOfMending of the changes that mend one, each that many
 */
export async function mendingCampaign(
  settings: WorkSettings & { readonly points?: readonly CrashPoint[] | undefined },
  every: number,
  everyOfMending: number,
): Promise<CampaignReport> {
  return await recorded(settings, async (order, trace) => {
    const operations = [...workload(settings.seed, settings.operations)];
    const changes = trace.filter(isChange).length;
    const points: CrashPoint[] = [];
    const remainsOf = new Map<CrashPoint, () => Promise<Remains>>();
    for (const point of settings.points ?? pointsOf(changes, every)) {
      const crash = crashAt(trace, operations, point);
      if (crash === undefined) continue;
      const mending = await mendingOf(order, crash.disk);
      const all = point.mending === undefined ? pointsOf(mending.length, everyOfMending) : [point.mending];
      for (const second of all) {
        const next = mending[second.change];
        if (second.isHalf && (next === undefined || !hasHalves(next))) continue;
        const both = { ...point, mending: second };
        points.push(both);
        remainsOf.set(both, async () => {
          const disk = crash.disk.copy();
          for (const change of mending.slice(0, second.change)) disk.apply(change);
          if (second.isHalf && next !== undefined) disk.applyHalf(next);
          const home = await mkdtemp(join(order.folder, 'crash-'));
          await disk.writeTo(home);
          return { home, expectation: crash.expectation };
        });
      }
    }
    const verdicts = await judgeAll(
      order,
      points,
      async (point) => remainsOf.get(point)?.(),
      settings.onVerdict,
    );
    return { changes, verdicts };
  });
}

/** The changes of files that a process makes which opens them. */
async function mendingOf(
  order: WorkSettings & { readonly folder: string },
  disk: { writeTo(folder: string): Promise<void> },
) {
  const place = await mkdtemp(join(order.folder, 'mending-'));
  try {
    const folder = join(place, 'files');
    await mkdir(folder);
    await disk.writeTo(folder);
    const trace = join(place, 'trace');
    await record({ ...order, folder, trace, operations: 0 });
    return loadTrace(trace).filter(isChange);
  } finally {
    await removeDirectory(place);
  }
}
