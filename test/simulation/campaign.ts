import { type ChildProcess, fork } from 'node:child_process';
import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';

/** Which seeds are played, and with which broker. */
export interface Campaign {
  readonly from: number;
  readonly seeds: number;
  /** The folder `src` of another broker than this repository's. */
  readonly source?: string;
  /** Only runs in which some process has our client, or in which none keeps a journal. */
  readonly only?: 'client' | 'no journal' | undefined;
  /** Whether it ends with the first seed that breaks a rule. */
  readonly stopsAtFirst?: boolean;
  onProgress?(played: number): void;
}

/** A seed that breaks a rule. */
export interface Failure {
  readonly seed: number;
  readonly rule: string;
  readonly details: string;
}

/** What came of the seeds. */
export interface CampaignReport {
  played: number;
  readonly failures: Failure[];
  /** Writes that were acknowledged, operations that failed, faults that struck, in all runs. */
  writes: number;
  failed: number;
  faults: number;
  /** Writes and reads of processes with our client under locks that others had by then. */
  lateReads: number;
  /** Runs in which the contents of the file could not be held against anybody, by the reason. */
  readonly torn: Map<string, number>;
}

/** What a part tells of one seed. */
export interface SeedReport {
  readonly seed: number;
  readonly violation: { readonly rule: string; readonly details: string } | undefined;
  readonly writes: number;
  readonly failed: number;
  readonly faults: number;
  readonly lateReads: number;
  readonly torn: readonly string[];
}

const part = fileURLToPath(new URL('part.js', import.meta.url));

/** Plays many seeds, on all cores. */
export async function campaign(options: Campaign): Promise<CampaignReport> {
  const report: CampaignReport = {
    played: 0,
    failures: [],
    writes: 0,
    failed: 0,
    faults: 0,
    lateReads: 0,
    torn: new Map(),
  };
  const cores = Math.min(availableParallelism(), options.seeds);
  const children: ChildProcess[] = [];
  const ends = Array.from({ length: cores }, (_, core) => {
    const child = fork(part, [JSON.stringify({ ...options, from: options.from + core, step: cores })]);
    children.push(child);
    return watch(child, (seed) => {
      note(report, seed);
      options.onProgress?.(report.played);
      if (options.stopsAtFirst && report.failures.length > 0) for (const it of children) it.kill();
    });
  });
  await Promise.all(ends);
  report.failures.sort((a, b) => a.seed - b.seed);
  return report;
}

function watch(child: ChildProcess, onSeed: (seed: SeedReport) => void): Promise<void> {
  return new Promise((resolve, reject) => {
    child.on('message', (seeds: SeedReport[]) => seeds.forEach(onSeed));
    child.once('error', reject);
    child.once('exit', (code, signal) => {
      if (code === 0 || signal === 'SIGTERM') resolve();
      else reject(new Error(`A part of the campaign ended with ${code ?? signal}`));
    });
  });
}

function note(report: CampaignReport, seedReport: SeedReport): void {
  const { seed, violation, writes, failed, faults, torn } = seedReport;
  report.lateReads += seedReport.lateReads;
  report.played += 1;
  report.writes += writes;
  report.failed += failed;
  report.faults += faults;
  for (const reason of torn) {
    // Names of processes are left out.
    const kind = reason.replace(/^[MW]\d+ /, '');
    report.torn.set(kind, (report.torn.get(kind) ?? 0) + 1);
  }
  if (violation !== undefined) report.failures.push({ seed, ...violation });
}
