/** `npm run chaos -- --minutes N --seed N`: the campaign of chaos.nightly.test.ts, as long as you like, with default settings. */
import '../../support/register-typescript.js';

const { commandLine, flag, json, namesOf, positiveNumber, wholeNumber } = await import(
  '../../support/command-line.ts'
);
const { faultKinds, usualClientFaults, usualFaults, usualManagedFaults } = await import('./faults.ts');
const { mutants } = await import('./mutants.ts');

const USAGE = `npm run chaos -- [options]

  --minutes <n>     5, unless given
  --seed <n>        replays faults and writes; without it, others in each run
  --workers <n>     3, unless given
  --client          all processes have the client of this package
  --managed         the server runs the master itself, and is among the victims with it; all have the client
  --faults <kinds>  these, with commas between them; what is there twice strikes twice as often:
                    ${faultKinds.join(', ')}.
                    Without it all but kill-server and those of a child; partition and suspend only with --client.
                    Those of a child want --managed, which knows none of a master.
                    Stock processes are stopped for 8 s at most
  --server <json>   options of the server: {"reconnectGrace": "2s"}
  --patience <n>    seconds that a command may take, faults that strike its process not counted: 90, unless given
  --mutants <names> makes all processes such ones, with the client, in rounds of some seconds, until a history shows it, as
                    it must within twenty: ${mutants.join(', ')}
  --quiet           says nothing until the end
`;

const { values } = commandLine(USAGE, {
  minutes: positiveNumber(5),
  seed: wholeNumber(Date.now() % 1_000_000, { least: 0 }),
  workers: wholeNumber(3),
  faults: namesOf(faultKinds, []),
  server: json({}),
  client: flag(),
  managed: flag(),
  patience: positiveNumber(90),
  mutants: namesOf(mutants, []),
  quiet: flag(),
});
const { chaos } = await import('./campaign.ts');
const { summary } = await import('./summary.ts');

// Processes that were started end with this one, if it ends in the usual way.
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => process.exit(130));

const startedAt = performance.now();
const onNews = (news) => {
  if (!values.quiet) console.log(`${((performance.now() - startedAt) / 1000).toFixed(1)} s: ${news}`);
};

if (values.mutants.length > 0) await findMutants();
else await play();

async function play() {
  const usualOfMembers = values.client ? usualClientFaults : usualFaults;
  const usual = values.managed ? usualManagedFaults : usualOfMembers;
  const kinds = values.faults.length > 0 ? values.faults : usual;
  console.log(
    `Seed ${values.seed}: ${values.workers} workers, ${values.minutes} minutes, ${kinds.join(' ')}`,
  );
  const report = await chaos({
    seed: values.seed,
    milliseconds: values.minutes * 60_000,
    workers: values.workers,
    kinds,
    leastWaitMs: 2000,
    mostWaitMs: 6000,
    patienceMs: values.patience * 1000,
    client: values.client,
    managed: values.managed,
    server: values.server,
    onNews,
  });
  for (const line of summary(report)) console.log(line);
  const { findings, misread, violations } = report;
  if (findings.length + misread.length + violations.length > 0) process.exitCode = 1;
}

async function findMutants() {
  const { hunt } = await import('./hunt.ts');
  for (const mutant of values.mutants) {
    console.log(`Seed ${values.seed}: ${mutant}`);
    const { rounds, report, isFound } = await hunt(mutant, { seed: values.seed, most: 20 }, onNews);
    for (const line of summary(report)) console.log(line);
    console.log(
      isFound ? `Found ${mutant} in round ${rounds}.` : `Did not find ${mutant} in ${rounds} rounds.`,
    );
    if (!isFound) process.exitCode = 1;
  }
}
