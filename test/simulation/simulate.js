/**
 * `npm run simulate -- --seeds N --from N`: plays the broker with modelled AceBase processes under faults that the seeds
 * draw, on all cores. `-- --seed N` replays one seed, and shows what happens if it breaks a rule.
 */
import '../support/register-typescript.js';

const { commandLine, flag, wholeNumber } = await import('../support/command-line.ts');

const USAGE = `npm run simulate -- [options]

  --seeds <n>  how many are played: 2000, unless given
  --from <n>   the first of them: 1, unless given
  --seed <n>   replays this one alone, and shows what happens if it breaks a rule
  --history    with --seed: shows all of the run, whether it breaks a rule or not
`;

const { values } = commandLine(USAGE, {
  seeds: wholeNumber(2000),
  from: wholeNumber(1),
  seed: wholeNumber(undefined),
  history: flag(),
});
const { campaign } = await import('./campaign.ts');
const { play } = await import('./run.ts');
const { planOf } = await import('./plan.ts');
const { replayCommand, story } = await import('./report.ts');

if (values.seed !== undefined) await replay(values.seed);
else await playAll(values.from, values.seeds);

async function replay(seed) {
  const verdict = await play(planOf(seed), { keepHistory: values.history });
  for (const line of values.history ? verdict.history : await story(seed, verdict)) console.log(line);
  if (verdict.violations.length > 0) process.exitCode = 1;
}

async function playAll(from, seeds) {
  const startedAt = performance.now();
  let nextNews = seeds / 10;
  const report = await campaign({
    from,
    seeds,
    onProgress(played) {
      if (played < nextNews) return;
      nextNews += seeds / 10;
      console.log(`  ${Math.round((100 * played) / seeds)} %: ${played} seeds`);
    },
  });
  const seconds = (performance.now() - startedAt) / 1000;
  console.log(`${report.played} seeds in ${seconds.toFixed(0)} s: ${report.faults} faults,`);
  console.log(`  ${report.writes} writes acknowledged, ${report.failed} operations that failed.`);
  console.log(`  ${report.lateReads} wrong reads under locks that others had by then.`);
  for (const [reason, runs] of report.torn) console.log(`  In ${runs} runs, the file: ${reason}.`);
  console.log(`  ${report.failures.length} seeds that break a rule.`);
  for (const { seed, rule, details } of report.failures.slice(0, 20)) {
    console.log(`  ${rule}: ${details}. Replay: ${replayCommand(seed)}`);
  }
  const [first] = report.failures;
  if (first !== undefined) {
    for (const line of await story(first.seed, await play(planOf(first.seed)))) console.log(line);
    process.exitCode = 1;
  }
}
