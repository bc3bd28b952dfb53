import { parseArgs } from 'node:util';

/** The options of a command that this repository's scripts understand; anything else is refused. */
export interface Option<T> {
  readonly type: 'string' | 'boolean';
  readonly multiple?: boolean;
  /** What a given text means. Throws a `CommandLineError` that says what would be right. */
  read(given: string): T;
  /** What the option is when it is not given. */
  readonly absent: T;
}

type Options = Readonly<Record<string, Option<unknown>>>;

type Values<O extends Options> = { readonly [Name in keyof O]: O[Name] extends Option<infer T> ? T : never };

/** A command line that cannot be carried out. */
export class CommandLineError extends Error {}

/** Present or not: `--quick`. */
export function flag(): Option<boolean> {
  return { type: 'boolean', absent: false, read: () => true };
}

/** Any text. */
export function text<T extends string | undefined>(absent: T): Option<string | T> {
  return { type: 'string', absent, read: (given) => given };
}

/** A whole number from `least` to what JavaScript counts exactly. */
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

/** Names out of those that are known, with commas between them. */
export function namesOf<Name extends string, T>(known: readonly Name[], absent: T): Option<Name[] | T> {
  return {
    type: 'string',
    absent,
    read(given) {
      const names = given.split(',');
      const unknown = names.filter((name) => !known.some((it) => it === name));
      if (unknown.length === 0) return names as Name[];
      throw new CommandLineError(
        `knows no ${unknown.map((it) => `"${it}"`).join(', ')}, only ${known.join()}`,
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
      try {
        const value: unknown = JSON.parse(given);
        if (typeof value === 'object' && value !== null && !Array.isArray(value)) return { ...value };
      } catch {}
      throw new CommandLineError('must be a JSON object');
    },
  };
}

/**
 * What a command line says.
 *
 * @param words those that are understood beside the options; at most one of them may be given
 * @throws CommandLineError for an unknown option or word, a missing or wrong value
 */
export function parseCommandLine<O extends Options, Word extends string = never>(
  given: readonly string[],
  options: O,
  words: readonly Word[] = [],
): { readonly values: Values<O>; readonly word: Word | undefined } {
  const { values, positionals } = parsed(given, options);
  const read = Object.entries(options).map(([name, option]) => {
    const value = values[name];
    if (value === undefined) return [name, option.absent];
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
  const [word, ...more] = positionals;
  const known = words.find((it) => it === word);
  if (more.length > 0 || (word !== undefined && known === undefined)) {
    const unknown = known === undefined ? word : more[0];
    const wanted = words.length === 0 ? 'there are only options' : `one of ${words.join(', ')} at most`;
    throw new CommandLineError(`"${unknown}" is not understood: ${wanted}`);
  }
  return { values: Object.fromEntries(read) as Values<O>, word: known };
}

function parsed(given: readonly string[], options: Options) {
  const config = Object.fromEntries(
    Object.entries(options).map(([name, { type, multiple = false }]) => [name, { type, multiple }]),
  );
  try {
    return parseArgs({ args: [...given], options: config, allowPositionals: true });
  } catch (error) {
    throw new CommandLineError(error instanceof Error ? error.message : String(error));
  }
}

/**
 * What this process was asked for. Ends it with 2 and says why if that cannot be carried out; with 0 after `--help`.
 *
 * @param usage how the command is used, with all of its options
 */
export function commandLine<O extends Options, Word extends string = never>(
  usage: string,
  options: O,
  words: readonly Word[] = [],
): { readonly values: Values<O>; readonly word: Word | undefined } {
  const given = process.argv.slice(2);
  if (given.includes('--help')) {
    console.log(usage);
    process.exit(0);
  }
  try {
    return parseCommandLine(given, options, words);
  } catch (error) {
    if (!(error instanceof CommandLineError)) throw error;
    console.error(`${error.message}\n\n${usage}`);
    process.exit(2);
  }
}
