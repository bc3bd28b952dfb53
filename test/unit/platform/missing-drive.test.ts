import { afterEach, expect, it, vi } from 'vitest';

afterEach(() => {
  vi.doUnmock('node:path');
  vi.doUnmock('node:fs');
  vi.resetModules();
});

it('a folder on a drive that is not there cannot be made', async () => {
  // As on Windows, whichever files have been loaded by now.
  vi.resetModules();
  const { win32 } = await import('node:path');
  const fs = await import('node:fs');
  const mkdirSync = (path: string): never => {
    throw Object.assign(new Error(`ENOENT: no such file or directory, mkdir '${path}'`), { code: 'ENOENT' });
  };
  vi.doMock('node:path', () => ({ ...win32, default: win32 }));
  vi.doMock('node:fs', () => ({ ...fs, existsSync: () => false, statSync: () => undefined, mkdirSync }));
  const { makeFolder } = await import('../../../src/platform/new-folder.js');
  expect(() => makeFolder('Z:\\data\\mydb.acebase')).toThrow(
    "ENOENT: no such file or directory, mkdir 'Z:\\'",
  );
});
