import { expect, test } from 'vitest';
import { filesBelow, read } from './markdown.js';

// What `npm run lint:imports` cannot see.
test('the clock is the only module that reads the time or sets a timer', () => {
  const files = filesBelow('src', '.ts').filter((path) => path !== 'src/platform/clock.ts');
  const clock = /\b(?:Date\.now|performance\.now|setInterval)\(|new Date\(\)|(?<![.?\w])setTimeout\(/;
  const code = (path: string) => read(path).replace(/\/\*[\s\S]*?\*\/|\/\/.*$/gm, '');
  expect(files.filter((path) => clock.test(code(path)))).toEqual([]);
});

test('the core of the client does not use what only Node.js has', () => {
  const node = /\b(?:process|Buffer|setImmediate|queueMicrotask|Math\.random)\b/;
  const code = (path: string) => read(path).replace(/\/\*[\s\S]*?\*\/|\/\/.*$|'[^'\n]*'|`[^`]*`/gm, '');
  expect(filesBelow('src/client/core', '.ts').filter((path) => node.test(code(path)))).toEqual([]);
});

test('docs/ARCHITECTURE.md names every file of the broker, the server, managed masters and the client', () => {
  const document = read('docs/ARCHITECTURE.md');
  const files = ['src/protocol', 'src/broker', 'src/server', 'src/managed-masters', 'src/client'].flatMap(
    (room) => filesBelow(room, '.ts'),
  );
  const names = files.filter((path) => !path.includes('/routes/')).map((path) => path.replace(/^.*\//, ''));
  expect(
    names.filter((name) => !new RegExp(`(?<![\\w-])${name.replace('.', '\\.')}`).test(document)),
  ).toEqual([]);
});
