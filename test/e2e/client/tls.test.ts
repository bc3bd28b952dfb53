import { readFile } from 'node:fs/promises';
import { expect, it, onTestFinished } from 'vitest';
import { AceBaseProcess } from '../../support/acebase-process.js';
import { EmbeddedServer } from '../../support/embedded-server.js';
import { isInFull } from '../../support/in-full.js';
import { privateAuthority } from '../../support/private-authority.js';
import { removeDirectory, temporaryDirectory } from '../../support/temporary-directory.js';

it('connects by TLS, with host, port and an authority of its own or with a URL, and not without the authority', async () => {
  const path = await temporaryDirectory('client-tls');
  onTestFinished(() => removeDirectory(path));
  const { certPath, keyPath, caPath } = await privateAuthority(path);
  const server = await EmbeddedServer.start({ ssl: { certPath, keyPath } });
  onTestFinished(() => server.kill());
  const ca = await readFile(caPath, 'utf8');
  const byPort = { port: server.port };
  const byUrl = { url: `wss://localhost:${server.port}/` };
  const start = (name: string, place: typeof byPort | typeof byUrl, ssl: boolean | { ca: string }) => {
    const ipc = { ...place, ssl, role: 'master' as const };
    const database = new AceBaseProcess({ name, database: name, path, ipc, client: true });
    onTestFinished(() => void database.kill());
    return database;
  };
  for (const place of isInFull ? [byPort, byUrl] : [byUrl]) {
    const stranger = start('stranger', place, true);
    await stranger.untilComplains(/shows a certificate that is not trusted here \(.*ipc\.ssl: \{ ca \}/);
    await stranger.kill();
  }
  for (const [name, place] of Object.entries({ byPort, byUrl })) {
    const database = start(name, place, { ca });
    await database.ready();
    await database.set('a', 'x'.repeat(100_000));
    await server.line(({ client, database: of }) => client !== undefined && of === `${name}_data`);
    expect(await database.closeAndEnd()).toEqual({ code: 0, signal: null });
  }
});
