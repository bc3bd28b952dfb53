import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import type { Logger } from '../../../src/broker/ports.js';
import { environmentOf, sharedOptions, startChild } from '../../../src/managed-masters/child-program.js';
import type { FromChild, OpenRequest } from '../../../src/managed-masters/messages.js';
import { removeDirectory, temporaryDirectory } from '../../support/temporary-directory.js';
import { VirtualClock } from '../../support/virtual-clock.js';
import { eventually } from '../../support/waiting.js';

test('the process of a managed master has the options of Node.js that are not for one process alone', () => {
  const shared = ['--max-old-space-size=512', '--require', '/x/.pnp.cjs', '--import=./loader.mjs'];
  expect(sharedOptions(shared)).toEqual(shared);
  expect(
    sharedOptions([
      '--inspect=9229',
      '--inspect-brk',
      '--cpu-prof',
      '--cpu-prof-dir',
      'profiles',
      '--conditions',
      'development',
      '--heap-prof',
      '--watch',
      '--watch-path=src',
      '--test',
      '-e',
      'start()',
      '--input-type=module',
    ]),
  ).toEqual(['--conditions', 'development']);
});

test('it has the variables of the server, without its secrets', () => {
  expect(
    environmentOf({
      PATH: '/bin',
      NODE_PATH: '/lib',
      ACEBASE_IPC_SERVER_TOKEN: 'hush',
      ACEBASE_IPC_SERVER_TOKEN_FILE: 'hush',
      ACEBASE_IPC_SERVER_ADMIN_TOKEN: 'hush',
      ACEBASE_IPC_SERVER_SSL_PASSPHRASE: 'hush',
      ACEBASE_IPC_SERVER_PORT: '1',
      NODE_OPTIONS: '--inspect=0 --require ./x.cjs --cpu-prof',
    }),
  ).toEqual({
    PATH: '/bin',
    NODE_PATH: '/lib',
    ACEBASE_IPC_SERVER_PORT: '1',
    NODE_OPTIONS: expect.stringMatching(/^\s*--require \.\/x\.cjs\s*$/),
  });
});

test('it does not keep the process of the server from ending, whatever becomes of it', async () => {
  const folder = await temporaryDirectory('child');
  onTestFinished(() => removeDirectory(folder));
  const program = join(folder, 'program.cjs');
  writeFileSync(program, "console.log('hello'); process.on('message', (message) => process.send(message));");
  const logs: string[] = [];
  const info = (_fields: object, text: string): void => void logs.push(text);
  const logger = { debug: info, info, warn: info, error: info, fatal: info } as unknown as Logger;
  // Handles that keep a process from ending; those of the test runner are there before.
  const keeping = (): string[] =>
    process.getActiveResourcesInfo().filter((name) => name === 'PipeWrap' || name === 'ProcessWrap');
  const before = keeping();
  const messages: FromChild[] = [];
  let hasEnded = false;
  const request = { database: 'mydb' } as OpenRequest;
  const child = startChild(
    { program, clock: new VirtualClock(), logger, request },
    {
      message: (message) => messages.push(message),
      ended: () => {
        hasEnded = true;
      },
    },
  );
  onTestFinished(() => child.kill());
  expect(keeping()).toEqual(before);
  await eventually(() => messages.length === 1 && logs.length === 1);
  expect([messages, logs, keeping()]).toEqual([[request], ['hello'], before]);
  child.kill();
  await eventually(() => hasEnded);
});
