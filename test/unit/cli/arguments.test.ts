import { describe, expect, test } from 'vitest';
import { parseArguments } from '../../../src/cli/arguments.js';
import { IPCError } from '../../../src/errors.js';
import { optionTable } from '../../../src/options.js';

const parse = (...words: string[]) => parseArguments(words, '9.8.7');

function flags(...words: string[]) {
  const invocation = parse(...words);
  if (invocation.kind === 'print') throw new Error(invocation.text);
  return [...invocation.flags];
}

function help(...words: string[]): string {
  const invocation = parse(...words, '--help');
  return invocation.kind === 'print' ? invocation.text : '';
}

function failure(...words: string[]): string {
  try {
    parse(...words);
  } catch (error) {
    if (error instanceof IPCError) return `${error.code} ${error.message}`;
    throw error;
  }
  throw new Error('nothing was thrown');
}

describe('flags', () => {
  test('only those that were given are there', () => {
    expect(flags()).toEqual([]);
    expect(
      flags('--port', '1', '--max-payload=32MiB', '--ssl-cert-path', 'c.pem', '--config', 'c.json'),
    ).toEqual(
      expect.arrayContaining([
        ['--port', '1'],
        ['--max-payload', '32MiB'],
        ['--ssl-cert-path', 'c.pem'],
        ['--config', 'c.json'],
      ]),
    );
  });
  test('may have values that begin with a dash, or are empty', () => {
    expect(flags('--token', '-x')).toEqual([['--token', '-x']]);
    expect(flags('--token', '')).toEqual([['--token', '']]);
  });
  test('that are repeated: lists grow, the last of others counts', () =>
    expect(flags('--databases', 'a,b', '--databases', 'c', '--port', '1', '--port', '2')).toEqual([
      ['--port', '2'],
      ['--databases', 'a,b,c'],
    ]));
  test('that are true or false', () => {
    expect(flags('--allow-anonymous')).toEqual([['--allow-anonymous', true]]);
    expect(flags('--no-allow-anonymous')).toEqual([['--allow-anonymous', false]]);
  });
  test('there is one for every option', () => {
    for (const row of optionTable().filter(({ form }) => form !== 'masters')) {
      expect(flags(...(row.form === 'boolean' ? [row.flag] : [row.flag, 'x']))).toEqual([
        [row.flag, row.form === 'boolean' ? true : 'x'],
      ]);
    }
  });
  test('for masters, each with the folder behind it', () => {
    expect(flags('--master', 'a')).toEqual([['--master', '{"a":{}}']]);
    expect(flags('--master', 'a', '--path', 'x', '--master=b', '--master', 'c', '--path=y')).toEqual([
      ['--master', '{"a":{"path":"x"},"b":{},"c":{"path":"y"}}'],
    ]);
    expect(parse('check', 'mydb', '--path', 'x', '--repair')).toMatchObject({
      kind: 'check',
      database: 'mydb',
      path: 'x',
      repair: true,
    });
    expect(parse('--path', 'x', 'check', 'mydb')).toMatchObject({ kind: 'check', path: 'x' });
  });
  test('go before or after the command', () => {
    expect(parse('check-config', '--port', '1')).toEqual({
      kind: 'check-config',
      flags: new Map([['--port', '1']]),
    });
    expect(parse('--port', '1', 'check-config')).toEqual({
      kind: 'check-config',
      flags: new Map([['--port', '1']]),
    });
    expect(parse('--port', '1').kind).toBe('serve');
  });
});

describe('mistakes', () => {
  test.each([
    [['--prot', '1'], 'IPC_OPTION_UNKNOWN --prot: there is no such option; did you mean --port?'],
    [
      ['--max-paylod=7'],
      'IPC_OPTION_UNKNOWN --max-paylod: there is no such option; did you mean --max-payload?',
    ],
    [
      ['check-config', '--prot=1'],
      'IPC_OPTION_UNKNOWN --prot: there is no such option; did you mean --port?',
    ],
    [
      ['--xyzxyzxyz'],
      'IPC_OPTION_UNKNOWN --xyzxyzxyz: there is no such option; acebase-ipc-server --help lists all',
    ],
    [
      ['--port'],
      'IPC_OPTION_INVALID --port: no value was given. Allowed: a port from 0 (any free one) to 65535',
    ],
    [['--config'], 'IPC_OPTION_INVALID --config: no value was given. Allowed: the path of a file'],
    [
      ['init'],
      'IPC_OPTION_INVALID init: missing argument: <form>. Usage: acebase-ipc-server init pm2|systemd|compose|kubernetes <database> [options]',
    ],
    [
      ['init', 'pm2'],
      'IPC_OPTION_INVALID init: missing argument: <database>. Usage: acebase-ipc-server init pm2|systemd|compose|kubernetes <database> [options]',
    ],
    [
      ['doctor'],
      'IPC_OPTION_INVALID doctor: missing argument: <database>. Usage: acebase-ipc-server doctor <database> [options]',
    ],
    [
      ['doctor', 'mydb', 'extra'],
      'IPC_OPTION_UNKNOWN doctor: unexpected argument; acebase-ipc-server doctor --help shows what it takes',
    ],
    [
      ['peers', 'shop/orders'],
      'IPC_OPTION_INVALID database: "shop/orders" is not allowed. Allowed: 1 to 128 printable ASCII characters without space and / ? # ; %',
    ],
    [
      ['doctor', ''],
      'IPC_OPTION_INVALID database: "" is not allowed. Allowed: 1 to 128 printable ASCII characters without space and / ? # ; %',
    ],
    [
      ['--path', 'x', '--master', 'mydb'],
      'IPC_OPTION_INVALID --path: must follow a --master. Write --master mydb --path ./data',
    ],
    [
      ['doctor', 'mydb', '--path', 'x'],
      'IPC_OPTION_INVALID --path: must follow a --master. Write --master mydb --path ./data',
    ],
    [['--master', 'a', '--master', 'a'], 'IPC_OPTION_INVALID --master: "a" is given twice'],
    [['--master', 'a, b'], 'IPC_OPTION_INVALID --master: names one database. Write --master a --master b'],
    [
      ['--master', 'a', '--path', 'x', '--path', 'y'],
      'IPC_OPTION_INVALID --path: --master a has one already',
    ],
    [['--path'], 'IPC_OPTION_INVALID --path: no value was given. Allowed: the path of a folder'],
    [
      ['check', 'mydb'],
      'IPC_OPTION_INVALID check: missing option: --path. Usage: acebase-ipc-server check <database> --path <folder> [options]',
    ],
    [
      ['check', 'mydb', '--path', 'x', '--path', 'y'],
      'IPC_OPTION_INVALID --path: is given twice. Usage: acebase-ipc-server check <database> --path <folder> [options]',
    ],
    [
      ['backup', 'mydb', '--path', 'x'],
      'IPC_OPTION_INVALID backup: missing option: --to. Usage: acebase-ipc-server backup <database> --path <folder> --to <folder> [options]',
    ],
    [['check-config', '--json'], 'IPC_OPTION_UNKNOWN --json is not an option of check-config'],
    [['init', 'pm2', 'mydb', '--json'], 'IPC_OPTION_UNKNOWN --json is not an option of init'],
    [['init', 'pm2', 'mydb', '--port', '3'], 'IPC_OPTION_UNKNOWN --port is not an option of init'],
    [['check', 'mydb', '--path', 'x', '--port', '3'], 'IPC_OPTION_UNKNOWN --port is not an option of check'],
    [['check', 'mydb', '--path', 'x', '--tls'], 'IPC_OPTION_UNKNOWN --tls is not an option of check'],
    [
      ['check', 'mydb', '--path', 'x', '--port-file=3'],
      'IPC_OPTION_UNKNOWN --port-file: there is no such option; acebase-ipc-server check --help lists all',
    ],
    [['check', 'mydb', '--path', 'x', '--repair=yes'], 'IPC_OPTION_UNKNOWN --repair takes no value'],
    [['--allow-anonymous=yes'], 'IPC_OPTION_UNKNOWN --allow-anonymous takes no value'],
    [['--json'], 'IPC_OPTION_UNKNOWN --json is not an option of the server: it belongs to a command'],
    [
      ['doctor', 'mydb', '--jsno'],
      'IPC_OPTION_UNKNOWN --jsno: there is no such option; did you mean --json?',
    ],
    [['help', 'doktor'], 'IPC_OPTION_UNKNOWN unknown command or unexpected argument; did you mean doctor?'],
    [
      ['backup', 'mydb', '--path', 'x', '--to', 'y', '--wait', '0s'],
      "IPC_OPTION_INVALID option '--wait <time>' argument '0s' is invalid. Allowed: a time such as 30s or 5m, 24h at most.",
    ],
    [
      ['chekc-config'],
      'IPC_OPTION_UNKNOWN unknown command or unexpected argument; did you mean check-config?',
    ],
  ])('%j', (words, line) => expect(failure(...words)).toBe(line));

  test('a token that a shell split is not repeated', () =>
    expect(failure('--token', 'hush', 'hushhush')).not.toContain('hush'));
  test('nor is one behind an unknown flag', () =>
    expect(failure('--tokne=hush')).toBe(
      'IPC_OPTION_UNKNOWN --tokne: there is no such option; did you mean --token?',
    ));
});

describe('help', () => {
  test('has every flag, variable, default and group, in lines of a terminal', () => {
    const text = help();
    const flat = text.replace(/\s+/g, ' ');
    for (const row of optionTable()) {
      expect(text).toContain(row.flag);
      expect(text).toContain(row.environment);
      expect(flat).toContain(`(default: ${row.defaultText})`);
      expect(text).toContain(`\n${row.group}:\n`);
    }
    const [usage = '', ...lines] = text.split('\n');
    expect(usage).toBe('Usage: acebase-ipc-server [options]');
    expect(lines.filter((line) => line.length > 80)).toEqual([]);
  });
  const commands = ['check-config', 'peers', 'locks', 'databases', 'init', 'doctor', 'check', 'backup'];
  test.each(commands)('of %s fits a terminal, and is the same by the command help', (command) => {
    const text = help(command);
    expect(text.split('\n').filter((line) => line.length > 80)).toEqual([]);
    expect(text).toMatch(new RegExp(`^Usage: acebase-ipc-server ${command} `));
    expect(parse('help', command)).toEqual({ kind: 'print', text });
  });
  test('lists the folder of check and backup', () => {
    for (const command of ['check', 'backup'])
      expect(help(command)).toMatch(/^ {2}--path <folder> {2,}the folder that <database>\.acebase is in$/m);
  });
  test('of check-config', () => expect(help('check-config')).toContain('Takes all options of the server.'));
  test('the version', () => expect(parse('--version')).toEqual({ kind: 'print', text: '9.8.7\n' }));
});
