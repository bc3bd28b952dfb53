/**
 * One AceBase process of a measured cluster: opens a database, and does what its parent asks. Plain CommonJS, so that
 * nothing but AceBase, and our client where it is measured, is in it.
 */
'use strict';
// @ts-check

/** @type {import('./cluster.ts').MemberOptions} */
const options = JSON.parse(process.argv[2] ?? '{}');
// Before the first AceBase is created.
if (options.client !== undefined) require(options.client).install();
const { AceBase } = require('acebase');

const RECORDS = 200;
const database = new AceBase(options.database, {
  logLevel: 'error',
  storage: { path: options.path, ...(options.ipc === undefined ? {} : { ipc: options.ipc }) },
});

// Without its parent nobody would ever end this process.
process.on('disconnect', () => process.exit(0));
process.on('message', (/** @type {import('./cluster.ts').Order} */ order) => void obey(order));
database.ready(() => process.send?.({ kind: 'ready' }));

/** @param {import('./cluster.ts').Order} order */
async function obey({ what, milliseconds, streams }) {
  const begin = performance.now();
  const act = { fill, write, read }[what];
  let count = 0;
  const stream = async (/** @type {number} */ number) => {
    for (let index = 0; performance.now() - begin < milliseconds; index++, count++) await act(number, index);
  };
  if (what === 'fill') await fill();
  else await Promise.all(Array.from({ length: streams }, (_, number) => stream(number)));
  process.send?.({ kind: 'done', count, seconds: (performance.now() - begin) / 1000 });
}

/** Writes the records that are read later. */
async function fill() {
  const records = Object.fromEntries(
    Array.from({ length: RECORDS }, (_, index) => [`r${index}`, record(index)]),
  );
  await database.ref('records').set(records);
}

/**
 * Mostly new values, some changes, some transactions, each worker on records of its own.
 *
 * @param {number} stream @param {number} index
 */
async function write(stream, index) {
  const ref = database.ref(`records/w${options.member}_${stream}_${index % RECORDS}`);
  switch (index % 4) {
    case 0:
    case 1:
      await ref.set(record(index));
      break;
    case 2:
      await ref.update({ changed: index, name: `name ${index}` });
      break;
    default:
      await ref.child('count').transaction((snapshot) => (snapshot.val() ?? 0) + 1);
  }
}

/** @param {number} _stream @param {number} index */
async function read(_stream, index) {
  const snapshot = await database.ref(`records/r${(index * 7 + options.member) % RECORDS}`).get();
  if (snapshot.val()?.name === undefined) throw new Error('a record is not there');
}

/** @param {number} index */
function record(index) {
  return {
    name: `name ${index}`,
    count: index,
    isNew: true,
    text: 'x'.repeat(80),
    address: { city: 'Utrecht', nr: index },
  };
}
