/** The kinds of field that the schema of the options is made of. */

import { types } from 'node:util';
import { z } from 'zod';
import {
  type Duration,
  formatNumber,
  formatSize,
  formatTime,
  parseSize,
  parseTime,
  type Size,
} from './units.js';

/** Headings of `--help`, in this order. */
export const OPTION_GROUPS = [
  'Listening',
  'Masters',
  'Who may connect',
  'TLS',
  'Large messages',
  'Limits',
  'Times',
  'Logs',
] as const;

/** What the schema itself cannot say about an option. */
export interface OptionFacts {
  readonly group: (typeof OPTION_GROUPS)[number];
  /** How text from a flag or the environment becomes a value: lists are split at commas, tokens and masters may be JSON. */
  readonly form: 'text' | 'list' | 'boolean' | 'token' | 'path' | 'masters';
  /** Its long flag, where that is not made of its name: `--master`. */
  readonly flag?: string;
  /** The unit of a number, or what a text is: `bytes`, `milliseconds`, `path`, … */
  readonly unit: string;
  /** One phrase: what it does. */
  readonly description: string;
  /** What may be given, as the end of the sentence "Allowed: …". */
  readonly allowed: string;
  /** How the default is written for people, where the value alone does not say it. */
  readonly defaultText: string;
  /** Its value is never shown. */
  readonly secret: boolean;
}

/** The facts of every option, by its schema. */
export const optionFacts = z.registry<OptionFacts>();

type Described = Pick<OptionFacts, 'group' | 'description'> & Partial<OptionFacts>;

/** Files what is known about an option; what is not given is as for a text. */
export function described<S extends z.ZodType>(schema: S, facts: Described): S {
  optionFacts.add(schema, {
    form: 'text',
    unit: 'text',
    allowed: 'text',
    defaultText: 'none',
    secret: false,
    ...facts,
  });
  return schema;
}

const filledText = z.string().min(1);

/** Text that is not empty. */
export function text(facts: Described) {
  return described(filledText.optional(), { allowed: 'text that is not empty', ...facts });
}

/** The path of a file. */
export function path(facts: Described) {
  return described(filledText.optional(), {
    form: 'path',
    unit: 'path',
    allowed: 'the path of a file',
    ...facts,
  });
}

/** The contents of a file, as text or bytes. */
export function contents(facts: Described) {
  const schema = z.custom<string | Uint8Array>(
    (value) => types.isUint8Array(value) || (typeof value === 'string' && value !== ''),
  );
  return described(schema.optional(), {
    unit: 'PEM text',
    allowed: 'text or a Buffer that is not empty',
    ...facts,
  });
}

interface Range {
  readonly min: number;
  readonly max: number;
  readonly default: number;
}

/** A number that may also be written as text. `Given` is what a program may write; a file or a flag may hold any text. */
function number<Given extends number | string>(
  range: Range,
  read: (value: number | string) => number | undefined,
) {
  return between<Given>(range, read).default(range.default);
}

function between<Given extends number | string>(
  range: Omit<Range, 'default'>,
  read: (value: number | string) => number | undefined,
) {
  const isWithin = (value: number | undefined): value is number =>
    value !== undefined && value >= range.min && value <= range.max;
  return z
    .custom<Given>((given) => typeof given === 'number' || typeof given === 'string')
    .transform((given, context) => {
      const value = read(given);
      if (isWithin(value)) return value;
      context.addIssue('not allowed');
      return z.NEVER;
    });
}

function parseDigits(value: number | string): number | undefined {
  return /^\d+$/.test(String(value).trim()) ? Number(value) : undefined;
}

/** A whole number. */
export function count(range: Range, facts: Described & { unit: string }) {
  return described(number<number | `${number}`>(range, parseDigits), {
    ...wholeNumber(range),
    ...facts,
  });
}

/** A whole number of units that is also written as a size. */
export function units(range: Range, facts: Described & { unit: string }) {
  return described(number<Size>(range, parseSize), { ...wholeNumber(range), ...facts });
}

function wholeNumber(range: Range): Pick<OptionFacts, 'allowed' | 'defaultText'> {
  return {
    allowed: `a whole number from ${formatNumber(range.min)} to ${formatNumber(range.max)}`,
    defaultText: formatNumber(range.default),
  };
}

/** A size in bytes, or in text. */
export function size(range: Range, facts: Described) {
  return described(number<Size>(range, parseSize), {
    unit: 'bytes',
    allowed: `bytes, or text such as 64KiB or 64MiB, from ${formatSize(range.min)} to ${formatSize(range.max)}`,
    defaultText: formatSize(range.default),
    ...facts,
  });
}

/** A time in milliseconds, or in text. */
export function time(range: Range, facts: Described) {
  return described(number<Duration>(range, parseTime), {
    ...timeFacts(range),
    defaultText: formatTime(range.default),
    ...facts,
  });
}

/** A time whose default depends on other options. */
export function dependentTime(range: Omit<Range, 'default'>, facts: Described & { defaultText: string }) {
  return described(between<Duration>(range, parseTime).optional(), { ...timeFacts(range), ...facts });
}

function timeFacts({ min, max }: Omit<Range, 'default'>): Pick<OptionFacts, 'unit' | 'allowed'> {
  return {
    unit: 'milliseconds',
    allowed: `milliseconds, or text such as 500ms or 2s, from ${formatTime(min)} to ${formatTime(max)}`,
  };
}

/** One of several words. */
export function choice<const T extends readonly [string, ...string[]]>(
  values: T,
  preset: T[number],
  facts: Described,
) {
  return described(z.enum(values).default(preset as z.core.util.Writeable<T>[number]), {
    unit: 'one of',
    allowed: values.join(', '),
    defaultText: preset,
    ...facts,
  });
}
