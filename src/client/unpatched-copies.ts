import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import type { ClientRequest } from 'node:http';
import { replaceAll } from './patches/node-files.js';

/** How a stock client asks for its connection [PROTOCOL-2.1]: ours has a session there. */
const STOCK_CONNECT = /\/([^/?]+)\/connect\?v=\d[^&]*&id=[^&]*&t=/;

/** Where Node.js tells of each HTTP request of the process, whichever copy of whichever library makes it. */
const REQUESTS = 'http.client.request.start';

/** A database file, as AceBase names it. */
const DATABASE_FILE = /([^\\/]+)\.acebase\/([^\\/]+)\.db$/;

/** How AceBase opens one that it may write to. */
const TO_WRITE = 'r+';

/**
 * Watches for databases of this process that are opened by a copy of AceBase without this client: one that a bundler has
 * put into the program, or that was loaded from another place. It shows as it connects; where there is no server, as it opens its
 * file. Costs a pattern for each HTTP request of the process, and for each file that it opens to read and write.
 *
 * @param isKnown whether a copy with this client has the file of that path
 * @param found is told of each database file once, by its name on the wire
 * @returns ends it
 */
export function watchForUnpatchedCopies(
  isKnown: (path: string) => boolean,
  found: (database: string) => void,
): () => void {
  const seen = new Set<string>();
  const tell = (database: string): void => {
    if (seen.has(database)) return;
    seen.add(database);
    found(database);
  };
  const look = (message: unknown): void => {
    const { request } = message as { readonly request: ClientRequest };
    const database = STOCK_CONNECT.exec(request.path)?.[1];
    if (database !== undefined && request.hasHeader('upgrade')) tell(database);
  };
  subscribe(REQUESTS, look);
  const undo = replaceAll({
    open(open, path, flags, ...rest) {
      if (flags === TO_WRITE && typeof path === 'string' && !isKnown(path)) {
        const [, name, type] = DATABASE_FILE.exec(path) ?? [];
        if (type !== undefined) tell(`${name}_${type}`);
      }
      open(path, flags, ...rest);
    },
  });
  return () => {
    undo();
    unsubscribe(REQUESTS, look);
  };
}
