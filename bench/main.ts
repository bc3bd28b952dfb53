/** The command line of the bench. */

import { cpus, release } from 'node:os';
import { parseArgs } from 'node:util';
import { aceBaseText, measureAceBase } from './acebase/acebase.js';
import { fairnessText, measureFairness } from './fairness.js';
import { growthText, measureGrowth } from './growth.js';
import type { Scale } from './measures.js';
import { measureStorm, stormText } from './storm.js';
import { measureTargets, targetsText } from './targets.js';

const USAGE = `npm run bench -- [growth | storm | acebase] [options]

  (nothing)       P1 to P7: ours and the yardstick alternately, each in a process of its own; fairness
  growth          messages/s against length, peers and databases
  storm           ten thousand peers come at once, go at once, and come back
  acebase         A1 to A3: real AceBase processes that write, read, and do both
  --only <P1>     only the measures whose numbers begin so; fairness: only that
  --quick         fewer and shorter runs
  --smoke         so short that the figures mean nothing: shows that everything runs
  --json          the report as JSON on standard output
  --node <flag>   a flag for the Node of our server, such as --cpu-prof; more than once
`;

/** Runs the bench. @returns the exit code */
export async function main(commandLine: readonly string[]): Promise<number> {
  const { values, positionals } = parseArgs({
    args: [...commandLine],
    allowPositionals: true,
    options: {
      only: { type: 'string' },
      quick: { type: 'boolean', default: false },
      smoke: { type: 'boolean', default: false },
      json: { type: 'boolean', default: false },
      node: { type: 'string', multiple: true, default: [] },
      help: { type: 'boolean', default: false },
    },
  });
  const [subject = 'targets'] = positionals;
  if (values.help || !isSubject(subject)) {
    console.error(USAGE);
    return values.help ? 0 : 2;
  }
  const scale: Scale = values.smoke ? 'smoke' : values.quick ? 'quick' : 'full';
  const say = (text: string): void => console.error(text);
  const order = { scale, only: values.only, execArgv: values.node, say };
  const { report, text } = await SUBJECTS[subject](order);
  if (values.json) console.log(JSON.stringify({ machine: machine(), scale, subject, ...report }, null, 2));
  else console.log(`\n${machine()}\n\n${text}`);
  return 0;
}

/** `--only` this: round trips beside a flood. */
const FAIRNESS = 'fairness';

/** What every subject is told. */
export type BenchOrder = Parameters<typeof measureTargets>[0];

/** What a subject came to: as data, and as text. */
interface Outcome {
  readonly report: object;
  readonly text: string;
}

const SUBJECTS = {
  async targets(order: BenchOrder): Promise<Outcome> {
    const isFairnessOnly = order.only === FAIRNESS;
    const targets = isFairnessOnly ? undefined : await measureTargets(order);
    const isFairnessWanted = isFairnessOnly || order.only === undefined;
    const fairness = isFairnessWanted ? await measureFairness(order) : undefined;
    const texts = [
      ...(targets === undefined ? [] : [targetsText(targets)]),
      ...(fairness === undefined ? [] : [fairnessText(fairness)]),
    ];
    return { report: { ...targets, fairness }, text: texts.join('\n\n') };
  },
  async acebase(order: BenchOrder): Promise<Outcome> {
    const report = await measureAceBase(order);
    return { report, text: aceBaseText(report) };
  },
  async growth(order: BenchOrder): Promise<Outcome> {
    const points = await measureGrowth(order);
    return { report: { points }, text: growthText(points) };
  },
  async storm(order: BenchOrder): Promise<Outcome> {
    const report = await measureStorm(order);
    return { report, text: stormText(report) };
  },
} as const satisfies Record<string, (order: BenchOrder) => Promise<Outcome>>;

function isSubject(name: string): name is keyof typeof SUBJECTS {
  return Object.hasOwn(SUBJECTS, name);
}

/** What it ran on. */
function machine(): string {
  const [cpu] = cpus();
  return `Node ${process.version}, ${cpus().length} × ${cpu?.model.trim() ?? 'unknown'}, ${process.platform} ${release()}`;
}
