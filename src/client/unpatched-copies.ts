import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import type { ClientRequest } from 'node:http';

/** How a stock client asks for its connection [PROTOCOL-2.1]: ours has a session there. */
const STOCK_CONNECT = /\/([^/?]+)\/connect\?v=\d[^&]*&id=[^&]*&t=/;

/** Where Node.js tells of each HTTP request of the process, whichever copy of whichever library makes it. */
const REQUESTS = 'http.client.request.start';

/**
 * Watches for databases of this process that are opened by a copy of AceBase without this client: one that a bundler has
 * put into the program, or that was loaded from another place. Costs a pattern for each HTTP request of the process.
 *
 * @param found is told of each database file once, by its name on the wire, as the copy connects
 * @returns ends it
 */
export function watchForUnpatchedCopies(found: (database: string) => void): () => void {
  const seen = new Set<string>();
  const look = (message: unknown): void => {
    const { request } = message as { readonly request: ClientRequest };
    const database = STOCK_CONNECT.exec(request.path)?.[1];
    if (database === undefined || seen.has(database) || !request.hasHeader('upgrade')) return;
    seen.add(database);
    found(database);
  };
  subscribe(REQUESTS, look);
  return () => {
    unsubscribe(REQUESTS, look);
  };
}
