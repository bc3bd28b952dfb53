import type { Plan } from './plan.js';
import { type Classes, play } from './run.js';

/**
 * Makes a plan that breaks a rule as small as it can be made: without the faults, processes and delays that it takes none
 * of. What remains breaks the same rule.
 */
export async function shrink(plan: Plan, rule: string, classes: Classes = {}): Promise<Plan> {
  const breaks = async (candidate: Plan): Promise<boolean> =>
    (await play(candidate, classes)).violations.some((it) => it.rule === rule);
  let smallest = plan;
  for (let isSmaller = true; isSmaller; ) {
    const next = await first(simplerThan(smallest), breaks);
    isSmaller = next !== undefined;
    smallest = next ?? smallest;
  }
  return smallest;
}

async function first<T>(items: readonly T[], isIt: (item: T) => Promise<boolean>): Promise<T | undefined> {
  for (const item of items) if (await isIt(item)) return item;
  return undefined;
}

function simplerThan(plan: Plan): Plan[] {
  const { faults } = plan;
  const withFewerFaults = faults.map((_, index) => ({ ...plan, faults: faults.toSpliced(index, 1) }));
  const withoutMoments = faults.flatMap((fault, index) =>
    fault.moment.message === undefined
      ? []
      : [
          {
            ...plan,
            faults: faults.with(index, { ...fault, moment: { ...fault.moment, message: undefined } }),
          },
        ],
  );
  const calmer: Plan[] = [];
  if (plan.workers > 1) calmer.push({ ...plan, workers: plan.workers - 1 });
  if (plan.loops > 1) calmer.push({ ...plan, loops: 1 });
  if (plan.keys > 1) calmer.push({ ...plan, keys: 1 });
  if (plan.clockDrift > 0) calmer.push({ ...plan, clockDrift: 0 });
  if (plan.masterLoops > 1) calmer.push({ ...plan, masterLoops: 1 });
  if (plan.delayChance > 0) calmer.push({ ...plan, delayChance: 0 });
  if (plan.opensWithin > 30) calmer.push({ ...plan, opensWithin: 30 });
  if (plan.diskLatency > 2) calmer.push({ ...plan, diskLatency: 2 });
  return [...withFewerFaults, ...calmer, ...withoutMoments];
}
