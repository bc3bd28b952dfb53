import type { ErrorCode } from '../errors.js';

/** How the connection of one database file stands, as a program can be told. */
export type ClientStatus =
  | {
      readonly kind: 'connected';
      /** The file, by its name on the wire: `mydb_data`. */
      readonly database: string;
      /** Whether it goes on exactly where it was. */
      readonly resumed: boolean;
    }
  | { readonly kind: 'reconnecting'; readonly database: string; readonly reason: string }
  /** The server has not answered for so long that others may soon get what this process holds: reading and writing wait. */
  | { readonly kind: 'waiting'; readonly database: string }
  /** What waited goes on where it was. */
  | {
      readonly kind: 'going-on';
      readonly database: string;
      /** For how long it waited at most. */
      readonly milliseconds: number;
    }
  /** The server did not hear this process for too long, and others may have got what it held: what it was doing fails. */
  | { readonly kind: 'place-lost'; readonly database: string; readonly reason: string }
  /** It takes part again, as a new peer, and reads again what it knew of the file. */
  | {
      readonly kind: 'came-back';
      readonly database: string;
      /** For how long the server had not heard it. */
      readonly milliseconds: number;
    }
  /** The server does not let this process in, and will not. The database is closed. */
  | {
      readonly kind: 'gave-up';
      readonly database: string;
      readonly reason: string;
      /** The code of docs/ERRORS.md. */
      readonly code: ErrorCode;
    }
  /** A log of the database cannot be written: this process keeps no journal. */
  | { readonly kind: 'no-journal'; readonly database: string; readonly reason: string }
  /** A copy of AceBase without this client has opened it: the process has a stock client there. */
  | { readonly kind: 'unpatched'; readonly database: string; readonly reason: string };
