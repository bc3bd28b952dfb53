import type { ChaosReport } from './campaign.js';
import type { FaultKind } from './faults.js';
import type { Violation } from './history/histories.js';
import type { Recovery } from './progress.js';

/** Lines for people about what came of a campaign. */
export function summary(report: ChaosReport): string[] {
  const seconds = (milliseconds: number) => (milliseconds / 1000).toFixed(1);
  return [
    `${report.acknowledged} writes acknowledged (${report.increments} increments), ${report.reads} reads.`,
    `Longest time without an acknowledged write: ${seconds(report.longestStallMs)} s.`,
    `Longest write of a worker that no fault had struck: ${seconds(report.longestWaitMs)} s.`,
    'Until the next acknowledged write, begun after the fault, of anyone (of everyone); median, longest:',
    ...Object.entries(report.faults).map(([kind, count]) => recoveryLine(kind as FaultKind, count, report)),
    ...tally(report.restarts.map(({ member, reason }) => `${member.replace(/\d+/, '')} ended: ${reason}`)),
    ...tally(report.hangs),
    ...[...report.errors].map(([error, count]) => `${count} × ${error}`),
    ...report.unclosed.map((it) => `Did not close: ${it}`),
    ...tally(report.misread.map(({ kind }) => `read that was ${kind}`)),
    ...report.misread.slice(0, 5).map(({ path, reason }) => `  /${path}: ${reason}`),
    `${report.violations.length} keys whose history fits no order of the writes, in ${report.operations} operations.`,
    ...report.violations.slice(0, 10).flatMap(storyLines),
    `${count(report, 'lost')} lost, ${count(report, 'wrong')} wrong on a fresh open.`,
    ...report.findings.slice(0, 20).map(({ kind, path, reason }) => `  ${kind}: /${path}: ${reason}`),
  ];
}

function storyLines({ key, kind, story }: Violation): string[] {
  return [`  /${key}${kind === 'undecided' ? ' (undecided)' : ''}:`, ...story.map((line) => `    ${line}`)];
}

function count({ findings }: ChaosReport, kind: 'lost' | 'wrong'): number {
  return findings.filter((it) => it.kind === kind).length;
}

function recoveryLine(kind: FaultKind, times: number, { recoveries }: ChaosReport): string {
  const those = recoveries.filter((it) => it.kind === kind);
  const figures = (pick: (it: Recovery) => number | undefined) => {
    const known = those.flatMap((it) => pick(it) ?? []).sort((a, b) => a - b);
    const never = those.length - known.length;
    const shown = [known[known.length >> 1], known.at(-1)].map((it) =>
      ((it ?? Number.NaN) / 1000).toFixed(2),
    );
    return `${shown.join(' s, ')} s${never > 0 ? `, ${never} never` : ''}`;
  };
  return `  ${times} × ${kind}: ${figures((it) => it.anyoneMs)} (${figures((it) => it.everyoneMs)})`;
}

function tally(texts: readonly string[]): string[] {
  const counts = new Map<string, number>();
  for (const text of texts) counts.set(text, (counts.get(text) ?? 0) + 1);
  return [...counts].map(([text, times]) => `${times} × ${text}`);
}
