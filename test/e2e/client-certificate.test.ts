import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { connect } from 'node:tls';
import { expect, it, onTestFinished } from 'vitest';
import { EmbeddedServer } from '../support/embedded-server.js';
import { privateAuthority } from '../support/private-authority.js';
import { removeDirectory, temporaryDirectory } from '../support/temporary-directory.js';

async function authority() {
  const folder = await temporaryDirectory('client-certificate');
  onTestFinished(() => removeDirectory(folder));
  return await privateAuthority(folder);
}

it('a client whose certificate is of another authority is refused, and the log says why', async () => {
  const [own, other] = [await authority(), await authority()];
  const { certPath, keyPath, caPath } = own;
  const server = await EmbeddedServer.start({ token: 'sesame-opens', ssl: { certPath, keyPath, caPath } });
  onTestFinished(() => server.kill());
  const socket = connect({
    port: server.port,
    ca: readFileSync(caPath),
    cert: readFileSync(other.certPath),
    key: readFileSync(other.keyPath),
  });
  socket.on('error', () => undefined);
  await once(socket, 'close');
  const line = await server.line(({ code }) => code === 'IPC_REFUSED_TLS_FAILED');
  expect(line['detail']).toMatch(/^(UNABLE_TO_|SELF_SIGNED|DEPTH_ZERO)/);
});
