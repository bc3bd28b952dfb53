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

/** What it reads of the options of the server. */
interface ServerFile {
  readonly host?: string;
  readonly port?: number | string;
  readonly ssl?: object;
  readonly token?: string | readonly string[];
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
  const given = tokenFile === undefined ? [token].flat()[0]?.trim() : firstTokenOf(read(beside(tokenFile)));
  const settings = {
    // Where the server listens on every interface, it is reached by its own name, too.
    host: process.env['ACEBASE_IPC_HOST'] ?? (['0.0.0.0', '::'].includes(host) ? 'localhost' : host),
    port: Number(process.env['ACEBASE_IPC_SERVER_PORT'] ?? port),
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

/** A token file has one on each line; those that begin with # are comments. */
function firstTokenOf(text: string): string | undefined {
  return text
    .split('\n')
    .map((line) => line.trim())
    .find((line) => line !== '' && !line.startsWith('#'));
}
