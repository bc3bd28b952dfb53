import { posix } from 'node:path';
import { expect, test } from 'vitest';
import { filesBelow, read } from './markdown.js';

interface Import {
  readonly file: string;
  readonly target: string;
  /** Where it is, from the root of the repository; of a package, its name behind that of the folder. */
  readonly path: string;
  readonly isTypeOnly: boolean;
}

/** What the files of a room import. */
function importsOf(room: string): Import[] {
  return filesBelow(`src/${room}`, '.ts').flatMap((file) =>
    [...read(file).matchAll(/^(?:import|export)( type)?[^;]*? from '([^']+)'/gm)].map(
      ([, type, target = '']) => ({
        file,
        target,
        path: posix.join(posix.dirname(file), target),
        isTypeOnly: type !== undefined,
      }),
    ),
  );
}

// The table "Arrows" of docs/ARCHITECTURE.md.
test('the protocol imports nothing but itself', () => {
  expect(importsOf('protocol').filter(({ path }) => !path.startsWith('src/protocol/'))).toEqual([]);
});

test('the broker imports nothing but itself, the protocol and the types of errors', () => {
  const others = importsOf('broker').filter(({ path }) => !/^src\/(?:broker|protocol)\//.test(path));
  expect(others.filter(({ path, isTypeOnly }) => path !== 'src/errors.js' || !isTypeOnly)).toEqual([]);
});

test('websocket imports nothing of ours, and no package', () => {
  const others = importsOf('websocket').filter(({ target }) => !target.startsWith('./'));
  expect(others.filter(({ target }) => !target.startsWith('node:'))).toEqual([]);
});

test('options import no other room', () => {
  const allowed = /^(?:\.\/|node:|zod$|\.\.\/errors\.js$)/;
  expect(importsOf('options').filter(({ target }) => !allowed.test(target))).toEqual([]);
});

test('nobody but the command imports the command, and nobody but server and command imports the server', () => {
  const rooms = ['protocol', 'broker', 'websocket', 'options', 'platform', 'server'];
  expect(rooms.flatMap(importsOf).filter(({ target }) => target.includes('/cli/'))).toEqual([]);
  expect(
    rooms
      .slice(0, -1)
      .flatMap(importsOf)
      .filter(({ target }) => target.includes('/server/')),
  ).toEqual([]);
});

test('the clock is the only module that reads the time or sets a timer', () => {
  const files = filesBelow('src', '.ts').filter((path) => path !== 'src/platform/clock.ts');
  const clock = /\b(?:Date\.now|performance\.now|setInterval)\(|new Date\(\)|(?<![.?\w])setTimeout\(/;
  const code = (path: string) => read(path).replace(/\/\*[\s\S]*?\*\/|\/\/.*$/gm, '');
  expect(files.filter((path) => clock.test(code(path)))).toEqual([]);
});

test('the client shares the grammar of the wire with the broker, and nothing of the server', () => {
  const allowed = /^(?:src\/(?:client|platform|protocol)\/|src\/errors\.js$|package\.json$)/;
  const isPackage = ({ target }: Import) => /^(?:node:|ws$)/.test(target);
  const others = importsOf('client').filter(
    (each) => !each.isTypeOnly && !isPackage(each) && !allowed.test(each.path),
  );
  expect(others).toEqual([]);
  const rooms = ['protocol', 'broker', 'websocket', 'options', 'platform', 'server', 'cli'];
  expect(rooms.flatMap(importsOf).filter(({ target }) => target.includes('/client/'))).toEqual([]);
});

test('the core of the client is pure: it imports nothing but itself, the protocol and errors', () => {
  const allowed = /^src\/(?:client\/core|protocol)\/|^src\/errors\.js$/;
  expect(importsOf('client/core').filter(({ path }) => !allowed.test(path))).toEqual([]);
});

test('the core of the client does not use what only Node.js has', () => {
  const node = /\b(?:process|Buffer|setImmediate|queueMicrotask|Math\.random)\b/;
  const code = (path: string) => read(path).replace(/\/\*[\s\S]*?\*\/|\/\/.*$|'[^'\n]*'|`[^`]*`/gm, '');
  expect(filesBelow('src/client/core', '.ts').filter((path) => node.test(code(path)))).toEqual([]);
});

test('docs/ARCHITECTURE.md names every file of the broker, the server and the client', () => {
  const document = read('docs/ARCHITECTURE.md');
  const files = ['src/protocol', 'src/broker', 'src/server', 'src/client'].flatMap((room) =>
    filesBelow(room, '.ts'),
  );
  const names = files.filter((path) => !path.includes('/routes/')).map((path) => path.replace(/^.*\//, ''));
  expect(
    names.filter((name) => !new RegExp(`(?<![\\w-])${name.replace('.', '\\.')}`).test(document)),
  ).toEqual([]);
});
