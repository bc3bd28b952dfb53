/** Who may connect (G8): tokens, names of databases, peer ids, origins and hosts. Nothing here throws. */

import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import { isIP } from 'node:net';
import {
  coveredNames,
  type HostAndPort,
  isLoopbackHost,
  isWildcardHost,
  parseHost,
} from '../options/names.js';
import type { Settings } from '../options/settings.js';

export { isDatabaseName } from '../options/names.js';

/** Whether a peer may have this id: `[master]`, or 5 to 64 of `A-Z a-z 0-9 _ -`. */
export function isPeerId(id: string): boolean {
  return id === '[master]' || /^[A-Za-z0-9_-]{5,64}$/.test(id);
}

/** What a request shows as its token. */
export interface Presented {
  /** The query of the URL as it was sent, with or without the `?`. The token is its `t`. */
  readonly query?: string | undefined;
  /** The `Authorization` header; only `Bearer` counts. */
  readonly authorization?: string | undefined;
}

/** What `Authentication` reads of the settings. */
export type AuthenticationSettings = Pick<
  Settings,
  | 'host'
  | 'ssl'
  | 'tokens'
  | 'adminToken'
  | 'allowAnonymous'
  | 'databases'
  | 'allowedOrigins'
  | 'allowedHosts'
>;

/** The digests that one database accepts. */
type Accepted = readonly Buffer[];

/** Decides who may connect, from the settings alone. */
export class Authentication {
  /** Whether clients must show a token. */
  readonly tokenRequired: boolean;
  /** Makes digests worthless outside this process, and comparison times worthless to who sends tokens. */
  readonly #key = randomBytes(32);
  /** What is compared with where nothing is accepted, so that this takes as long. */
  readonly #nothing: Accepted = [randomBytes(32)];
  /** The characters of the longest token, also as it stands in a URL. */
  #longest = 0;
  readonly #shared: Accepted | undefined;
  readonly #byDatabase: ReadonlyMap<string, Accepted>;
  readonly #admin: Accepted | undefined;
  readonly #databases: ReadonlySet<string> | undefined;
  readonly #origins: ReadonlySet<string>;
  readonly #hosts: readonly HostAndPort[];
  readonly #anonymousBeyondLoopback: boolean;
  readonly #defaultPort: number;

  /** @param settings resolved settings; later changes of them are not seen */
  constructor(settings: AuthenticationSettings) {
    const { tokens } = settings;
    this.tokenRequired = tokens.kind !== 'none';
    this.#shared = tokens.kind === 'shared' ? this.#accept(tokens.tokens) : undefined;
    this.#byDatabase = this.#coverTokens(tokens.kind === 'perDatabase' ? tokens.tokens : new Map());
    this.#admin = settings.adminToken === undefined ? undefined : this.#accept([settings.adminToken]);
    this.#databases = settings.databases && new Set(settings.databases.flatMap(coveredNames));
    this.#origins = new Set(settings.allowedOrigins.map((origin) => origin.toLowerCase()));
    const own = isWildcardHost(settings.host) ? [] : [settings.host];
    this.#hosts = [...settings.allowedHosts, ...own].map(parseHost).filter((host) => host !== undefined);
    this.#anonymousBeyondLoopback = settings.allowAnonymous;
    this.#defaultPort = settings.ssl === undefined ? 80 : 443;
  }

  /**
   * Whether the request may enter that database: it shows one of the database's tokens, or none is asked for.
   *
   * The token counts as it was typed, as `ws` and browsers write it in a URL, and percent-encoded; `+` is never a
   * space. Takes the same time whichever token is shown (G8).
   */
  checkToken(database: string, presented: Presented): boolean {
    if (!this.tokenRequired) return true;
    return this.#matches(presented, this.#shared ?? this.#byDatabase.get(database) ?? this.#nothing);
  }

  /**
   * Whether the request may see all databases: it shows the admin token. Where neither that nor any token is set,
   * everybody may, as everybody may enter every database.
   */
  checkAdminToken(presented: Presented): boolean {
    if (this.#admin === undefined && !this.tokenRequired) return true;
    return this.#matches(presented, this.#admin ?? this.#nothing);
  }

  /**
   * Which databases the request may see, of those that are served: all, with the admin token, or where no token is
   * asked for; else those that its token opens.
   * @returns undefined if it shows no token that opens anything
   */
  sightOf(presented: Presented): ((database: string) => boolean) | undefined {
    const seesAll = (database: string): boolean => this.isDatabaseAllowed(database);
    const digests = this.#digestsOf(presented);
    const isAdmin = this.#admin !== undefined && isAmong(digests, this.#admin);
    if (isAdmin || !this.tokenRequired) return seesAll;
    if (this.#shared !== undefined) return isAmong(digests, this.#shared) ? seesAll : undefined;
    // A database and those that it covers have one list.
    const verdicts = new Map([...new Set(this.#byDatabase.values())].map((it) => [it, isAmong(digests, it)]));
    const opened = [...this.#byDatabase].filter(([, accepted]) => verdicts.get(accepted));
    const names = new Set(opened.map(([database]) => database));
    return names.size === 0 ? undefined : (database) => names.has(database) && seesAll(database);
  }

  /** Whether this server serves a database of that wire name: `mydb` in `databases` covers `mydb_data`, too. */
  isDatabaseAllowed(name: string): boolean {
    return this.#databases === undefined || this.#databases.has(name);
  }

  /**
   * Whether a request with this `Origin` header may go on. Only browsers send one, and any web page can open a
   * WebSocket to localhost; so it must be this server's own, or one of `allowedOrigins`.
   * @param origin the header; undefined if there is none, which is fine
   * @param host the `Host` header
   * @param secure whether the connection is TLS
   */
  checkOrigin(origin: string | undefined, host: string | undefined, secure: boolean): boolean {
    if (origin === undefined) return true;
    if (this.#origins.has(origin.toLowerCase())) return true;
    if (host === undefined || parseHost(host) === undefined) return false;
    const own = `${secure ? 'https' : 'http'}://${host}`;
    // `URL` drops the default port, as browsers do in an Origin. A header that is not an origin equals none.
    return URL.canParse(own) && new URL(own).origin === origin.toLowerCase();
  }

  /**
   * Whether a request with this `Host` header may go on. Without a token a web page could reach the server by a name
   * of its own that it lets point here (DNS rebinding); so the name must be loopback, the configured host, or one of
   * `allowedHosts`. An address is no name that could be pointed elsewhere: it is fine where `allowAnonymous` is set.
   */
  checkHost(host: string | undefined): boolean {
    if (this.tokenRequired) return true;
    const called = host === undefined ? undefined : parseHost(host);
    if (called === undefined) return false;
    if (isLoopbackHost(called.name)) return true;
    if (this.#anonymousBeyondLoopback && isIP(called.name) !== 0) return true;
    const port = called.port ?? this.#defaultPort;
    return this.#hosts.some(
      (entry) => entry.name === called.name && (entry.port === undefined || entry.port === port),
    );
  }

  /** An entry for exactly a name goes before one that covers it. */
  #coverTokens(tokens: ReadonlyMap<string, readonly string[]>): ReadonlyMap<string, Accepted> {
    const accepted = new Map<string, Accepted>();
    for (const [database, list] of tokens) {
      const digests = this.#accept(list);
      for (const name of coveredNames(database)) if (!tokens.has(name)) accepted.set(name, digests);
      accepted.set(database, digests);
    }
    return accepted;
  }

  #accept(tokens: readonly string[]): Accepted {
    const texts = [...new Set(tokens.flatMap((token) => [token, asInUrl(token)]))];
    this.#longest = Math.max(this.#longest, ...texts.map(({ length }) => length));
    return texts.map((text) => this.#digest(text));
  }

  #digest(text: string): Buffer {
    return createHmac('sha256', this.#key).update(text).digest();
  }

  #matches(presented: Presented, accepted: Accepted): boolean {
    return isAmong(this.#digestsOf(presented), accepted);
  }

  /** The digests of everything that the request may mean as its token, and that is no longer than any token. */
  #digestsOf(presented: Presented): readonly Buffer[] {
    const candidates = [...candidatesOf(presented)].filter(({ length }) => length <= this.#longest);
    return candidates.map((candidate) => this.#digest(candidate));
  }
}

/** Compares all with all, without an early end. */
function isAmong(digests: readonly Buffer[], accepted: Accepted): boolean {
  let found = false;
  for (const digest of digests) {
    for (const each of accepted) found = timingSafeEqual(digest, each) || found;
  }
  return found;
}

/** A token as `ws` and browsers write it into the query of a URL: a few characters, `"` for one, are escaped. */
function asInUrl(token: string): string {
  return new URL(`ws://localhost/?t=${token}`).search.slice('?t='.length);
}

/** Everything that the request may mean as its token. */
function candidatesOf({ query, authorization }: Presented): ReadonlySet<string> {
  const candidates = new Set<string>();
  const bearer = /^bearer +(.+)$/i.exec(authorization ?? '')?.[1];
  if (bearer !== undefined) candidates.add(bearer);
  // Stock clients put the token last and unescaped, so one with a `&` in it is all that follows `t=`.
  const rest = /(?:^|[?&])t=(.*)$/s.exec(query ?? '')?.[1];
  if (rest === undefined) return candidates;
  for (const raw of [rest, rest.split('&', 1)[0] ?? '']) {
    candidates.add(raw);
    candidates.add(percentDecoded(raw));
  }
  return candidates;
}

function percentDecoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
