import { expect, test } from 'vitest';
import { environmentOf, sharedOptions } from '../../../src/managed-masters/child-program.js';

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
