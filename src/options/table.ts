/** The options as rows: what `--help`, docs/LIMITS.md and the readers of sources go by. */

import type { z } from 'zod';
import { type OptionFacts, optionFacts } from './fields.js';
import { optionsSchema } from './schema.js';

/** What every variable of this server starts with. The shorter `ACEBASE_IPC_` belongs to the clients. */
export const ENVIRONMENT_PREFIX = 'ACEBASE_IPC_SERVER_';

/** One option. */
export interface OptionRow extends OptionFacts {
  /** Its name in code and in the config file; that of a part of `ssl` has a dot: `ssl.certPath`. */
  readonly name: string;
  /** The keys that lead to it. */
  readonly path: readonly string[];
  /** The long flag: `--ssl-cert-path`. */
  readonly flag: string;
  /** The variable: `ACEBASE_IPC_SERVER_SSL_CERT_PATH`. */
  readonly environment: string;
  /** The resolved default; undefined if there is none. */
  readonly default: unknown;
}

function toRow(path: readonly string[], schema: z.ZodType, facts: OptionFacts): OptionRow {
  const words = path.flatMap((key) => key.split(/(?=[A-Z])/)).map((word) => word.toLowerCase());
  return {
    ...facts,
    name: path.join('.'),
    path,
    flag: facts.flag ?? `--${words.join('-')}`,
    environment: ENVIRONMENT_PREFIX + words.join('_').toUpperCase(),
    default: schema.parse(undefined),
  };
}

function rowsOf(shape: Readonly<Record<string, z.ZodType>>, path: readonly string[]): OptionRow[] {
  return Object.entries(shape).flatMap(([key, schema]) => {
    const facts = optionFacts.get(schema);
    return facts === undefined ? [] : [toRow([...path, key], schema, facts)];
  });
}

const { ssl, ...rest } = optionsSchema.shape;
const rows: readonly OptionRow[] = [...rowsOf(rest, []), ...rowsOf(ssl.unwrap().shape, ['ssl'])];

/** Every option, those of `ssl` one by one. */
export function optionTable(): readonly OptionRow[] {
  return rows;
}
