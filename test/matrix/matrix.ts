import { type Cast, casts } from './casts.js';
import { applies, type Scenario, scenarios } from './scenarios.js';

interface Failure {
  readonly cast: string;
  readonly scenario: string;
  readonly error: unknown;
}

const nameWidth = Math.max(...casts.map((cast) => cast.name.length));

/** Plays every scenario with every cast, prints the table as it grows, and gives what failed. */
export async function runMatrix(only?: RegExp): Promise<readonly Failure[]> {
  const failures: Failure[] = [];
  const notes: string[] = [];
  const chosen = casts.filter((cast) => !only || only.test(cast.name));
  console.log(`Published versions from npm, on Node ${process.versions.node}.\n`);
  console.log(
    row(
      '',
      scenarios.map((scenario) => scenario.name),
    ),
  );
  for (const cast of chosen) {
    if (cast.alone !== undefined) notes.push(`${cast.name} ${cast.alone}.`);
    const cells: string[] = [];
    for (const scenario of scenarios) cells.push(await play(scenario, cast, failures, notes));
    console.log(row(cast.name, cells));
  }
  console.log('\n–: says nothing about that row. fault: fails because of AceBase itself, on any server.');
  for (const note of new Set(notes)) console.log(`  ${note}`);
  for (const { cast, scenario, error } of failures) {
    const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
    console.log(`\nFAILED: ${cast}: ${scenario}\n${text}`);
  }
  console.log(failures.length === 0 ? '\nAll passed.' : `\n${failures.length} FAILED.`);
  return failures;
}

async function play(scenario: Scenario, cast: Cast, failures: Failure[], notes: string[]): Promise<string> {
  if (!(await applies(scenario, cast))) return '–';
  const fault = cast.faults?.[scenario.name];
  try {
    await scenario.run(cast);
    return 'ok';
  } catch (error) {
    if (fault === undefined) {
      failures.push({ cast: cast.name, scenario: scenario.name, error });
      return 'FAILED';
    }
    notes.push(`${fault}. (${String(error).split('\n', 1)[0]})`);
    return 'fault';
  }
}

function row(name: string, cells: readonly string[]): string {
  const padded = cells.map((cell, index) => cell.padEnd(Math.max(6, scenarios[index]?.name.length ?? 0)));
  return [name.padEnd(nameWidth), ...padded].join('  ').trimEnd();
}
