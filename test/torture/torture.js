/** `npm run torture -- --seed N --workers N --ops N`: the campaign of test/e2e/torture.test.ts, as long as you like. */
import { parseArgs } from 'node:util';
import '../support/register-typescript.js';

const { campaign } = await import('./campaign.js');

const { values } = parseArgs({
  options: {
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
    workers: { type: 'string', default: '3' },
    ops: { type: 'string', default: '5000' },
    rounds: { type: 'string', default: '1' },
  },
});
const workers = wholeNumber('workers');
const operations = wholeNumber('ops');
let failed = 0;

for (let seed = wholeNumber('seed'), left = wholeNumber('rounds'); left > 0; seed++, left--) {
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

function wholeNumber(name) {
  const number = Number(values[name]);
  if (Number.isInteger(number) && number >= (name === 'seed' ? 0 : 1)) return number;
  console.error(`--${name} must be a whole number above zero, not "${values[name]}"`);
  process.exit(2);
}

function replay(seed) {
  return `npm run torture -- --seed ${seed} --workers ${workers} --ops ${operations}`;
}

function shown(value) {
  const text = JSON.stringify(value) ?? 'nothing';
  return text.length > 100 ? `${text.slice(0, 100)}…` : text;
}
