import crypto from 'node:crypto';
import { syncBuiltinESMExports } from 'node:module';
import fc from 'fast-check';
import { describe, expect, test, vi } from 'vitest';
import { tokenProblem } from '../../../src/options/tokens.js';
import { resolveOptions, type ServerOptions } from '../../../src/options.js';
import { Authentication, isPeerId } from '../../../src/server/authentication.js';
import { anyText } from '../../support/any-text.js';

const authentication = (options: ServerOptions = {}) => new Authentication(resolveOptions(options));

/** What a stock client sends: the token is last and as it was typed. */
const stock = (token: string) => ({ query: `?v=1.0.0&id=[master]&t=${token}` });

const token = fc
  .string({
    unit: fc.integer({ min: 0x21, max: 0x7e }).map((code) => String.fromCharCode(code)),
    minLength: 1,
    maxLength: 30,
  })
  .filter((text) => tokenProblem(text) === undefined);

describe('tokens (G8)', () => {
  test('any one is accepted as it was typed, as ws sends it, percent-encoded and as Bearer', () =>
    fc.assert(
      fc.property(token, (given) => {
        const subject = authentication({ token: given });
        const { query } = stock(given);
        expect(subject.checkToken('mydb', { query })).toBe(true);
        expect(
          subject.checkToken('mydb', { query: new URL(`ws://localhost/mydb/connect${query}`).search }),
        ).toBe(true);
        expect(subject.checkToken('mydb', { query: `t=${encodeURIComponent(given)}&id=x` })).toBe(true);
        expect(subject.checkToken('mydb', { authorization: `Bearer ${given}` })).toBe(true);
      }),
      { numRuns: 300 },
    ));

  test('another one is not', () =>
    fc.assert(
      fc.property(token, token, (right, wrong) => {
        fc.pre(
          right !== wrong && !wrong.startsWith(`${right}&`) && !wrong.includes('%') && !right.includes('%'),
        );
        expect(authentication({ token: right }).checkToken('mydb', stock(wrong))).toBe(false);
      }),
      { numRuns: 300 },
    ));

  test('no query and no header throws', () => {
    const subject = authentication({ token: { mydb: 'one' } });
    fc.assert(
      fc.property(anyText(), anyText(), fc.boolean(), (query, authorization, prefix) => {
        expect(subject.checkToken('mydb', { query: prefix ? `t=${query}` : query, authorization })).toBe(
          query === 'one' && prefix,
        );
      }),
      { numRuns: 300 },
    );
  });

  test.each([
    '?t=',
    '',
    '?',
    '?T=secret',
    '?xt=secret',
    '?t=undefined',
    '?t=%',
    '?t=%zz',
    '?t=secre',
    '?t=secrets',
    '?t=sec%00ret',
  ])('%j opens nothing', (query) =>
    expect(authentication({ token: 'secret' }).checkToken('mydb', { query })).toBe(false),
  );

  test('+ is never a space, nor a space a +', () => {
    const subject = authentication({ token: 'a+b' });
    expect(subject.checkToken('mydb', stock('a+b'))).toBe(true);
    expect(subject.checkToken('mydb', stock('a%2Bb'))).toBe(true);
    expect(subject.checkToken('mydb', stock('a%20b'))).toBe(false);
    expect(subject.checkToken('mydb', stock('a b'))).toBe(false);
  });

  test.each(['Basic secret', 'secret', 'Bearer', 'Bearer secret x'])(
    '%j is no Bearer token',
    (authorization) =>
      expect(authentication({ token: 'secret' }).checkToken('mydb', { authorization })).toBe(false),
  );

  test('each of several is accepted', () => {
    const subject = authentication({ token: ['old', 'new'] });
    expect(['old', 'new', 'none'].map((each) => subject.checkToken('mydb', stock(each)))).toEqual([
      true,
      true,
      false,
    ]);
  });

  test('one for a database opens that one and its files', () => {
    const subject = authentication({
      token: { mydb: 'one', other: ['two', 'three'], ['__proto__']: 'four' },
    });
    const opens = (database: string, given: string) => subject.checkToken(database, stock(given));
    expect(['mydb', 'mydb_data', 'mydb_transaction'].every((name) => opens(name, 'one'))).toBe(true);
    expect(
      ['mydb_other', 'mydb_data_data', 'other', 'unlisted', 'constructor', 'toString'].some((name) =>
        opens(name, 'one'),
      ),
    ).toBe(false);
    expect(opens('other_data', 'three')).toBe(true);
    expect(opens('__proto__', 'four')).toBe(true);
  });

  test('an entry for exactly a name goes before one that covers it', () => {
    for (const tokenMap of [
      { mydb: 'one', mydb_data: 'two' },
      { mydb_data: 'two', mydb: 'one' },
    ]) {
      const subject = authentication({ token: tokenMap });
      expect(['one', 'two'].map((given) => subject.checkToken('mydb_data', stock(given)))).toEqual([
        false,
        true,
      ]);
      expect(subject.checkToken('mydb_transaction', stock('one'))).toBe(true);
    }
  });

  test('without a token everything is open, and stock clients send undefined', () => {
    const subject = authentication();
    expect([
      subject.tokenRequired,
      subject.checkToken('mydb', stock('undefined')),
      subject.checkAdminToken({}),
    ]).toEqual([false, true, true]);
  });
});

describe('the admin token', () => {
  test('is the single token', () => {
    const subject = authentication({ token: 'one' });
    expect([
      subject.checkAdminToken(stock('one')),
      subject.checkAdminToken(stock('two')),
      subject.checkAdminToken({}),
    ]).toEqual([true, false, false]);
  });
  test('opens no database', () =>
    expect(authentication({ token: 'one', adminToken: 'two' }).checkToken('mydb', stock('two'))).toBe(false));
  test('where there is none among several tokens, nobody is admin', () => {
    const subject = authentication({ token: { mydb: 'one' } });
    expect([subject.checkAdminToken(stock('one')), subject.checkAdminToken({})]).toEqual([false, false]);
  });
  test('may be the only token', () => {
    const subject = authentication({ adminToken: 'one' });
    expect([
      subject.checkAdminToken({}),
      subject.checkAdminToken(stock('one')),
      subject.checkToken('mydb', {}),
    ]).toEqual([false, true, true]);
  });
});

describe('what may be seen', () => {
  const seen = (options: Parameters<typeof authentication>[0], token?: string) => {
    const sees = authentication(options).sightOf(token === undefined ? {} : stock(token));
    return sees && ['mydb_data', 'other_data', 'third'].filter(sees);
  };
  const all = ['mydb_data', 'other_data', 'third'];
  test('is everything with the admin token, and what its databases are with another', () => {
    const options = { token: { mydb: ['one', 'more'], other: 'two', third: 'one' }, adminToken: 'boss' };
    expect(seen(options, 'boss')).toEqual(all);
    expect(seen(options, 'one')).toEqual(['mydb_data', 'third']);
    expect(seen(options, 'more')).toEqual(['mydb_data']);
    expect(seen(options, 'two')).toEqual(['other_data']);
    expect(seen(options, 'boss2')).toBeUndefined();
    expect(seen(options)).toBeUndefined();
  });
  test('is decided by as many digests as the request has candidates, however many databases have tokens', () => {
    const token = Object.fromEntries(Array.from({ length: 50 }, (_, n) => [`db${n}`, `token${n}`]));
    const subject = authentication({ token });
    const made = vi.spyOn(crypto, 'createHmac');
    syncBuiltinESMExports();
    try {
      expect(subject.sightOf(stock('wrong'))).toBeUndefined();
      expect(subject.sightOf(stock('%41'.repeat(5_000)))).toBeUndefined();
      expect(made.mock.calls.length).toBeLessThanOrEqual(2);
    } finally {
      made.mockRestore();
      syncBuiltinESMExports();
    }
  });
  test('is everything with each of several tokens that open everything', () => {
    expect(seen({ token: ['one', 'two'] }, 'two')).toEqual(all);
    expect(seen({ token: ['one', 'two'] }, 'three')).toBeUndefined();
  });
  test('is everything where no token is asked for, also if there is one for admins', () => {
    expect(seen({})).toEqual(all);
    expect(seen({ adminToken: 'boss' })).toEqual(all);
  });
  test('is nothing that is not served', () => {
    expect(seen({ databases: ['mydb'], token: 'one' }, 'one')).toEqual(['mydb_data']);
    expect(seen({ databases: ['mydb'] })).toEqual(['mydb_data']);
    expect(seen({ databases: ['mydb'], token: { other: 'two' } }, 'two')).toEqual([]);
  });
});

describe('names', () => {
  test('of databases are all allowed, or those that are covered', () => {
    const subject = authentication({ databases: ['mydb'] });
    expect(['mydb', 'mydb_data', 'mydb_transaction'].every((name) => subject.isDatabaseAllowed(name))).toBe(
      true,
    );
    expect(
      ['other', 'mydb_', 'mydb_data_data', '__proto__', 'MYDB'].some((name) =>
        subject.isDatabaseAllowed(name),
      ),
    ).toBe(false);
    expect(authentication().isDatabaseAllowed('anything')).toBe(true);
  });
  test.each(['[master]', 'abcde', 'a-b_C9', 'x'.repeat(64)])('%s is a peer id', (id) =>
    expect(isPeerId(id)).toBe(true),
  );
  test.each(['', 'abcd', 'master]', 'a;bcde', 'abcde\n', 'x'.repeat(65), 'äbcde'])('%j is none', (id) =>
    expect(isPeerId(id)).toBe(false),
  );
});

describe('origins (G8)', () => {
  const subject = authentication({ allowedOrigins: ['https://app.example.com', 'http://localhost:3000'] });
  test.each([
    [undefined, 'localhost:9163', false, true],
    ['http://localhost:9163', 'localhost:9163', false, true],
    ['https://ipc.example.com', 'ipc.example.com', true, true],
    ['https://ipc.example.com', 'ipc.example.com:443', true, true],
    ['http://[::1]:9163', '[::1]:9163', false, true],
    ['https://app.example.com', 'localhost:9163', false, true],
    ['HTTPS://APP.example.com', 'localhost:9163', false, true],
    ['http://localhost:3000', 'localhost:9163', false, true],
    ['http://localhost:9163', 'localhost:9163', true, false],
    ['https://localhost:9163', 'localhost:9163', false, false],
    ['http://localhost:9164', 'localhost:9163', false, false],
    ['http://localhost', 'localhost:9163', false, false],
    ['http://app.example.com', 'localhost:9163', false, false],
    ['https://app.example.com.evil.com', 'localhost:9163', false, false],
    ['null', 'localhost:9163', false, false],
    ['', 'localhost:9163', false, false],
    ['file://', 'localhost:9163', false, false],
    ['http://localhost:9163', undefined, false, false],
    ['http://evil.com', 'evil.com/x', false, false],
    ['null', 'a b', false, false],
  ])('%s at %s, TLS %s: %s', (origin, host, secure, allowed) =>
    expect(subject.checkOrigin(origin, host, secure)).toBe(allowed),
  );
});

describe('hosts (G8)', () => {
  test.each([
    ['localhost:9163', true],
    ['127.0.0.1:9163', true],
    ['127.8.8.8', true],
    ['[::1]:9163', true],
    ['evil.com:9163', false],
    ['localhost.evil.com', false],
    ['10.0.0.1:9163', false],
    ['', false],
    ['a b', false],
    [undefined, false],
  ])('%s on loopback: %s', (host, allowed) => expect(authentication().checkHost(host)).toBe(allowed));

  test.each([
    ['ipc.example.com', true],
    ['IPC.Example.COM:1', true],
    ['other.example.com:8080', true],
    ['other.example.com:8081', false],
    ['other.example.com', false],
    ['evil.com', false],
  ])('%s with allowedHosts: %s', (host, allowed) =>
    expect(
      authentication({ allowedHosts: ['ipc.example.com', 'other.example.com:8080'] }).checkHost(host),
    ).toBe(allowed),
  );

  test('a port that is left out is the default one', () =>
    expect(authentication({ allowedHosts: ['a.example.com:80'] }).checkHost('a.example.com')).toBe(true));

  test('beyond loopback, addresses and the configured host are fine', () => {
    const named = authentication({ host: 'ipc.internal', allowAnonymous: true });
    expect(
      ['ipc.internal:9163', '10.0.0.1:9163', '[fd00::1]:9163'].every((host) => named.checkHost(host)),
    ).toBe(true);
    expect(named.checkHost('evil.com:9163')).toBe(false);
    expect(authentication({ host: '0.0.0.0', allowAnonymous: true }).checkHost('evil.com')).toBe(false);
  });

  test('with a token, any will do', () =>
    expect(authentication({ token: 'one' }).checkHost('evil.com')).toBe(true));
});
