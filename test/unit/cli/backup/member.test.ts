import { join } from 'node:path';
import { expect, it, onTestFinished, vi } from 'vitest';
import { whileNobodyWrites } from '../../../../src/cli/backup/member.js';
import { uninstall } from '../../../../src/client/install.js';
import { systemClock } from '../../../../src/platform/clock.js';
import { removeDirectory, temporaryDirectory } from '../../../support/temporary-directory.js';

it('a backup that cannot open the database leaves the console as it was', async () => {
  const path = await temporaryDirectory('member');
  onTestFinished(() => removeDirectory(path));
  onTestFinished(uninstall);
  const acebase = { folder: path, entry: join(path, 'index.js'), version: '1.29.13' };
  const access = { database: 'mydb', path, url: 'http://localhost:1', token: undefined, acebase };
  const { log } = console;
  const act = vi.fn(async () => undefined);
  const times = { wait: 1_000, since: systemClock.now(), lockTimeout: 1_000, logsTransactions: false };
  await expect(whileNobodyWrites({ ...access, ...times }, act)).rejects.toThrow();
  expect(console.log).toBe(log);
  expect(act).not.toHaveBeenCalled();
});
