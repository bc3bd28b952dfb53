/**
 * One AceBase process of the demo: the master, or a worker that also writes. This is what a user's own process looks
 * like; everything that has to do with IPC is the `ipc` setting below.
 *
 * Started by demo.js: `database-process.js <name> <role> <folder> <port>`.
 */
import { AceBase } from 'acebase';
import { fullStock, nextWrite, restMs, takeFromStock } from './story.js';

const [name, role, folder, port] = process.argv.slice(2);

const database = new AceBase('demo', {
  logLevel: 'error',
  storage: { path: folder, ipc: { host: 'localhost', port: Number(port), role } },
});

// Ctrl-C reaches every process of the terminal. The demo ends its processes one after the other, in the right order.
process.on('SIGINT', () => {});
// Without the demo there is nobody to end this process.
process.on('disconnect', () => process.exit(1));

let writing = false;
let current = Promise.resolve();

process.on('message', async (message) => {
  if (message.type === 'fill') {
    await database.ref('shop/stock').set(fullStock());
    process.send({ type: 'filled' });
  }
  if (message.type === 'settle') {
    // What this process was told before is dealt with when the first answer comes, and what it said of that when the second does.
    for (let round = 0; round < 2; round++) await database.ref('shop/stock').get();
    process.send({ type: 'settled' });
  }
  if (message.type === 'write') void keepWriting();
  if (message.type === 'rest') {
    writing = false;
    await current;
    process.send({ type: 'resting' });
  }
  if (message.type === 'close') {
    await database.close();
    // Now nothing but the connection to the IPC server is open, and the server ends that at AceBase's goodbye.
    process.removeAllListeners('disconnect').disconnect();
  }
});

await database.ready();
// Every process hears of all that the others change below `shop`. (It is told of its own changes as well.)
await database
  .ref('shop')
  .on('mutated')
  .subscribe((snapshot) => {
    const { writer, number } = snapshot.context();
    if (writer === undefined || writer === name) return;
    process.send({ type: 'heard', writer, number, at: now() });
  })
  .activated();
process.send({ type: 'ready' });

async function keepWriting() {
  writing = true;
  for (let number = 1; writing; number++) {
    current = write(number);
    await current;
    // Unreferenced: a rest must not keep a closed process alive.
    await new Promise((resolve) => setTimeout(resolve, restMs()).unref());
  }
}

async function write(number) {
  const { path, text, takes } = nextWrite(name, number);
  const at = now();
  // The context travels with the change, to every subscriber in every process.
  const reference = database.ref(path).context({ writer: name, number });
  if (!takes) {
    await reference.set(text);
    process.send({ type: 'wrote', number, at, path, text });
    return;
  }
  let before;
  let after;
  await reference.transaction((snapshot) => {
    before = snapshot.val();
    after = takeFromStock(before);
    return after;
  });
  process.send({ type: 'wrote', number, at, path, text: `${before} → ${after} left` });
}

/** Milliseconds on the clock that all processes of a machine share. */
function now() {
  return performance.timeOrigin + performance.now();
}
