/** `acebase-ipc-server peers <database>`: who is connected to a server that runs, and with which client. */

import { coveredNames, isWildcardHost, type Settings } from '../options.js';
import { isoTime } from '../platform/clock.js';

/** A peer, as `GET /<database>/clients` tells it (docs/PROTOCOL.md, section 4). */
interface ListedPeer {
  readonly id: string;
  readonly connected: number;
  readonly client?: string;
}

/** One row of the table. */
export interface PeerRow {
  /** The file, by its name on the wire: `mydb_data`. */
  readonly database: string;
  readonly id: string;
  /** Name and version of its client; `stock` for one that does not say. */
  readonly client: string;
  /** When it connected, as in ISO 8601. */
  readonly since: string;
}

/** What to ask, and where. */
export interface PeersQuery {
  readonly database: string;
  /** Where the server is; default: where one with these settings listens. */
  readonly url?: string | undefined;
  readonly settings: Pick<Settings, 'host' | 'port' | 'ssl' | 'tokens'>;
}

/**
 * Asks the server.
 *
 * @throws Error in plain words, if it is not there, or does not answer
 */
export async function askForPeers({ database, url, settings }: PeersQuery): Promise<PeerRow[]> {
  const base = (url ?? urlOf(settings)).replace(/\/+$/, '');
  const rows: PeerRow[] = [];
  for (const name of coveredNames(database)) {
    const token = tokenFor(name, settings);
    const headers: Record<string, string> = token === undefined ? {} : { Authorization: `Bearer ${token}` };
    const answer = await ask(`${base}/${encodeURIComponent(name)}/clients`, headers);
    for (const { id, connected, client = 'stock' } of answer) {
      rows.push({ database: name, id, client, since: isoTime(connected) });
    }
  }
  return rows;
}

/** The rows as text, for people. */
export function describePeers(rows: readonly PeerRow[], database: string): string {
  if (rows.length === 0) return `nobody is connected to ${database}`;
  const head = { database: 'DATABASE', id: 'PEER', client: 'CLIENT', since: 'CONNECTED' };
  const width = (key: keyof PeerRow): number => Math.max(...[head, ...rows].map((row) => row[key].length));
  return [head, ...rows]
    .map((row) =>
      [
        row.database.padEnd(width('database')),
        row.id.padEnd(width('id')),
        row.client.padEnd(width('client')),
        row.since,
      ].join('  '),
    )
    .join('\n');
}

async function ask(url: string, headers: Record<string, string>): Promise<readonly ListedPeer[]> {
  let response: Response;
  try {
    response = await fetch(url, { headers });
  } catch (error) {
    const { cause } = error as { cause?: unknown };
    throw new Error(
      `no IPC server answers at ${url}: ${String(cause instanceof Error ? cause.message : error)}`,
    );
  }
  if (response.status === 401) throw new Error(`the server at ${url} wants another token: give --token`);
  if (!response.ok) throw new Error(`the server at ${url} answered with ${response.status}`);
  return (await response.json()) as readonly ListedPeer[];
}

function urlOf({ host, port, ssl }: PeersQuery['settings']): string {
  const name = isWildcardHost(host) ? 'localhost' : host;
  return `${ssl === undefined ? 'http' : 'https'}://${name.includes(':') ? `[${name}]` : name}:${port}`;
}

function tokenFor(name: string, { tokens }: PeersQuery['settings']): string | undefined {
  if (tokens.kind === 'none') return undefined;
  if (tokens.kind === 'shared') return tokens.tokens[0];
  const entry = [...tokens.tokens.entries()].find(([database]) => coveredNames(database).includes(name));
  return entry?.[1][0];
}
