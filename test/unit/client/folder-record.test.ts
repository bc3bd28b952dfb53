import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import type { Storage } from '../../../src/client/acebase.js';
import { FolderRecord } from '../../../src/client/folder-record.js';
import { systemClock } from '../../../src/platform/clock.js';
import { OWNER_FILE, type OwnerRecord } from '../../../src/platform/owner-record.js';
import { removeDirectory, temporaryDirectory } from '../../support/temporary-directory.js';

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
  const made = new FolderRecord(storage, 'localhost:9163', { isInTouch: () => true, lost });
  made.isAt(serverId, 11_000);
  return made;
}

/** The process was stopped for so long. */
function stopped(milliseconds: number): void {
  for (const clock of ['now', 'wallTime', 'uptime'] as const) {
    const time = systemClock[clock];
    vi.spyOn(systemClock, clock).mockImplementation(() => time() + milliseconds);
  }
}

beforeEach(async () => {
  folder = await temporaryDirectory('record');
  record = recordAt('run-1');
});

afterEach(async () => {
  vi.restoreAllMocks();
  lost.mockReset();
  said.length = 0;
  record.release();
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
    message: 'IPC_CLIENT_LEASE_LOST: its folder was taken by another server',
  });
  expect(lost).toHaveBeenCalledExactlyOnceWith('its folder was taken by another server');
  expect(record.lease.isHeld).toBe(false);
});

it('a master is refused the folder of one that renews its record, and has it at once from one of the same run of its server', async () => {
  await record.take();
  const [second, third] = [recordAt('run-2'), recordAt('run-1')];
  await expect(second.take()).rejects.toMatchObject({ code: 'IPC_CLIENT_FOLDER_IN_USE' });
  expect(said).toEqual([expect.stringMatching(/^Waiting for the folder of mydb: its folder is in use by /)]);
  await third.take();
  expect(third.lease.isHeld).toBe(true);
  third.release();
});

it('a master that cannot read who has its folder goes on all the same, and says so', async () => {
  await record.take();
  record.release();
  await mkdir(path());
  const other = recordAt('run-3');
  await other.take();
  expect(said).toEqual([expect.stringMatching(/^It cannot be noted who uses the folder of mydb, .*EISDIR/)]);
  expect(other.lease.isHeld).toBe(true);
});

it('a master that its server has given up, and lets in again, takes its folder back from the one that was in its place', async () => {
  await record.take();
  record.placeIsLost();
  const next = recordAt('run-1');
  await next.take();
  next.release();
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
  other.release();
});
