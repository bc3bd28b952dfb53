/** `npm run chaos -- --minutes N --seed N`: the campaign of chaos.nightly.test.ts, as long as you like, with default settings. */
import '../../support/register-typescript.js';

const { commandLine, flag, json, namesOf, positiveNumber, wholeNumber } = await import(
  '../../support/command-line.ts'
);
const { faultKinds, usualFaults } = await import('./faults.ts');

const USAGE = `npm run chaos -- [options]

  --minutes <n>     5, unless given
  --seed <n>        replays faults and writes; without it, others in each run
  --workers <n>     3, unless given
  --client          all processes have the client of this package
  --faults <kinds>  these, with commas between them; what is there twice strikes twice as often:
                    ${faultKinds.join(', ')}
  --server <json>   options of the server: {"reconnectGrace": "2s"}
  --patience <n>    seconds that a command may take: 50, unless given
  --quiet           says nothing until the end
`;

const { values } = commandLine(USAGE, {
  minutes: positiveNumber(5),
  seed: wholeNumber(Date.now() % 1_000_000, { least: 0 }),
  workers: wholeNumber(3),
  faults: namesOf(faultKinds, usualFaults),
  server: json({}),
  client: flag(),
  patience: positiveNumber(50),
  quiet: flag(),
});
const { chaos } = await import('./campaign.ts');
const { summary } = await import('./summary.ts');

// Processes that were started end with this one, if it ends in the usual way.
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => process.exit(130));

console.log(
  `Seed ${values.seed}: ${values.workers} workers, ${values.minutes} minutes, ${values.faults.join(' ')}`,
);
const startedAt = performance.now();
const report = await chaos({
  seed: values.seed,
  milliseconds: values.minutes * 60_000,
  workers: values.workers,
  kinds: values.faults,
  leastWaitMs: 2000,
  mostWaitMs: 6000,
  patienceMs: values.patience * 1000,
  client: values.client,
  server: values.server,
  onNews(news) {
    if (!values.quiet) console.log(`${((performance.now() - startedAt) / 1000).toFixed(1)} s: ${news}`);
  },
});
for (const line of summary(report)) console.log(line);
if (report.findings.length > 0 || report.misread.length > 0) process.exitCode = 1;
