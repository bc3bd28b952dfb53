import type { ClusterVerdict } from './cluster-run.js';
import { type CrashPoint, OUTCOMES, type Outcome, type Verdict } from './verdict.js';

/** Those that a database may have that only one process has open. */
export const LONE_OUTCOMES = OUTCOMES.filter((outcome) => outcome !== 'survivors fail');

/** How many crash points of each kind ended how, in per cent. @param outcomes those that there may be, the worst first */
export function tableOf(verdicts: readonly Verdict[], outcomes: readonly Outcome[]): string[] {
  const kinds = [
    ['before a change', verdicts.filter(({ isHalf }) => !isHalf)],
    ['in half of one', verdicts.filter(({ isHalf }) => isHalf)],
  ] as const;
  const rows = [...outcomes].reverse().map((outcome) => {
    const cells = kinds.map(([, all]) => {
      const count = all.filter((verdict) => verdict.outcome === outcome).length;
      return all.length === 0 ? '–' : ((100 * count) / all.length).toFixed(1);
    });
    return [outcome, ...cells];
  });
  const head = ['per cent', ...kinds.map(([name, all]) => `${name} (${all.length})`)];
  return [head, ...rows].map((row) =>
    row.map((cell, index) => (index === 0 ? cell.padEnd(14) : cell.padStart(24))).join(''),
  );
}

/** One crash, for people. */
export function shownVerdict(verdict: Verdict): string[] {
  const { outcome, operation, faults, loss, mending } = verdict;
  const place = ({ change, isHalf }: CrashPoint): string =>
    `${isHalf ? 'in the midst of' : 'before'} change ${change}`;
  const more = mending === undefined ? '' : `, and ${place(mending)} of what mends that`;
  const where = `${place(verdict)}${loss === undefined ? '' : ` (power cut ${loss})`}${more}`;
  const what = operation === undefined ? 'nothing was being done' : JSON.stringify(operation).slice(0, 120);
  return [`${outcome} ${where}: ${what}`, ...faults.map((fault) => `    ${fault}`)];
}

/** The same of a cluster. */
export function shownClusterVerdict(verdict: ClusterVerdict): string[] {
  const { victim, change, isHalf, outcome, underWay, lastChange, faults } = verdict;
  return [
    `${outcome} when ${victim} ended ${isHalf ? 'in the midst of' : 'before'} change ${change}: ${lastChange ?? 'it had closed its database'}`,
    ...underWay.map(({ actor, operation, hasFailed }) => {
      const what = JSON.stringify(operation).slice(0, 120);
      return `    ${actor} was doing ${what}${hasFailed && actor !== victim ? ', and was told that it failed' : ''}`;
    }),
    ...faults.map((fault) => `    ${fault}`),
  ];
}

/** The name of a crash point on the command line: `120`, `120h` in half of it, `120p3` a power cut, `120h-7` where what mends it is killed as well. */
export function nameOf({ change, isHalf, loss, mending }: CrashPoint): string {
  const power = loss === undefined ? '' : `p${loss}`;
  return `${change}${isHalf ? 'h' : ''}${power}${mending === undefined ? '' : `-${nameOf(mending)}`}`;
}

/** What has that name; `undefined` if nothing has. */
export function pointNamed(name: string): CrashPoint | undefined {
  const found = /^(\d+)(h|p\d+)?(?:-(\d+h?))?$/.exec(name);
  if (found === null) return undefined;
  const [, change, how = '', second] = found;
  return {
    change: Number(change),
    isHalf: how === 'h',
    loss: how.startsWith('p') ? Number(how.slice(1)) : undefined,
    mending: second === undefined ? undefined : pointNamed(second),
  };
}

/** Whether a crash does no harm but to leak space. */
export function isSafe({ outcome }: Pick<Verdict, 'outcome'>): boolean {
  return outcome === 'clean' || outcome === 'leaked';
}
