import { statSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { assertWritable, isThere } from '../../../../src/cli/check/permission.js';
import { removeDirectory, temporaryDirectory } from '../../../support/temporary-directory.js';

/** As the operating system refuses it: who runs the tests may be root, who may do everything. */
function refuse(path: string): never {
  throw Object.assign(new Error(`EACCES: permission denied, access '${path}'`), {
    code: 'EACCES',
    syscall: 'access',
  });
}

it('a file that this user may not use does not pass for missing', async () => {
  const folder = await temporaryDirectory('permission');
  onTestFinished(() => removeDirectory(folder));
  expect([isThere(folder), isThere(join(folder, 'data.db'))]).toEqual([true, false]);
  const notPermitted = (what: string) => ({
    code: 'IPC_CHECK_NOT_PERMITTED',
    message: `this user may not ${what} ${folder} (EACCES); it belongs to user id ${statSync(folder).uid}`,
  });
  expect(() => isThere(folder, refuse)).toThrow(expect.objectContaining(notPermitted('read')));
  expect(() => assertWritable([folder])).not.toThrow();
  expect(() => assertWritable([folder], refuse)).toThrow(expect.objectContaining(notPermitted('write to')));
});
