import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import packageJson from '../../package.json' with { type: 'json' };
import {
  CommandLineError,
  flag,
  json,
  namesOf,
  parseCommandLine,
  positiveNumber,
  text,
  wholeNumber,
} from '../support/command-line.js';
import { isInFull, someOf } from '../support/in-full.js';

const root = fileURLToPath(new URL('../..', import.meta.url));

/** The file of each of our own commands for developers. */
const files = new Map(
  Object.entries(packageJson.scripts).flatMap(([name, script]) => {
    const file = / ?node ((?:test|bench)\/\S+\.js)$/.exec(script)?.[1];
    return file === undefined ? [] : [[name, file]];
  }),
);

function run(name: string, ...given: readonly string[]) {
  const file = files.get(name) as string;
  const { status, stderr } = spawnSync(process.execPath, [file, ...given], { cwd: root, encoding: 'utf8' });
  return { status, firstLine: stderr.split('\n', 1)[0] };
}

describe('commands for developers', () => {
  it('are all found', () => {
    expect([...files.keys()].sort()).toEqual(
      [
        ...[
          'bench',
          'chaos',
          'chaos:control',
          'crash',
          'dashboard:screenshots',
          'simulate',
          'simulate:mutants',
        ],
        ...['soak', 'test:matrix', 'test:nightly', 'torture'],
      ].sort(),
    );
  });

  // All of them read their options in the same way.
  it.each(isInFull ? [...files.keys()] : ['soak'])('%s refuses an option that it does not know', (name) => {
    const { status, firstLine } = run(name, '--nonsense');
    expect(firstLine).toContain('--nonsense');
    expect(status).toBe(2);
  });

  const refused: [name: string, given: string[], named: string][] = [
    ['chaos', ['--faults', 'kill-worker,nonsense'], '"nonsense"'],
    ['bench', ['grwth'], 'grwth'],
    ['chaos', ['--mutants', 'nonsense'], '"nonsense"'],
    ['crash', ['--cluster', '--victim', 'nonsense'], '"nonsense"'],
    ['crash', ['--victim', 'master'], '--cluster'],
    ['bench', ['--only', 'P1,P9'], 'P9'],
    ['bench', ['growth', '--only', 'P1'], 'growth'],
    ['simulate:mutants', ['--only', 'nonsense'], 'nonsense'],
    ['test:matrix', ['--only', '0.0.0'], '0.0.0'],
    ['test:nightly', ['--only', 'simulate,nonsense'], '"nonsense"'],
  ];
  it.each(someOf(refused, 2))('%s %j is refused', (name, given, named) => {
    const { status, firstLine } = run(name, ...given);
    expect(firstLine).toContain(named);
    expect(status).toBe(2);
  });
});

describe('a command line', () => {
  const options = {
    seed: wholeNumber(undefined, { least: 0 }),
    rounds: wholeNumber(3),
    minutes: positiveNumber(5),
    kinds: namesOf(['kill', 'cut'], ['cut']),
    server: json({}),
    quick: flag(),
    node: { ...text(''), multiple: true },
  } as const;
  const parse = (...given: string[]) => parseCommandLine(given, options, ['growth', 'storm']);

  it('has the values that are not given', () => {
    const { values, word } = parse();
    expect(values).toEqual({ rounds: 3, minutes: 5, kinds: ['cut'], server: {}, quick: false, node: [] });
    expect(word).toBeUndefined();
  });

  it('has the values that are given', () => {
    const given = '--seed 0 --rounds 7 --minutes .5 --kinds kill,cut --quick --node=--a --node=--b storm';
    const { values, word } = parse(...given.split(' '), '--server', '{"port":1}');
    expect(values).toEqual({
      seed: 0,
      rounds: 7,
      minutes: 0.5,
      kinds: ['kill', 'cut'],
      server: { port: 1 },
      quick: true,
      node: ['--a', '--b'],
    });
    expect(word).toBe('storm');
  });

  it.each([
    ['--seeds 1'],
    ['--seed'],
    ['--seed -1'],
    ['--seed=-1'],
    ['--seed 1.5'],
    ['--seed one'],
    ['--seed='],
    ['--rounds 0'],
    ['--rounds 9007199254740993'],
    ['--minutes 0'],
    ['--minutes 1e3'],
    ['--minutes NaN'],
    ['--kinds kill,cutt'],
    ['--kinds='],
    ['--server []'],
    ['--server {'],
    ['--quick=yes'],
    ['hurricane'],
    ['growth storm'],
  ])('is refused: %s', (given) => {
    expect(() => parse(...given.split(' '))).toThrow(CommandLineError);
  });
});
