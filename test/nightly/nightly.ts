import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { commandLine, namesOf, positiveNumber, wholeNumber } from '../support/command-line.js';
import { type Command, type Part, partsOf } from './parts.js';

const USAGE = `npm run test:nightly -- [options]

  --only <parts>    only these, with commas between them; without it, all:
                    ${partsOf({ scale: 1, seed: 0 })
                      .map(({ name }) => name)
                      .join(', ')}
  --scale <n>       how much of everything: 1 takes about 2 h 30 on two cores, 0.1 about an hour
  --seed <n>        the random numbers of all parts; without it, others in each run
`;

const root = fileURLToPath(new URL('../..', import.meta.url));

interface Outcome {
  readonly part: Part;
  /** The commands that failed. */
  readonly failed: readonly Command[];
  readonly seconds: number;
}

/** Runs the parts one after the other, whatever fails, and prints what came of each. @returns the exit code */
export async function nightly(): Promise<number> {
  const names = partsOf({ scale: 1, seed: 0 }).map(({ name }) => name);
  const { values } = commandLine(USAGE, {
    only: namesOf(names, names),
    scale: positiveNumber(1),
    seed: wholeNumber(Date.now() % 1_000_000_000, { least: 0 }),
  });
  const outcomes: Outcome[] = [];
  console.log(`Seed ${values.seed}, scale ${values.scale}: ${values.only.join(', ')}`);
  for (const part of partsOf(values).filter(({ name }) => values.only.includes(name))) {
    outcomes.push(await run(part));
  }
  console.log(`\nSeed ${values.seed}, scale ${values.scale}`);
  for (const outcome of outcomes) for (const line of summary(outcome)) console.log(line);
  const failed = outcomes.filter((outcome) => outcome.failed.length > 0);
  console.log(`\n${outcomes.length - failed.length} parts passed, ${failed.length} failed`);
  return failed.length === 0 ? 0 : 1;
}

async function run(part: Part): Promise<Outcome> {
  const startedAt = performance.now();
  const failed: Command[] = [];
  for (const command of part.commands) {
    console.log(`\n=== ${part.name}: ${command.replay}`);
    if (!(await succeeds(command))) failed.push(command);
  }
  return { part, failed, seconds: (performance.now() - startedAt) / 1000 };
}

function succeeds(command: Command): Promise<boolean> {
  const child = spawn(process.execPath, command.arguments, {
    cwd: root,
    stdio: ['ignore', 'inherit', 'inherit'],
    env: { ...process.env, ...command.env },
  });
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', (code) => resolve(code === 0));
  });
}

function summary({ part, failed, seconds }: Outcome): string[] {
  const verdict = failed.length === 0 ? 'passed' : 'FAILED';
  return [
    `  ${verdict}  ${part.name.padEnd(14)} ${(seconds / 60).toFixed(1).padStart(5)} min`,
    ...failed.map(({ replay }) => `          ${replay}`),
  ];
}
