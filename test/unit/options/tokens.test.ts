import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { parseTokenFile, parseTokenText, readTokens, tokenProblem } from '../../../src/options/tokens.js';
import { resolveOptions } from '../../../src/options.js';

const token = fc
  .string({
    unit: fc.integer({ min: 0x21, max: 0x7e }).map((code) => String.fromCharCode(code)),
    minLength: 1,
    maxLength: 40,
  })
  .filter((text) => tokenProblem(text) === undefined);

describe('one token', () => {
  test.each([
    ['', 'is empty'],
    ['a b', 'contains a space or another white space character'],
    ['a\n', 'contains a space or another white space character'],
    ['a#b', 'contains a #, after which AceBase clients cut the address off'],
    ['pässword', 'contains a character that is not printable ASCII'],
    ['undefined', 'is the word undefined, which clients without a token send'],
    ['null', 'is the word null, which clients without a token send'],
    ['x'.repeat(1_025), 'is longer than 1,024 characters'],
    [12345, 'is not text'],
  ])('%j %s', (given, problem) => expect(tokenProblem(given)).toBe(problem));

  test.each(['a', 'Undefined', 'a&t=b', '100%', '%zz', '{x', `!"$'()*+,-./:;<=>?@[\\]^_\`{|}~`])(
    '%s is fine',
    (given) => expect(tokenProblem(given)).toBeUndefined(),
  );
});

describe('space around a token is no part of it', () => {
  // As `fs.readFileSync` gives a file that ends with a line, or Kubernetes a secret that was made of one.
  test.each(['one\n', 'one\r\n', '\uFEFFone', ' one\t'])('%j', (given) => {
    const shared = { ok: true, policy: { kind: 'shared', tokens: ['one'] } };
    expect(readTokens(given)).toEqual(shared);
    expect(readTokens([given])).toEqual(shared);
    expect(readTokens(parseTokenText(`${JSON.stringify([given])}\n`))).toEqual(shared);
    expect(readTokens(parseTokenText(given))).toEqual(shared);
    expect(parseTokenFile(given)).toEqual(shared);
    const perDatabase = { kind: 'perDatabase', tokens: new Map([['mydb', ['one']]]) };
    expect(readTokens({ mydb: given })).toEqual({ ok: true, policy: perDatabase });
    expect(readTokens(parseTokenText(`\uFEFF{"mydb":"one"}\r\n`))).toEqual({ ok: true, policy: perDatabase });
  });

  test('and of the admin token', () => {
    const { adminToken } = resolveOptions({ token: 'one\n', adminToken: 'two\r\n' });
    expect(adminToken).toBe('two');
    expect(resolveOptions({ token: 'one\n' }).adminToken).toBe('one');
  });

  test('but there is one', () =>
    expect(readTokens(' \n')).toEqual({ ok: false, problems: ['the token is empty'] }));
});

describe('several tokens', () => {
  test('a list opens every database', () =>
    expect(readTokens(['one', 'two'])).toEqual({
      ok: true,
      policy: { kind: 'shared', tokens: ['one', 'two'] },
    }));

  test('an object becomes a map, whatever its keys are', () => {
    const input: unknown = JSON.parse('{"__proto__":"one","constructor":["two","three"]}');
    const tokens = new Map([
      ['__proto__', ['one']],
      ['constructor', ['two', 'three']],
    ]);
    expect(readTokens(input)).toEqual({ ok: true, policy: { kind: 'perDatabase', tokens } });
  });

  test.each([
    [[], ['the list holds no token']],
    [{}, ['the object names no database']],
    [{ mydb: [] }, ['the list of database "mydb" holds no token']],
    [{ mydb: 'a b' }, ['the token of database "mydb" contains a space or another white space character']],
    [{ 'my/secret': 'ok' }, ['the object has a key that is not the name of a database']],
    [
      ['ok', '', 'x y'],
      ['token 2 of 3 is empty', 'token 3 of 3 contains a space or another white space character'],
    ],
    [42, ['the value is neither text, nor a list, nor an object of tokens for databases']],
  ])('%j has problems', (input, problems) => expect(readTokens(input)).toEqual({ ok: false, problems }));
});

describe('text of a flag or a variable', () => {
  test('is one literal token, commas included', () => expect(parseTokenText('a,b')).toBe('a,b'));
  test('is JSON if it starts like it', () => {
    expect(parseTokenText('["a","b"]')).toEqual(['a', 'b']);
    expect(parseTokenText(' {"mydb":"a"}')).toEqual({ mydb: 'a' });
  });
  test('that is broken JSON never counts as no token', () =>
    expect(readTokens(parseTokenText('{"mydb": oops'))).toEqual({
      ok: false,
      problems: ['the text starts like JSON, and is not JSON'],
    }));
});

describe('a token file', () => {
  test('has one token on each line', () =>
    expect(parseTokenFile('\uFEFF# old\r\none\r\n\r\n  two  \n#three\n')).toEqual({
      ok: true,
      policy: { kind: 'shared', tokens: ['one', 'two'] },
    }));
  test('may be JSON', () =>
    expect(parseTokenFile('\n{"mydb": "one"}\n')).toEqual({
      ok: true,
      policy: { kind: 'perDatabase', tokens: new Map([['mydb', ['one']]]) },
    }));
  test.each([
    ['# nothing\n', 'it holds no token'],
    ['one\nmydb: two\n', 'the token on line 2 contains a space or another white space character'],
    ['{oops', 'the text starts like JSON, and is not JSON'],
  ])('%j is refused', (contents, problem) =>
    expect(parseTokenFile(contents)).toEqual({ ok: false, problems: [problem] }),
  );
  test('gives every list of tokens back', () =>
    fc.assert(
      fc.property(fc.array(token, { minLength: 1, maxLength: 5 }), (tokens) => {
        expect(parseTokenFile(JSON.stringify(tokens))).toEqual({
          ok: true,
          policy: { kind: 'shared', tokens },
        });
      }),
      { numRuns: 200 },
    ));
});

test('no problem ever quotes the token', () =>
  fc.assert(
    fc.property(fc.string({ minLength: 6 }), (text) => {
      const result = readTokens(`${text} ${text}`);
      expect(JSON.stringify(result)).not.toContain(JSON.stringify(text).slice(1, -1));
    }),
    { numRuns: 200 },
  ));
