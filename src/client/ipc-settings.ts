/** The settings `storage.ipc` of a database: what can never work is an error at once, not a connection that fails for ever. */

import { X509Certificate } from 'node:crypto';
import { isIP } from 'node:net';
import { createSecureContext } from 'node:tls';
import { IPCError } from '../errors.js';
import { messageOf } from '../system-error.js';
import type { IPCConfig, TlsOptions } from './acebase.js';

/** What {@link ipcSettings} takes: where the server is, by its parts or as a URL. */
export type IPCSettings = (
  | {
      /** Name or address of the server, without a port. Default: `localhost`. */
      readonly host?: string | undefined;
      readonly port: number;
      readonly url?: undefined;
    }
  | {
      /** In place of host, port and ssl: `wss://ipc.example.com/path`, without a query. */
      readonly url: string | URL;
      readonly host?: undefined;
      readonly port?: undefined;
    }
) & {
  /**
   * `master` in one process of each database, `worker` in all others. Default: `worker`, of a server that runs the master itself
   * (its option `masters`); where it does not, the database fails with IPC_CLIENT_NO_ROLE.
   */
  readonly role?: 'master' | 'worker' | undefined;
  /** The token of the server, if it has one. White space around it is ignored. */
  readonly token?: string | undefined;
  /** Whether to connect by TLS, and how to check the server. Default: false; with a URL, as its scheme says, which it must not contradict. */
  readonly ssl?: boolean | TlsOptions | undefined;
};

/** The type that AceBase and acebase-server have for `ipc`. It knows neither `url` nor what `ssl` may say besides true. */
export interface AceBaseIPCSettings {
  host?: string;
  port: number;
  ssl?: boolean;
  token?: string;
  /** AceBase's own type wants one. Where {@link ipcSettings} was given none, there is none, and {@link install} has seen to that. */
  role: 'master' | 'worker';
}

/**
 * Settings for `storage.ipc` of AceBase, or `ipc` of acebase-server, with all that this client knows. In TypeScript they need
 * this function: AceBase's own type takes no `url` and no certificates, and a type cannot be changed from outside. They work
 * where {@link install} was called.
 *
 * @example
 * const ipc = ipcSettings({ url: 'wss://ipc.example.com/path', ssl: { ca }, role: 'worker' });
 * const db = new AceBase('mydb', { storage: { ipc } });
 *
 * @throws {IPCError} IPC_CLIENT_BAD_SETTING, if they can never work
 */
export function ipcSettings(settings: IPCSettings): AceBaseIPCSettings {
  const sound = { url: soundUrl(settings.url), port: portOf(settings) };
  const given = Object.entries({ ...settings, ...sound }).filter(([, value]) => value !== undefined);
  const plain = Object.fromEntries(given) as unknown as AceBaseIPCSettings;
  soundConfig({ ...plain, dbname: '' });
  return plain;
}

/** What a user may have written, in JavaScript. */
type Given = { readonly [name in keyof IPCConfig]?: unknown };

/** What a header can carry of the text that a token may be. */
const SENDABLE = /^[\t\x20-\x7e\x80-\xff]*$/;

/**
 * Settings with what is around a value, and no part of it, taken away: white space and a byte order mark, as files end
 * and begin with. The server does the same with its own.
 *
 * @throws {IPCError} IPC_CLIENT_BAD_SETTING
 */
export function soundConfig(config: IPCConfig): IPCConfig {
  const { host, url, token, ssl }: Given = config;
  const sound = { host: soundHost(host), url: soundUrl(url), token: soundToken(token) };
  if (sound.token !== undefined && sound.url !== undefined && new URL(sound.url).username !== '')
    throw bad('url has a user, and the token needs the same header: leave one of the two out');
  if (sound.url !== undefined && ssl && !isSecure(sound.url))
    throw bad('ssl asks for TLS, and url says to do without: begin url with wss://, or leave ssl out');
  portOf(config);
  checkTls(ssl);
  return Object.assign({ ...config }, sound) as IPCConfig;
}

/** The port of the server: that of `url`, if there is one. @throws {IPCError} IPC_CLIENT_BAD_SETTING */
export function portOf({ url, port }: Pick<Given, 'url' | 'port'>): number {
  const text = soundUrl(url);
  if (text === undefined) return soundPort(port);
  const { port: inUrl } = new URL(text);
  return inUrl === '' ? (isSecure(text) ? 443 : 80) : soundPort(Number(inUrl));
}

function isSecure(url: string): boolean {
  return /^(wss|https):/.test(url);
}

function soundPort(given: unknown): number {
  if (given === undefined || given === null) throw bad('there is neither a port nor a url');
  if (Number.isInteger(given) && Number(given) >= 1 && Number(given) <= 65_535) return Number(given);
  const isText = typeof given === 'string';
  const hint = Number.isNaN(given) ? '; NaN is what Number() makes of a variable that is not set' : '';
  throw bad(
    `port is ${isText ? JSON.stringify(given) : String(given)}: give a whole number from 1 to 65535${isText ? ', not text' : hint}`,
  );
}

function soundToken(given: unknown): string | undefined {
  const isBytes = given instanceof Uint8Array;
  if (!isBytes && !['string', 'number', 'undefined'].includes(typeof given) && given !== null)
    throw bad('token is not text: give one token, not a list or an object of them');
  const token = (isBytes ? Buffer.from(given).toString() : String(given ?? '')).trim();
  if (/[\r\n]/.test(token)) throw bad('token has more than one line: give one token');
  if (!SENDABLE.test(token))
    throw bad('token has a character that cannot be sent: only printable ASCII characters can be in a token');
  return token === '' ? undefined : token;
}

function soundHost(given: unknown): string | undefined {
  const host = textOf('host', given);
  if (host === undefined) return undefined;
  const isAddress = isIP(host.replace(/^\[(.*)\]$/, '$1')) !== 0;
  if (isAddress && host.includes('%'))
    throw bad(
      `host is ${JSON.stringify(host)}: an address with a zone cannot be in a URL; give another one, or a name`,
    );
  if ((!isAddress && /[/?#@:\s\\]/.test(host)) || !URL.canParse(`http://${inBrackets(host)}`))
    throw bad(`host is ${JSON.stringify(host)}: give a name or an address, and the port as \`port\``);
  return host;
}

/** A host as it is in a URL: an address of IPv6 is in brackets. */
export function inBrackets(host: string): string {
  return host.includes(':') && !host.startsWith('[') ? `[${host}]` : host;
}

function soundUrl(given: unknown): string | undefined {
  const url = textOf('url', isUrlObject(given) ? given.href : given);
  if (url === undefined) return undefined;
  // It is not shown: a password may be in it.
  if (!/^(ws|http)s?:\/\//i.test(url) || !URL.canParse(url))
    throw bad('url is not a URL that begins with ws:// or wss://, such as wss://ipc.example.com/path');
  if (/[?#]/.test(url)) throw bad('url goes on with ? or #: leave that out, and give the token as `token`');
  // A request over HTTP knows no other letters.
  return url.replace(/^[a-z]+/i, (scheme) => scheme.toLowerCase());
}

/** Of whichever realm, as in jest. */
function isUrlObject(given: unknown): given is URL {
  return Object.prototype.toString.call(given) === '[object URL]';
}

/** Empty text is what a variable that is not set comes to. */
function textOf(name: string, given: unknown): string | undefined {
  if (given === undefined || given === null) return undefined;
  if (typeof given !== 'string') throw bad(`${name} is not text`);
  const text = given.trim();
  return text === '' ? undefined : text;
}

function checkTls(ssl: unknown): void {
  if (typeof ssl !== 'object' || ssl === null) return;
  const { ca, cert, key } = ssl as { readonly [name in keyof TlsOptions]?: unknown };
  for (const [name, given] of Object.entries({ ca, cert, key })) {
    for (const part of [given].flat()) {
      if (part === undefined || isPem(part)) continue;
      throw bad(
        `ssl.${name} is not PEM text: give what is in the file, as fs.readFileSync reads it, not its path`,
      );
    }
  }
  // Node.js ignores an authority that it cannot read.
  mustBeReadable('ca', () =>
    [ca]
      .flat()
      .filter(isPem)
      .map((pem) => new X509Certificate(pem)),
  );
  const own = { cert, key } as { readonly cert?: string; readonly key?: string };
  mustBeReadable('cert', () => own.cert && createSecureContext({ ca: [], cert: own.cert }));
  mustBeReadable('key', () => own.key && createSecureContext({ ca: [], key: own.key }));
  mustBeReadable('key, with ssl.cert,', () => own.cert && own.key && createSecureContext({ ca: [], ...own }));
}

/** @param read throws if Node.js can make nothing of it: no attempt to connect will do better */
function mustBeReadable(name: string, read: () => unknown): void {
  try {
    read();
  } catch (error) {
    const why = messageOf(error);
    const wanted = name.startsWith('key') ? 'key, without a passphrase' : 'certificate';
    throw bad(`ssl.${name} cannot be used (${why}): give the whole PEM text of a ${wanted}`);
  }
}

function isPem(given: unknown): given is string | Buffer {
  if (typeof given !== 'string' && !(given instanceof Uint8Array)) return false;
  return Buffer.from(given as string).includes('-----BEGIN ');
}

function bad(detail: string): IPCError {
  return new IPCError('IPC_CLIENT_BAD_SETTING', `storage.ipc: ${detail}`);
}

/** Whether these are settings for an IPC server. AceBase takes others as `ipc`, too. */
export function isForServer(value: unknown): value is Given {
  const isServer = typeof value === 'object' && value !== null && ('port' in value || 'url' in value);
  return isServer && Reflect.get(value, 'role') !== 'socket';
}

/**
 * The same settings for an IPC server, with the port that AceBase wants. Anything else is left as it is.
 *
 * @throws {IPCError} IPC_CLIENT_BAD_SETTING
 */
export function withPort(value: unknown): unknown {
  if (!isForServer(value)) return value;
  const port = portOf(value);
  return port === value.port ? value : { ...value, port };
}

/** Marks settings that were given no role. AceBase copies it along with the rest. */
const ROLE_LEFT_OUT = Symbol('role left out');

/** The same settings for an IPC server, with the role that they lack: AceBase wants one. Anything else is left as it is. */
export function withRole(value: unknown): unknown {
  if (!isForServer(value) || value.role !== undefined) return value;
  return { ...value, role: 'worker', [ROLE_LEFT_OUT]: true };
}

/** Whether the user has given no role. */
export function isRoleLeftOut(config: object): boolean {
  return Reflect.get(config, ROLE_LEFT_OUT) === true;
}

/**
 * Checks the role, where these are settings for an IPC server.
 *
 * @throws {IPCError} IPC_CLIENT_BAD_SETTING
 */
export function checkRole(value: unknown): void {
  if (!isForServer(value)) return;
  const { role } = value;
  if (role === undefined || role === 'master' || role === 'worker') return;
  throw bad(
    `role is ${JSON.stringify(role)}: it must be 'master', in one process of each database, or 'worker', in all others`,
  );
}
