import { existsSync } from 'node:fs';
import { expect, test } from 'vitest';
import packageJson from '../../../package.json' with { type: 'json' };
import { parseArguments } from '../../../src/cli/arguments.js';
import { documents, read, root } from './markdown.js';

const scripts = Object.keys(packageJson.scripts);
/** What npm knows as scripts without `run`. */
const SHORT = ['start', 'test'];

test.each(documents().filter((path) => !path.startsWith('examples/')))(
  'the npm scripts in %s exist',
  (path) => {
    const text = read(path);
    const run = [...text.matchAll(/npm run ([\w:-]+)/g)].map(([, name = '']) => name);
    const short = [...text.matchAll(/npm (start|test)\b/g)].map(([, name = '']) => name);
    expect(
      [...run, ...short.filter((name) => SHORT.includes(name))].filter((name) => !scripts.includes(name)),
    ).toEqual([]);
  },
);

test('README.md tells the commands for a fresh clone', () => {
  const text = read('README.md');
  for (const command of ['npm ci && npm start', 'npm ci && npm test', 'npm ci && npm run demo']) {
    expect(text).toContain(command);
  }
});

test.each(documents())('the command lines of acebase-ipc-server in %s are valid', (path) => {
  for (const [, line = ''] of read(path).matchAll(/^(?:npx )?acebase-ipc-server((?: [^\n#]*)?)$/gm)) {
    const words = line
      .trim()
      .split(/\s+/)
      .filter((word) => word !== '');
    expect(() => parseArguments(words, '0.0.0'), `acebase-ipc-server${line}`).not.toThrow();
  }
});

test('the folders and files of tests that documents name exist', () => {
  const named = documents().flatMap((path) =>
    [...read(path).matchAll(/\btest\/[\w/.-]*\w/g)].map(([file]) => ({ path, file })),
  );
  expect(named.filter(({ file }) => !existsSync(root + file))).toEqual([]);
});
