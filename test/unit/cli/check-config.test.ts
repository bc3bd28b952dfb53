import { expect, test } from 'vitest';
import { describeConfig } from '../../../src/cli/check-config.js';
import { optionTable, resolveSources } from '../../../src/options.js';

function lines(environment: Record<string, string>): string[] {
  return describeConfig(
    resolveSources({ flags: new Map(), environment, readFile: () => 'hush1\nhush2' }),
  ).split('\n');
}

test('a line for each option, with its value and its place', () => {
  const text = lines({ ACEBASE_IPC_SERVER_PORT: '1', ACEBASE_IPC_SERVER_DATABASES: 'a,b' });
  expect(text).toHaveLength(optionTable().length);
  expect(text).toEqual(
    expect.arrayContaining([
      expect.stringMatching(/^port +1 +ACEBASE_IPC_SERVER_PORT$/),
      expect.stringMatching(/^databases +a, b +ACEBASE_IPC_SERVER_DATABASES$/),
      expect.stringMatching(/^maxPayload +33,554,432 UTF-16 units +default$/),
      expect.stringMatching(/^maxBuffered +64 MiB +default$/),
      expect.stringMatching(/^stopTimeout +5 s +default$/),
      expect.stringMatching(/^ssl\.certPath +none +default$/),
    ]),
  );
});

test('masters are shown with their folders', () =>
  expect(lines({ ACEBASE_IPC_SERVER_MASTERS: '{"a":{"path":"/x"},"b":{"path":"/y"}}' })).toContainEqual(
    expect.stringMatching(/^masters +a in \/x, b in \/y +ACEBASE_IPC_SERVER_MASTERS$/),
  ));

test('secrets are only set', () => {
  const text = lines({
    ACEBASE_IPC_SERVER_TOKEN: 'hush',
    ACEBASE_IPC_SERVER_SSL_PFX: 'hush',
    ACEBASE_IPC_SERVER_SSL_PASSPHRASE: 'hush',
  });
  expect(text.join('\n')).not.toContain('hush');
  expect(text).toEqual(
    expect.arrayContaining([
      expect.stringMatching(/^token +\(set\) +ACEBASE_IPC_SERVER_TOKEN$/),
      expect.stringMatching(/^adminToken +\(set\) +the token$/),
      expect.stringMatching(/^ssl\.pfx +\(set\) /),
    ]),
  );
});

test('tokens of a file and for databases are counted, not shown', () => {
  expect(lines({ ACEBASE_IPC_SERVER_TOKEN_FILE: '/t' })).toContainEqual(
    expect.stringMatching(/^token +\(set by tokenFile, 2 of them\) +tokenFile$/),
  );
  expect(lines({ ACEBASE_IPC_SERVER_TOKEN: '{"mydb":"hush"}' })).toContainEqual(
    expect.stringMatching(/^token +\(set, for mydb\) /),
  );
});

test('warnings come last', () =>
  expect(lines({ ACEBASE_IPC_SERVER_PROT: '1' }).at(-1)).toMatch(
    /^warning: ACEBASE_IPC_SERVER_PROT is not a variable/,
  ));
