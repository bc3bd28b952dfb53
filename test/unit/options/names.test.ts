import { describe, expect, test } from 'vitest';
import {
  coveredNames,
  databaseOf,
  isDatabaseName,
  isLoopbackHost,
  isWildcardHost,
  parseHost,
} from '../../../src/options/names.js';

test('a database covers its own files and nothing else', () =>
  expect(coveredNames('mydb')).toEqual(['mydb', 'mydb_data', 'mydb_transaction']));

test('its files are those of one database', () => {
  expect(coveredNames('mydb').map(databaseOf)).toEqual(['mydb', 'mydb', 'mydb']);
  expect(databaseOf('my_data_base')).toBe('my_data_base');
});

describe('database names', () => {
  test.each(['a', 'mydb_data', '__proto__', 'x'.repeat(128), '!"$&\'()*+,-.:<=>@[\\]^_`{|}~'])('%s', (name) =>
    expect(isDatabaseName(name)).toBe(true),
  );
  test.each(['', 'a b', 'a/b', 'a?b', 'a#b', 'a;b', 'a%b', 'ä', 'a\n', 'a\u001b[2J', 'x'.repeat(129)])(
    '%j is none',
    (name) => expect(isDatabaseName(name)).toBe(false),
  );
});

describe('hosts', () => {
  test.each([
    'localhost',
    'LOCALHOST',
    '127.0.0.1',
    '127.255.0.9',
    '::1',
    '[::1]',
    '0:0:0:0:0:0:0:1',
    '::ffff:127.0.0.1',
  ])('%s is loopback', (host) => expect(isLoopbackHost(host)).toBe(true));
  test.each([
    '0.0.0.0',
    '::',
    '10.0.0.1',
    '128.0.0.1',
    'localhost.evil.com',
    '127.0.0.1.evil.com',
    '',
    '127.1',
    '::ffff:10.0.0.1',
  ])('%s is not', (host) => expect(isLoopbackHost(host)).toBe(false));
  test('wildcards', () => {
    expect(['0.0.0.0', '::', '0:0:0:0:0:0:0:0'].every(isWildcardHost)).toBe(true);
    expect(['::1', '10.0.0.0', 'localhost'].some(isWildcardHost)).toBe(false);
  });
  test.each([
    ['Example.com', 'example.com', undefined],
    ['example.com:80', 'example.com', 80],
    ['[::1]:9163', '::1', 9163],
    ['::1', '::1', undefined],
    ['10.0.0.1:1', '10.0.0.1', 1],
  ])('%s is read', (text, name, port) => expect(parseHost(text)).toEqual({ name, port }));
  test.each(['', 'a b', 'a:b', 'a:', 'a:70000', '[x]', '[::1', 'a/b', 'a@b', 'a,b'])(
    '%j is refused',
    (text) => expect(parseHost(text)).toBeUndefined(),
  );
});
