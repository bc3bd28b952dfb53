// Copies the files of a database while its cluster runs: node backup.cjs <folder for the copy>
//
// It joins the cluster as a worker and takes the lock for writing. AceBase has one for the whole database, so nobody writes
// while the files are copied; reads that need a lock wait, too. Everything that was acknowledged before is in the copy.
//
// DB_NAME, DB_PATH and ACEBASE_IPC_… are those of start-db.js of the example "cloud".
require('acebase-ipc-server/client').install();
const { existsSync } = require('node:fs');
const { cp } = require('node:fs/promises');
const { join } = require('node:path');
const { AceBase } = require('acebase');

const { DB_NAME, DB_PATH } = process.env;
const [, , target] = process.argv;

const ipc = {
  host: process.env.ACEBASE_IPC_HOST ?? 'localhost',
  port: Number(process.env.ACEBASE_IPC_PORT ?? 9163),
  ssl: process.env.ACEBASE_IPC_SSL === '1',
  token: process.env.ACEBASE_IPC_TOKEN?.trim(),
  role: 'worker',
};

/** A lock is taken for given up after 120 s (`storage.lockTimeout`): a copy that took longer is not sound. */
const LONGEST_MS = 100_000;

async function backUp() {
  if (!DB_NAME || !DB_PATH || !target)
    throw new Error('set DB_NAME and DB_PATH, and name the folder for the copy');
  const folder = `${DB_NAME}.acebase`;
  const copy = join(target, folder);
  if (existsSync(copy)) throw new Error(`${copy} exists already: name another folder for each copy`);
  const db = new AceBase(DB_NAME, { logLevel: 'warn', storage: { path: DB_PATH, ipc } });
  await db.ready();
  let copiedIn = 0;
  // What the callback is given and gives back is not the point: the lock is held until its promise resolves.
  await db.ref('backup/last').transaction(async () => {
    const start = Date.now();
    await cp(join(DB_PATH, folder), copy, {
      recursive: true,
      errorOnExist: true,
      force: false,
    });
    copiedIn = Date.now() - start;
    return new Date(start).toISOString();
  });
  await db.close();
  if (copiedIn > LONGEST_MS)
    throw new Error(`copying took ${copiedIn} ms, longer than the lock lasts: take a snapshot`);
  console.log(`copied ${DB_NAME}.acebase to ${target} in ${copiedIn} ms`);
}

backUp().then(
  () => process.exit(0),
  (error) => {
    console.error(error.message);
    process.exit(1);
  },
);
