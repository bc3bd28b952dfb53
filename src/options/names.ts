/** Names of databases and of hosts: what is one, and what it stands for. */

import { BlockList, isIP } from 'node:net';

/** What `isDatabaseName` allows, in words. */
export const DATABASE_NAME_RULE = '1 to 128 printable ASCII characters without space and / ? # ; %';

/** Whether a database may have this name (G8). */
export function isDatabaseName(name: string): boolean {
  return /^[!-~]{1,128}$/.test(name) && !/[/?#;%]/.test(name);
}

/**
 * The wire names that an entry of `databases`, or of a token map, stands for: AceBase opens one connection for each
 * file of a database, named after the file.
 */
export function coveredNames(entry: string): readonly string[] {
  return [entry, `${entry}_data`, `${entry}_transaction`];
}

/** What the files of one database have in common: a wire name without `_data` or `_transaction`. */
export function databaseOf(wireName: string): string {
  return wireName.replace(/_(?:data|transaction)$/, '');
}

const loopback = new BlockList();
loopback.addSubnet('127.0.0.0', 8, 'ipv4');
loopback.addAddress('::1', 'ipv6');

/** Whether only this machine reaches a server on that host: `localhost`, 127.0.0.0/8, `::1`. */
export function isLoopbackHost(host: string): boolean {
  const bare = withoutBrackets(host);
  if (bare.toLowerCase() === 'localhost') return true;
  const family = isIP(bare);
  return family !== 0 && loopback.check(bare, family === 4 ? 'ipv4' : 'ipv6');
}

/** Whether a server on that host listens on every interface: `0.0.0.0` or `::`. */
export function isWildcardHost(host: string): boolean {
  return host === '0.0.0.0' || (isIP(host) === 6 && /^[0:]+$/.test(host));
}

/** `[::1]` → `::1`; anything else as it is. */
export function withoutBrackets(host: string): string {
  return host.startsWith('[') && host.endsWith(']') ? host.slice(1, -1) : host;
}

/** A host, and the port if one was given. */
export interface HostAndPort {
  /** In lower case and without brackets. */
  readonly name: string;
  readonly port: number | undefined;
}

/**
 * Reads `name`, `name:port`, `[IPv6]`, `[IPv6]:port`, or a bare IPv6 address: a `Host` header, or an entry of
 * `allowedHosts`.
 * @returns undefined if it is none of them
 */
export function parseHost(text: string): HostAndPort | undefined {
  if (isIP(text) === 6) return { name: text.toLowerCase(), port: undefined };
  const match = /^(?:\[([^\]]+)\]|([a-z0-9_](?:[a-z0-9_.-]{0,252})))(?::(\d{1,5}))?$/i.exec(text);
  if (match === null) return undefined;
  if (match[1] !== undefined && isIP(match[1]) !== 6) return undefined;
  const port = match[3] === undefined ? undefined : Number(match[3]);
  if (port !== undefined && port > 65_535) return undefined;
  return { name: (match[1] ?? match[2] ?? '').toLowerCase(), port };
}
