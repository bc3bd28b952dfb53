/** Which options a server takes over while it runs, and what a new set of them comes to. */

import { isDeepStrictEqual } from 'node:util';
import { assertSecure } from './resolve.js';
import type { Settings, SslSettings } from './settings.js';
import { optionTable } from './table.js';

const ACCESS = [
  'token',
  'tokenFile',
  'adminToken',
  'allowAnonymous',
  'databases',
  'allowedOrigins',
  'allowedHosts',
] as const;

const RELOADABLE: ReadonlySet<string> = new Set([...ACCESS, 'drainTimeout', 'stopTimeout', 'logLevel']);

/** Whether a running server takes over that option; for any other one it must be started anew. */
export function isReloadable(name: string): boolean {
  return RELOADABLE.has(name) || name.startsWith('ssl.');
}

/** Whether one of these options decides who may see what. */
export function areAboutAccess(names: readonly string[]): boolean {
  return ACCESS.some((name) => names.includes(name));
}

/** What a reload comes to. */
export interface ReloadedSettings {
  /** What is in force: the new values of the options that can change, and the old ones of all others. */
  readonly settings: Settings;
  /** The options that changed, by their name in code. */
  readonly changed: readonly string[];
  /** Those that were given another value, and keep the old one until the server is started anew. */
  readonly needRestart: readonly string[];
}

/**
 * Takes over what can change while the server runs.
 *
 * @throws IPCError `IPC_OPTION_INSECURE`, if nobody would need a token any more at the host that is still listened on
 */
export function reloadSettings(current: Settings, next: Settings): ReloadedSettings {
  const ssl = reloadSsl(current.ssl, next.ssl);
  const differing = optionTable()
    // What a token file holds is a token, too.
    .map(({ name, path }) => ({ name, key: name === 'token' ? ['tokens'] : path }))
    .filter(({ key }) => !isDeepStrictEqual(valueAt(current, key), valueAt(next, key)))
    .map(({ name }) => name);
  const settings: Settings = {
    ...current,
    ...ssl.settings,
    tokens: next.tokens,
    tokenFile: next.tokenFile,
    adminToken: next.adminToken,
    allowAnonymous: next.allowAnonymous,
    databases: next.databases,
    allowedOrigins: next.allowedOrigins,
    allowedHosts: next.allowedHosts,
    drainTimeout: next.drainTimeout,
    stopTimeout: next.stopTimeout,
    logLevel: next.logLevel,
    warnings: next.warnings,
  };
  assertSecure(settings, 'host');
  const isInForce = (name: string): boolean => isReloadable(name) && !ssl.needRestart(name);
  return {
    settings,
    changed: differing.filter(isInForce),
    needRestart: differing.filter((name) => !isInForce(name)),
  };
}

/** Whether there is TLS, and whether clients must show a certificate, is decided when the server begins to listen. */
function reloadSsl(
  current: SslSettings | undefined,
  next: SslSettings | undefined,
): { settings: Pick<Settings, 'ssl'>; needRestart: (name: string) => boolean } {
  if (current === undefined || next === undefined) {
    return { settings: { ssl: current }, needRestart: (name) => name.startsWith('ssl.') };
  }
  const asks = ({ ca, caPath }: SslSettings): boolean => ca !== undefined || caPath !== undefined;
  if (asks(current) === asks(next)) return { settings: { ssl: next }, needRestart: () => false };
  const { ca, caPath } = current;
  return {
    settings: { ssl: { ...next, ca, caPath } },
    needRestart: (name) => name === 'ssl.ca' || name === 'ssl.caPath',
  };
}

function valueAt(settings: object, path: readonly string[]): unknown {
  return path.reduce<unknown>(
    (value, key) => (typeof value === 'object' && value !== null ? Reflect.get(value, key) : undefined),
    settings,
  );
}
