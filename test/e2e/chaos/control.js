/** `npm run chaos:control -- --kills N --seed N`: how often `kill -9` damages the file of AceBase without any IPC. */
import '../../support/register-typescript.js';

const { commandLine, wholeNumber } = await import('../../support/command-line.ts');

const USAGE = `npm run chaos:control -- [options]

  --kills <n>    how often the process is killed: 100, unless given
  --seed <n>     replays the writes; without it, others in each run
  --writers <n>  writes under way at a time: 3, unless given
`;

const { values } = commandLine(USAGE, {
  kills: wholeNumber(100),
  seed: wholeNumber(Date.now() % 1_000_000, { least: 0 }),
  writers: wholeNumber(3),
});
const { control } = await import('./control.ts');

// Processes that were started end with this one, if it ends in the usual way.
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => process.exit(130));

const { kills, seed, writers } = values;
console.log(`Seed ${seed}: one process, no IPC, ${writers} writers, killed ${kills} times.`);
const report = await control({
  kills,
  seed,
  writers,
  onKill(kill, findings) {
    for (const it of findings.slice(0, 5))
      console.log(`  Kill ${kill}: ${it.kind} /${it.path}: ${it.reason}`);
  },
});
const percent = ((100 * report.damaged) / report.kills).toFixed(1);
console.log(`${report.acknowledged} writes acknowledged.`);
console.log(`${report.damaged} of ${report.kills} kills damaged the file (${percent} %).`);
