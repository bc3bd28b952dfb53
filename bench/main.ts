/** The command line of the bench. */

import { cpus, release } from 'node:os';
import { parseArgs } from 'node:util';
import type { Scale } from './measures.js';
import { measureTargets, targetsText } from './targets.js';

const USAGE = `npm run bench -- [growth | storm | acebase] [options]

  (nothing)       P1 to P7: ours and the yardstick alternately, each in a process of its own
  --only <P1>     only the measures whose numbers begin so
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

/** What every subject is told. */
export type BenchOrder = Parameters<typeof measureTargets>[0];

/** What a subject came to: as data, and as text. */
interface Outcome {
  readonly report: object;
  readonly text: string;
}

const SUBJECTS = {
  async targets(order: BenchOrder): Promise<Outcome> {
    const report = await measureTargets(order);
    return { report, text: targetsText(report) };
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
