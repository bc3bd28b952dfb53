/**
 * `npm run crash`: what becomes of a database whose process is killed before a change of its files, or in the midst of one; with `--cluster`, of one
 * that several processes share. It ends with 1 if a crash does more than leak space.
 */
import '../support/register-typescript.js';

const { commandLine, CommandLineError, flag, namesOf, text, wholeNumber } = await import(
  '../support/command-line.ts'
);
const { MEMBERS } = await import('./cluster-run.ts');
const { isSafe, LONE_OUTCOMES, nameOf, pointNamed, shownClusterVerdict, shownVerdict, tableOf } =
  await import('./report.ts');
const { OUTCOMES } = await import('./verdict.ts');

const JOURNALS = ['off', 'process', 'power'];

const USAGE = `npm run crash -- [options]

  --seed <n>        which workload: 1, unless given
  --operations <n>  how many operations it has: 220, unless given
  --every <n>       of the crash points, each that many: 1, unless given
  --log             with a transaction log
  --journal <how>   with the client, and its journal: off, process or power
  --at <k>          only before change k of the files, or in half of it: 120h; shows what is wrong then

  --losses <n>      so many power cuts at each crash point: what was not synced may be lost
  --mending <n>     of each crash, what mends it is killed as well, at each n-th of its changes
  --full-disk       the disk is full at a crash point, for up to three changes; what fails then must leave nothing
  --kills <n>       so many processes are really killed, at random moments, each in a workload of its own

  --cluster         a server, a master and two workers, all of them with the client; one of them is killed
  --victim <names>  which one, in one run after the other: ${MEMBERS.join()}, unless given
  --overlap <n>     so many operations at one time, of different processes in different places: 1, unless given; 3 at most
  --parallel <n>    so many clusters at one time: 1, unless given
  --patience <n>    seconds that one step may take, which is an operation, or the start of a process: 30, unless given
`;

const { values } = commandLine(
  USAGE,
  {
    seed: wholeNumber(1, { least: 0 }),
    operations: wholeNumber(220),
    every: wholeNumber(1),
    log: flag(),
    journal: text(undefined),
    at: { type: 'string', absent: undefined, read: pointOf },
    cluster: flag(),
    victim: namesOf(MEMBERS, []),
    overlap: wholeNumber(undefined),
    parallel: wholeNumber(undefined),
    patience: wholeNumber(undefined),
    losses: wholeNumber(undefined),
    mending: wholeNumber(undefined),
    'full-disk': flag(),
    kills: wholeNumber(undefined),
  },
  [],
  ({ journal, at, cluster, victim, overlap, parallel, patience, losses, mending, kills, ...more }) => {
    const ends = [
      cluster,
      losses !== undefined,
      mending !== undefined,
      more['full-disk'],
      kills !== undefined,
    ];
    if (ends.filter((it) => it).length > 1) {
      throw new CommandLineError(
        '--cluster, --losses, --mending, --full-disk and --kills do not go together',
      );
    }
    if (kills !== undefined && at !== undefined)
      throw new CommandLineError('--at cannot be given with --kills');
    if (at?.mending !== undefined && mending === undefined)
      throw new CommandLineError('that --at needs --mending');
    if (journal !== undefined && !JOURNALS.includes(journal)) {
      throw new CommandLineError(`--journal must be one of ${JOURNALS.join()}`);
    }
    if (!cluster && (victim.length > 0 || [overlap, parallel, patience].some((it) => it !== undefined))) {
      throw new CommandLineError('--victim, --overlap, --parallel and --patience are for --cluster');
    }
    if (overlap !== undefined && overlap > MEMBERS.length) {
      throw new CommandLineError(
        `--overlap must be at most ${MEMBERS.length}: a process does one thing at a time`,
      );
    }
    if (cluster && at !== undefined && victim.length !== 1) {
      throw new CommandLineError('--at needs one --victim');
    }
  },
);
// Processes that were started end with this one, if it ends in the usual way.
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => process.exit(130));

const startedAt = performance.now();
const settings = {
  seed: values.seed,
  operations: values.operations,
  every: values.every,
  isLogged: values.log,
  journal: values.journal,
  ...(values.at === undefined ? {} : { points: [values.at] }),
};
if (values.cluster) await sweepClusters();
else await sweep();

async function sweep() {
  const { changes, verdicts } = await report({ ...settings, onVerdict: progress(200) });
  if (values.kills === undefined) {
    console.log(`Seed ${values.seed}: ${values.operations} operations changed files ${changes} times.`);
  }
  if (!verdicts.every(isSafe)) process.exitCode = 1;
  if (values.at !== undefined) {
    for (const line of verdicts.flatMap(shownVerdict)) console.log(line);
    return;
  }
  for (const line of tableOf(verdicts, LONE_OUTCOMES)) console.log(line);
  for (const verdict of firstOnes(verdicts)) {
    console.log(`\nThe first one of them: ${replay(verdict)}`);
    for (const line of shownVerdict(verdict)) console.log(line);
  }
}

async function report(how) {
  const { losses, mending, kills, every } = values;
  const { campaign } = await import('./campaign.ts');
  const { fullDiskCampaign, killCampaign, mendingCampaign } = await import('./other-ends.ts');
  if (kills !== undefined) return await killCampaign(how, kills);
  if (mending !== undefined) return await mendingCampaign(how, every, mending);
  if (values['full-disk']) return await fullDiskCampaign(how, every);
  return await campaign({ ...how, losses });
}

async function sweepClusters() {
  const { clusterCampaign } = await import('./cluster-campaign.ts');
  // Each process that is started has one.
  process.setMaxListeners(0);
  for (const victim of values.victim.length > 0 ? values.victim : MEMBERS) {
    const tell = progress(20);
    const { changes, verdicts } = await clusterCampaign({
      ...settings,
      victim,
      overlap: values.overlap ?? 1,
      patienceMs: (values.patience ?? 30) * 1000,
      parallel: values.parallel ?? 1,
      onVerdict(verdict) {
        tell();
        if (verdict.outcome !== 'clean' && values.at === undefined)
          console.log(`${verdict.outcome.padEnd(14)}  ${replay(verdict)}`);
      },
    });
    if (!verdicts.every(isSafe)) process.exitCode = 1;
    if (values.at !== undefined) {
      for (const line of verdicts.flatMap(shownClusterVerdict)) console.log(line);
      continue;
    }
    console.log(
      `Seed ${values.seed}: in ${values.operations} operations of a cluster, ${victim} changed files ${changes} times.`,
    );
    for (const line of tableOf(verdicts, OUTCOMES)) console.log(line);
    const failed = verdicts.filter(({ underWay }) =>
      underWay.some(({ actor, hasFailed }) => hasFailed && actor !== victim),
    );
    if (failed.length > 0) console.log(`${failed.length} times, what another process was doing failed.`);
    for (const verdict of firstOnes(verdicts)) {
      console.log(`\nThe first one: ${replay(verdict)}`);
      for (const line of shownClusterVerdict(verdict)) console.log(line);
    }
    console.log();
  }
}

/** Says how many there have been, each so many. */
function progress(every) {
  let judged = 0;
  return () => {
    if (++judged % every === 0)
      console.log(`  ${judged} crashes, ${Math.round((performance.now() - startedAt) / 1000)} s`);
  };
}

/** Of each kind that does harm. */
function firstOnes(verdicts) {
  return OUTCOMES.map((outcome) => verdicts.find((verdict) => verdict.outcome === outcome)).filter(
    (verdict) => verdict !== undefined && !isSafe(verdict),
  );
}

function replay(verdict) {
  const { operations, log, journal, overlap, mending, kills } = values;
  // Each of these has a workload of its own, and no point that could be named.
  const seed = kills === undefined ? values.seed : values.seed + verdict.change;
  const more = [
    ['journal', journal],
    ['overlap', overlap],
    ['mending', mending],
    ['full-disk', values['full-disk'] ? '' : undefined],
  ]
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => ` --${name} ${value}`.trimEnd())
    .join('');
  const where = verdict.victim === undefined ? '' : ` --cluster --victim ${verdict.victim}`;
  const which = kills === undefined ? `--at ${nameOf(verdict)}` : '--kills 1';
  return `npm run crash -- --seed ${seed} --operations ${operations}${log ? ' --log' : ''}${more}${where} ${which}`;
}

function pointOf(given) {
  const point = pointNamed(given);
  if (point === undefined) {
    throw new CommandLineError('must be as it is printed: a number, with or without an h, such as 120h');
  }
  return point;
}
