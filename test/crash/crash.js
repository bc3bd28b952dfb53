/**
 * `npm run crash`: what becomes of a database whose process is killed before a change of its files, or in the midst of one. It ends with 1 if a crash
 * does more than leak space.
 */
import '../support/register-typescript.js';

const { commandLine, CommandLineError, flag, text, wholeNumber } = await import('../support/command-line.ts');

const USAGE = `npm run crash -- [options]

  --seed <n>        which workload: 1, unless given
  --operations <n>  how many operations it has: 220, unless given
  --every <n>       of the crash points, each that many: 1, unless given
  --log             with a transaction log
  --journal <how>   with the client, and its journal: off, process or power
  --at <k>          only before change k of the files, or in half of it: 120h; shows what is wrong then
`;

const { values } = commandLine(USAGE, {
  seed: wholeNumber(1, { least: 0 }),
  operations: wholeNumber(220),
  every: wholeNumber(1),
  log: flag(),
  journal: text(undefined),
  at: text(undefined),
});
const { campaign } = await import('./campaign.ts');
const { nameOf, shownVerdict, tableOf } = await import('./report.ts');
const { OUTCOMES } = await import('./verdict.ts');

const startedAt = performance.now();
let judged = 0;
const report = await campaign({
  ...values,
  isLogged: values.log,
  ...(values.at === undefined ? {} : { points: [pointOf(values.at)] }),
  onVerdict() {
    if (++judged % 200 === 0)
      console.log(`  ${judged} crashes, ${Math.round((performance.now() - startedAt) / 1000)} s`);
  },
});
console.log(`Seed ${values.seed}: ${values.operations} operations changed files ${report.changes} times.`);
for (const line of values.at === undefined
  ? tableOf(report.verdicts)
  : report.verdicts.flatMap(shownVerdict)) {
  console.log(line);
}
for (const outcome of OUTCOMES.slice(0, -2)) {
  const [first] = report.verdicts.filter((verdict) => verdict.outcome === outcome);
  if (first === undefined || values.at !== undefined) continue;
  console.log(`\nThe first one of them: ${replay(first)}`);
  for (const line of shownVerdict(first)) console.log(line);
}
const isSafe = ({ outcome }) => outcome === 'clean' || outcome === 'leaked';
if (!report.verdicts.every(isSafe)) process.exitCode = 1;

function replay(verdict) {
  const { seed, operations, log, journal } = values;
  const more = `${log ? ' --log' : ''}${journal === undefined ? '' : ` --journal ${journal}`}`;
  return `npm run crash -- --seed ${seed} --operations ${operations}${more} --at ${nameOf(verdict)}`;
}

function pointOf(given) {
  const [, change, half] = /^(\d+)(h?)$/.exec(given) ?? [];
  if (change === undefined) throw new CommandLineError('--at must be a number, or one with an h behind it');
  return { change: Number(change), isHalf: half === 'h' };
}
