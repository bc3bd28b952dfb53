import fs from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import { type FencedFiles, FileFence, type FileLease } from '../../../../src/client/patches/file-fence.js';
import { removeDirectory, temporaryDirectory } from '../../../support/temporary-directory.js';

/** A lease that lapses, and is regained or lost, when a test says so. */
class TestLease implements FileLease {
  isHeld = true;
  isLost = false;
  losses = 0;
  #waiting: { goOn: () => void; fail: (error: Error) => void }[] = [];

  whenHeld(goOn: () => void, fail: (error: Error) => void): void {
    this.#waiting.push({ goOn, fail });
  }

  regain(): void {
    this.isHeld = true;
    for (const { goOn } of this.#waiting.splice(0)) goOn();
  }

  lose(): void {
    this.isLost = true;
    this.losses += 1;
    for (const { fail } of this.#waiting.splice(0)) fail(new Error('the lease is lost'));
  }

  get waits(): number {
    return this.#waiting.length;
  }
}

let folder: string;
let fence: FileFence;
let unpatch: () => void;
let lease: TestLease;
let files: FencedFiles;
let descriptor: number | undefined;
/** Whether the disk is quick. */
let isQuick: boolean;

beforeEach(async () => {
  folder = await temporaryDirectory('fence');
  isQuick = false;
  fence = new FileFence({
    get isQuick() {
      return isQuick;
    },
    measure: (act) => act(),
  });
  unpatch = fence.patch();
  lease = new TestLease();
  descriptor = undefined;
  files = { folder, descriptor: () => descriptor, leases: [lease] };
  fence.add(files);
});

afterEach(async () => {
  unpatch();
  await removeDirectory(folder);
});

const open = (name: string, flags = 'w+') => promisify(fs.open)(join(folder, name), flags);
/** As AceBase writes, and with it all that promises have to do. */
const write = (file: number, text: string, position = 0) =>
  new Promise<number>((resolve, reject) => {
    fs.write(file, Buffer.from(text), 0, text.length, position, (error, bytes) => {
      if (error === null) resolve(bytes);
      else reject(error);
    });
  });
const contentOf = async (name: string) => (await readFile(join(folder, name))).toString();

describe('while the lease is held', () => {
  it('files are used as ever', async () => {
    const file = await open('data.db');
    expect(await write(file, 'one')).toBe(3);
    await promisify(fs.close)(file);
    expect(await contentOf('data.db')).toBe('one');
  });
});

it('the rest of what a disk has taken a part of is not written, if others may have the place by then', async () => {
  unpatch();
  const { write: original } = fs;
  const pieces: string[] = [];
  const partly: typeof fs.write = ((
    file: number,
    buffer: Buffer,
    offset: number,
    length: number,
    ...rest: unknown[]
  ) => {
    pieces.push(String(buffer.subarray(offset, offset + length)));
    Reflect.apply(original, fs, [file, buffer, offset, Math.ceil(length / 2), ...rest]);
  }) as typeof fs.write;
  Object.assign(fs, { write: partly });
  unpatch = fence.patch();
  onTestFinished(() => {
    Object.assign(fs, { write: original });
  });
  const file = await open('data.db');
  expect(await write(file, 'abcd')).toBe(4);
  expect(pieces.splice(0)).toEqual(['abcd', 'cd', 'd']);
  const writing = write(file, 'efgh');
  lease.lose();
  await expect(writing).rejects.toMatchObject({ code: 'IPC_CLIENT_LEASE_LOST' });
  expect(pieces).toEqual(['efgh']);
  lease = new TestLease();
  unpatch();
  Object.assign(fs, { write: original });
  unpatch = fence.patch();
  await promisify(fs.close)(file);
});

describe('what all processes share', () => {
  /** How often Node.js is asked to write by a thread, in the midst of what `act` does. */
  const byThread = async (act: () => Promise<unknown>): Promise<number> => {
    unpatch();
    const { write: original } = fs;
    let count = 0;
    Object.assign(fs, {
      write: (...details: Parameters<typeof original>) => {
        count += 1;
        original(...details);
      },
    });
    unpatch = fence.patch();
    await act();
    unpatch();
    Object.assign(fs, { write: original });
    unpatch = fence.patch();
    return count;
  };

  it('is in the file when the check is done: tables, root, and length; records are left to a thread', async () => {
    const asked = await byThread(async () => {
      const file = await open('data.db');
      descriptor = file;
      const order: string[] = [];
      const writes = [
        write(file, 'root', 12).then((bytes) => order.push(`root ${bytes}`)),
        write(file, 'free', 65_536).then((bytes) => order.push(`free ${bytes}`)),
        promisify(fs.ftruncate)(file, 200_000).then(() => order.push('length')),
      ];
      const content = fs.readFileSync(join(folder, 'data.db'), 'latin1');
      expect([content.slice(12, 16), content.slice(65_536, 65_540), content.length, order]).toEqual([
        'root',
        'free',
        200_000,
        [],
      ]);
      await Promise.all(writes);
      expect(order).toEqual(['root 4', 'free 4', 'length']);
      await write(file, 'record', 131_072);
      await promisify(fs.close)(file);
    });
    expect(asked).toBe(1);
  });

  it('is not all that is: short reads and writes of records are done at once, too, while the disk is quick', async () => {
    const asked = await byThread(async () => {
      const file = await open('data.db');
      descriptor = file;
      isQuick = true;
      const order: string[] = [];
      const writing = write(file, 'record', 131_072).then(() => order.push('written'));
      const buffer = Buffer.alloc(6);
      const reading = new Promise<void>((resolve, reject) => {
        fs.read(file, buffer, 0, 6, 131_072, (error, bytes, same) => {
          order.push(`read ${bytes} ${same === buffer}`);
          if (error === null) resolve();
          else reject(error);
        });
      });
      expect([buffer.toString(), order]).toEqual(['record', []]);
      await Promise.all([writing, reading]);
      expect(order.sort()).toEqual(['read 6 true', 'written']);
      // What is long goes to a thread; and nothing overtakes it.
      const long = write(file, 'x'.repeat(70_000), 131_072);
      const short = write(file, 'y', 131_072);
      await Promise.all([long, short]);
      await write(file, 'z', 131_073);
      const closed = promisify(fs.close)(file);
      await closed;
    });
    expect(asked).toBe(2);
    const content = await readFile(join(folder, 'data.db'), 'latin1');
    expect(content[131_073]).toBe('z');
  });

  it('waits for the lease like everything else, and tells of an error as ever', async () => {
    const file = await open('data.db');
    descriptor = file;
    lease.isHeld = false;
    const writing = write(file, 'root', 12);
    expect(fs.readFileSync(join(folder, 'data.db'), 'latin1')).toBe('');
    lease.regain();
    await writing;
    await promisify(fs.close)(file);
    const readOnly = await open('data.db', 'r');
    descriptor = readOnly;
    await expect(write(readOnly, 'root', 12)).rejects.toMatchObject({ code: 'EBADF' });
    await promisify(fs.close)(readOnly);
  });

  it('is known by the descriptor of the database: other files are none of its business', async () => {
    const asked = await byThread(async () => {
      const file = await open('an-index.idx');
      await write(file, 'x', 12);
      await promisify(fs.close)(file);
    });
    expect(asked).toBe(1);
  });
});

describe('what a disk that becomes full takes a part of', () => {
  /** The next write takes three bytes at most, and the one behind it fails if the disk is full. */
  const begin = async (isAtOnce: boolean, isFull: boolean) => {
    isQuick = isAtOnce;
    const { write: byThread, writeSync } = fs;
    let count = 0;
    const taken = (length: number): number => {
      count += 1;
      if (count === 1) return Math.min(length, 3);
      if (isFull) throw Object.assign(new Error('ENOSPC'), { code: 'ENOSPC', syscall: 'write' });
      return length;
    };
    unpatch();
    Object.assign(fs, {
      write(file: number, buffer: Buffer, from: number, length: number, at: number, done: () => void) {
        try {
          byThread(file, buffer, from, taken(length), at, done);
        } catch (error) {
          process.nextTick(done as (error: unknown) => void, error);
        }
      },
      writeSync: (file: number, buffer: Buffer, from: number, length: number, at: number) =>
        writeSync(file, buffer, from, taken(length), at),
    });
    unpatch = fence.patch();
    const file = await open('data.db');
    descriptor = file;
    return {
      file,
      async end(): Promise<string> {
        await promisify(fs.close)(file);
        unpatch();
        Object.assign(fs, { write: byThread, writeSync });
        unpatch = fence.patch();
        return (await contentOf('data.db')).slice(131_072);
      },
    };
  };

  it.each([
    ['at once', true],
    ['by a thread', false],
  ])('is written in full, or fails: %s', async (_how, isAtOnce) => {
    const roomy = await begin(isAtOnce, false);
    expect(await write(roomy.file, 'a record', 131_072)).toBe(8);
    expect(await roomy.end()).toBe('a record');
    const full = await begin(isAtOnce, true);
    await expect(write(full.file, 'a record', 131_072)).rejects.toMatchObject({ code: 'ENOSPC' });
    expect(await full.end()).toBe('a r');
  });
});

describe('what was read', () => {
  const begin = async () => {
    const file = await open('data.db');
    await write(file, 'one');
    const buffer = Buffer.alloc(3);
    const read = new Promise<string>((resolve, reject) => {
      fs.read(file, buffer, 0, 3, 0, (error) =>
        error === null ? resolve(buffer.toString()) : reject(error),
      );
    });
    return { file, read };
  };

  it('counts only when the lease is held again: others may have written', async () => {
    const { file, read } = await begin();
    lease.isHeld = false;
    let isRead = false;
    void read.then(() => {
      isRead = true;
    });
    while (lease.waits === 0) await new Promise(setImmediate);
    expect(isRead).toBe(false);
    lease.regain();
    expect(await read).toBe('one');
    await promisify(fs.close)(file);
  });

  it.each([
    ['read', true],
    ['written', false],
  ])(
    'or written at once counts only then, too: the process may have been stopped right before it was %s',
    async (_what, isRead) => {
      const { writeSync, readSync } = fs;
      const stopped =
        <T extends unknown[]>(act: (...details: T) => number) =>
        (...details: T): number => {
          lease.isHeld = false;
          return act(...details);
        };
      Object.assign(fs, { writeSync: stopped(writeSync), readSync: stopped(readSync) });
      try {
        isQuick = true;
        const file = await open('data.db');
        descriptor = file;
        const done = isRead
          ? new Promise<void>((resolve, reject) => {
              fs.read(file, Buffer.alloc(3), 0, 3, 131_072, (error) =>
                error === null ? resolve() : reject(error),
              );
            })
          : write(file, 'one', 131_072);
        while (lease.waits === 0) await new Promise(setImmediate);
        expect(fence.written(files)).toBeUndefined();
        lease.lose();
        await expect(done).rejects.toThrow('the lease is lost');
        await promisify(fs.close)(file);
      } finally {
        Object.assign(fs, { writeSync, readSync });
      }
    },
  );

  it('does not count if the place was lost meanwhile, be the process back by then', async () => {
    const { file, read } = await begin();
    lease.lose();
    lease.isLost = false;
    await expect(read).rejects.toMatchObject({ code: 'IPC_CLIENT_LEASE_LOST' });
    await promisify(fs.close)(file);
  });
});

describe('what is being written', () => {
  it('has ended when nothing more follows; what is only read, or done elsewhere, does not count', async () => {
    const file = await open('data.db');
    descriptor = file;
    expect(fence.written(files)).toBeUndefined();
    const order: string[] = [];
    const first = write(file, 'one').then(() => {
      order.push('one');
      return write(file, 'two', 3).then(() => order.push('two'));
    });
    const written = fence.written(files)?.then(() => order.push('written'));
    await Promise.all([first, written]);
    expect(order).toEqual(['one', 'two', 'written']);
    expect(fence.written(files)).toBeUndefined();
  });

  it('does not count if Node.js refuses it by throwing, or its callback throws', async () => {
    const file = await open('data.db');
    descriptor = file;
    const beyond = (): void => fs.write(file, Buffer.alloc(4), 0, 5, 0, () => undefined);
    expect(beyond).toThrow();
    expect(fence.written(files)).toBeUndefined();
    const thrown = new Promise((resolve) => process.once('uncaughtException', resolve));
    const others = process.listeners('uncaughtException').slice(0, -1);
    for (const other of others) process.off('uncaughtException', other);
    fs.write(file, Buffer.from('one'), 0, 3, 0, () => {
      throw new Error('of the program');
    });
    const written = fence.written(files);
    await thrown;
    for (const other of others) process.on('uncaughtException', other);
    await written;
    await promisify(fs.close)(file);
  });

  it('does not count while it waits for the lease', async () => {
    const file = await open('data.db');
    descriptor = file;
    lease.isHeld = false;
    const writing = write(file, 'one');
    expect(fence.written(files)).toBeUndefined();
    lease.regain();
    expect(fence.written(files)).toBeDefined();
    await writing;
  });
});

describe('while the lease has lapsed', () => {
  it('what is written waits', async () => {
    const file = await open('data.db');
    lease.isHeld = false;
    const writes = [write(file, 'one'), write(file, 'two', 3)];
    expect([lease.waits, await contentOf('data.db')]).toEqual([2, '']);
    lease.regain();
    await Promise.all(writes);
    expect(await contentOf('data.db')).toBe('onetwo');
    await promisify(fs.close)(file);
  });

  it('reading waits, and so does the closing of a file that something waits for', async () => {
    const file = await open('data.db');
    await write(file, 'one');
    lease.isHeld = false;
    const buffer = Buffer.alloc(3);
    const read = new Promise((resolve) => fs.read(file, buffer, 0, 3, 0, resolve));
    const closed = promisify(fs.close)(file);
    const other = await promisify(fs.open)(join(folder, '..', 'other'), 'w').catch(() => undefined);
    if (other !== undefined) await promisify(fs.close)(other);
    expect(other).not.toBe(file);
    lease.regain();
    expect(await read).toBeNull();
    await closed;
    expect(buffer.toString()).toBe('one');
  });

  it.each([
    ['opening', (path: string, done: (error: Error | null) => void) => fs.open(path, 'r', done)],
    ['creating', (path: string, done: (error: Error | null) => void) => fs.writeFile(path, 'x', done)],
    ['cutting', (path: string, done: (error: Error | null) => void) => fs.truncate(path, 1, done)],
    ['renaming', (path: string, done: (error: Error | null) => void) => fs.rename(path, `${path}2`, done)],
    ['removing', (path: string, done: (error: Error | null) => void) => fs.unlink(path, done)],
    ['removing in another way', (path: string, done: (error: Error | null) => void) => fs.rm(path, done)],
  ])('%s waits', async (_what, act) => {
    await writeFile(join(folder, 'file'), 'content');
    lease.isHeld = false;
    const done = new Promise<Error | null>((resolve) => act(join(folder, 'file'), (error) => resolve(error)));
    expect([lease.waits, await contentOf('file')]).toEqual([1, 'content']);
    lease.regain();
    expect(await done).toBeNull();
  });

  it('a stream waits', async () => {
    const stream = fs.createWriteStream(join(folder, 'index.build'), { flags: 'w' });
    await new Promise((resolve) => stream.once('open', resolve));
    lease.isHeld = false;
    const written = new Promise((resolve) => stream.end('entries', () => resolve(undefined)));
    expect(lease.waits).toBe(1);
    lease.regain();
    await written;
    expect(await contentOf('index.build')).toBe('entries');
  });

  it('other files are used as ever', async () => {
    lease.isHeld = false;
    const other = await temporaryDirectory('others');
    await promisify(fs.writeFile)(join(other, 'file'), 'x');
    expect((await readFile(join(other, 'file'))).toString()).toBe('x');
    await removeDirectory(other);
  });
});

describe('when the lease is lost', () => {
  it('what waits fails, nothing of it is done, and the file can be closed', async () => {
    const file = await open('data.db');
    await write(file, 'one');
    lease.isHeld = false;
    const writing = write(file, 'two');
    const closed = promisify(fs.close)(file);
    lease.lose();
    await expect(writing).rejects.toThrow('the lease is lost');
    await closed;
    expect(await contentOf('data.db')).toBe('one');
  });

  it('the next one that has the files is not kept out', async () => {
    lease.isHeld = false;
    lease.lose();
    fence.add({ folder, descriptor: () => undefined, leases: [new TestLease()] });
    const file = await open('data.db');
    expect(await write(file, 'one')).toBe(3);
    await promisify(fs.close)(file);
  });
});

it('goes by the descriptor of a database file, where several have files in one folder', async () => {
  const other = new TestLease();
  const file = await open('data.db');
  descriptor = file;
  fence.add({ folder, descriptor: () => undefined, leases: [other] });
  other.isHeld = false;
  expect(await write(file, 'one')).toBe(3);
  other.isHeld = true;
  await promisify(fs.close)(file);
});

it('waits for both of two leases, and for the first one again if it has lapsed meanwhile', async () => {
  const log = new TestLease();
  fence.add({ folder, descriptor: () => descriptor, leases: [lease, log] });
  const file = await open('transaction.db');
  [lease.isHeld, log.isHeld] = [false, false];
  const writing = write(file, 'one');
  lease.regain();
  lease.isHeld = false;
  log.regain();
  expect(lease.waits).toBe(1);
  lease.regain();
  expect(await writing).toBe(3);
  await promisify(fs.close)(file);
});

it('leaves nothing behind when it is undone', () => {
  const patched = { ...fs };
  unpatch();
  for (const name of [
    'read',
    'write',
    'writev',
    'ftruncate',
    'open',
    'writeFile',
    'truncate',
    'rename',
    'rm',
    'unlink',
    'close',
  ] as const) {
    expect(fs[name]).not.toBe(patched[name]);
  }
  unpatch = fence.patch();
});

it('a database that was given up keeps no other one from a file that gets the number of its own', async () => {
  const first = await open('data.db');
  descriptor = first;
  lease.isHeld = false;
  lease.lose();
  await promisify(fs.close)(first);
  const other = await temporaryDirectory('fence');
  fence.add({ folder: other, descriptor: () => undefined, leases: [new TestLease()] });
  const second = await promisify(fs.open)(join(other, 'mydb-name.idx'), 'w+');
  expect(second).toBe(first);
  expect(await write(second, 'x')).toBe(1);
  await promisify(fs.close)(second);
  await removeDirectory(other);
});

it('a database that was given up keeps its successor, which has the same file under the same number, from nothing', async () => {
  const first = await open('data.db');
  descriptor = first;
  lease.isHeld = false;
  lease.lose();
  await promisify(fs.close)(first);
  let its: number | undefined;
  fence.add({ folder, descriptor: () => its, leases: [new TestLease()] });
  its = await open('data.db');
  expect(its).toBe(first);
  expect(await write(its, 'x')).toBe(1);
});
