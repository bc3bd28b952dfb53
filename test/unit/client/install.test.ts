import { cp, mkdir, symlink, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, expect, it, onTestFinished } from 'vitest';
import { install, uninstall } from '../../../src/client/install.js';
import { removeDirectory, temporaryDirectory } from '../../support/temporary-directory.js';

const acebase = fileURLToPath(new URL('../../../node_modules/acebase', import.meta.url));
const load = createRequire(import.meta.url);
const methods = (): Record<string, unknown> => {
  const { RemoteIPCPeer } = load(join(acebase, 'dist/cjs/ipc/remote.js')) as {
    RemoteIPCPeer: { prototype: object };
  };
  return { ...Object.getOwnPropertyDescriptors(RemoteIPCPeer.prototype) };
};

afterEach(() => uninstall());

/** A package that calls itself acebase. */
async function pretender(version: string, change?: (folder: string) => Promise<void>): Promise<string> {
  const parent = await temporaryDirectory('acebase');
  onTestFinished(() => removeDirectory(parent));
  const folder = join(parent, 'node_modules', 'acebase');
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, 'package.json'), JSON.stringify({ name: 'acebase', version }));
  await change?.(folder);
  return folder;
}

it('finds both builds of the package, once, and takes everything out again', () => {
  const before = methods();
  const builds = install();
  expect(builds.map(({ folder, format }) => [folder, format])).toEqual([
    [acebase, 'CommonJS'],
    [acebase, 'ESM'],
  ]);
  const during = methods();
  expect(during['connect']).not.toEqual(before['connect']);
  expect(install({ repairs: { locks: false } })).toBe(builds);
  expect(methods()).toEqual(during);
  uninstall();
  expect(methods()).toEqual(before);
});

it.each([
  ['2.0.0', /acebase 2\.0\.0 .* this version is not known\. It knows acebase 1\.18 to 1\.29/],
  ['1.12.3', /acebase 1\.12\.3 .* this version is not known/],
  ['1.30.0', /acebase 1\.30\.0 .* it has no ipc\/remote\.js/],
])('refuses acebase %s as a whole, and patches nothing', async (version, message) => {
  const before = methods();
  const packages = [await pretender(version)];
  expect(() => install({ packages })).toThrow(
    expect.objectContaining({ code: 'IPC_CLIENT_UNKNOWN_ACEBASE', message: expect.stringMatching(message) }),
  );
  expect(methods()).toEqual(before);
});

it('refuses an acebase that lacks what it uses', async () => {
  const before = methods();
  const folder = await pretender('1.99.0', async (target) => {
    await cp(join(acebase, 'dist/cjs'), join(target, 'dist/cjs'), { recursive: true });
    await writeFile(
      join(target, 'dist/cjs/ipc/remote.js'),
      'exports.RemoteIPCPeer = class { connect() {} };',
    );
  });
  expect(() => install({ packages: [folder] })).toThrow('dist/cjs has no RemoteIPCPeer.sendMessage');
  expect(methods()).toEqual(before);
});

it('leaves out an ES build that require() cannot load, as in jest, but not the CommonJS one beside it', async () => {
  const folder = await pretender('1.29.13', async (target) => {
    await cp(join(acebase, 'dist/cjs'), join(target, 'dist/cjs'), { recursive: true });
    await mkdir(join(target, 'dist/esm/ipc'), { recursive: true });
    await writeFile(join(target, 'dist/esm/ipc/remote.js'), 'throw new Error("Must use import");');
    for (const name of ['acebase-core', 'unidecode']) {
      await symlink(join(acebase, '..', name), join(target, '..', name));
    }
  });
  const builds = install({ packages: [join(folder, 'dist/cjs')] });
  expect(builds.filter((build) => build.folder === folder).map(({ format }) => format)).toEqual(['CommonJS']);
});

it.each([
  [null, 'the options are not an object'],
  ['x', 'the options are not an object'],
  [
    { onstatus: () => undefined },
    'there is no option onstatus; there are repairs, cacheSize, journal, onStatus, acebase, packages',
  ],
  [{ repairs: { lock: false } }, 'there is no repair lock; there are values, locks, '],
  [{ repairs: { locks: 'no' } }, 'repairs.locks is neither true nor false'],
  [{ repairs: ['locks'] }, 'repairs is not an object'],
  [{ cacheSize: '64MiB' }, 'cacheSize is not a whole number of bytes, 65536 or more'],
  [{ cacheSize: 65_535 }, 'cacheSize is not a whole number of bytes, 65536 or more'],
  [{ cacheSize: 1e6 + 0.5 }, 'cacheSize is not a whole number of bytes, 65536 or more'],
  [{ onStatus: 1 }, 'onStatus is not a function'],
  [{ acebase: 5 }, 'acebase is not the module'],
  [{ acebase: { AceBase: class {} } }, 'acebase is not the module'],
  [{ acebase: [null] }, 'acebase is not the module'],
  [{ packages: '/srv' }, 'packages is not an array of folders'],
  [{ packages: ['/nowhere'] }, 'packages: "/nowhere" is not the folder of an acebase package'],
])('refuses %j, and patches nothing', (options, message) => {
  const before = methods();
  expect(() => install(options as object)).toThrow(
    expect.objectContaining({ code: 'IPC_CLIENT_BAD_OPTION', message: expect.stringContaining(message) }),
  );
  expect(methods()).toEqual(before);
});

it('a role that is given, and is neither of the two, is named, with the two, before anything is opened', () => {
  install();
  const { AceBase } = load(acebase) as { AceBase: new (name: string, options: object) => unknown };
  const open = (ipc: object) =>
    new AceBase('mydb', { logLevel: 'error', storage: { path: '/nowhere', ipc } });
  const refusal = (message: string) => expect.objectContaining({ code: 'IPC_CLIENT_BAD_SETTING', message });
  const allowed = "it must be 'master', in one process of each database, or 'worker', in all others";
  expect(() => open({ port: 9163, role: 'slave' })).toThrow(
    refusal(`storage.ipc: role is "slave": ${allowed}`),
  );
  expect(() => open({ url: 'ws://localhost:9163', role: '' })).toThrow(
    refusal(`storage.ipc: role is "": ${allowed}`),
  );
});
