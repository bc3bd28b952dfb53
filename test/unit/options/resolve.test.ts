import { describe, expect, test } from 'vitest';
import { IPCError } from '../../../src/errors.js';
import { optionTable, resolveOptions, resolveSources, type ServerOptions } from '../../../src/options.js';
import { LONGEST_GRACE_MS } from '../../../src/protocol/session.js';

/** What was thrown, as its code and its lines. */
function problems(action: () => unknown): { code: string; lines: string[] } {
  try {
    action();
  } catch (error) {
    if (error instanceof IPCError) return { code: error.code, lines: error.message.split('\n') };
    throw error;
  }
  throw new Error('nothing was thrown');
}

/** Options as a JavaScript user may write them. */
const untyped = (options: unknown) => problems(() => resolveOptions(options as ServerOptions));

interface Sources {
  flags?: Record<string, string | boolean>;
  environment?: Record<string, string>;
  files?: Record<string, string>;
}

function sources({ flags = {}, environment = {}, files = {} }: Sources) {
  return resolveSources({
    flags: new Map(Object.entries(flags)),
    environment,
    readFile: (path) => {
      const contents = files[path];
      if (contents === undefined) throw Object.assign(new Error('ENOENT: no such file'), { code: 'ENOENT' });
      return contents;
    },
  });
}

describe('defaults', () => {
  test('are those of the documentation', () => {
    expect(resolveOptions()).toEqual({
      host: 'localhost',
      port: 9163,
      masters: new Map(),
      ssl: undefined,
      tokens: { kind: 'none' },
      tokenFile: undefined,
      adminToken: undefined,
      allowAnonymous: false,
      databases: undefined,
      allowedOrigins: [],
      allowedHosts: [],
      largeMessages: 'websocket',
      maxPayload: 33_554_432,
      maxHttpMessage: 100_663_296,
      maxBuffered: 67_108_864,
      maxMailPerPeer: 67_108_864,
      maxTotalBuffered: 536_870_912,
      maxOutstandingRequests: 100,
      maxPeers: 10_000,
      maxDatabases: 1_000,
      maxConnections: 20_000,
      handshakeTimeout: 5_000,
      watchProcesses: true,
      masterSettle: 2_000,
      masterTimeout: 60_000,
      reconnectGrace: 11_000,
      lease: 8_000,
      heartbeatInterval: 10_000,
      heartbeatTimeout: 30_000,
      lockTimeout: 120_000,
      readerDelay: 100,
      drainTimeout: 1_000,
      stopTimeout: 5_000,
      logLevel: 'info',
      logFormat: 'auto',
      warnings: [],
    });
  });

  test('undefined counts as left out', () =>
    expect(resolveOptions({ port: undefined, ssl: undefined }).port).toBe(9163));

  test('ssl without anything in it is no TLS', () => {
    expect(resolveOptions({ ssl: {} }).ssl).toBeUndefined();
    expect(resolveOptions({ ssl: { certPath: undefined } }).ssl).toBeUndefined();
  });
});

test('three bytes for each unit of the largest maxPayload fit what a stock client receives', () => {
  expect(resolveOptions({ maxPayload: 34_952_533 }).maxPayload * 3).toBeLessThan(104_857_600);
  expect(untyped({ maxPayload: 34_952_534 }).code).toBe('IPC_OPTION_INVALID');
});

describe('the table', () => {
  test('derives flags and variables from names', () => {
    const row = optionTable().find(({ name }) => name === 'ssl.certPath');
    expect(row).toMatchObject({
      flag: '--ssl-cert-path',
      environment: 'ACEBASE_IPC_SERVER_SSL_CERT_PATH',
      default: undefined,
    });
    expect(optionTable().find(({ name }) => name === 'maxPayload')).toMatchObject({
      flag: '--max-payload',
      environment: 'ACEBASE_IPC_SERVER_MAX_PAYLOAD',
      default: 33_554_432,
      unit: 'UTF-16 units',
    });
  });
  test('has each name once, and a description and what is allowed for each', () => {
    const rows = optionTable();
    expect(new Set(rows.flatMap((row) => [row.name, row.flag, row.environment])).size).toBe(rows.length * 3);
    expect(rows.filter((row) => row.description === '' || row.allowed === '')).toEqual([]);
  });
});

describe('bad values', () => {
  test('all are named, one line each', () =>
    expect(
      untyped({
        port: 70_000,
        maxPayload: 'lots',
        logLevel: 'loud',
        handshakeTimeout: '10s',
        allowAnonymous: 'yes',
      }),
    ).toEqual({
      code: 'IPC_OPTION_INVALID',
      lines: [
        'options.port: 70000 is not allowed. Allowed: a port from 0 (any free one) to 65535',
        'options.allowAnonymous: "yes" is not allowed. Allowed: true or false',
        'options.maxPayload: "lots" is not allowed. Allowed: a whole number from 1,024 to 34,952,533',
        'options.handshakeTimeout: "10s" is not allowed. Allowed: milliseconds, or text such as 500ms or 2s, from 50 ms to 5 s',
        'options.logLevel: "loud" is not allowed. Allowed: trace, debug, info, warn, error, silent',
      ],
    }));

  test.each([
    [{ port: -1 }],
    [{ port: 1.5 }],
    [{ port: null }],
    [{ port: '' }],
    [{ host: '' }],
    [{ host: 'localhost:9163' }],
    [{ host: 'http://localhost' }],
    [{ databases: [] }],
    [{ databases: 'mydb' }],
    [{ allowedOrigins: ['*'] }],
    [{ allowedOrigins: ['https://example.com/'] }],
    [{ ssl: true }],
    [{ ssl: [] }],
    [{ token: '' }],
    [{ token: null }],
    [{ tokenFile: '' }],
    [{ adminToken: 'a b' }],
    [{ ssl: { cert: 1, key: 'x' } }],
    [{ watchProcesses: 'no' }],
    [{ reconnectGrace: '601s' }],
    [{ masterTimeout: 999 }],
    [{ heartbeatInterval: 99 }],
    [{ heartbeatTimeout: '2h' }],
    [{ maxOutstandingRequests: 0 }],
    [{ lockTimeout: 0 }],
    [{ readerDelay: '11s' }],
    [null],
    ['x'],
  ])('%j', (options) =>
    expect(untyped(options)).toMatchObject({
      code: 'IPC_OPTION_INVALID',
      lines: [expect.stringMatching(/Allowed: /)],
    }),
  );

  test('of a list, only the bad entry is shown', () =>
    expect(untyped({ databases: ['mydb', 'my/db'] }).lines).toEqual([
      expect.stringMatching(/^options\.databases: "my\/db" is not allowed\. /),
    ]));

  test('no secret is shown', () => {
    const secret = 'hush hush';
    const options = {
      token: secret,
      adminToken: secret,
      ssl: { passphrase: 12, key: [secret], pfx: { secret }, cert: 'x' },
    };
    expect(untyped(options).lines.join('\n')).not.toContain('hush');
    expect(untyped({ token: { mydb: secret } }).lines.join('\n')).not.toContain('hush');
  });

  test('control characters and long values stay on one short line', () =>
    expect(untyped({ host: `a\n\u001b[2J${'x'.repeat(500)}` }).lines).toEqual([
      expect.stringMatching(/^options\.host: "a\\n\\u001b\[2Jx+… is not/),
    ]));
});

describe('unknown names', () => {
  test('of options come with the nearest name', () =>
    expect(untyped({ prot: 1, maxPayLoad: 1, ssl: { cert_path: 'x' }, zzzzzz: 1 })).toEqual({
      code: 'IPC_OPTION_UNKNOWN',
      lines: [
        'options.prot: there is no such option; did you mean port?',
        'options.maxPayLoad: there is no such option; did you mean maxPayload?',
        'options.ssl.cert_path: there is no such option; did you mean certPath?',
        'options.zzzzzz: there is no such option',
      ],
    }));

  test('do not hide bad values', () =>
    expect(untyped({ prot: 1, port: 'x' })).toMatchObject({
      code: 'IPC_OPTION_INVALID',
      lines: { length: 2 },
    }));

  test('of variables are warnings; foreign ones are none', () =>
    expect(
      sources({ environment: { ACEBASE_IPC_SERVER_PROT: 'secret', ACEBASE_IPC_TOKEN: 'x', PORT: '80' } })
        .warnings,
    ).toEqual([
      'ACEBASE_IPC_SERVER_PROT is not a variable of this server and has no effect; did you mean ACEBASE_IPC_SERVER_PORT?',
    ]));
});

describe('precedence', () => {
  const files = { '/etc/ipc/config.json': '{"port":3,"maxPeers":3,"maxDatabases":3}' };
  const resolved = () =>
    sources({
      flags: { '--config': '/etc/ipc/config.json', '--port': '1' },
      environment: {
        ACEBASE_IPC_SERVER_PORT: '2',
        ACEBASE_IPC_SERVER_MAX_PEERS: '2',
        ACEBASE_IPC_SERVER_CONFIG: '/nope',
      },
      files,
    });

  test('flag, variable, file, default', () =>
    expect(resolved().settings).toMatchObject({
      port: 1,
      maxPeers: 2,
      maxDatabases: 3,
      maxConnections: 20_000,
    }));

  test('each place is known', () =>
    expect([...resolved().places]).toEqual(
      expect.arrayContaining([
        ['port', '--port'],
        ['maxPeers', 'ACEBASE_IPC_SERVER_MAX_PEERS'],
        ['maxDatabases', '"maxDatabases" in /etc/ipc/config.json'],
      ]),
    ));

  test('holds for each part of ssl', () => {
    const { settings } = sources({
      flags: { '--ssl-cert-path': 'flag.pem' },
      environment: { ACEBASE_IPC_SERVER_CONFIG: '/etc/c.json' },
      files: { '/etc/c.json': '{"ssl":{"certPath":"a.pem","keyPath":"key.pem","caPath":"/abs/ca.pem"}}' },
    });
    expect(settings.ssl).toEqual({ certPath: 'flag.pem', keyPath: '/etc/key.pem', caPath: '/abs/ca.pem' });
  });

  test('empty variables count as unset', () =>
    expect(
      sources({
        environment: {
          ACEBASE_IPC_SERVER_PORT: '',
          ACEBASE_IPC_SERVER_TOKEN: '',
          ACEBASE_IPC_SERVER_CONFIG: '',
        },
      }),
    ).toMatchObject({
      settings: { port: 9163, tokens: { kind: 'none' } },
      warnings: [],
    }));

  test('an empty flag does not', () =>
    expect(problems(() => sources({ flags: { '--token': '' } })).lines).toEqual([
      expect.stringMatching(/^--token: the token is empty/),
    ]));

  test('a bad value is named by where it came from', () => {
    expect(problems(() => sources({ flags: { '--max-payload': 'x' } })).lines).toEqual([
      expect.stringMatching(/^--max-payload: "x" is not allowed/),
    ]);
    expect(
      problems(() => sources({ environment: { ACEBASE_IPC_SERVER_ALLOW_ANONYMOUS: 'maybe' } })).lines,
    ).toEqual(['ACEBASE_IPC_SERVER_ALLOW_ANONYMOUS: "maybe" is not allowed. Allowed: true or false']);
    const file = {
      flags: { '--config': '/c.json' },
      files: { '/c.json': '{"ssl":{"certPath":7},"port":null}' },
    };
    expect(problems(() => sources(file)).lines).toEqual([
      '"port" in /c.json: null is not allowed. Allowed: a port from 0 (any free one) to 65535',
      '"ssl.certPath" in /c.json: 7 is not allowed. Allowed: the path of a file',
      '"ssl.certPath" in /c.json: the certificate needs its private key. Set ssl.keyPath or ssl.key as well',
    ]);
    expect(problems(() => sources({ flags: { '--ssl-cert-path': 'c.pem' } })).lines).toEqual([
      '--ssl-cert-path: the certificate needs its private key. Set --ssl-key-path or --ssl-key as well',
    ]);
    expect(
      problems(() => sources({ environment: { ACEBASE_IPC_SERVER_SSL_KEY_PATH: 'k.pem' } })).lines,
    ).toEqual([
      'ACEBASE_IPC_SERVER_SSL_KEY_PATH: the private key needs its certificate. Set ACEBASE_IPC_SERVER_SSL_CERT_PATH or ACEBASE_IPC_SERVER_SSL_CERT as well',
    ]);
  });

  test('lists and booleans are read from text', () =>
    expect(
      sources({
        flags: { '--allow-anonymous': true, '--host': '0.0.0.0' },
        environment: {
          ACEBASE_IPC_SERVER_DATABASES: ' mydb, other ,',
          ACEBASE_IPC_SERVER_ALLOW_ANONYMOUS: 'false',
        },
      }).settings,
    ).toMatchObject({ allowAnonymous: true, databases: ['mydb', 'other'] }));

  test('Kubernetes service links are no options', () =>
    expect(
      sources({
        environment: {
          ACEBASE_IPC_SERVER_PORT: 'tcp://10.0.0.1:9163',
          ACEBASE_IPC_SERVER_PORT_9163_TCP: 'tcp://10.0.0.1:9163',
          ACEBASE_IPC_SERVER_SERVICE_HOST: '10.0.0.1',
        },
      }),
    ).toMatchObject({
      settings: { port: 9163 },
      warnings: [expect.stringMatching(/^ACEBASE_IPC_SERVER_PORT .*Kubernetes/)],
    }));
});

describe('the config file', () => {
  const config = (contents: string) =>
    problems(() => sources({ flags: { '--config': '/c.json' }, files: { '/c.json': contents } }));
  test('that is missing', () =>
    expect(problems(() => sources({ flags: { '--config': '/nope.json' } }))).toEqual({
      code: 'IPC_CONFIG_UNREADABLE',
      lines: ['the config file /nope.json cannot be read: there is no such file'],
    }));
  test('that is not JSON names the place and quotes nothing of the file', () => {
    expect(config('{"port": 1,\n}')).toEqual({
      code: 'IPC_CONFIG_UNREADABLE',
      lines: [expect.stringMatching(/^the config file \/c\.json is not JSON: .* at line 2, column 1$/)],
    });
    expect(config('{"token": hush-hush}').lines.join()).not.toContain('hush');
    expect(config('{"token": "hush-hush}').lines.join()).not.toContain('hush');
  });
  test('that is no object', () =>
    expect(config('[1]').lines).toEqual(['the config file /c.json holds [1], not a JSON object of options']));
  test('with unknown keys', () =>
    expect(config('{"__proto__":{"port":1}}')).toEqual({
      code: 'IPC_OPTION_UNKNOWN',
      lines: ['"__proto__" in /c.json: there is no such option'],
    }));
});

describe('tokens', () => {
  test('come from a file', () =>
    expect(
      sources({ flags: { '--token-file': '/t' }, files: { '/t': 'one\ntwo\n' } }).settings,
    ).toMatchObject({
      tokens: { kind: 'shared', tokens: ['one', 'two'] },
      tokenFile: '/t',
      adminToken: undefined,
    }));
  test('cannot come from two places', () =>
    expect(
      problems(() =>
        sources({
          flags: { '--token-file': '/t' },
          environment: { ACEBASE_IPC_SERVER_TOKEN: 'x' },
          files: { '/t': 'x' },
        }),
      ).lines,
    ).toEqual([
      'ACEBASE_IPC_SERVER_TOKEN: cannot be given together with --token-file. Allowed: one of the two',
    ]));
  test('of a bad file are an error without the token', () => {
    const { code, lines } = problems(() =>
      sources({ flags: { '--token-file': '/t' }, files: { '/t': 'hush hush' } }),
    );
    expect([code, lines.join()]).toEqual(['IPC_TOKEN_FILE_UNREADABLE', expect.not.stringContaining('hush')]);
    expect(problems(() => sources({ flags: { '--token-file': '/nope' } })).lines).toEqual([
      'the token file /nope cannot be read: there is no such file',
    ]);
  });
  test('that are one are the admin token, too', () => {
    expect(resolveOptions({ token: 'one' }).adminToken).toBe('one');
    expect(resolveOptions({ token: 'one', adminToken: 'two' }).adminToken).toBe('two');
    expect(resolveOptions({ token: ['one', 'two'] }).adminToken).toBeUndefined();
    expect(resolveOptions({ token: { mydb: 'one' } }).adminToken).toBeUndefined();
  });
  test('are needed beyond loopback', () => {
    expect(problems(() => sources({ flags: { '--host': '0.0.0.0' } }))).toEqual({
      code: 'IPC_OPTION_INSECURE',
      lines: ['--host: "0.0.0.0" is not loopback, and no token is set, so anyone who reaches it could join'],
    });
    expect(resolveOptions({ host: '0.0.0.0', allowAnonymous: true }).warnings).toEqual([]);
    expect(resolveOptions({ host: '[::1]' }).host).toBe('::1');
  });
  test('that are short are warned about beyond loopback', () => {
    expect(resolveOptions({ host: '10.0.0.1', token: 'short' }).warnings).toEqual([
      expect.stringMatching(/fewer than 16 characters/),
    ]);
    expect(resolveOptions({ host: '10.0.0.1', token: 'x'.repeat(16) }).warnings).toEqual([]);
    expect(resolveOptions({ token: 'short' }).warnings).toEqual([]);
  });
  test('on the command line are warned about', () =>
    expect(sources({ flags: { '--token': 'hush' } }).warnings).toEqual([
      '--token is visible to every user of this machine in the process list; use --token-file or ACEBASE_IPC_SERVER_TOKEN instead',
    ]));
  test('make allowAnonymous pointless', () =>
    expect(resolveOptions({ token: 'one', allowAnonymous: true }).warnings).toEqual([
      'allowAnonymous has no effect, because a token is set',
    ]));
});

describe('the lease', () => {
  test('has a reconnectGrace that clients can tell the next server, whatever it is [PROTOCOL-14.6]', () => {
    expect(resolveOptions({ reconnectGrace: LONGEST_GRACE_MS }).reconnectGrace).toBe(LONGEST_GRACE_MS);
    expect(problems(() => resolveOptions({ reconnectGrace: LONGEST_GRACE_MS + 1 })).lines).toHaveLength(1);
  });

  test('is less than reconnectGrace, by three elevenths at least, and 8 s unless a longer one is asked for', () => {
    const leaseOf = (options: object) => resolveOptions(options).lease;
    expect(leaseOf({ reconnectGrace: '1m' })).toBe(8_000);
    expect(leaseOf({ reconnectGrace: 1_100 })).toBe(800);
    expect(leaseOf({ reconnectGrace: 0 })).toBe(0);
    expect(leaseOf({ reconnectGrace: '1m', lease: '43s' })).toBe(43_000);
    expect(leaseOf({ lease: '2s' })).toBe(2_000);
  });

  test('that others would not wait for is refused, with both options', () => {
    expect(untyped({ lease: '10s' })).toEqual({
      code: 'IPC_OPTION_INVALID',
      lines: [
        'options.lease: "10s" is not allowed, since reconnectGrace is 11 s. Allowed: 8/11 of that, 8 s, at most, or a longer reconnectGrace',
      ],
    });
    expect(untyped({ lease: 1_000, reconnectGrace: 0 }).lines).toHaveLength(1);
  });
});

describe('a heartbeatTimeout that is not above heartbeatInterval', () => {
  test('names what was given, and what it must fit', () => {
    expect(untyped({ heartbeatTimeout: '10s' })).toEqual({
      code: 'IPC_OPTION_INVALID',
      lines: [
        'options.heartbeatTimeout: "10s" is not allowed, since heartbeatInterval is 10 s. Allowed: more than that, or a shorter heartbeatInterval',
      ],
    });
    expect(problems(() => sources({ flags: { '--heartbeat-interval': '2m' } })).lines).toEqual([
      '--heartbeat-interval: "2m" is not allowed, since heartbeatTimeout is 30 s. Allowed: less than that, or a longer heartbeatTimeout',
    ]);
    const both = { heartbeatInterval: 60_000, heartbeatTimeout: 60_000 };
    expect(untyped(both).lines).toEqual([
      expect.stringMatching(/^options\.heartbeatTimeout: 60000 is not allowed, since .* is 1 min\. /),
    ]);
  });
  test('is told beside other problems', () =>
    expect(untyped({ heartbeatTimeout: 5_000, port: -1 }).lines).toEqual([
      expect.stringMatching(/^options\.port: /),
      expect.stringMatching(/^options\.heartbeatTimeout: /),
    ]));
  test('is not told of one that cannot be read', () =>
    expect(untyped({ heartbeatTimeout: 'soon', heartbeatInterval: '1m' }).lines).toEqual([
      expect.stringMatching(/^options\.heartbeatTimeout: "soon" is not allowed\. /),
    ]));
  test('is fine as soon as it is above', () =>
    expect(resolveOptions({ heartbeatInterval: '1m', heartbeatTimeout: 60_001 })).toMatchObject({
      heartbeatInterval: 60_000,
      heartbeatTimeout: 60_001,
    }));
});

test('what is on by default can be turned off everywhere', () => {
  expect(resolveOptions({ watchProcesses: false }).watchProcesses).toBe(false);
  expect(sources({ flags: { '--watch-processes': false } }).settings.watchProcesses).toBe(false);
  const environment = { ACEBASE_IPC_SERVER_WATCH_PROCESSES: '0' };
  expect(sources({ environment }).settings.watchProcesses).toBe(false);
  expect(sources({ environment, flags: { '--watch-processes': true } }).settings.watchProcesses).toBe(true);
});

describe('parts of ssl that do not go together', () => {
  test.each([
    [{ certPath: 'c' }, /^options\.ssl\.certPath: the certificate needs its private key/],
    [{ key: 'k' }, /^options\.ssl\.key: the private key needs its certificate/],
    [
      { certPath: 'c', cert: 'c', key: 'k' },
      /^options\.ssl\.certPath: cannot be given together with options\.ssl\.cert\./,
    ],
    [
      { pfxPath: 'p', certPath: 'c', keyPath: 'k' },
      /^options\.ssl\.pfxPath: cannot be given together with options\.ssl\.certPath/,
    ],
    [{ pfx: 'p', keyPath: 'k' }, /^options\.ssl\.pfx: cannot be given together with options\.ssl\.keyPath/],
    [{ caPath: 'ca' }, /^options\.ssl\.caPath: there is no certificate to use it with/],
    [{ passphrase: 'x' }, /^options\.ssl\.passphrase: there is no certificate/],
  ])('%j', (ssl, line) =>
    expect(untyped({ ssl })).toEqual({ code: 'IPC_OPTION_INVALID', lines: [expect.stringMatching(line)] }),
  );

  test.each([[{ certPath: 'c', key: Buffer.from('k') }], [{ pfxPath: 'p', passphrase: 'x', ca: 'ca' }]])(
    '%j is fine',
    (ssl) => expect(resolveOptions({ ssl }).ssl).toEqual(ssl),
  );
});
