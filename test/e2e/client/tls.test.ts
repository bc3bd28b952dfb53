import { readFile } from 'node:fs/promises';
import { expect, it, onTestFinished } from 'vitest';
import { AceBaseProcess } from '../../support/acebase-process.js';
import { privateAuthority } from '../../support/private-authority.js';
import { ServerProcess } from '../../support/server-process.js';
import { removeDirectory, temporaryDirectory } from '../../support/temporary-directory.js';

it.each([
  { what: 'host, port and an authority of its own', url: false },
  { what: 'a URL', url: true },
])('connects by TLS with $what, and not without the authority', async ({ url }) => {
  const path = await temporaryDirectory('client-tls');
  onTestFinished(() => removeDirectory(path));
  const { certPath, keyPath, caPath } = await privateAuthority(path);
  const server = await ServerProcess.start({ options: { ssl: { certPath, keyPath } } });
  onTestFinished(() => void server.kill());
  const ca = await readFile(caPath, 'utf8');
  const start = (name: string, ssl: boolean | { ca: string }) => {
    const place = url ? { url: `wss://localhost:${server.port}/` } : { port: server.port };
    const ipc = { ...place, ssl, role: 'master' as const };
    const database = new AceBaseProcess({ name, database: name, path, ipc, client: true });
    onTestFinished(() => void database.kill());
    return database;
  };
  const stranger = start('stranger', true);
  await stranger.untilComplains(/shows a certificate that is not trusted here \(.*ipc\.ssl: \{ ca \}/);
  await stranger.kill();
  const database = start('mydb', { ca });
  await database.ready();
  await database.set('a', 'x'.repeat(100_000));
  await server.line(({ client }) => client !== undefined);
  expect(await database.closeAndEnd()).toEqual({ code: 0, signal: null });
});
