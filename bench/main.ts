/** The command line of the bench. */

import { cpus, release } from 'node:os';
import { CommandLineError, commandLine, flag, type Option, text } from '../test/support/command-line.js';
import { aceBaseText, measureAceBase } from './acebase/acebase.js';
import { costsText, measureCosts } from './costs/costs.js';
import { fairnessText, measureFairness } from './fairness.js';
import { growthText, measureGrowth } from './growth.js';
import { journalText, measureJournal } from './journal/journal.js';
import { measuresOf, type Scale } from './measures.js';
import { measureStorm, stormText } from './storm.js';
import { type BenchOrder, measureTargets, targetsText } from './targets.js';

const USAGE = `npm run bench -- [growth | costs | storm | acebase | journal] [options]

  (nothing)       P1 to P7: ours and the yardstick alternately, each in a process of its own; fairness
  growth          messages/s against length, peers and databases
  costs           P8: what an operation costs the broker as there is more of something
  storm           ten thousand peers come at once, go at once, and come back
  acebase         A1 to A5: real AceBase processes that write, read, and do both
  journal         A6: real AceBase, alone with its database and in a cluster, with and without a journal
  --only <P1,P3>  of the first table, only measures whose numbers begin so; fairness: only that
  --quick         fewer and shorter runs
  --smoke         so short that the figures mean nothing: shows that everything runs
  --json          the report as JSON on standard output
  --node <flag>   a flag for the Node of our server, such as --cpu-prof; more than once
`;

/** Runs the bench that the command line asks for. */
export async function main(): Promise<void> {
  const { values, word: subject = 'targets' } = commandLine(
    USAGE,
    {
      only: measures(),
      quick: flag(),
      smoke: flag(),
      json: flag(),
      node: { ...text(''), multiple: true },
    },
    ['growth', 'costs', 'storm', 'acebase', 'journal'],
    ({ only }, word) => {
      if (only !== undefined && word !== undefined) throw new CommandLineError(`--only is not for ${word}`);
    },
  );
  const scale: Scale = values.smoke ? 'smoke' : values.quick ? 'quick' : 'full';
  const say = (news: string): void => console.error(news);
  const order = { scale, only: values.only, execArgv: values.node, say };
  const { report, text: table } = await SUBJECTS[subject](order);
  if (values.json) console.log(JSON.stringify({ machine: machine(), scale, subject, ...report }, null, 2));
  else console.log(`\n${machine()}\n\n${table}`);
}

/** Beginnings of the numbers of measures. */
function measures(): Option<readonly string[] | undefined> {
  const known = [...measuresOf('full').map(({ id }) => id), FAIRNESS];
  return {
    type: 'string',
    absent: undefined,
    read(given) {
      const wanted = given.split(',');
      const unknown = wanted.filter((it) => it === '' || !known.some((id) => id.startsWith(it)));
      if (unknown.length === 0) return wanted;
      throw new CommandLineError(
        `knows no ${unknown.map((it) => `"${it}"`).join(', ')}, only ${known.join()}`,
      );
    },
  };
}

/** `--only` this: round trips beside a flood. */
const FAIRNESS = 'fairness';

/** What a subject came to: as data, and as text. */
interface Outcome {
  readonly report: object;
  readonly text: string;
}

const SUBJECTS = {
  async targets(order: BenchOrder): Promise<Outcome> {
    const isFairnessWanted = order.only?.includes(FAIRNESS) ?? true;
    const isFairnessOnly = order.only?.every((it) => it === FAIRNESS) ?? false;
    const targets = isFairnessOnly ? undefined : await measureTargets(order);
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
  async journal(order: BenchOrder): Promise<Outcome> {
    const rows = await measureJournal(order);
    return { report: { rows }, text: journalText(rows) };
  },
  async growth(order: BenchOrder): Promise<Outcome> {
    const points = await measureGrowth(order);
    return { report: { points }, text: growthText(points) };
  },
  async costs(order: BenchOrder): Promise<Outcome> {
    const rows = measureCosts(order);
    return { report: { rows }, text: costsText(rows) };
  },
  async storm(order: BenchOrder): Promise<Outcome> {
    const report = await measureStorm(order);
    return { report, text: stormText(report) };
  },
} as const satisfies Record<string, (order: BenchOrder) => Promise<Outcome>>;

/** What it ran on. */
function machine(): string {
  const [cpu] = cpus();
  return `Node ${process.version}, ${cpus().length} × ${cpu?.model.trim() ?? 'unknown'}, ${process.platform} ${release()}`;
}
