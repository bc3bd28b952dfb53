import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { describe, expect, it, onTestFinished } from 'vitest';
import { resolveOptions } from '../../../src/options.js';
import { removeDirectory, temporaryDirectory } from '../../support/temporary-directory.js';

const run = promisify(execFile);
const unit = fileURLToPath(new URL('../../../deploy/systemd/acebase-ipc-server.service', import.meta.url));
const analyze = '/usr/bin/systemd-analyze';

describe('the unit for systemd', () => {
  it('lets the server stop in its own time, and hold its connections', async () => {
    const text = await readFile(unit, 'utf8');
    const { drainTimeout, stopTimeout, maxConnections } = resolveOptions();
    const seconds = Number(/^TimeoutStopSec=(\d+)$/m.exec(text)?.[1]);
    expect(seconds * 1_000).toBeGreaterThan(drainTimeout + stopTimeout + 7_000);
    expect(Number(/^LimitNOFILE=(\d+)$/m.exec(text)?.[1])).toBeGreaterThan(maxConnections);
  });

  it.skipIf(!existsSync(analyze))('is understood by systemd, and shuts the server in', async () => {
    const folder = await temporaryDirectory('systemd');
    onTestFinished(() => removeDirectory(folder));
    // systemd looks whether the program is there, and Node.js may be somewhere else here.
    const file = join(folder, 'acebase-ipc-server.service');
    await writeFile(file, (await readFile(unit, 'utf8')).replace('/usr/bin/node', process.execPath));
    const { stdout, stderr } = await run(analyze, ['verify', '--man=no', file]);
    expect(stdout + stderr).toBe('');
    const { stdout: report } = await run(analyze, ['security', '--offline=true', '--threshold=20', file]);
    expect(report).toMatch(/Overall exposure level for acebase-ipc-server\.service: [01]\.\d OK/);
  });
});
