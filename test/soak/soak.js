/** `npm run soak -- --minutes N`: half of what a cluster can write, for long. Nothing may be lost, and nothing may grow. */
import '../support/register-typescript.js';

const { commandLine, flag, positiveNumber, wholeNumber } = await import('../support/command-line.ts');

const USAGE = `npm run soak -- [options]

  --minutes <n>  60, unless given; one more goes into finding out what the cluster can write at most
  --seed <n>     replays the writes of each worker; without it, others in each run
  --workers <n>  3, unless given
  --client       all processes have the client of this package
`;

const { values } = commandLine(USAGE, {
  minutes: positiveNumber(60),
  seed: wholeNumber(Date.now() % 1_000_000, { least: 0 }),
  workers: wholeNumber(3),
  client: flag(),
});
const { soak } = await import('./campaign.ts');

// Processes that were started end with this one, if it ends in the usual way.
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => process.exit(130));

console.log(
  `Seed ${values.seed}: ${values.workers} workers, ${values.minutes} minutes at half of their peak`,
);
const report = await soak({
  ...values,
  milliseconds: values.minutes * 60_000,
  onNews: (news) => console.log(`  ${news}`),
});
console.log(
  `${report.operations} writes, ${report.perSecond.toFixed(0)} per second; ${report.peakPerSecond.toFixed(0)} at the peak`,
);
for (const { name, early, late, perHour } of report.memory) {
  console.log(
    `  ${name}: ${megabytes(early)} early on, ${megabytes(late)} at the end; slope ${megabytes(perHour)} per hour`,
  );
}
for (const finding of report.findings) console.log(`  FAILED: ${finding}`);
console.log(
  report.findings.length === 0 ? 'Nothing was lost, and nothing grew.' : `${report.findings.length} FAILED.`,
);
process.exitCode = report.findings.length === 0 ? 0 : 1;

function megabytes(bytes) {
  return `${(bytes / 1e6).toFixed(1)} MB`;
}
