import fs, { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { syncBuiltinESMExports } from 'node:module';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it, onTestFinished, vi } from 'vitest';
import type { Storage } from '../../../src/client/acebase.js';
import { FolderRecord } from '../../../src/client/folder-record.js';
import { systemClock } from '../../../src/platform/clock.js';
import { ownWords } from '../../../src/platform/local-processes.js';
import { OWNER_FILE, type OwnerRecord } from '../../../src/platform/owner-record.js';
import { leaveRecord } from '../../support/left-record.js';
import { removeDirectory, temporaryDirectory } from '../../support/temporary-directory.js';
import { eventually } from '../../support/waiting.js';

let folder: string;
let record: FolderRecord;
const lost = vi.fn<(reason: string) => void>();
const said: string[] = [];

const path = () => join(folder, 'mydb.acebase', OWNER_FILE);
const read = async () => JSON.parse(await readFile(path(), 'utf8')) as OwnerRecord;

function recordAt(serverId: string): FolderRecord {
  const say = (text: string) => said.push(text);
  const debug = { warn: say, error: say };
  const storage = { name: 'mydb', settings: { path: folder }, debug, logger: debug } as unknown as Storage;
  const made = new FolderRecord(storage, 'localhost:9163', 'mydb_data', { isInTouch: () => true, lost });
  made.join();
  made.isAt(serverId, 11_000);
  return made;
}

/** Another master may be there still, at that run of a server. */
const leftByAnother = (serverId: string) => leaveRecord(path(), serverId);

const isWaiting = (): boolean => said.some((text) => text.startsWith('Waiting for the folder of mydb'));

const { open } = fs;

/** Has files opened with something else. */
function openWith(other: typeof fs.open): void {
  Object.assign(fs, { open: other });
  syncBuiltinESMExports();
}

let isFailing = false;
const failing: typeof fs.open = async () => {
  isFailing = true;
  throw Object.assign(new Error('ESTALE: stale file handle'), { code: 'ESTALE' });
};

/** The process was stopped for so long. */
function stopped(milliseconds: number): void {
  for (const clock of ['now', 'wallTime', 'uptime'] as const) {
    const time = systemClock[clock];
    vi.spyOn(systemClock, clock).mockImplementation(() => time() + milliseconds);
  }
}

beforeEach(async () => {
  isFailing = false;
  folder = await temporaryDirectory('record');
  record = recordAt('run-1');
});

afterEach(async () => {
  openWith(open);
  vi.restoreAllMocks();
  lost.mockReset();
  said.length = 0;
  record.leave('told');
  await removeDirectory(folder);
});

it('a master that was stopped for so long that another server may take its folder does nothing before it has renewed its record', async () => {
  await record.take();
  expect([record.lease.isHeld, (await read()).beat]).toEqual([true, 0]);
  stopped(24_000);
  expect(record.lease.isHeld).toBe(false);
  await record.lease.wait();
  expect([record.lease.isHeld, (await read()).beat]).toEqual([true, 1]);
  expect(lost).not.toHaveBeenCalled();
});

it('and nothing more, if another one has taken it', async () => {
  await record.take();
  await writeFile(path(), JSON.stringify({ ...(await read()), id: 'another' }));
  stopped(24_000);
  await expect(record.lease.wait()).rejects.toMatchObject({
    code: 'IPC_CLIENT_LEASE_LOST',
    message: 'IPC_CLIENT_LEASE_LOST: its folder was taken by another process',
  });
  expect(lost).toHaveBeenCalledExactlyOnceWith('its folder was taken by another process');
  expect(record.lease.isHeld).toBe(false);
});

it('a master that comes to another server does nothing before it has seen that nobody has taken its folder', async () => {
  await record.take();
  record.isAt('run-2', 11_000);
  expect(record.lease.isHeld).toBe(false);
  await record.lease.wait();
  expect(await read()).toMatchObject({ server: { id: 'run-2' }, beat: 1 });
  record.isAt('run-2', 11_000);
  expect(record.lease.isHeld).toBe(true);
  await writeFile(`${path()}.new`, JSON.stringify({ ...(await read()), id: 'another' }));
  await rename(`${path()}.new`, path());
  record.isAt('run-3', 11_000);
  await expect(record.lease.wait()).rejects.toMatchObject({ code: 'IPC_CLIENT_LEASE_LOST' });
  expect(lost).toHaveBeenCalledExactlyOnceWith('its folder was taken by another process');
});

it('a master is refused the folder of one that renews its record, and has it at once from one of the same run of its server', async () => {
  await record.take();
  const [second, third] = [recordAt('run-2'), recordAt('run-1')];
  await expect(second.take()).rejects.toMatchObject({ code: 'IPC_CLIENT_FOLDER_IN_USE' });
  expect(said).toEqual([expect.stringMatching(/^Waiting for the folder of mydb: its folder is in use by /)]);
  await third.take();
  expect(third.lease.isHeld).toBe(true);
  third.leave('told');
});

it('a master that may not note that it has its folder goes on all the same, and says so', async () => {
  openWith(async (file, flags) => {
    if (flags === 'wx') throw Object.assign(new Error(`EACCES: ${String(file)}`), { code: 'EACCES' });
    return await open(file, flags);
  });
  await record.take();
  expect(said).toEqual([
    `It cannot be noted who uses the folder of mydb, and the master of another server is not kept away: EACCES: ${path()}`,
  ]);
  expect(record.lease.isHeld).toBe(true);
});

it('a master that cannot see who has its folder waits until it can, and says so once', async () => {
  await mkdir(path(), { recursive: true });
  const taken = vi.fn();
  const taking = record.take().then(taken);
  await eventually(isWaiting);
  expect(taken).not.toHaveBeenCalled();
  await rm(path(), { recursive: true });
  await taking;
  expect(said).toEqual([
    expect.stringMatching(/^Waiting for the folder of mydb: it cannot be noted who has it: EISDIR/),
  ]);
  expect((await read()).server.id).toBe('run-1');
});

// It took the folder as one that no server runs, and waited for itself for ever.
it('a master that a server runs, and that cannot read the record once, waits until it can', async () => {
  await mkdir(join(folder, 'mydb.acebase'), { recursive: true });
  await leaveRecord(path(), 'run-1', { isManaged: true, process: ownWords() ?? null });
  const { readFile: read } = fs;
  onTestFinished(() => {
    Object.assign(fs, { readFile: read });
    syncBuiltinESMExports();
  });
  let isBroken = true;
  Object.assign(fs, {
    readFile: async (...details: Parameters<typeof read>) => {
      if (isBroken) throw Object.assign(new Error('EIO: i/o error'), { code: 'EIO' });
      return await read(...details);
    },
  });
  syncBuiltinESMExports();
  const taking = record.take();
  await eventually(isWaiting);
  isBroken = false;
  await taking;
  expect([record.lease.isHeld, (await fs.readdir(join(folder, 'mydb.acebase'))).length]).toEqual([true, 1]);
});

it('and so does one that finds no room to note it: it is not alone with the file before', async () => {
  let isFull = true;
  openWith(async (file, flags) => {
    if (isFull && flags === 'wx') throw Object.assign(new Error('ENOSPC: no space left'), { code: 'ENOSPC' });
    return await open(file, flags);
  });
  const taken = vi.fn();
  const taking = record.take().then(taken);
  await eventually(isWaiting);
  expect(taken).not.toHaveBeenCalled();
  isFull = false;
  await taking;
  expect([record.lease.isHeld, (await read()).server.id]).toEqual([true, 'run-1']);
});

it('a master that its server has given up, and lets in again, takes its folder back from the one that was in its place', async () => {
  await record.take();
  record.placeIsLost();
  const next = recordAt('run-1');
  await next.take();
  next.leave('told');
  await record.take();
  expect((await read()).server.id).toBe('run-1');
  expect([record.lease.isHeld, lost.mock.calls]).toEqual([true, []]);
});

it('and goes on with it where nobody was', async () => {
  await record.take();
  const { id } = await read();
  record.placeIsLost();
  await record.take();
  expect(await read()).toMatchObject({ id, beat: 1 });
  expect([record.lease.isHeld, lost.mock.calls]).toEqual([true, []]);
});

it('but is refused it by a master of another server that has taken it meanwhile', async () => {
  await record.take();
  record.placeIsLost();
  await rm(path());
  const other = recordAt('run-2');
  await other.take();
  await expect(record.take()).rejects.toMatchObject({ code: 'IPC_CLIENT_FOLDER_IN_USE' });
  expect(lost).not.toHaveBeenCalled();
  other.leave('told');
});

it('a master that comes back to a disk that fails uses nothing before it has seen that its folder is its own still', async () => {
  await record.take();
  record.placeIsLost();
  openWith(failing);
  const taking = record.take();
  expect(record.lease.isHeld).toBe(false);
  await eventually(() => isFailing, { interval: 5 });
  openWith(open);
  await taking;
  expect([record.lease.isHeld, (await read()).beat, lost.mock.calls]).toEqual([true, 1, []]);
});

it('and if another one has taken it meanwhile, its place is lost once more', async () => {
  await record.take();
  record.placeIsLost();
  openWith(failing);
  const taking = record.take();
  await eventually(() => isFailing, { interval: 5 });
  await writeFile(path(), JSON.stringify({ ...(await read()), id: 'another' }));
  openWith(open);
  await expect(taking).rejects.toMatchObject({ code: 'IPC_CLIENT_LEASE_LOST' });
  expect(lost).toHaveBeenCalledExactlyOnceWith('its folder was taken by another process');
});

it('what waits for the record of a master fails when its place is lost, and does not go on with the next place', async () => {
  await record.take();
  openWith(() => new Promise(() => undefined));
  stopped(25_000);
  const waiting = record.lease.wait();
  record.placeIsLost();
  await expect(waiting).rejects.toMatchObject({ code: 'IPC_CLIENT_LEASE_LOST' });
});

it('a master that loses its place while it waits for the folder takes it from nobody any more', async () => {
  await leftByAnother('run-9');
  const taking = expect(record.take()).rejects.toMatchObject({ code: 'IPC_CLIENT_LEASE_LOST' });
  await eventually(isWaiting, { interval: 5 });
  record.placeIsLost();
  await rm(path());
  const next = recordAt('run-1');
  await next.take();
  const { id } = await read();
  await taking;
  expect([(await read()).id, next.lease.isHeld, lost.mock.calls]).toEqual([id, true, []]);
  next.leave('told');
});

it('and has it for its next place, whichever server that is at', async () => {
  await leftByAnother('run-9');
  const first = expect(record.take()).rejects.toMatchObject({ code: 'IPC_CLIENT_LEASE_LOST' });
  await eventually(isWaiting, { interval: 5 });
  record.placeIsLost();
  record.isAt('run-2', 11_000);
  const second = record.take();
  await rm(path());
  await first;
  await second;
  expect([record.lease.isHeld, (await read()).server.id]).toEqual([true, 'run-2']);
});

it('a master that waits for the folder notes the server that it has come to meanwhile', async () => {
  await leftByAnother('run-9');
  const taking = record.take();
  await eventually(isWaiting, { interval: 5 });
  record.isAt('run-2', 130_000);
  await rm(path());
  await taking;
  expect(await read()).toMatchObject({ server: { id: 'run-2' }, grace: 130_000 });
});

it('a master has others wait for as long as a worker may hold a lock that its server has granted', async () => {
  await record.take();
  expect(await read()).toMatchObject({ server: { id: 'run-1' }, grace: 120_000 });
});

it('a database and its transaction log take the folder once', async () => {
  await Promise.all([record.take(), record.take()]);
  expect([record.lease.isHeld, (await read()).beat]).toEqual([true, 0]);
});

it('a master that is about to be closed waits for the folder no more', async () => {
  await leftByAnother('run-9');
  const taking = expect(record.take()).rejects.toMatchObject({ code: 'IPC_CLIENT_FOLDER_IN_USE' });
  await eventually(isWaiting, { interval: 5 });
  record.stopWaiting();
  await taking;
});

it('a master that has lost its place says that another one is there', async () => {
  await record.take();
  expect(record.isAnothers).toBe(false);
  record.placeIsLost();
  await leftByAnother('run-1');
  expect(record.isAnothers).toBe(true);
});

it('leaves its record where workers may be in the midst of something', async () => {
  await record.take();
  record.leave('untold');
  expect(await read()).toMatchObject({ server: { id: 'run-1' }, hasLeft: true });
});

it('leaves it as it is where it may be writing yet', async () => {
  await record.take();
  const before = await read();
  record.leave('gave up');
  expect(await read()).toEqual(before);
});

it('gives the folder back when both have left, the database and its transaction log', async () => {
  record.join();
  await record.take();
  record.leave('told');
  expect([record.lease.isHeld, (await read()).server.id]).toEqual([true, 'run-1']);
  record.leave('told');
  await expect(read()).rejects.toMatchObject({ code: 'ENOENT' });
  await expect(record.take()).rejects.toMatchObject({ code: 'IPC_CLIENT_LEASE_LOST' });
});

it('a master of another server has the folder of one that has left, when its workers must have noticed that their server is gone', async () => {
  record.isAt('run-1', 0);
  await record.take();
  record.leave('untold');
  const next = recordAt('run-2');
  expect(next.isAnothers).toBe(false);
  await next.take();
  expect((await read()).server.id).toBe('run-2');
  next.leave('told');
});
