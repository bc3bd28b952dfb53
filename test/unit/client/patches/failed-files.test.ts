import fs from 'node:fs';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { failAfterFailedWrites } from '../../../../src/client/patches/failed-files.js';

type Method = (...details: unknown[]) => void;

const { write: written } = fs;
let folder: string;
let undo: () => void;
let isFull = false;
/** For how many bytes there is room. */
let room = Number.POSITIVE_INFINITY;

/** As Node.js has them just then. */
const call = (name: 'open' | 'write' | 'read' | 'fsync' | 'close' | 'rename', ...details: unknown[]) =>
  (promisify(fs[name]) as unknown as (...details: unknown[]) => Promise<unknown>)(...details);

beforeEach(async () => {
  folder = join(await mkdtemp(join(tmpdir(), 'failed-files-')), 'mydb.acebase');
  await mkdir(folder);
  isFull = false;
  room = Number.POSITIVE_INFINITY;
  Object.assign(fs, {
    write: (...details: unknown[]) => {
      const [file, bytes, offset, length, ...rest] = details as [
        number,
        Buffer,
        number,
        number,
        ...unknown[],
      ];
      const taken = Math.min(length, room);
      room -= taken;
      if (!isFull) return (written as Method)(file, bytes, offset, taken, ...rest);
      isFull = false;
      return process.nextTick(details.at(-1) as () => void, new Error('the disk is full'));
    },
  });
  undo = failAfterFailedWrites();
});

afterEach(async () => {
  undo();
  Object.assign(fs, { write: written });
  await rm(join(folder, '..'), { recursive: true });
});

/** A file that lacks its second word. */
async function incomplete(name: string, flags = 'w+') {
  const path = join(folder, name);
  const file = await call('open', path, flags, 0o666);
  await call('write', file, Buffer.from('first'), 0, 5, 0);
  isFull = true;
  await expect(call('write', file, Buffer.from('second'), 0, 6, 5)).rejects.toThrow('full');
  await call('write', file, Buffer.from('third'), 0, 5, 11);
  return { path, file };
}

it('a tree that lacks a part cannot be read', async () => {
  const { path, file } = await incomplete('tree-1.tmp');
  await expect(call('read', file, Buffer.alloc(16), 0, 16, 0)).rejects.toThrow('full');
  // AceBase would close and remove it now only if it could be read.
  expect(fs.existsSync(path)).toBe(false);
  expect(() => fs.fstatSync(file as number)).toThrow('EBADF');
});

it('a tree of which the disk took only a part cannot be read', async () => {
  const file = await call('open', join(folder, 'tree-2.tmp'), 'w+', 0o666);
  room = 3;
  await expect(call('write', file, Buffer.from('second'), 0, 6, 0)).rejects.toThrow(
    'ENOSPC: the disk has taken 3 of 6 bytes',
  );
  await expect(call('read', file, Buffer.alloc(6), 0, 6, 0)).rejects.toThrow('ENOSPC');
});

it('an index that lacks a part is closed with an error, and does not get the name of the former one', async () => {
  const { path, file } = await incomplete('people-age.idx.tmp', 'w');
  await expect(call('fsync', file)).rejects.toThrow('full');
  await expect(call('close', file)).rejects.toThrow('full');
  const target = join(folder, 'people-age.idx');
  await expect(call('rename', path, target)).rejects.toThrow('full');
  // It is really closed, and the next one of that name is another one.
  const again = await call('open', path, 'w', 0o666);
  await call('close', again);
  await call('rename', path, target);
  expect(fs.existsSync(target)).toBe(true);
});

it('other files are as ever', async () => {
  for (const [name, flags] of [
    ['data.db', 'w+'],
    ['people-age.idx', 'a+'],
  ] as const) {
    const { file } = await incomplete(name, flags);
    await call('read', file, Buffer.alloc(16), 0, 16, 0);
    await call('close', file);
  }
});
