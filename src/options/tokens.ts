/** Tokens: the rules for one, and the ways in which several are written. None is ever part of a message. */

import { isDatabaseName } from './names.js';

/** What may be given as `token`: one, several (all are accepted), or some for each database. */
export type TokenInput = string | readonly string[] | Readonly<Record<string, string | readonly string[]>>;

/** Which tokens open which databases. */
export type TokenPolicy =
  /** No token is asked for. */
  | { readonly kind: 'none' }
  /** Each of these opens every database. */
  | { readonly kind: 'shared'; readonly tokens: readonly string[] }
  /** A database, and the files that its name covers, is opened by its own tokens; one that is not listed, by none. */
  | { readonly kind: 'perDatabase'; readonly tokens: ReadonlyMap<string, readonly string[]> };

/** The tokens, or why they are none. A problem is a phrase without a token in it. */
export type TokenResult =
  | { readonly ok: true; readonly policy: TokenPolicy }
  | { readonly ok: false; readonly problems: readonly string[] };

const TOKEN_LENGTH_MAX = 1_024;

/** What a token may be. */
export const TOKEN_ALLOWED =
  '1 to 1,024 printable ASCII characters without space and #, other than the words undefined and null';

/** @returns what is wrong with a token, as the end of the sentence "the token …"; undefined if nothing is */
export function tokenProblem(token: unknown): string | undefined {
  if (typeof token !== 'string') return 'is not text';
  if (token === '') return 'is empty';
  if (token.length > TOKEN_LENGTH_MAX) return 'is longer than 1,024 characters';
  if (/\s/.test(token)) return 'contains a space or another white space character';
  if (token.includes('#')) return 'contains a #, after which AceBase clients cut the address off';
  if (!/^[!-~]+$/.test(token)) return 'contains a character that is not printable ASCII';
  if (token === 'undefined' || token === 'null')
    return `is the word ${token}, which clients without a token send`;
  return undefined;
}

/**
 * A token without what is around it and is no part of it: the end of a line, where it was read from a file, and a byte order
 * mark. Anything but text is left as it is.
 */
export function trimmedToken(given: unknown): unknown {
  return typeof given === 'string' ? given.trim() : given;
}

/** Stands for text that should be JSON and is not. It must not look like a token that was left out. */
const BROKEN_JSON = Symbol('broken JSON');

/** Checks a `token` option of any form. */
export function readTokens(input: unknown): TokenResult {
  if (input === BROKEN_JSON) return { ok: false, problems: ['the text starts like JSON, and is not JSON'] };
  if (typeof input === 'string') return shared([input], () => 'the token');
  if (Array.isArray(input)) return shared(input, (place) => `token ${place + 1} of ${input.length}`);
  if (typeof input === 'object' && input !== null) return perDatabase(input);
  return {
    ok: false,
    problems: ['the value is neither text, nor a list, nor an object of tokens for databases'],
  };
}

function shared(given: readonly unknown[], nameOf: (place: number) => string): TokenResult {
  const tokens = given.map(trimmedToken);
  if (tokens.length === 0) return { ok: false, problems: ['the list holds no token'] };
  const problems = problemsOf(tokens, nameOf);
  if (problems.length > 0) return { ok: false, problems };
  return { ok: true, policy: { kind: 'shared', tokens: tokens.filter(isText) } };
}

function perDatabase(input: object): TokenResult {
  const tokens = new Map<string, readonly string[]>();
  const problems: string[] = [];
  for (const [database, value] of Object.entries(input)) {
    if (!isDatabaseName(database)) {
      // The name is not shown: somebody may have mixed up the two sides.
      problems.push('the object has a key that is not the name of a database');
      continue;
    }
    const list = (Array.isArray(value) ? value : [value]).map(trimmedToken);
    if (list.length === 0) problems.push(`the list of database "${database}" holds no token`);
    problems.push(...problemsOf(list, () => `the token of database "${database}"`));
    tokens.set(database, list.filter(isText));
  }
  if (tokens.size === 0 && problems.length === 0) problems.push('the object names no database');
  return problems.length > 0
    ? { ok: false, problems }
    : { ok: true, policy: { kind: 'perDatabase', tokens } };
}

function problemsOf(tokens: readonly unknown[], nameOf: (place: number) => string): string[] {
  return tokens.flatMap((token, place) => {
    const problem = tokenProblem(token);
    return problem === undefined ? [] : [`${nameOf(place)} ${problem}`];
  });
}

function isText(value: unknown): value is string {
  return typeof value === 'string';
}

/**
 * A token from the environment or a flag: JSON if it starts with `{` or `[`, else one literal token, commas included.
 * @returns what `readTokens` takes; text that should be JSON and is not makes it fail
 */
export function parseTokenText(given: string): unknown {
  const text = given.trim();
  if (!/^[{[]/.test(text)) return text;
  try {
    return JSON.parse(text);
  } catch {
    // The reason of JSON.parse quotes the text, so it is not passed on.
    return BROKEN_JSON;
  }
}

/**
 * The contents of a token file: one token on each line, blank lines and lines that start with `#` left out; or JSON, a
 * list or an object of tokens for databases, if it starts with `[` or `{`.
 */
export function parseTokenFile(contents: string): TokenResult {
  const text = contents.trim();
  if (/^[{[]/.test(text)) return readTokens(parseTokenText(text));
  const tokens: string[] = [];
  const problems: string[] = [];
  for (const [index, line] of text.split('\n').entries()) {
    const token = line.trim();
    if (token === '' || token.startsWith('#')) continue;
    const problem = tokenProblem(token);
    if (problem === undefined) tokens.push(token);
    else problems.push(`the token on line ${index + 1} ${problem}`);
  }
  if (problems.length > 0) return { ok: false, problems };
  if (tokens.length === 0) return { ok: false, problems: ['it holds no token'] };
  return { ok: true, policy: { kind: 'shared', tokens } };
}

/** Every token of a policy. */
export function allTokens(policy: TokenPolicy): readonly string[] {
  if (policy.kind === 'none') return [];
  return policy.kind === 'shared' ? policy.tokens : [...policy.tokens.values()].flat();
}
