/** What the server and the process of a managed master say to each other, over the channel of `fork()`. */

import type { MasterSettings } from '../options/masters.js';
import type { FolderServer } from '../platform/owner-record.js';

/** Where the package is that the master is made of. */
export interface AceBaseLocation {
  readonly folder: string;
  /** The file that `require('acebase')` loads. */
  readonly entry: string;
}

/** The first message to the process: which database it is to open, and how. */
export interface OpenRequest {
  readonly kind: 'open';
  /** As AceBase has it: `mydb`. */
  readonly database: string;
  readonly settings: MasterSettings;
  /** Milliseconds; AceBase's own setting is in seconds. */
  readonly lockTimeout: number;
  /** The private port of the server, and what is to be shown there: a secret of this one process. */
  readonly door: { readonly host: string; readonly port: number; readonly secret: string };
  /** The server, for the record of who uses the folder. */
  readonly server: FolderServer;
  /** `reconnectGrace` of the server, in milliseconds. */
  readonly grace: number;
  readonly acebase: AceBaseLocation;
}

/** To the process. */
export type ToChild =
  | OpenRequest
  /** It is to close its database, and to end. `mayBeUsed`: whether workers may be in the midst of something yet. */
  | { readonly kind: 'close'; readonly mayBeUsed: boolean };

/** How the process is, of which it tells every two seconds. */
export interface Vitals {
  /** Bytes of memory that it has. */
  readonly rss: number;
  /** Bytes of them that JavaScript uses. */
  readonly heapUsed: number;
  /** Milliseconds that 99 of 100 waits for its event loop were below. */
  readonly eventLoopDelayP99: number;
}

/** Of the process. */
export type FromChild =
  /** Somebody else has its folder in use, or may have: it waits until that is over. */
  | { readonly kind: 'waits'; readonly reason: string }
  /** It has the folder. `former`: the server that had it before, as its record says; left out if there was none. */
  | { readonly kind: 'taken'; readonly former?: string | undefined }
  /** It has renewed the record of that. `uptime`: of the machine, in milliseconds, when that was begun. */
  | { readonly kind: 'kept'; readonly uptime: number }
  /** It is about to make or open the file, as soon as the server lets it. */
  | { readonly kind: 'opening' }
  /** Its file is open, and it serves workers. */
  | { readonly kind: 'serves' }
  | ({ readonly kind: 'vitals' } & Vitals)
  /** It cannot go on, and is about to end. `code` is one of the table of errors, where there is one. */
  | { readonly kind: 'cannot'; readonly code: string | undefined; readonly reason: string }
  /** It is about to end, as it was told to. `problem`: why its database could not be closed; `undefined` if it was. */
  | { readonly kind: 'closed'; readonly problem: string | undefined };
