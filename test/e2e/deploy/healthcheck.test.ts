import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { expect, it, onTestFinished } from 'vitest';
import { freePort } from '../../support/free-port.js';
import { privateAuthority } from '../../support/private-authority.js';
import { serve } from '../../support/served.js';
import { removeDirectory, temporaryDirectory } from '../../support/temporary-directory.js';

const script = fileURLToPath(new URL('../../../deploy/docker/healthcheck.mjs', import.meta.url));

/** The exit code of the health check of the container. */
function check(port: number, variables: Readonly<Record<string, string>> = {}): Promise<number> {
  const env = { ...process.env, ACEBASE_IPC_SERVER_PORT: String(port), ...variables };
  return new Promise((resolve) => {
    const child = execFile(process.execPath, [script], { env });
    child.once('close', (code) => resolve(code ?? -1));
  });
}

it('finds a server that answers, and one that does not', async () => {
  const plain = await serve({ token: 'sesame' });
  expect(await check(plain.port)).toBe(0);
  expect(await check(await freePort())).toBe(1);
});

it('finds one with TLS, whatever its certificate is for', async () => {
  const folder = await temporaryDirectory('health');
  onTestFinished(() => removeDirectory(folder));
  const { certPath, keyPath } = await privateAuthority(folder);
  const { port, log } = await serve({ token: 'sesame', ssl: { certPath, keyPath } });
  // By the variables of the server itself it knows to ask by TLS, and the log stays clean.
  const variables = { ACEBASE_IPC_SERVER_SSL_CERT_PATH: certPath, ACEBASE_IPC_SERVER_SSL_KEY_PATH: keyPath };
  expect(await check(port, variables)).toBe(0);
  expect(log.complaints).toEqual([]);
  expect(await check(port)).toBe(0);
});
