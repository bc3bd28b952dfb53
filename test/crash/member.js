/**
 * A process of a cluster, with the client of this package as it is built, that does what its parent asks: `fork('member.js', ['{…}'])`. It may be told to end
 * itself at a change of its files.
 */
import '../support/register-typescript.js';

const { folder, ipc, isLogged, journal, victim } = JSON.parse(process.argv[2]);

// Below the client: what that writes is seen as well.
const { endAtChange } = await import('./victim.ts');
const changes = victim === undefined ? () => [] : endAtChange(folder, victim.point, victim.lastWords);

const { install } = await import('acebase-ipc-server/client');
install(journal === undefined ? {} : { journal });

const { eventually } = await import('../support/waiting.ts');
const { indexFaults } = await import('./checks.ts');
const { openDatabase, perform } = await import('./database.ts');
const { INDEXED } = await import('./workload.ts');

/** How long it may take until a process that did not make an index has read it, in milliseconds. */
const INDEX_NEWS_MS = 10_000;

const database = openDatabase(folder, isLogged, ipc);
const commands = {
  perform: ({ operation, number }) => perform(database, operation, number),
  look: async ({ indexes }) => {
    const tree = (await database.ref('').get()).val() ?? {};
    const isThere = (key) => database.api.storage.indexes.get(INDEXED).some((index) => index.key === key);
    // Those that are not there then are among the faults.
    await eventually(() => [...indexes].every(isThere), { timeout: INDEX_NEWS_MS }).catch(() => undefined);
    return { tree, faults: await indexFaults(database, tree[INDEXED] ?? {}, indexes) };
  },
  close: async () => {
    await database.close();
    return changes();
  },
};

process.on('disconnect', () => process.exit(0));
process.on('message', (asked) => void answer(asked));
await database.ready();
process.send({ number: 0 });

async function answer({ number, command, parameters }) {
  let answered;
  try {
    answered = { number, result: await commands[command](parameters) };
  } catch (error) {
    answered = { number, error: String(error?.stack ?? error) };
  }
  process.send(answered);
  // Whether it ends by itself then is looked at.
  if (command === 'close') process.removeAllListeners('disconnect').disconnect();
}
