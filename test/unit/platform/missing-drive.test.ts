import { expect, it, vi } from 'vitest';
import { makeFolder } from '../../../src/platform/new-folder.js';

vi.mock('node:path', async (importOriginal) => {
  const { win32 } = await importOriginal<typeof import('node:path')>();
  return { ...win32, default: win32 };
});
vi.mock('node:fs', async (importOriginal) => ({
  ...(await importOriginal<typeof import('node:fs')>()),
  existsSync: () => false,
  statSync: () => undefined,
  mkdirSync: (path: string) => {
    throw Object.assign(new Error(`ENOENT: no such file or directory, mkdir '${path}'`), { code: 'ENOENT' });
  },
}));

it('a folder on a drive that is not there cannot be made', () => {
  expect(() => makeFolder('Z:\\data\\mydb.acebase')).toThrow(
    "ENOENT: no such file or directory, mkdir 'Z:\\'",
  );
});
