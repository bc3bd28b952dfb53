import { expect, test } from 'vitest';
import { parseArguments } from '../../../src/cli/arguments.js';
import { inspect } from '../../../src/cli/inspect.js';
import { exampleDatabase, exampleStatus } from '../../support/example-status.js';

const status = exampleStatus(exampleDatabase());

function output(more: { isTTY?: boolean; columns?: number } = {}) {
  const written: string[] = [];
  return { written, write: (text: string) => written.push(text), ...more };
}

test('the words of the commands are read, and the flags of the server with them', () => {
  expect(parseArguments(['peers', 'mydb', '--json', '--port', '1'], '0')).toEqual({
    kind: 'inspect',
    subject: 'peers',
    database: 'mydb',
    json: true,
    watch: false,
    url: undefined,
    flags: new Map([['--port', '1']]),
  });
  expect(parseArguments(['--token', 'x', 'locks', '--watch', '--url', 'http://a:1'], '0')).toEqual({
    kind: 'inspect',
    subject: 'locks',
    database: undefined,
    json: false,
    watch: true,
    url: 'http://a:1',
    flags: new Map([['--token', 'x']]),
  });
  expect(parseArguments(['databases'], '0')).toMatchObject({ kind: 'inspect', subject: 'databases' });
});

test('a table fits a terminal, and is as wide as it wants to be elsewhere', async () => {
  const ask = async () => status;
  const common = { subject: 'peers', json: false, watch: false, ask } as const;
  const terminal = output({ isTTY: true, columns: 60 });
  await inspect({ ...common, output: terminal });
  const file = output({ columns: 60 });
  await inspect({ ...common, output: file });
  expect(terminal.written.join('')).not.toContain('ADDRESS');
  expect(file.written.join('')).toContain('ADDRESS');
});

test('JSON is printed as a list', async () => {
  const to = output({ isTTY: true, columns: 20 });
  await inspect({ subject: 'databases', json: true, watch: false, ask: async () => status, output: to });
  expect(JSON.parse(to.written.join(''))).toEqual(status.databases);
});

test('a server that is not there at the first look is an error', async () => {
  const ask = () => Promise.reject(new Error('no IPC server answers'));
  const to = output();
  await expect(inspect({ subject: 'peers', json: false, watch: true, ask, output: to })).rejects.toThrow(
    'no IPC server answers',
  );
  expect(to.written).toEqual([]);
});
