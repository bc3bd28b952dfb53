import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import type { z } from 'zod';
import type { optionsSchema } from '../../../src/options/schema.js';
import { optionTable, type ServerOptions, type SslOptions } from '../../../src/options.js';

/** The same type, with every list readonly and `undefined` spelled out: the schema says neither. */
type Plain<T> = T extends readonly (infer Entry)[]
  ? readonly Plain<Entry>[]
  : T extends Uint8Array | string | number | boolean | undefined
    ? T
    : { readonly [Key in keyof T]: Plain<T[Key]> };

type Schema = Plain<z.input<typeof optionsSchema>>;

type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;

/** The names of options that are written otherwise in the one than in the other. */
type Different<A, B> = {
  [Key in keyof A | keyof B]: Key extends keyof A & keyof B
    ? Same<{ readonly it: A[Key] }, { readonly it: B[Key] }> extends true
      ? never
      : Key
    : Key;
}[keyof A | keyof B];

test('what a program may write is what the schema reads', () => {
  // Checked by `npm run types`: the error names the option that differs.
  const options: Different<Required<Plain<ServerOptions>>, Required<Schema>>[] = [];
  const ssl: Different<Required<SslOptions>, Required<NonNullable<Schema['ssl']>>>[] = [];
  const none: never[] = [...options, ...ssl];
  expect(none).toEqual([]);
});

test('a value that cannot be right does not compile', () => {
  const wrong: ServerOptions[] = [
    // @ts-expect-error: not a number
    { port: 'nine' },
    // @ts-expect-error: not a size
    { maxBuffered: '64 megabytes' },
    // @ts-expect-error: not a time
    { lockTimeout: 'soon' },
    // @ts-expect-error: no such level
    { logLevel: 'loud' },
  ];
  const right: ServerOptions[] = [
    { port: '9163', maxBuffered: '64 MiB', lockTimeout: '2m', maxPayload: '16MiB' },
    { port: 0, maxBuffered: 65_536, lockTimeout: 120_000, ssl: { cert: Buffer.from('') } },
  ];
  expect([wrong.length, right.length]).toEqual([4, 2]);
});

describe('what an editor shows of an option', () => {
  const source = readFileSync(new URL('../../../src/options/server-options.ts', import.meta.url), 'utf8');
  const comments = new Map(
    [...source.matchAll(/\/\*\*((?:(?!\*\/).)*)\*\/\s*readonly (\w+)\?:/gs)].map(
      ([, comment = '', name = '']) => [name, comment.replaceAll(/\s*\n\s*\*/g, ' ')],
    ),
  );

  test.each(
    optionTable().map(({ path, defaultText }) => [path.at(-1) ?? '', path.length, defaultText] as const),
  )('%s has a comment, with its default', (name, depth, defaultText) => {
    const comment = comments.get(name)?.replaceAll('`', '') ?? 'none';
    if (depth > 1) expect(comment).not.toBe('none');
    else expect(comment).toContain(`Default: ${defaultText.split(' (')[0]}`);
  });
});
