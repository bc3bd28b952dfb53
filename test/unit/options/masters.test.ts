import { resolve } from 'node:path';
import { describe, expect, test } from 'vitest';
import { IPCError } from '../../../src/errors.js';
import { resolveOptions, resolveSources, type ServerOptions } from '../../../src/options.js';

const DEFAULTS = {
  create: true,
  journal: undefined,
  transactions: { log: false, maxAge: 30, noWait: false },
  removeVoidProperties: false,
  maxInlineValueSize: undefined,
  pageSize: undefined,
  recordSize: undefined,
};

interface Sources {
  readonly flags?: Readonly<Record<string, string>>;
  readonly environment?: Readonly<Record<string, string>>;
  readonly file?: unknown;
}

function masters({ flags = {}, environment = {}, file }: Sources) {
  const all = file === undefined ? flags : { ...flags, '--config': '/etc/ipc/config.json' };
  const readFile = () => JSON.stringify(file);
  const { settings } = resolveSources({ flags: new Map(Object.entries(all)), environment, readFile });
  return Object.fromEntries(settings.masters);
}

function lines(action: () => unknown): string[] {
  try {
    action();
  } catch (error) {
    if (error instanceof IPCError) return [error.code, ...error.message.split('\n')];
    throw error;
  }
  throw new Error('nothing was thrown');
}

/** What is wrong with options, as a JavaScript user may write them. */
const wrong = (given: unknown, more: object = {}) =>
  lines(() => resolveOptions({ ...more, masters: given } as ServerOptions));

describe('masters', () => {
  test('are none by default', () => expect(resolveOptions().masters).toEqual(new Map()));

  test('in code have paths from the working directory, and defaults', () => {
    expect(Object.fromEntries(resolveOptions({ masters: { a: { path: 'data' }, b: {} } }).masters)).toEqual({
      a: { path: resolve('data'), ...DEFAULTS },
      b: { path: process.cwd(), ...DEFAULTS },
    });
  });

  test('keep what is set', () => {
    const given = {
      path: '/data',
      create: false,
      journal: 'power',
      transactions: { log: true, maxAge: 0.5, noWait: true },
      removeVoidProperties: true,
      maxInlineValueSize: 64,
      pageSize: 65_536,
      recordSize: 64,
    } as const;
    expect(resolveOptions({ masters: { a: given } }).masters.get('a')).toEqual(given);
  });

  test('in a file have paths from its folder, also where none is given', () => {
    const all = masters({ file: { masters: { a: { path: '../data' }, b: {}, c: { path: '/abs' } } } });
    expect([all['a']?.path, all['b']?.path, all['c']?.path]).toEqual(['/etc/data', '/etc/ipc', '/abs']);
  });

  test('in a variable are names, or JSON', () => {
    const read = (text: string) => masters({ environment: { ACEBASE_IPC_SERVER_MASTERS: text } });
    expect(read(' a, b ')).toEqual({
      a: { path: process.cwd(), ...DEFAULTS },
      b: { path: process.cwd(), ...DEFAULTS },
    });
    expect(read('{"a":{"path":"/x","create":false}}')).toEqual({
      a: { ...DEFAULTS, path: '/x', create: false },
    });
  });

  test('of a higher source replace all others', () => {
    const file = { masters: { a: {}, b: {} } };
    expect(Object.keys(masters({ flags: { '--master': '{"c":{}}' }, file }))).toEqual(['c']);
  });

  test('may have the name of anything that objects have', () => {
    const environment = { ACEBASE_IPC_SERVER_MASTERS: '{"__proto__":{"path":"/x"},"constructor":{}}' };
    const { settings } = resolveSources({ flags: new Map(), environment });
    expect([...settings.masters.keys()]).toEqual(['__proto__', 'constructor']);
  });
});

describe('masters that cannot be', () => {
  test.each([
    [{ mydb: { pth: 'x' } }, 'mydb.pth: there is no such setting; did you mean path?'],
    [
      { mydb: { transactions: { logs: true } } },
      'mydb.transactions.logs: there is no such setting; did you mean log?',
    ],
    [{ mydb: { journal: 'on' } }, 'mydb.journal: "on" is not allowed. Allowed: off, process, power'],
    [{ mydb: { path: '' } }, 'mydb.path: "" is not allowed. Allowed: text that is not empty'],
    [
      { mydb: { maxInlineValueSize: 65 } },
      'mydb.maxInlineValueSize: 65 is not allowed. Allowed: a whole number from 1 to 64',
    ],
    [
      { mydb: { transactions: { maxAge: -1 } } },
      'mydb.transactions.maxAge: -1 is not allowed. Allowed: a number of days, 0 or more',
    ],
    [{ mydb: 'data' }, 'the settings of mydb are not an object, such as { "path": "data" }'],
    [
      { 'a/b': {} },
      '"a/b" cannot be the name of a database. Allowed: 1 to 116 printable ASCII characters without space and / ? # ; %',
    ],
    [['mydb'], 'the value is not an object of settings by names of databases, such as { "mydb": {} }'],
  ])('%j', (given, problem) =>
    expect(wrong(given)).toEqual(['IPC_OPTION_INVALID', `options.masters: ${problem}`]),
  );

  test('since the name on the wire would be too long', () => {
    expect(resolveOptions({ masters: { ['n'.repeat(116)]: {} } }).masters.size).toBe(1);
    expect(wrong({ ['n'.repeat(117)]: {} })[0]).toBe('IPC_OPTION_INVALID');
  });

  test('since text that begins like JSON is none', () =>
    expect(lines(() => masters({ environment: { ACEBASE_IPC_SERVER_MASTERS: '{a' } }))).toEqual([
      'IPC_OPTION_INVALID',
      'ACEBASE_IPC_SERVER_MASTERS: the text starts like JSON, and is not JSON',
    ]));

  test('since their database is not served', () => {
    expect(wrong({ mydb: {}, shop: {} }, { databases: ['shop', 'mydb_transaction'] })).toEqual([
      'IPC_OPTION_INVALID',
      'options.databases: mydb is missing, whose master this server runs. Allowed: a list with it',
    ]);
    expect(resolveOptions({ masters: { mydb: {} }, databases: ['mydb_data'] }).masters.size).toBe(1);
  });
});
