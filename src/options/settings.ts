/** What the options come to: the settings that the rest of the server reads. */

import type { z } from 'zod';
import type { MasterSettings } from './masters.js';
import type { optionsSchema } from './schema.js';
import type { TokenPolicy } from './tokens.js';

type Parsed = z.output<typeof optionsSchema>;

/** Where certificate and key come from. Paths and contents of one thing exclude each other. */
export type SslSettings = Readonly<NonNullable<Parsed['ssl']>>;

/** The resolved options: every time in milliseconds, every size in bytes, every default filled in. */
export interface Settings
  extends Readonly<
    Omit<Parsed, 'ssl' | 'token' | 'tokenFile' | 'adminToken' | 'databases' | 'lease' | 'masters'>
  > {
  /** The masters that the server runs, by the names of their databases in AceBase (`mydb`). Empty: none. */
  readonly masters: ReadonlyMap<string, MasterSettings>;
  /** Undefined: connections are not encrypted. */
  readonly ssl: SslSettings | undefined;
  /** Which tokens open which databases: `token`, or what `tokenFile` holds. */
  readonly tokens: TokenPolicy;
  /** The file that `tokens` were read from; undefined if they come from `token`, or there are none. */
  readonly tokenFile: string | undefined;
  /** Undefined if no token opens the endpoints that see all databases. */
  readonly adminToken: string | undefined;
  /** The databases that are served; undefined: all. */
  readonly databases: readonly string[] | undefined;
  /** Milliseconds for which a process with the client may use its locks without a word of the server; 0 if nobody is waited for. */
  readonly lease: number;
  /** What a user should know about these settings, one line each. Nothing in them is secret. */
  readonly warnings: readonly string[];
}
