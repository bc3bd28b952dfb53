import { existsSync, readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';

/** The type that AceBase and acebase-server have for `ipc`. It knows no authority, which `ssl` may have; both take it. */
export interface ProcessSettings {
  readonly host: string;
  readonly port: number;
  readonly ssl: boolean;
  /** Not there if the server asks for none. */
  readonly token?: string;
  /** AceBase's own type wants one. Where none was given, there is none: the client of this package sees to that. */
  readonly role: 'master' | 'worker';
}

/** One, several, or some for each database. */
type Tokens = string | readonly string[] | Readonly<Record<string, unknown>>;

/** What it reads of the options of the server. */
interface ServerFile {
  readonly host?: string;
  readonly port?: number | string;
  readonly ssl?: object;
  readonly token?: Tokens;
  readonly tokenFile?: string;
}

/** The file of an authority of one's own, beside the config file of the server. */
const AUTHORITY = 'ipc-ca.pem';

/**
 * The `ipc` settings of an AceBase process, from the config file of the IPC server, so that they fit: what is changed there counts for
 * all. `ACEBASE_IPC_SERVER_PORT` goes before the file, as it does for the server; `ACEBASE_IPC_HOST` says where that is from elsewhere, such as
 * another container.
 *
 * With `ssl` in that file, the process connects by TLS. A certificate of an authority of your own is trusted if that authority is in
 * `ipc-ca.pem`, beside it. With a token for each database, give that of yours yourself.
 *
 * @param file the config file: an absolute path
 * @param role left out only with the client of this package, where the server runs the master
 * @throws Error if the file, or one that it names, cannot be read
 */
export function ipcSettings(file: string, role?: 'master' | 'worker'): ProcessSettings {
  const beside = (name: string): string => resolve(dirname(file), name);
  const { host = 'localhost', port = 9163, ssl, token, tokenFile } = JSON.parse(read(file)) as ServerFile;
  const authority = beside(AUTHORITY);
  const given = firstOf(tokenFile === undefined ? token : tokensIn(read(beside(tokenFile))));
  const settings = {
    // Where the server listens on every interface, it is reached by its own name, too.
    host: process.env['ACEBASE_IPC_HOST'] ?? (['0.0.0.0', '::'].includes(host) ? 'localhost' : host),
    port: Number(portInEnvironment() ?? port),
    ssl: ssl !== undefined && (existsSync(authority) ? { ca: read(authority) } : true),
    ...(given === undefined ? {} : { token: given }),
    ...(role === undefined ? {} : { role }),
  };
  return settings as unknown as ProcessSettings;
}

/** Without the byte order mark that some editors put first. */
function read(path: string): string {
  return readFileSync(path, 'utf8').replace(/^\uFEFF/, '');
}

/** Empty, it counts as not set; what is no number, Kubernetes has put there for a service of that name. The server goes by it in the same way. */
function portInEnvironment(): string | undefined {
  const port = process.env['ACEBASE_IPC_SERVER_PORT'];
  return port !== undefined && /^\d+$/.test(port) ? port : undefined;
}

/** The first of them; `undefined` where each database has its own. */
function firstOf(tokens: Tokens | undefined): string | undefined {
  const [first] = [tokens].flat();
  return typeof first === 'string' ? first.trim() : undefined;
}

/** A token file has one on each line, and those that begin with # are comments; or it is JSON, as the option is. */
function tokensIn(text: string): Tokens {
  const trimmed = text.trim();
  if (/^[{[]/.test(trimmed)) return JSON.parse(trimmed) as Tokens;
  return trimmed
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '' && !line.startsWith('#'));
}
