import { expect, test } from 'vitest';
import { commandHere } from '../../support/command.js';

const nowhere = '/there/is/no/such/folder';

test.each([
  [['check', 'mydb', '--path', nowhere, '--json'], 2, 'IPC_CHECK_NO_DATABASE'],
  [['backup', 'mydb', '--path', nowhere, '--to', nowhere, '--json'], 2, 'IPC_CHECK_NO_DATABASE'],
  [['doctor', 'mydb', '--url', 'localhost', '--json'], 2, 'IPC_OPTION_INVALID'],
  [['locks', 'mydb', '--json', '--prot', '1'], 2, 'IPC_OPTION_UNKNOWN'],
  [['check-config', '--json'], 2, 'IPC_OPTION_UNKNOWN'],
] as const)('%j: a program gets the error as JSON, and people as text', async (words, code, error) => {
  const result = await commandHere(words);
  expect(result.code).toBe(code);
  expect(JSON.parse(result.stdout)).toEqual({
    error: { code: error, message: expect.any(String), remedy: expect.any(String) },
  });
  expect(result.stderr).toContain(`(${error})`);
  const people = await commandHere(words.filter((word) => word !== '--json'));
  if (words[0] !== 'check-config') expect(people).toEqual({ ...result, stdout: '' });
});

test('what was given is what the hint asks about', async () => {
  const byUrl = await commandHere(['databases', '--url', 'http://localhost:1']);
  expect(byUrl.stderr).toMatch(/: is it running, and is --url right\?\n$/);
  const byPort = await commandHere(['databases', '--port', '1']);
  expect(byPort.stderr).toMatch(/: is it running, and are --host and --port right\? /);
});

test.each(['peers', 'locks', 'databases'])('%s, where there is no server', async (subject) => {
  const { code, stdout, stderr } = await commandHere([subject, '--json', '--port', '1']);
  expect(code).toBe(1);
  const { error } = JSON.parse(stdout) as { error: { code: string | null; message: string } };
  expect(error).toMatchObject({ code: null, message: expect.stringMatching(/^no IPC server answers at/) });
  expect(stderr).toBe(`acebase-ipc-server: ${error.message}\n`);
});
