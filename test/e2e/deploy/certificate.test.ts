import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, it, onTestFinished } from 'vitest';
import { resolveOptions } from '../../../src/options.js';
import { loadTls } from '../../../src/server/tls.js';
import { removeDirectory, temporaryDirectory } from '../../support/temporary-directory.js';

const run = promisify(execFile);
const guide = fileURLToPath(new URL('../../../deploy/README.md', import.meta.url));

it('the commands of deploy/README.md make a certificate and a token that the server takes', async () => {
  const folder = await temporaryDirectory('guide');
  onTestFinished(() => removeDirectory(folder));
  const text = await readFile(guide, 'utf8');
  const block = /```sh\n(openssl req -x509[\s\S]*?)```/.exec(text)?.[1] ?? '';
  const commands = block.replace(/\\\n\s*/g, ' ').split('\n');
  const own = commands.filter((line) => /^(?:openssl|echo) /.test(line));
  expect(own).toHaveLength(5);
  for (const command of own) await run('bash', ['-ec', command], { cwd: folder });
  const { stdout } = await run(
    'openssl',
    ['verify', '-CAfile', 'ca.crt', '-verify_hostname', 'acebase-ipc', 'tls.crt'],
    {
      cwd: folder,
    },
  );
  expect(stdout).toBe('tls.crt: OK\n');
  const ssl = { certPath: join(folder, 'tls.crt'), keyPath: join(folder, 'tls.key') };
  const { tokens } = resolveOptions({ tokenFile: join(folder, 'token'), ssl });
  expect(tokens).toMatchObject({ kind: 'shared', tokens: [expect.stringMatching(/^[0-9a-f]{48}$/)] });
  expect(() => loadTls(ssl)).not.toThrow();
});
