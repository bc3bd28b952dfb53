import { fileURLToPath } from 'node:url';
import { afterEach, it } from 'vitest';
import { AceBaseProcess } from '../../support/acebase-process.js';
import { EmbeddedServer } from '../../support/embedded-server.js';
import { itInFull } from '../../support/in-full.js';
import { removeDirectory, temporaryDirectory } from '../../support/temporary-directory.js';

const fastTime = fileURLToPath(new URL('../../support/fast-time.cjs', import.meta.url));
const ends: (() => Promise<unknown>)[] = [];

afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

/** @returns what starts processes of one database */
async function databaseOfServer() {
  const server = await EmbeddedServer.start({ token: 'sesame' });
  ends.push(() => server.kill());
  const path = await temporaryDirectory('waiting');
  ends.push(() => removeDirectory(path));
  /** @param speed how much faster its time runs: not for long, where it gets locks, which end by the clock of the master */
  return (name: string, role: 'master' | 'worker', speed = 1) => {
    const ipc = { port: server.port, role, token: 'sesame' };
    const preload = { execArgv: ['--require', fastTime], env: { FAST_TIME: String(speed) } };
    const database = new AceBaseProcess({ name, database: 'mydb', path, ipc, client: true, ...preload });
    ends.push(() => database.kill());
    return database;
  };
}

itInFull('a worker alone says that it waits for a master, where there is no file yet', async () => {
  const start = await databaseOfServer();
  // AceBase asks for nothing, and waits.
  const early = start('early', 'worker', 20);
  await early.untilComplains(/Waiting for a master to connect; the database cannot be opened before/);
});

it('a worker says what it waits for: a master, for an answer, and a lock; and when it is there', async () => {
  const start = await databaseOfServer();
  const first = start('first', 'master');
  await first.ready();
  await first.closeAndEnd();

  const worker = start('worker', 'worker', 5);
  await worker.ready();
  const written = worker.set('a', 1);
  await worker.untilComplains(/Waiting for a master to connect; 1 operation is queued/);
  start('master', 'master');
  await written;
  await worker.untilComplains(/What was waited for is there/);
  await worker.kill();

  const holder = start('holder', 'worker');
  const holderId = await holder.ready();
  await holder.hold('b');
  const other = start('other', 'worker', 5);
  await other.ready();
  const writtenToo = other.set('a', 2);
  await other.untilComplains(new RegExp(`Waiting for a lock, while ${holderId} holds a lock for writing`));
  await holder.kill();
  await writtenToo;
});
