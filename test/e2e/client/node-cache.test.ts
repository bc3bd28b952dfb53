import { createRequire } from 'node:module';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { afterEach, expect, it, vi } from 'vitest';
import { type InstallOptions, install, uninstall } from '../../../src/client/install.js';
import { NodeCache } from '../../../src/client/patches/node-cache.js';
import { EmbeddedServer } from '../../support/embedded-server.js';
import { removeDirectory, temporaryDirectory } from '../../support/temporary-directory.js';

interface Storage {
  readonly nodeCache: unknown;
  readonly txStorage?: Storage;
}
interface Database {
  readonly api: { readonly storage: Storage };
  ready(): Promise<void>;
  ref(path: string): { set(value: unknown): Promise<unknown>; get(): Promise<{ val(): unknown }> };
  close(): Promise<void>;
}
type AceBase = new (name: string, options: object) => Database;

const folder = fileURLToPath(new URL('../../../node_modules/acebase', import.meta.url));
const commonJs = createRequire(import.meta.url)(folder) as { AceBase: AceBase };
const esm = () =>
  import(pathToFileURL(`${folder}/dist/esm/index.js`).href) as Promise<{ readonly AceBase: AceBase }>;

const ends: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

/** Opens a database, with a transaction log, as the master of an IPC server, or by itself. */
async function opened(AceBase: AceBase, hasIPC: boolean): Promise<Database> {
  const path = await temporaryDirectory('node-cache');
  ends.push(() => removeDirectory(path));
  const server = hasIPC ? await EmbeddedServer.start({}) : undefined;
  ends.push(() => server?.kill());
  const ipc = server && { host: 'localhost', port: server.port, role: 'master' };
  const storage = { path, transactions: { log: true }, ...(ipc && { ipc }) };
  const database = new AceBase('mydb', { logLevel: 'error', sponsor: true, storage });
  ends.push(() => database.close());
  await database.ready();
  return database;
}

function installed(options: InstallOptions): void {
  install(options);
  ends.push(uninstall);
}

const cachesOf = ({ api: { storage } }: Database) => [storage.nodeCache, storage.txStorage?.nodeCache];

it.each([
  ['CommonJS', async () => commonJs, () => ({})],
  ['ESM', esm, () => ({})],
  ['handed over', async () => commonJs, (acebase: object) => ({ acebase })],
])('data and log of a database have our cache: %s', async (_format, load, options) => {
  const acebase = await load();
  installed(options(acebase));
  const database = await opened(acebase.AceBase, true);
  const [data, log] = cachesOf(database) as NodeCache[];
  expect([data, log]).toEqual([expect.any(NodeCache), expect.any(NodeCache)]);
  const value = { text: 'x'.repeat(100), more: { text: 'y'.repeat(100) } };
  await database.ref('a').set(value);
  expect((await database.ref('a/more/text').get()).val()).toBe(value.more.text);
  expect(data?.has('a/more/text')).toBe(true);
  await database.ref('a/more').set({ text: 'z'.repeat(100) });
  expect((await database.ref('a/more/text').get()).val()).toBe('z'.repeat(100));
});

it('its size is the one that was last asked for', async () => {
  installed({ cacheSize: 65_536 });
  const database = await opened(commonJs.AceBase, true);
  const [cache] = cachesOf(database) as [NodeCache];
  const write = async (key: string) => {
    const children = Array.from({ length: 300 }, (_, index) => [`k${index}`, { text: 'x'.repeat(70) }]);
    await database.ref(key).set(Object.fromEntries(children));
  };
  await write('few');
  expect(cache.bytes).toBeLessThanOrEqual(65_536);
  install({});
  await write('many');
  expect(cache.bytes).toBeGreaterThan(150_000);
});

it('the cache is that of AceBase after uninstall(), and with the repair off', async () => {
  // Stock clients print what they receive.
  vi.spyOn(console, 'log').mockImplementation(() => undefined);
  ends.push(() => vi.restoreAllMocks());
  install();
  uninstall();
  const stock: unknown[] = cachesOf(await opened(commonJs.AceBase, true));
  installed({ repairs: { 'node-cache': false } });
  stock.push(...cachesOf(await opened(commonJs.AceBase, true)));
  expect(stock).toHaveLength(4);
  for (const cache of stock) {
    expect(cache).toMatchObject({ find: expect.any(Function) });
    expect(cache).not.toBeInstanceOf(NodeCache);
  }
});

// AceBase alone finds each of them once, and waits for ever from the second time on.
it.each([
  ['by itself', false],
  ['as the master of a cluster', true],
])(
  'finds what is in the tree of a root with many keys, and below it, again and again: %s',
  async (_, hasIPC) => {
    installed({});
    const { ref } = await openedRefs(hasIPC);
    for (let key = 0; key < 150; key++) await ref(`k${key}`).set(key % 2 === 0 ? key : { count: key });
    for (let round = 1; round <= 3; round++) {
      for (const path of ['k6', 'k5/count']) {
        expect((await ref(path).get()).val()).toBe(round < 3 ? Number(path[1]) : 7);
        if (round === 2) await ref(path).set(7);
      }
    }
  },
);

async function openedRefs(hasIPC: boolean): Promise<{ ref: Database['ref'] }> {
  const database = await opened(commonJs.AceBase, hasIPC);
  return { ref: (path) => database.ref(path) };
}
