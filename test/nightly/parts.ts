import { longFaults, usualFaults } from '../e2e/chaos/faults.js';
import { mutants } from '../e2e/chaos/mutants.js';

/** One of the things that `npm run test:nightly` runs. */
export interface Part {
  readonly name: string;
  readonly commands: readonly Command[];
}

/** A process, and what a person types to have the same again. */
export interface Command {
  readonly replay: string;
  /** For Node. */
  readonly arguments: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
}

/** How much of everything, and which random numbers. */
export interface Amount {
  /** 1 takes about 2 h 30 on two cores, 0.1 about an hour: some parts cannot be done by halves. */
  readonly scale: number;
  readonly seed: number;
}

const VITEST = 'node_modules/vitest/vitest.mjs';

/** The server is struck about as often as everybody else together. */
const CLIENT_FAULTS = [...usualFaults, ...Array.from({ length: 13 }, () => 'kill-server')].join();

/** Processes that live on where the server cannot reach them, and servers that are lost with what they knew of them: stalls add up. */
const LONG_FAULTS = [...longFaults, 'kill-server', 'kill-server'].join();

/** What is measured, and what of it if there is little time. */
const BENCH = [[], ['growth'], ['costs'], ['storm'], ['acebase'], ['journal']];
const SHORT_BENCH = [['--only', 'P1,P3,P4'], ['storm']];

/** All parts, the short ones first. */
export function partsOf({ scale, seed }: Amount): readonly Part[] {
  const minutes = (at1: number): string => String(Number((at1 * scale).toFixed(2)));
  const count = (at1: number): string => String(Math.max(1, Math.round(at1 * scale)));
  const fuzzed = { FRAME_FUZZ_RUNS: count(1_000_000), FRAME_FUZZ_SEED: String(seed) };
  /** Of the moments at which a process may be killed. */
  const every = String(Math.round(40 / scale));
  const everyOfCluster = String(Math.round(100 / scale));
  const crashWith = (journal: string, ...more: string[]): Command =>
    script('crash', 'test/crash/crash.js', '--journal', journal, '--seed', String(seed), ...more);
  const crash = (...more: string[]): Command => crashWith('process', ...more);
  return [
    {
      name: 'files',
      commands: [
        {
          replay: 'npx vitest run --config vitest.nightly.config.ts',
          arguments: [VITEST, 'run', '--config', 'vitest.nightly.config.ts'],
        },
      ],
    },
    { name: 'matrix', commands: [script('test:matrix', 'test/matrix/run.js')] },
    {
      name: 'fuzz',
      commands: [
        {
          replay: `${Object.entries(fuzzed)
            .map(([name, value]) => `${name}=${value}`)
            .join(' ')} npm run fuzz`,
          arguments: [VITEST, 'run', '--config', 'vitest.fuzz.config.ts'],
          env: fuzzed,
        },
      ],
    },
    { name: 'mutants', commands: [script('simulate:mutants', 'test/simulation/mutants.js')] },
    {
      name: 'simulate',
      commands: [
        // Far from the fixed seeds, and others in each night.
        script(
          'simulate',
          'test/simulation/simulate.js',
          '--from',
          String(1_000_000 + seed),
          '--seeds',
          count(10_000),
        ),
      ],
    },
    {
      name: 'torture',
      commands: [
        script('torture', 'test/torture/torture.js', '--seed', String(seed), '--ops', count(20_000)),
      ],
    },
    {
      name: 'crash',
      commands: [
        ...[[], ['--log']].map((more) => crash('--every', every, ...more)),
        crash('--full-disk', '--log', '--every', String(Math.round(60 / scale))),
        crash('--mending', '10', '--every', String(Math.round(800 / scale))),
        crash('--kills', count(250)),
        crashWith('power', '--losses', '2', '--every', every),
        crash('--cluster', '--operations', '100', '--parallel', '2', '--every', everyOfCluster),
      ],
    },
    {
      name: 'chaos',
      commands: [script('chaos', 'test/e2e/chaos/chaos.js', '--seed', String(seed), '--minutes', minutes(5))],
    },
    {
      name: 'chaos-client',
      commands: [
        script(
          'chaos',
          'test/e2e/chaos/chaos.js',
          ...['--seed', String(seed), '--minutes', minutes(5), '--client', '--faults', CLIENT_FAULTS],
        ),
      ],
    },
    {
      name: 'chaos-managed',
      commands: [
        script(
          'chaos',
          'test/e2e/chaos/chaos.js',
          ...['--seed', String(seed), '--minutes', minutes(3), '--managed'],
        ),
      ],
    },
    {
      name: 'chaos-partition',
      commands: [
        script(
          'chaos',
          'test/e2e/chaos/chaos.js',
          ...['--seed', String(seed), '--minutes', minutes(5), '--client', '--faults', LONG_FAULTS],
        ),
        script('chaos', 'test/e2e/chaos/chaos.js', '--seed', String(seed), '--mutants', mutants.join()),
      ],
    },
    {
      name: 'soak',
      commands: [
        script('soak', 'test/soak/soak.js', '--seed', String(seed), '--minutes', minutes(10), '--client'),
      ],
    },
    {
      name: 'bench',
      commands: (scale < 0.5 ? SHORT_BENCH : BENCH).map((given) =>
        script('bench', 'bench/bench.js', ...given, '--quick'),
      ),
    },
  ];
}

function script(name: string, file: string, ...given: readonly string[]): Command {
  return {
    replay: ['npm run', name, ...(given.length > 0 ? ['--', ...given.map(quoted)] : [])].join(' '),
    arguments: [file, ...given],
  };
}

/** As a shell wants it. */
function quoted(argument: string): string {
  return /^[\w.,-]+$/.test(argument) ? argument : `'${argument}'`;
}
