import { spawn } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { onTestFinished } from 'vitest';
import { WatchedProcess } from './child-process.js';
import { freePort } from './free-port.js';
import { nginxPath } from './nginx-path.js';
import { type PrivateAuthority, privateAuthority } from './private-authority.js';
import { removeDirectory, temporaryDirectory } from './temporary-directory.js';
import { eventually } from './waiting.js';

const snippet = fileURLToPath(new URL('../../deploy/nginx/acebase-ipc-server.conf', import.meta.url));

/** A real nginx with the file of `deploy/nginx`, in front of an IPC server. */
export interface Nginx {
  /** Where it speaks TLS. */
  readonly port: number;
  readonly authority: PrivateAuthority;
  /** What it has logged so far. */
  log(): Promise<string>;
}

/**
 * Starts nginx; it is gone when the test is over.
 *
 * @param target the port of the IPC server
 * @param change what is to be otherwise than in the file: each text must be in it
 */
export async function startNginx(
  target: number,
  change: Readonly<Record<string, string>> = {},
): Promise<Nginx> {
  const folder = await temporaryDirectory('nginx');
  onTestFinished(() => removeDirectory(folder));
  const file = (name: string) => join(folder, name);
  const authority = await privateAuthority(folder);
  const port = await freePort();
  const replacements = {
    'listen 9164 ssl': `listen 127.0.0.1:${port} ssl`,
    '127.0.0.1:9163': `127.0.0.1:${target}`,
    '/etc/nginx/tls/ipc.crt': authority.certPath,
    '/etc/nginx/tls/ipc.key': authority.keyPath,
    '/var/log/nginx/acebase-ipc.log': file('access.log'),
    '/var/log/nginx/acebase-ipc-error.log': file('error.log'),
    ...change,
  };
  let text = await readFile(snippet, 'utf8');
  for (const [from, to] of Object.entries(replacements)) {
    if (!text.includes(from)) throw new Error(`${snippet} has no "${from}"`);
    text = text.replaceAll(from, to);
  }
  await writeFile(file('ipc.conf'), text);
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'];
  await writeFile(
    file('nginx.conf'),
    [
      'daemon off;',
      'master_process off;',
      `pid ${file('nginx.pid')};`,
      `error_log ${file('main.log')};`,
      'events {}',
      'http {',
      ...temporary.map((name) => `  ${name}_temp_path ${file(name)};`),
      `  include ${file('ipc.conf')};`,
      '}',
    ].join('\n'),
  );
  const child = spawn(nginxPath ?? 'nginx', ['-p', folder, '-c', file('nginx.conf')], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  const nginx = new WatchedProcess('nginx', child);
  onTestFinished(() => void nginx.end('SIGTERM'));
  // It is there when somebody answers; nothing tells of it.
  await eventually(async () => {
    if (nginx.exit !== undefined) throw new Error(nginx.describe());
    return new Promise<boolean>((resolve) => {
      const socket = connect(port, '127.0.0.1', () => {
        socket.destroy();
        resolve(true);
      });
      socket.once('error', () => resolve(false));
    });
  });
  const readLog = async (name: string) => readFile(file(name), 'utf8').catch(() => '');
  return {
    port,
    authority,
    log: async () => (await Promise.all(['access.log', 'error.log', 'main.log'].map(readLog))).join(''),
  };
}
