import { mkdirSync, readdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { beforeEach, describe, expect, test } from 'vitest';
import { init } from '../../../src/cli/init/init.js';
import { writeNewFiles } from '../../../src/cli/init/new-files.js';
import { replaced } from '../../../src/cli/init/template.js';
import { removeDirectory, temporaryDirectory } from '../../support/temporary-directory.js';

let folder: string;

beforeEach(async () => {
  folder = await temporaryDirectory('init');
  return () => removeDirectory(folder);
});

const write = (supervisor: string, database = 'shop', force = false) =>
  init({ supervisor, database, folder, force, tls: false });
const read = (name: string) => readFileSync(join(folder, name), 'utf8');

/** The files of the folder that are loaded by `require('./…')`, or named as a script. */
function needed(): string[] {
  const texts = readdirSync(folder)
    .filter((name) => /js$/.test(name))
    .map(read);
  return texts.flatMap((text) => [
    ...[...text.matchAll(/require\('\.\/([^']+)'\)/g)].map(([, name = '']) => name),
    ...[...text.matchAll(/script: '([^']+)'/g)].map(([, name = '']) => name),
  ]);
}

describe.each(['pm2', 'systemd'])('init %s', (supervisor) => {
  test.each(['commonjs', 'module'])('writes files that fit each other, in a folder of type %s', (type) => {
    writeFileSync(join(folder, 'package.json'), JSON.stringify({ type }));
    const said = write(supervisor);
    const names = readdirSync(folder);
    expect(needed().filter((name) => !names.includes(name))).toEqual([]);
    const ending = type === 'module' ? '.cjs' : '.js';
    expect(names.filter((name) => /js$/.test(name) && !name.endsWith(ending))).toEqual([]);
    for (const name of names.filter((it) => it !== 'package.json')) expect(said).toContain(name);
    expect(said).toContain('npx acebase-ipc-server doctor shop');
  });

  test('uses the client of this package', () => {
    write(supervisor);
    expect(readdirSync(folder)).not.toContain('quiet.js');
    const programs = readdirSync(folder).filter((name) => name.startsWith('start-db'));
    expect(programs.length).toBeGreaterThan(0);
    for (const name of programs) {
      expect(read(name)).toMatch(/^require\('acebase-ipc-server\/client'\)\.install\(\);/);
    }
  });

  test('reads what an editor of Windows has saved, as the server does', () => {
    if (supervisor === 'systemd') return;
    write(supervisor);
    const bom = '\uFEFF';
    writeFileSync(
      join(folder, 'ipc.json'),
      `${bom}${JSON.stringify({ port: 1, tokenFile: 'ipc-token' })}\r\n`,
    );
    writeFileSync(join(folder, 'ipc-token'), `${bom}# mine\r\nsesame\r\n`);
    const { ipcSettings } = createRequire(join(folder, 'x.js'))('./ipc-settings.js');
    expect(ipcSettings('worker')).toMatchObject({ port: 1, token: 'sesame' });
    writeFileSync(join(folder, 'ipc.json'), `${bom}{"port":1,"token":["sesame\\n"]}`);
    expect(ipcSettings('worker')).toMatchObject({ port: 1, token: 'sesame' });
  });

  test('overwrites nothing without being asked', () => {
    write(supervisor);
    const before = readdirSync(folder);
    const [first = ''] = before;
    writeFileSync(join(folder, first), 'mine');
    expect(() => write(supervisor)).toThrow(expect.objectContaining({ code: 'IPC_INIT_FILE_EXISTS' }));
    expect(read(first)).toBe('mine');
    write(supervisor, 'shop', true);
    expect(read(first)).not.toBe('mine');
    expect(readdirSync(folder)).toEqual(before);
  });

  test('writes nothing if a single file is there', () => {
    mkdirSync(join(folder, 'end-with-connection.js'));
    expect(() => write(supervisor)).toThrow(/end-with-connection\.js is there already/);
    expect(readdirSync(folder)).toEqual(['end-with-connection.js']);
  });
});

test.each(['pm2', 'systemd'])('init %s says in one line which files are there', (supervisor) => {
  write(supervisor);
  const names = readdirSync(folder);
  const message = (() => {
    try {
      return write(supervisor);
    } catch (error) {
      return (error as Error).message;
    }
  })();
  expect(message).not.toContain('\n');
  for (const name of names) expect(message).toContain(name);
});

test('what is installed is not installed again', () => {
  for (const name of ['acebase', 'ws']) {
    mkdirSync(join(folder, 'node_modules', name), { recursive: true });
    writeFileSync(
      join(folder, 'node_modules', name, 'package.json'),
      JSON.stringify({ name, version: '1.0.0' }),
    );
    writeFileSync(join(folder, 'node_modules', name, 'index.js'), '');
  }
  expect(write('pm2')).toContain('npm install acebase-server acebase-ipc-server pm2\n');
  expect(write('systemd', 'shop', true)).toContain('npm install acebase-server acebase-ipc-server\n');
});

test('init pm2 --tls writes where the certificate and the token are, and how to make them', () => {
  const said = init({ supervisor: 'pm2', database: 'shop', folder, force: false, tls: true });
  expect(JSON.parse(read('ipc.json'))).toEqual({
    host: 'localhost',
    port: 9163,
    tokenFile: 'ipc-token',
    ssl: { certPath: 'ipc-cert.pem', keyPath: 'ipc-key.pem' },
  });
  for (const name of ['ipc-token', 'ipc-cert.pem', 'ipc-key.pem', 'ipc-ca.pem']) expect(said).toContain(name);
});

test('docs/OPERATIONS.md has the commands of init pm2 --tls', () => {
  const said = init({ supervisor: 'pm2', database: 'mydb', folder, force: false, tls: true });
  const commands = said.split('\n').filter((line) => /openssl|^ +echo|doctor/.test(line));
  expect(commands).toHaveLength(6);
  const operations = readFileSync(new URL('../../../docs/OPERATIONS.md', import.meta.url), 'utf8').split(
    '\n',
  );
  for (const command of commands) expect(operations).toContain(command.trim());
});

test('init systemd --tls is refused', () => {
  expect(() => init({ supervisor: 'systemd', database: 'shop', folder, force: false, tls: true })).toThrow(
    /--tls/,
  );
  expect(readdirSync(folder)).toEqual([]);
});

test('init pm2 has the name of the database in it', () => {
  write('pm2', 'my-shop_2');
  expect(read('ecosystem.config.js')).toContain("DB_NAME: process.env.DB_NAME ?? 'my-shop_2',");
});

describe('init systemd', () => {
  test('names services after the database, in this folder', () => {
    write('systemd');
    expect(read('shop-ipc.service')).toContain(
      `${folder}/node_modules/acebase-ipc-server/dist/cli/main.js --databases shop`,
    );
    expect(read('shop-ipc.service')).not.toMatch(/DynamicUser|SupplementaryGroups|\/opt\//);
    expect(read('shop-server@.service')).toContain('Environment=ACEBASE_IPC_ROLE=worker HTTP_PORT=%i');
    expect(read('shop-master.service')).toContain('Environment=ACEBASE_IPC_ROLE=master\n');
    expect(read('shop.env')).toContain(`DB_NAME=shop\nDB_PATH=${folder}\n`);
  });

  test('makes a password of its own, and lets nobody else read it', () => {
    write('systemd');
    const first = read('shop.env');
    expect(first).toMatch(/DB_ADMIN_PASSWORD=[0-9a-f]{24}\n/);
    expect(statSync(join(folder, 'shop.env')).mode & 0o777).toBe(0o600);
    const again = write('systemd', 'shop', true);
    // The database was made with it.
    expect(read('shop.env')).toBe(first);
    expect(again).toContain('shop.env (was there, and is kept');
  });
});

test.each([
  ['pm3', 'shop', /Allowed: pm2, systemd/],
  ['pm2', "it's", /Allowed: 1 to 64 letters, digits/],
  ['pm2', '../shop', /Allowed: 1 to 64 letters, digits/],
  ['systemd', '', /Allowed: 1 to 64 letters, digits/],
])('init %s %s is refused', (supervisor, database, message) => {
  expect(() => write(supervisor, database)).toThrow(message);
  expect(readdirSync(folder)).toEqual([]);
});

test('init systemd refuses a folder that cannot stand in a unit', () => {
  const spaced = join(folder, 'my shop');
  expect(() =>
    init({ supervisor: 'systemd', database: 'shop', folder: spaced, force: false, tls: false }),
  ).toThrow(/--folder/);
});

test('a template that has changed is noticed', () => {
  expect(() => replaced('abc', [['x', 'y']])).toThrow(/no "x"/);
});

describe('files', () => {
  const files = [
    { name: 'a', contents: 'new' },
    { name: 'b/c', contents: 'new' },
  ];

  test('are all written, or none', () => {
    // There is no folder for the second.
    expect(() => writeNewFiles(files, folder, false)).toThrow(/ENOENT/);
    expect(readdirSync(folder)).toEqual([]);
    writeFileSync(join(folder, 'a'), 'old');
    expect(() => writeNewFiles(files, folder, true)).toThrow(/ENOENT/);
    expect([readdirSync(folder), read('a')]).toEqual([['a'], 'old']);
  });

  test('do not replace one that came meanwhile, nor follow a link', () => {
    // To nowhere: nobody sees that it is there.
    symlinkSync(join(folder, 'elsewhere'), join(folder, 'b'));
    const two = [
      { name: 'a', contents: 'new' },
      { name: 'b', contents: 'new' },
    ];
    expect(() => writeNewFiles(two, folder, false)).toThrow(/nothing was written.*b is there already/);
    expect(readdirSync(folder)).toEqual(['b']);
    writeNewFiles(two, folder, true);
    expect([readdirSync(folder), read('b')]).toEqual([['a', 'b'], 'new']);
  });
});
