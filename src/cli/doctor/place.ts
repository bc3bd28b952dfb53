import { IPCError } from '../../errors.js';
import { coveredNames, isWildcardHost, type ResolvedSources, type Settings } from '../../options.js';

/** From what it is known where the server is. */
export interface PlaceSources {
  /** `--url`. */
  readonly url: string | undefined;
  readonly resolved: Pick<ResolvedSources, 'settings' | 'places'>;
  /** `process.env`: the variables of the example "cloud", `ACEBASE_IPC_…`, count where nothing else is given. */
  readonly environment: Readonly<Record<string, string | undefined>>;
}

/**
 * Where a worker would look for the server, and with which token.
 *
 * @throws IPCError `IPC_OPTION_INVALID`, if `--url` is none
 */
export function placeOf(sources: PlaceSources & { readonly database: string }): {
  readonly url: URL;
  readonly token: string | undefined;
} {
  const { database, resolved, environment } = sources;
  return {
    url: serverUrl(sources),
    token: tokenFor(database, resolved.settings) ?? processToken(environment),
  };
}

/**
 * Where a process would look for the server.
 *
 * @throws IPCError `IPC_OPTION_INVALID`, if `--url` is none
 */
export function serverUrl(sources: PlaceSources): URL {
  return sources.url === undefined ? urlOf(sources) : parseUrl(sources.url);
}

/** The token that the processes of the example "cloud" are given. */
export function processToken(environment: PlaceSources['environment']): string | undefined {
  return filled(environment['ACEBASE_IPC_TOKEN']);
}

/** An endpoint of a server that may be behind a path, such as `https://example.com/ipc`. */
export function endpointOf(server: URL, path: `/${string}`): URL {
  return new URL(`${addressOf(server)}${path}`);
}

/** Where a server is, without a slash at the end. */
export function addressOf({ href }: URL): string {
  return href.replace(/\/+$/, '');
}

function parseUrl(text: string): URL {
  const allowed = 'Allowed: a URL such as https://ipc.example.com:9163, with a path or without';
  const withScheme = text.trim().replace(/^ws(s?):/i, 'http$1:');
  if (!/^https?:\/\//i.test(withScheme) || !URL.canParse(withScheme)) {
    throw new IPCError('IPC_OPTION_INVALID', `--url: begin it with http:// or https://. ${allowed}`);
  }
  const url = new URL(withScheme);
  // They are not shown: a token or a password may be in them.
  if (url.username !== '' || url.password !== '' || url.search !== '' || url.hash !== '') {
    throw new IPCError(
      'IPC_OPTION_INVALID',
      `--url: leave out user, password and what follows a ? or #. ${allowed}`,
    );
  }
  return url;
}

function urlOf({ resolved, environment }: PlaceSources): URL {
  const { settings, places } = resolved;
  const isGiven = [...places.keys()].some((name) => /^(?:host|port|ssl\..*)$/.test(name));
  const host = filled(environment['ACEBASE_IPC_HOST']);
  if (!isGiven && host !== undefined) {
    const scheme = environment['ACEBASE_IPC_SSL'] === '1' ? 'https' : 'http';
    return new URL(
      `${scheme}://${bracketed(host)}:${filled(environment['ACEBASE_IPC_PORT']) ?? settings.port}`,
    );
  }
  const name = isWildcardHost(settings.host) ? 'localhost' : settings.host;
  return new URL(`${settings.ssl === undefined ? 'http' : 'https'}://${bracketed(name)}:${settings.port}`);
}

function bracketed(host: string): string {
  return host.includes(':') && !host.startsWith('[') ? `[${host}]` : host;
}

function tokenFor(database: string, { tokens }: Pick<Settings, 'tokens'>): string | undefined {
  if (tokens.kind === 'none') return undefined;
  if (tokens.kind === 'shared') return tokens.tokens[0];
  const names = coveredNames(database);
  const entry = [...tokens.tokens].find(([name]) => coveredNames(name).some((it) => names.includes(it)));
  return entry?.[1][0];
}

function filled(text: string | undefined): string | undefined {
  const trimmed = text?.trim();
  return trimmed === '' ? undefined : trimmed;
}

/** The header that a server is asked with. */
export function authorization(token: string | undefined): Record<string, string> {
  return token === undefined ? {} : { Authorization: `Bearer ${token}` };
}
