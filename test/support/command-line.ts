import { parseArgs } from 'node:util';

/** An option of a command. */
export interface Option<T> {
  readonly type: 'string' | 'boolean';
  /** What a given text means. Throws a {@link CommandLineError} that says what would be right. */
  read(given: string): T;
  /** What the option is when it is not given. */
  readonly absent: T;
}

/** An option that may be given more than once. */
export type RepeatedOption = Option<string> & { readonly multiple: true };

type Options = Readonly<Record<string, Option<unknown> | RepeatedOption>>;

type Value<O> = O extends RepeatedOption ? readonly string[] : O extends Option<infer T> ? T : never;
type Values<O extends Options> = { readonly [Name in keyof O]: Value<O[Name]> };

/** What a command line says. */
export interface Parsed<O extends Options, Word extends string> {
  readonly values: Values<O>;
  readonly word: Word | undefined;
}

/** A command line that cannot be carried out. */
export class CommandLineError extends Error {}

/** Given or not: `--quick`. */
export function flag(): Option<boolean> {
  return { type: 'boolean', absent: false, read: () => true };
}

/** Any text. */
export function text<T extends string | undefined>(absent: T): Option<string | T> {
  return { type: 'string', absent, read: (given) => given };
}

/** A whole number from `least` to the largest that JavaScript counts exactly. */
export function wholeNumber<T extends number | undefined>(
  absent: T,
  { least = 1 }: { readonly least?: number } = {},
): Option<number | T> {
  return {
    type: 'string',
    absent,
    read(given) {
      const number = /^\d+$/.test(given) ? Number(given) : Number.NaN;
      if (Number.isSafeInteger(number) && number >= least) return number;
      throw new CommandLineError(`must be a whole number of at least ${least}`);
    },
  };
}

/** A number above zero, with or without a fraction. */
export function positiveNumber<T extends number | undefined>(absent: T): Option<number | T> {
  return {
    type: 'string',
    absent,
    read(given) {
      const number = /^(\d+\.?\d*|\.\d+)$/.test(given) ? Number(given) : Number.NaN;
      if (Number.isFinite(number) && number > 0) return number;
      throw new CommandLineError('must be a number above zero');
    },
  };
}

/** Known names, separated by commas. */
export function namesOf<Name extends string>(
  known: readonly Name[],
  absent: readonly Name[],
): Option<readonly Name[]> {
  return {
    type: 'string',
    absent,
    read(given) {
      const names = given.split(',');
      const unknown = names.filter((name) => !known.some((it) => it === name));
      if (unknown.length === 0) return names as Name[];
      throw new CommandLineError(
        `knows only ${known.join()}, not ${unknown.map((it) => `"${it}"`).join(', ')}`,
      );
    },
  };
}

/** An object in JSON. */
export function json(absent: Readonly<Record<string, unknown>>): Option<Readonly<Record<string, unknown>>> {
  return {
    type: 'string',
    absent,
    read(given) {
      let value: unknown;
      try {
        value = JSON.parse(given);
      } catch (error) {
        throw new CommandLineError(`must be JSON: ${String(error)}`);
      }
      if (typeof value === 'object' && value !== null && !Array.isArray(value)) return { ...value };
      throw new CommandLineError('must be a JSON object');
    },
  };
}

/**
 * Reads a command line. Whatever it does not know, it refuses.
 *
 * @param words those that are known beside the options; at most one of them may be given
 * @throws CommandLineError for an unknown option or word, and for a value that is missing or wrong
 */
export function parseCommandLine<O extends Options, Word extends string = never>(
  given: readonly string[],
  options: O,
  words: readonly Word[] = [],
): Parsed<O, Word> {
  const { values, positionals } = split(given, options);
  const read = Object.entries(options).map(([name, option]): [string, unknown] => {
    const value = values[name];
    const isRepeated = 'multiple' in option;
    if (value === undefined) return [name, isRepeated ? [] : option.absent];
    try {
      return [
        name,
        Array.isArray(value) ? value.map((it) => option.read(String(it))) : option.read(String(value)),
      ];
    } catch (error) {
      if (!(error instanceof CommandLineError)) throw error;
      throw new CommandLineError(`--${name} "${String(value)}": it ${error.message}`);
    }
  });
  return { values: Object.fromEntries(read) as Values<O>, word: wordOf(positionals, words) };
}

function split(given: readonly string[], options: Options) {
  const config = Object.fromEntries(
    Object.entries(options).map(([name, option]) => [
      name,
      { type: option.type, multiple: 'multiple' in option },
    ]),
  );
  try {
    return parseArgs({ args: [...given], options: config, allowPositionals: true });
  } catch (error) {
    throw new CommandLineError(error instanceof Error ? error.message : String(error));
  }
}

function wordOf<Word extends string>(given: readonly string[], words: readonly Word[]): Word | undefined {
  const [first, second] = given;
  if (first === undefined) return undefined;
  const word = words.find((it) => it === first);
  if (word !== undefined && second === undefined) return word;
  const wanted = words.length === 0 ? 'there are only options' : `give at most one of ${words.join(', ')}`;
  throw new CommandLineError(`"${word === undefined ? first : second}" is not understood: ${wanted}`);
}

/**
 * What this process was asked for. Ends it with 2, and says why, if that cannot be carried out; with 0 after `--help`.
 *
 * @param usage how the command is used, with all of its options
 * @param check throws a {@link CommandLineError} if things do not go together
 */
export function commandLine<O extends Options, Word extends string = never>(
  usage: string,
  options: O,
  words: readonly Word[] = [],
  check: (values: Values<O>, word: Word | undefined) => void = () => undefined,
): Parsed<O, Word> {
  const given = process.argv.slice(2);
  if (given.includes('--help')) {
    console.log(usage);
    process.exit(0);
  }
  try {
    const parsed = parseCommandLine(given, options, words);
    check(parsed.values, parsed.word);
    return parsed;
  } catch (error) {
    if (!(error instanceof CommandLineError)) throw error;
    console.error(`${error.message}\n\n${usage}`);
    process.exit(2);
  }
}
