/**
 * `npm run demo`: an IPC server, a master and two workers with real AceBase, in a temporary folder. Shows what the
 * workers write and what the others hear of it, for a minute or until Ctrl-C.
 *
 * `npm run demo -- --seconds 10` for another time.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { AceBaseIPCServer } from 'acebase-ipc-server';
import { Ledger } from './ledger.js';
import { startProcess } from './processes.js';
import { Lines, Picture } from './views.js';

const seconds = readSeconds();
const ledger = new Ledger(['master', 'anna', 'ben']);
const view = process.stdout.isTTY ? new Picture() : new Lines();
const processes = [];
let folder;
let server;
let scene;

const interrupted = interruption();
try {
  await Promise.race([setUp(), interrupted]);
  if (scene) {
    await Promise.race([pause(seconds * 1000), interrupted]);
    await rest();
    view.stop(scene);
    await close();
  }
} catch (error) {
  view.stop();
  console.error(`\nThe demo failed: ${error.message}`);
  process.exitCode = 1;
} finally {
  for (const { kill } of processes) kill();
  await server?.stop();
  if (folder) await rm(folder, { recursive: true, force: true });
}
if (!process.exitCode) summarize();

async function setUp() {
  folder = await mkdtemp(join(tmpdir(), 'acebase-ipc-demo-'));
  // Its log would run across the picture, so only errors are logged.
  server = new AceBaseIPCServer({ port: 0, logLevel: 'error' });
  await server.start();
  const start = async (name, role) => {
    const started = startProcess({ name, role, folder, port: server.address.port, onMessage });
    processes.push(started);
    await started.ready;
  };
  // The master makes the file, so it comes first here; any order would do.
  await start('master', 'master');
  await Promise.all([start('anna', 'worker'), start('ben', 'worker')]);
  // The server lets a master settle for a second before it hands it requests; no need to watch that.
  await workers()[0].ask('fill', 'filled');
  // A process may be ready before the others know what it listens to.
  await Promise.all(workers().map((it) => it.ask('settle', 'settled')));
  scene = { url: server.address.urls[0], folder, seconds, startedAt: performance.now(), ledger };
  view.start(scene);
  for (const it of workers()) it.tell('write');
}

function onMessage(name, message) {
  if (message.type === 'wrote') ledger.addWrite(name, message);
  if (message.type === 'heard') ledger.addEvent(name, message);
  if (scene) view.update(scene);
}

/** Lets the writes that are under way end, and their news arrive. */
async function rest() {
  await Promise.all(workers().map((it) => it.ask('rest', 'resting')));
  const givesUpAt = performance.now() + 5000;
  while (!ledger.complete && performance.now() < givesUpAt) await pause(20);
  scene = { ...scene, endedAt: performance.now() };
}

/** Workers first, then the master: each ends by itself once its database is closed. The server stops last. */
async function close() {
  await Promise.all(workers().map((it) => it.close()));
  await Promise.all(processes.filter((it) => it.role === 'master').map((it) => it.close()));
}

function summarize() {
  if (!scene) return console.log('\n  Stopped before it began.\n');
  const { wrote, heard, missing, medianDelay = 0 } = ledger;
  console.log(
    `\n  ${wrote} writes, ${heard} events, ${medianDelay.toFixed(0)} ms from write to event (median).`,
  );
  console.log(
    missing === 0
      ? '  Every process heard of everything the others wrote.'
      : `  ${missing} WRITES WERE NOT HEARD OF BY ALL OTHERS.`,
  );
  console.log('  All processes have ended, and the folder is removed.\n');
  if (missing > 0) process.exitCode = 1;
}

function workers() {
  return processes.filter((it) => it.role === 'worker');
}

function interruption() {
  return new Promise((resolve) => {
    process.on('SIGINT', resolve);
    process.on('SIGTERM', resolve);
  });
}

function pause(milliseconds) {
  return new Promise((resolve) => setTimeout(resolve, milliseconds).unref());
}

function readSeconds() {
  const { values } = parseArgs({ options: { seconds: { type: 'string', default: '60' } } });
  const number = Number(values.seconds);
  if (number > 0) return number;
  console.error(`--seconds must be a number above zero, not "${values.seconds}"`);
  process.exit(2);
}
