/**
 * `npm run simulate:mutants`: puts one fault after the other into a copy of the broker or of our client, and plays seeds until one of them
 * finds it. `-- --only NAME` plays those whose names contain it.
 */
import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import '../support/register-typescript.js';

const { commandLine, CommandLineError, text, wholeNumber } = await import('../support/command-line.ts');
const { mutations: ofBroker } = await import('./mutations.ts');
const { clientMutations } = await import('./client-mutations.ts');
const { journalMutations } = await import('./commits/mutations.ts');
const { playCommits } = await import('./commits/run.ts');
const mutations = [
  ...ofBroker.map((it) => ({ ...it, file: `broker/${it.file}` })),
  ...clientMutations.map((it) => ({ ...it, file: `client/core/${it.file}` })),
  ...journalMutations.map((it) => ({ ...it, file: `client/journal/${it.file}`, find: findInCommits })),
];

const USAGE = `npm run simulate:mutants -- [options]

  --only <text>  only those whose names contain it
  --seeds <n>    how many are played until a fault counts as not found: 10000, unless given
`;

const { values } = commandLine(USAGE, {
  only: {
    ...text(''),
    read(given) {
      if (mutations.some(({ name }) => name.includes(given))) return given;
      throw new CommandLineError(`is in no name: ${mutations.map(({ name }) => name).join('; ')}`);
    },
  },
  seeds: wholeNumber(10_000),
});
const { campaign } = await import('./campaign.ts');
const source = fileURLToPath(new URL('../../src', import.meta.url));
let missed = 0;

for (const mutation of mutations.filter(({ name }) => name.includes(values.only))) {
  const folder = await mkdtemp(join(tmpdir(), 'mutant-'));
  try {
    await mutate(folder, mutation);
    const found = await (mutation.find ?? findInSimulation)(folder, mutation);
    if (found === undefined) missed += 1;
    const verdict =
      found === undefined ? 'NOT FOUND' : `seed ${String(found.seed).padStart(4)}: ${found.rule}`;
    console.log(`${mutation.name.padEnd(72)} ${verdict}`);
  } finally {
    await rm(folder, { recursive: true });
  }
}
console.log(missed === 0 ? 'All were found.' : `${missed} were not found.`);
process.exitCode = missed === 0 ? 0 : 1;

/** The first seed that breaks a rule. */
async function findInSimulation(folder, { file, only = file.startsWith('client/') ? 'client' : undefined }) {
  const report = await campaign({
    from: 1,
    seeds: values.seeds,
    source: folder,
    only,
    stopsAtFirst: true,
  });
  return report.failures[0];
}

/** The same, where only the steps of commits are played. */
async function findInCommits(folder) {
  const { Journal } = await import(pathToFileURL(join(folder, 'client/journal/journal.ts')).href);
  for (let seed = 1; seed <= values.seeds; seed++) {
    const place = await mkdtemp(join(tmpdir(), 'commits-'));
    try {
      const rule = await playCommits(seed, { folder: place, JournalClass: Journal });
      if (rule !== undefined) return { seed, rule };
    } finally {
      await rm(place, { recursive: true });
    }
  }
  return undefined;
}

async function mutate(folder, { name, file, from, to }) {
  await cp(source, folder, { recursive: true });
  // Files of the copy are modules, too.
  await writeFile(join(folder, 'package.json'), '{"type":"module"}');
  const path = join(folder, file);
  const text = await readFile(path, 'utf8');
  if (text.split(from).length !== 2) throw new Error(`"${name}" does not fit ${file} any more`);
  await writeFile(
    path,
    text.replace(from, () => to),
  );
}
