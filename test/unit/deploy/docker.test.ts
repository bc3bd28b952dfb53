import { existsSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import packageJson from '../../../package.json' with { type: 'json' };
import { optionTable } from '../../../src/options.js';
import { read, root } from '../docs/markdown.js';

/** The instructions of a Dockerfile, in order, with lines that go on joined. */
function instructions(file: string): { name: string; rest: string }[] {
  const lines = read(file)
    .replace(/^#.*\n/gm, '')
    .replace(/\\\n\s*/g, ' ');
  return [...lines.matchAll(/^([A-Z]+) (.*)$/gm)].map(([, name = '', rest = '']) => ({ name, rest }));
}

const all = (file: string, name: string) =>
  instructions(file)
    .filter((it) => it.name === name)
    .map(({ rest }) => rest);

describe.each(['deploy/docker/Dockerfile', 'deploy/docker/database.Dockerfile'])('%s', (file) => {
  test('has two stages on a Node.js that the package runs on, and the second has no npm in it', () => {
    const stages = all(file, 'FROM').map((rest) => /^node:(\d+)-/.exec(rest)?.[1]);
    expect(stages).toHaveLength(2);
    expect(packageJson.engines.node).toBe('^20.19.0 || >=22.12.0');
    for (const major of stages) expect(Number(major)).toBeGreaterThanOrEqual(22);
    const second = instructions(file).slice(instructions(file).findLastIndex(({ name }) => name === 'FROM'));
    expect(second.filter(({ name }) => name === 'RUN')).toEqual([]);
  });

  test('does not run as root, and gets signals itself', () => {
    expect(all(file, 'USER')).toEqual(['1000']);
    const [entry = ''] = all(file, 'ENTRYPOINT');
    expect((JSON.parse(entry) as string[])[0]).toBe('node');
  });
});

describe('the image of the server', () => {
  const file = 'deploy/docker/Dockerfile';

  test('starts the command of the package, of this major version', () => {
    const [entry = ''] = all(file, 'ENTRYPOINT');
    const [, script = ''] = JSON.parse(entry) as string[];
    expect(script).toBe(`node_modules/${packageJson.name}/${packageJson.bin['acebase-ipc-server']}`);
    expect(packageJson.version.split('.')[0]).toBe(all(file, 'ARG')[0]?.split('=')[1]);
  });

  test('copies files that are there, and sets variables that are read', () => {
    for (const rest of all(file, 'COPY').filter((it) => !it.startsWith('--from'))) {
      expect(existsSync(`${root}deploy/docker/${rest.split(' ')[0]}`)).toBe(true);
    }
    const variables = [
      ...all(file, 'ENV')
        .join(' ')
        .matchAll(/(ACEBASE_\w+)=/g),
    ].map(([, name]) => name);
    const known = optionTable().map(({ environment }) => environment);
    expect(variables.filter((name) => !known.includes(name ?? ''))).toEqual([]);
    const port = optionTable().find(({ name }) => name === 'port')?.default;
    expect(all(file, 'EXPOSE')).toEqual([String(port)]);
  });
});

test('the image of the database starts the program of the example', () => {
  const [entry = ''] = all('deploy/docker/database.Dockerfile', 'ENTRYPOINT');
  expect(existsSync(`${root}examples/cloud/${(JSON.parse(entry) as string[])[1]}`)).toBe(true);
});
