/**
 * One AceBase process of a measured cluster: opens a database, and does what its parent asks. Plain CommonJS, so that
 * nothing but AceBase, and our client where it is measured, is in it.
 */
'use strict';
// @ts-check

/** @type {import('./cluster.ts').MemberOptions} */
const options = JSON.parse(process.argv[2] ?? '{}');
// Before the first AceBase is created.
if (options.client !== undefined) require(options.client).install({ journal: options.journal });
const { AceBase } = require('acebase');

const RECORDS = 200;
const database = new AceBase(options.database, {
  logLevel: 'error',
  storage: { path: options.path, ...(options.ipc === undefined ? {} : { ipc: options.ipc }) },
});

/** How long this process has waited for each lock since it was last asked to do something, in milliseconds. @type {number[]} */
let lockWaits = [];
const { ipc } = database.api.storage;
const { lock } = ipc;
ipc.lock = async (/** @type {unknown[]} */ ...details) => {
  const began = performance.now();
  const granted = await lock.apply(ipc, details);
  lockWaits.push(performance.now() - began);
  return granted;
};

// Without its parent nobody would ever end this process.
process.on('disconnect', () => process.exit(0));
process.on('message', (/** @type {import('./cluster.ts').Order} */ order) => void obey(order));
database.ready(() => process.send?.({ kind: 'ready' }));

/** @param {import('./cluster.ts').Order} order */
async function obey({ what, milliseconds, streams, nodes = 0 }) {
  const begin = performance.now();
  /** @type {number[]} */
  const durations = [];
  lockWaits = [];
  const stream = async (/** @type {number} */ number) => {
    let last = performance.now();
    for (let index = 0; last - begin < milliseconds; index++) {
      await (what === 'read' ? read(index) : write(number, index));
      const now = performance.now();
      durations.push(now - last);
      last = now;
    }
  };
  if (what === 'fill') await fill(streams);
  else if (what === 'remember') remember(nodes);
  else await Promise.all(Array.from({ length: streams }, (_, number) => stream(number)));
  process.send?.({ kind: 'done', durations, lockWaits, seconds: (performance.now() - begin) / 1000 });
}

/** Makes the records that are read later, and those that this member will write. @param {number} streams */
async function fill(streams) {
  /** @type {Record<string, object>} */
  const records = {};
  for (let index = 0; index < RECORDS; index++) {
    records[`r${index}`] = record(index);
    for (let stream = 0; stream < streams; stream++)
      records[nameOf(stream, index)] = { ...record(index), changed: 0 };
  }
  await database.ref('records').update(records);
}

/** Has so many nodes cached, as if they had just been read. @param {number} nodes */
function remember(nodes) {
  const { nodeCache } = database.api.storage;
  nodeCache.clear();
  // The class of what is cached has no other name here.
  nodeCache.delete('remembered');
  const { constructor: NodeInfo } = nodeCache.find('remembered');
  for (let index = 1; index < nodes; index++) {
    const path = `remembered/r${index >> 5}/child${index}`;
    nodeCache.update(
      new NodeInfo({ path, type: 1, exists: true, address: { path, pageNr: 1e6, recordNr: index } }),
    );
  }
}

/**
 * Half sets, a quarter updates, a quarter transactions, each worker on records of its own, which are there before.
 *
 * @param {number} stream @param {number} index
 */
async function write(stream, index) {
  const ref = database.ref(`records/${nameOf(stream, index)}`);
  switch (index % 4) {
    case 0:
    case 1:
      await ref.set({ ...record(index), changed: index });
      break;
    case 2:
      await ref.update({ changed: index, name: `name ${index}` });
      break;
    default:
      await ref.child('count').transaction((snapshot) => (snapshot.val() ?? 0) + 1);
  }
}

/** @param {number} index */
async function read(index) {
  const snapshot = await database.ref(`records/r${(index * 7 + options.member) % RECORDS}`).get();
  if (snapshot.val()?.name === undefined) throw new Error('a record is not there');
}

/** @param {number} stream @param {number} index */
function nameOf(stream, index) {
  return `w${options.member}_${stream}_${index % RECORDS}`;
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
