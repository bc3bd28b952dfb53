/** `npm run torture -- --seed N --workers N --ops N`: the campaign of test/e2e/torture.test.ts, as long as you like. */
import '../support/register-typescript.js';

const { commandLine, wholeNumber } = await import('../support/command-line.ts');

const USAGE = `npm run torture -- [options]

  --seed <n>     replays the writes of each worker; without it, others in each run
  --workers <n>  3, unless given
  --ops <n>      writes of each worker: 5000, unless given
  --rounds <n>   as many campaigns, with this seed and those that follow it: 1, unless given
`;

const { values } = commandLine(USAGE, {
  seed: wholeNumber(Date.now() % 1_000_000, { least: 0 }),
  workers: wholeNumber(3),
  ops: wholeNumber(5000),
  rounds: wholeNumber(1),
});
const { campaign } = await import('./campaign.ts');
const { workers, ops: operations } = values;
let failed = 0;

for (let { seed, rounds: left } = values; left > 0; seed++, left--) {
  const total = workers * operations;
  console.log(`Seed ${seed}: ${workers} workers × ${operations} writes. Replay: ${replay(seed)}`);
  let nextNews = total / 10;
  const report = await campaign({
    seed,
    workers,
    operations,
    onProgress(acknowledged) {
      if (acknowledged < nextNews) return;
      nextNews += total / 10;
      console.log(`  ${Math.round((100 * acknowledged) / total)} %: ${acknowledged} writes acknowledged`);
    },
  });
  const seconds = report.milliseconds / 1000;
  console.log(
    `  ${report.operations} writes in ${seconds.toFixed(1)} s: ${Math.round(report.operations / seconds)} per second`,
  );
  for (const complaint of report.complaints) console.log(`  Complaint: ${complaint}`);
  for (const it of report.differences.slice(0, 20)) {
    console.log(`  /${it.path}: expected ${shown(it.expected)}, found ${shown(it.found)}`);
  }
  const exact = report.differences.length === 0;
  if (!exact) failed += 1;
  console.log(
    exact ? '  The file is exact.' : `  ${report.differences.length} DIFFERENCES. Replay: ${replay(seed)}`,
  );
}
process.exitCode = failed > 0 ? 1 : 0;

function replay(seed) {
  return `npm run torture -- --seed ${seed} --workers ${workers} --ops ${operations}`;
}

function shown(value) {
  const text = JSON.stringify(value) ?? 'nothing';
  return text.length > 100 ? `${text.slice(0, 100)}…` : text;
}
