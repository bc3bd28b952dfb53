import { describeFault, type Plan, planOf } from './plan.js';
import { type Classes, play, type Verdict } from './run.js';
import { shrink } from './shrink.js';

/** Lines of the history before the violation that are shown whole. */
const LAST_LINES = 60;

/** Lines that say what became of processes and lines, without their messages. */
const LANDMARK =
  / (FAULT|VIOLATION|server|The f)|: (starts|ends)| (starts|ends:|lost its line|is refused|opens the file)/;

/** The command that replays a seed. */
export function replayCommand(seed: number): string {
  return `npm run simulate -- --seed ${seed}`;
}

/** What is wrong with a seed, in lines for people: the smallest plan that shows it, and what happens in it. */
export async function story(seed: number, verdict: Verdict, classes: Classes = {}): Promise<string[]> {
  const [violation] = verdict.violations;
  if (violation === undefined) return [`Seed ${seed} breaks no rule.`];
  const plan = await shrink(planOf(seed), violation.rule, classes);
  const shown = await play(plan, { keepHistory: true, ...classes });
  const end = shown.history.findIndex((line) => line.includes(`VIOLATION: ${violation.rule}`));
  const until = shown.history.slice(0, end + 1);
  const landmarks = until.slice(0, -LAST_LINES).filter((line) => LANDMARK.test(line));
  return [
    `Seed ${seed}: ${violation.rule}: ${violation.details}. Replay: ${replayCommand(seed)}`,
    ...describePlan(plan),
    ...landmarks.map(short),
    ...(landmarks.length > 0 ? ['      ...'] : []),
    ...until.slice(-LAST_LINES).map(short),
  ];
}

function describePlan({ clients, workers, loops, keys, faults }: Plan): string[] {
  const setting = `The smallest run that shows it has ${workers} workers (${clients}), ${loops} operations at a time, ${keys} keys.`;
  return [setting, ...faults.map((fault) => `  - ${describeFault(fault)}`)];
}

function short(line: string): string {
  return line.length > 180 ? `${line.slice(0, 179)}…` : line;
}
