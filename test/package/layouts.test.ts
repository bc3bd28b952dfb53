import { mkdir, symlink } from 'node:fs/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { PackedProject } from './packed.js';

let project: PackedProject;

beforeAll(async () => {
  project = await PackedProject.unpacked();
}, 60_000);

afterAll(() => project.remove());

test('without hoisting, the acebase below acebase-server is found, and needs no ws beside it', async () => {
  // As pnpm lays it out: a package stands in a store, with links to its dependencies beside it and nothing else.
  const server = 'store/server/node_modules/acebase-server';
  await project.link('acebase', 'store/server');
  await project.write(`${server}/package.json`, '{ "name": "acebase-server", "version": "1.15.2" }');
  await project.write(`${server}/index.js`, `module.exports = require('acebase');`);
  await mkdir(project.path('shop/node_modules'), { recursive: true });
  await symlink(project.path(server), project.path('shop/node_modules/acebase-server'));
  await symlink(project.package, project.path('shop/node_modules/acebase-ipc-server'));
  await project.write(
    'shop/app.cjs',
    `const builds = require('acebase-ipc-server/client').install();
const { AceBase } = require('acebase-server');
console.log(builds.map(({ format }) => format).join(), typeof AceBase);`,
  );
  expect(await project.node('shop/app.cjs')).toEqual({
    code: 0,
    stdout: 'CommonJS,ESM function\n',
    stderr: '',
  });
});
