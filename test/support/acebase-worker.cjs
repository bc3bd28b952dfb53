/**
 * A process that holds one real AceBase database and does what its parent asks. Started by `acebase-process.ts`
 * with `child_process.fork`; `process.argv[2]` holds its options as JSON.
 *
 * Plain CommonJS, so that it can load any published `acebase`, and without a line of this package in it.
 */
'use strict';

const { existsSync } = require('node:fs');

const options = JSON.parse(process.argv[2]);

// Stock clients print every message they receive. Counting them here instead keeps stdout quiet, costs next to
// nothing, and shows what a client receives without touching the client.
const received = Object.create(null);
const sent = Object.create(null);
const waiters = new Set();

console.log = (text) => {
  count(received, kindOfFrame(String(text)));
  // The client handles a message after it has printed it, so whoever waits for its effect looks a turn later.
  if (waiters.size > 0) setImmediate(checkWaiters);
};

const server = options.server && openServer(options.server);
const database = server ? server.db : openDatabase();
const ipc = database.api.storage.ipc;
const subscriptions = new Map();
let blocker;
let held;

watchSending();
(server ?? database).ready(() => process.send({ kind: 'ready', id: ipc.id }));
process.on('message', (message) => void answer(message));
// Without its parent nobody would ever end this process.
process.on('disconnect', () => process.exit(0));

const commands = {
  set: async ({ path, value }) => void (await database.ref(path).set(value)),
  update: async ({ path, value }) => void (await database.ref(path).update(value)),
  // What runs behind a write of the user: nothing else happens in this process until that file is there.
  setAndStandStill: async ({ path, value, until, milliseconds }) => {
    await database.ref(path).set(value);
    const endsAt = Date.now() + milliseconds;
    while (!existsSync(until)) if (Date.now() > endsAt) throw new Error(`${until} did not come`);
  },
  get: async ({ path }) => (await database.ref(path).get()).val(),
  // In one turn of the event loop.
  getAndExit: async ({ path }) => {
    await database.ref(path).get();
    process.exit(0);
  },
  // All at one time.
  getAll: async ({ paths }) =>
    (await Promise.all(paths.map((path) => database.ref(path).get()))).map((snapshot) => snapshot.val()),
  exists: ({ path }) => database.ref(path).exists(),
  remove: async ({ path }) => void (await database.ref(path).remove()),
  transaction: ({ path, change }) => transaction(path, change),
  hold: ({ path }) => hold(path),
  // Ends what `hold` has begun, by writing a value.
  letGo: async ({ value }) => {
    held.letGo(value);
    await held.transaction;
  },
  createIndex: async ({ path, key, options }) => void (await database.indexes.create(path, key, options)),
  hasIndex: ({ path, key }) => database.api.storage.indexes.get(path, key).length > 0,
  // What AceBase does by itself when a leaf of the tree is full: it writes a new file, and renames it into place.
  rebuildIndex: async ({ path, key }) => {
    const [index] = database.api.storage.indexes.get(path, key);
    await index._rebuild(await index._getTree('exclusive'));
  },
  query: async ({ path, filters, sort }) => {
    let query = database.query(path);
    for (const [key, operator, value] of filters) query = query.filter(key, operator, value);
    if (sort) query = query.sort(sort);
    return (await query.get()).map((snapshot) => ({ key: snapshot.key, value: snapshot.val() }));
  },
  subscribe: ({ subscription, path, event }) => subscribe(subscription, path, event),
  unsubscribe: ({ subscription }) => {
    subscriptions.get(subscription)?.stop();
    subscriptions.delete(subscription);
  },
  apply: async ({ operations }) => {
    for (const { command, ...parameters } of operations) await commands[command](parameters);
  },
  // Asked for a path other than the root, AceBase throws (`JSON.parse(undefined)`), without IPC too.
  mutations: async () => (await database.api.getMutations({ path: '', timestamp: 0 })).mutations,
  // Versions that have no `ipc` setting ignore it silently.
  joins: () => ipc.constructor.name === 'RemoteIPCPeer',
  counts: () => ({ received: { ...received }, sent: { ...sent } }),
  block: ({ milliseconds, every }) => block(milliseconds, every),
  // Each of these resolves at the message that makes it true.
  untilReceived: ({ kind, count }) => until(() => received[kind] >= count),
  untilSent: ({ kind, count }) => until(() => sent[kind] >= count),
  untilPeers: ({ count }) => until(() => ipc.peers.length >= count),
  untilSubscribed: ({ path, event, count }) =>
    until(
      () => ipc.remoteSubscriptions.filter((it) => it.path === path && it.event === event).length >= count,
    ),
  // With the times at which it was begun and was done, by the clock that all processes of a machine share.
  timed: async ({ command, parameters }) => {
    const invokedAt = process.hrtime.bigint();
    const result = await commands[command](parameters);
    return { result, invokedAt, returnedAt: process.hrtime.bigint() };
  },
  close: async () => {
    clearTimeout(blocker);
    // Stops listening for HTTP, and leaves the database open.
    await server?.shutdown();
    await database.close();
  },
  // Not within this call: what is thrown while the process ends must not be caught here.
  exit: ({ code }) => void setImmediate(() => process.exit(code)),
  // How many timers and sockets this process has, and how many listen for its end.
  resources: () => process.getActiveResourcesInfo().length + process.listenerCount('exit'),
  // How many records of the file are taken, as the master has it.
  takenRecords: () => {
    const { FST, settings } = database.api.storage;
    return FST.ranges.reduce((taken, { start, end }) => taken - (end - start), FST.pages * settings.pageSize);
  },
  // By the time of this process, which may run faster.
  pause: ({ milliseconds }) => new Promise((resolve) => setTimeout(resolve, milliseconds)),
};

function openDatabase() {
  const { AceBase } = require(options.package);
  return new AceBase(options.database, {
    logLevel: 'error',
    storage: {
      path: options.path,
      ...(options.ipc && { ipc: options.ipc }),
      ...(options.transactions && { transactions: options.transactions }),
      ...(options.lockTimeout && { lockTimeout: options.lockTimeout }),
    },
  });
}

/** An `acebase-server`, which opens the database itself and serves it over HTTP as well. */
function openServer({ package: serverPackage, port }) {
  const { AceBaseServer } = require(serverPackage);
  return new AceBaseServer(options.database, {
    host: 'localhost',
    port,
    path: options.path,
    logLevel: 'error',
    authentication: { enabled: false },
    ...(options.ipc && { ipc: options.ipc }),
    ...(options.transactions && { transactions: options.transactions }),
  });
}

async function answer({ number, command, parameters }) {
  try {
    const result = await commands[command](parameters);
    process.send({ kind: 'answer', number, result });
  } catch (error) {
    process.send({ kind: 'answer', number, error: error?.stack ?? String(error) });
  }
  // From here on only the database's own sockets and timers can keep the process alive: whether it ends by itself
  // after close() is one of the things that tests look at.
  if (command === 'close') process.removeAllListeners('disconnect').disconnect();
}

async function transaction(path, change) {
  let result;
  await database.ref(path).transaction((snapshot) => {
    const before = snapshot.val();
    result = 'increment' in change ? (before ?? 0) + change.increment : (before ?? '') + change.append;
    return result;
  });
  return result;
}

/** Resolves in the middle of a transaction: from then on this process holds a write lock, until it is to let go. */
function hold(path) {
  return new Promise((resolve, reject) => {
    let letGo;
    const holding = () => {
      resolve();
      return new Promise((end) => {
        letGo = end;
      });
    };
    const transaction = database.ref(path).transaction(holding);
    transaction.catch(reject);
    held = { letGo: (value) => letGo(value), transaction };
  });
}

async function subscribe(number, path, event) {
  const stream = database.ref(path).on(event, { newOnly: true });
  const subscription = stream.subscribe((snapshot) => {
    const value = event === 'mutations' || event.startsWith('notify_') ? undefined : snapshot.val();
    process.send({ kind: 'event', subscription: number, path: snapshot.ref.path, value });
  });
  subscriptions.set(number, subscription);
  await subscription.activated?.();
}

function block(milliseconds, every) {
  const endOfBlock = performance.now() + milliseconds;
  while (performance.now() < endOfBlock);
  blocker = setTimeout(block, every - milliseconds, milliseconds, every);
}

function until(condition) {
  return new Promise((resolve) => {
    waiters.add({ condition, resolve });
    checkWaiters();
  });
}

function checkWaiters() {
  for (const waiter of waiters) {
    if (!waiter.condition()) continue;
    waiters.delete(waiter);
    waiter.resolve();
  }
}

/**
 * Counts what this process sends. A notification that is sent while one is being handled is an echo of it, and is
 * counted apart: `root.update` for those that this process makes, `root.update echo` for those it only repeats.
 */
function watchSending() {
  let handling = false;
  const { emit, sendMessage } = ipc;
  ipc.emit = function (event, ...rest) {
    const before = handling;
    handling = before || event === 'notification';
    try {
      return emit.call(this, event, ...rest);
    } finally {
      handling = before;
    }
  };
  // The client of this package prints nothing, and hands messages over here; AceBase's own does not.
  const { handleMessage } = ipc;
  ipc.handleMessage = function (message) {
    count(received, kindOf(message));
    if (waiters.size > 0) setImmediate(checkWaiters);
    return handleMessage.call(this, message);
  };
  ipc.sendMessage = function (message) {
    const kind = kindOf(message);
    count(sent, handling ? `${kind} echo` : kind);
    checkWaiters();
    return sendMessage.call(this, message);
  };
}

function kindOf({ type, data }) {
  return type === 'notification' || type === 'request' ? data.type : type;
}

function kindOfFrame(text) {
  if (!text.startsWith('{')) return /^[a-z]+/.exec(text)?.[0] ?? 'other';
  const type = /^\{"type":"([a-z-]+)"/.exec(text)?.[1] ?? 'other';
  if (type !== 'notification' && type !== 'request') return type;
  return /"data":\{"type":"([a-z._]+)"/.exec(text)?.[1] ?? type;
}

function count(counts, kind) {
  counts[kind] = (counts[kind] ?? 0) + 1;
}
