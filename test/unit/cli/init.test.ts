import { mkdirSync, readdirSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach, describe, expect, test } from 'vitest';
import { type InitWords, init } from '../../../src/cli/init/init.js';
import { writeNewFiles } from '../../../src/cli/init/new-files.js';
import { FORMS, templateFiles } from '../../../src/cli/init/templates.js';
import { resolveSources } from '../../../src/options.js';
import { removeDirectory, temporaryDirectory } from '../../support/temporary-directory.js';

let folder: string;

beforeEach(async () => {
  folder = await temporaryDirectory('init');
  return () => removeDirectory(folder);
});

const write = (supervisor: string, database = 'shop', changes: Partial<InitWords> = {}) =>
  init({ supervisor, database, folder, force: false, tls: false, dedicatedMaster: false, ...changes });
/** With a process of its own for the master. */
const writeDedicated = (supervisor: string, database = 'shop', changes: Partial<InitWords> = {}) =>
  write(supervisor, database, { dedicatedMaster: true, ...changes });
const read = (name: string) => readFileSync(join(folder, name), 'utf8');

/** What can be written: what for, and whether with a process of its own for the master. */
const KINDS = [
  ...FORMS.map((form) => [form, false] as const),
  ['pm2', true] as const,
  ['systemd', true] as const,
];

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

describe.each(KINDS)('init %s, with a master of its own: %s', (supervisor, dedicatedMaster) => {
  const writeIt = (force = false) => write(supervisor, 'shop', { dedicatedMaster, force });

  test.each(['commonjs', 'module'])('writes files that fit each other, in a folder of type %s', (type) => {
    writeFileSync(join(folder, 'package.json'), JSON.stringify({ type }));
    const said = writeIt();
    const names = readdirSync(folder);
    expect(needed().filter((name) => !names.includes(name))).toEqual([]);
    const ending = type === 'module' ? '.cjs' : '.js';
    expect(names.filter((name) => /js$/.test(name) && !name.endsWith(ending))).toEqual([]);
    for (const name of names.filter((it) => it !== 'package.json')) expect(said).toContain(name);
    if (supervisor === 'pm2' || supervisor === 'systemd')
      expect(said).toContain('npx acebase-ipc-server doctor shop');
  });

  test('uses the client of this package', () => {
    writeIt();
    expect(readdirSync(folder)).not.toContain('quiet.js');
    const programs = readdirSync(folder).filter((name) => name.startsWith('start-db'));
    expect(programs.length).toBeGreaterThan(0);
    for (const name of programs) {
      expect(read(name)).toMatch(/^(?:\/\/.*\n)?require\('acebase-ipc-server\/client'\)\.install\(/);
    }
  });

  test('names nothing but that database, and leaves no mark of the template', () => {
    write(supervisor, 'my-shop_2', { dedicatedMaster });
    for (const name of readdirSync(folder)) {
      expect(`${name}\n${read(name)}`, name).not.toMatch(/\bmydb|\/srv\/|change-me|User=acebase/);
    }
  });

  test('overwrites nothing without being asked', () => {
    writeIt();
    const before = readdirSync(folder);
    const first = before.find((name) => !name.endsWith('.env')) ?? '';
    writeFileSync(join(folder, first), 'mine');
    expect(() => writeIt()).toThrow(expect.objectContaining({ code: 'IPC_INIT_FILE_EXISTS' }));
    expect(read(first)).toBe('mine');
    writeIt(true);
    expect(read(first)).not.toBe('mine');
    expect(readdirSync(folder)).toEqual(before);
  });

  test('writes nothing if a single file is there', () => {
    const program = dedicatedMaster && supervisor === 'systemd' ? 'start-db.js' : 'start-db-server.js';
    mkdirSync(join(folder, program));
    expect(() => writeIt()).toThrow(`${program} is there already`);
    expect(readdirSync(folder)).toEqual([program]);
  });
});

test.each(FORMS)('init %s says in one line which files are there', (supervisor) => {
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
  expect(write('systemd', 'shop', { force: true })).toContain(
    'npm install acebase-server acebase-ipc-server\n',
  );
});

test.each([
  [false, { masters: { shop: { path: '.' } } }],
  [true, {}],
])(
  'init pm2 --tls writes where the certificate and the token are, and how to make them, with a master of its own: %s',
  (dedicatedMaster, masters) => {
    const said = write('pm2', 'shop', { tls: true, dedicatedMaster });
    expect(JSON.parse(read('ipc.json'))).toEqual({
      host: 'localhost',
      port: 9163,
      ...masters,
      tokenFile: 'ipc-token',
      ssl: { certPath: 'ipc-cert.pem', keyPath: 'ipc-key.pem' },
    });
    for (const name of ['ipc-token', 'ipc-cert.pem', 'ipc-key.pem', 'ipc-ca.pem'])
      expect(said).toContain(name);
  },
);

test('docs/OPERATIONS.md has the commands of init pm2 --tls', () => {
  const said = write('pm2', 'mydb', { tls: true });
  const commands = said.split('\n').filter((line) => /openssl|^ +echo|doctor/.test(line));
  expect(commands).toHaveLength(6);
  const operations = readFileSync(new URL('../../../docs/OPERATIONS.md', import.meta.url), 'utf8').split(
    '\n',
  );
  for (const command of commands) expect(operations).toContain(command.trim());
});

test.each(['systemd', 'compose', 'kubernetes'])('init %s --tls is refused', (supervisor) => {
  expect(() => write(supervisor, 'shop', { tls: true })).toThrow(/--tls/);
  expect(readdirSync(folder)).toEqual([]);
});

test.each(['compose', 'kubernetes'])('init %s --dedicated-master is refused', (supervisor) => {
  expect(() => writeDedicated(supervisor)).toThrow(/--dedicated-master: is for pm2 and systemd only/);
  expect(readdirSync(folder)).toEqual([]);
});

describe.each(FORMS)('init %s', (form) => {
  test('has the server run the master, with options that it takes', () => {
    write(form);
    const text = readdirSync(folder).includes('ipc.json')
      ? read('ipc.json')
      : (/ipc\.json: \|\n((?: {4}.*\n)+)/.exec(read('shop.yaml'))?.[1] ?? '');
    const files: Readonly<Record<string, string>> = {
      '/run/secrets/ipc-token': 'sesame',
      '/etc/acebase-ipc/token/token': 'sesame',
    };
    const { settings } = resolveSources({
      flags: new Map([['--config', '/app/ipc.json']]),
      environment: {},
      readFile: (path) => (path === '/app/ipc.json' ? text : (files[path] ?? '')),
    });
    expect([...settings.masters.keys()]).toEqual(['shop']);
  });
});

test.each([
  ['the server runs the master', false],
  ['the master is a process of its own', true],
])(
  'what the user has is put in as it is, also where names of the template are in it: %s',
  (_, dedicatedMaster) => {
    const files = templateFiles('systemd', {
      dedicatedMaster,
      database: 'shop',
      folder: '/home/mydb/srv/mydb',
      tls: false,
      node: '/home/mydb/usr/bin/node',
      installed: '/home/mydb/srv/mydb/node_modules/acebase-ipc-server',
      user: 'mydb',
    });
    const units = files.filter(({ name }) => name.endsWith('.service'));
    expect(units).toHaveLength(dedicatedMaster ? 3 : 2);
    for (const { contents } of units) {
      expect(contents).toContain('\nUser=mydb\n');
      expect(contents).toContain('/home/mydb/srv/mydb/');
      expect(contents).toContain('\nExecStart=/home/mydb/usr/bin/node ');
    }
  },
);

test('init pm2 --dedicated-master writes the files of the example, as its README says', () => {
  writeDedicated('pm2', 'mydb');
  for (const name of readdirSync(folder)) {
    const example = readFileSync(
      new URL(`../../../examples/pm2-dedicated-master/${name}`, import.meta.url),
      'utf8',
    )
      .replace(
        "require('acebase-ipc-server/stock').quiet()",
        "require('acebase-ipc-server/client').install()",
      )
      .replace(', untilNoMaster }', ' }')
      .replace(/^ *await untilNoMaster.*\n/m, '');
    expect(read(name).replace(/^\/\/.*\n(?=require)/, ''), name).toBe(example);
  }
});

test('init pm2 --dedicated-master has the name of the database in it', () => {
  writeDedicated('pm2', 'my-shop_2');
  expect(read('ecosystem.config.js')).toContain("DB_NAME: process.env.DB_NAME ?? 'my-shop_2',");
});

describe('init systemd --dedicated-master', () => {
  test('names services after the database, in this folder', () => {
    writeDedicated('systemd');
    expect(read('shop-ipc.service')).toContain(
      `${folder}/node_modules/acebase-ipc-server/dist/cli/main.js --databases shop`,
    );
    expect(read('shop-ipc.service')).not.toMatch(/DynamicUser|SupplementaryGroups|\/opt\//);
    expect(read('shop-server@.service')).toContain('Environment=ACEBASE_IPC_ROLE=worker HTTP_PORT=%i');
    expect(read('shop-master.service')).toContain('Environment=ACEBASE_IPC_ROLE=master\n');
    expect(read('shop.env')).toContain(`DB_NAME=shop\nDB_PATH=${folder}\n`);
  });
});

test.each([false, true])(
  'init systemd makes a password, and lets nobody else read it: %s',
  (dedicatedMaster) => {
    write('systemd', 'shop', { dedicatedMaster });
    const first = read('shop.env');
    expect(first).toMatch(/DB_ADMIN_PASSWORD=[0-9a-f]{24}\n/);
    expect(statSync(join(folder, 'shop.env')).mode & 0o777).toBe(0o600);
    const again = write('systemd', 'shop', { dedicatedMaster, force: true });
    // The database was made with it.
    expect(read('shop.env')).toBe(first);
    expect(again).toContain('shop.env (was there, and is kept');
  },
);

test('init systemd --force says what a file of another form lacks that it has kept', () => {
  write('systemd');
  const said = writeDedicated('systemd', 'shop', { force: true });
  expect(said).toContain(
    `add to shop.env, which was kept: ACEBASE_IPC_HOST=localhost ACEBASE_IPC_PORT=9163 DB_NAME=shop DB_PATH=${folder}\n`,
  );
  write('compose', 'shop', { force: true });
  expect(write('compose', 'shop', { force: true })).toContain(
    'see whether shop.env, which was kept, is as you want it: new, it has HTTP_HOST=0.0.0.0\n',
  );
  expect(writeDedicated('systemd', 'shop', { force: true })).not.toContain('DB_ADMIN_PASSWORD');
});

test('init systemd names the server where it is installed: also where npm puts it, above a folder without a package.json', () => {
  const server = () => /^ExecStart=\S+ (\S+)/m.exec(read('shop-ipc.service'))?.[1];
  write('systemd');
  expect(server()).toBe(join(folder, 'node_modules/acebase-ipc-server/dist/cli/main.js'));
  const app = folder;
  writeFileSync(join(app, 'package.json'), '{}');
  folder = join(app, 'cluster');
  write('systemd');
  expect(server()).toBe(join(app, 'node_modules/acebase-ipc-server/dist/cli/main.js'));
  const own = join(app, 'node_modules/acebase-ipc-server');
  mkdirSync(own, { recursive: true });
  writeFileSync(
    join(own, 'package.json'),
    '{ "name": "acebase-ipc-server", "version": "1.0.0", "main": "a.js" }',
  );
  writeFileSync(join(own, 'a.js'), '');
  write('systemd', 'shop', { force: true });
  expect(server()).toBe(join(own, 'dist/cli/main.js'));
  // As pnpm has it: what it links to has the version in its name.
  rmSync(own, { recursive: true });
  const stored = join(app, 'node_modules/.pnpm/acebase-ipc-server@1.0.0');
  mkdirSync(stored, { recursive: true });
  symlinkSync(stored, own);
  write('systemd', 'shop', { force: true });
  expect(server()).toBe(join(own, 'dist/cli/main.js'));
  folder = app;
});

test.each([
  ['pm3', 'shop', /Allowed: pm2, systemd, compose, kubernetes/],
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
    init({
      supervisor: 'systemd',
      database: 'shop',
      folder: spaced,
      force: false,
      tls: false,
      dedicatedMaster: false,
    }),
  ).toThrow(/--folder/);
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

// Docker and Kubernetes refuse such names.
test.each([
  ['compose', 'My_DB', 'my-db'],
  ['kubernetes', 'My_DB', 'my-db'],
  ['kubernetes', '1st_shop-', 'db-1st-shop'],
  ['kubernetes', `X${'y'.repeat(63)}`, `x${'y'.repeat(49)}`],
])('init %s for %s calls everything but the database %s', (supervisor, database, own) => {
  const said = write(supervisor, database);
  const texts = readdirSync(folder).map((name) => [name, read(name)] as const);
  for (const [name, text] of texts) {
    expect(name).not.toContain(database);
    // The database itself: as a key or a text, in a path, and in words.
    const rest = text.replaceAll(
      new RegExp(`["'/]${database}(?![\\w-])|${database}\\.acebase|master of ${database}`, 'g'),
      '',
    );
    expect(rest).not.toContain(database);
  }
  const all = texts.map(([, text]) => text).join('\n');
  expect(all).toContain(`new AceBaseServer('${database}'`);
  expect(all).toContain(`"masters": { "${database}": {`);
  expect(all).toMatch(new RegExp(`^ *name: ${own}$`, 'm'));
  expect(said).toContain(`${own}.`);
});
