import fs, {
  chmodSync,
  closeSync,
  constants,
  existsSync,
  openSync,
  readFileSync,
  statSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { dirname, join } from 'node:path';
import { crc32 } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Journal, type JournalSettings, OPEN_GATE, recover } from '../../../../src/client/journal/journal.js';
import type { WrittenPlace } from '../../../../src/client/journal/redo-log.js';
import { MARKS } from '../../../../src/client/patches/file-layout.js';
import { isCutShort } from '../../../../src/client/patches/unfinished-file.js';
import { removeDirectory, temporaryDirectory } from '../../../support/temporary-directory.js';

let folder: string;
let path: string;
let logPaths: readonly string[];

beforeEach(async () => {
  folder = await temporaryDirectory('journal');
  path = join(folder, 'data.db');
  logPaths = [join(folder, 'data.redo'), join(folder, 'data.redo2')];
  writeFileSync(path, Buffer.alloc(1_000, 'a').fill(0, 40, 64));
});
afterEach(() => removeDirectory(folder));

const change = (position: number, before: string, after: string) => ({
  position,
  before: Buffer.from(before),
  after: Buffer.from(after),
});

interface Opened {
  readonly journal: Journal<unknown>;
  close(): void;
}

const opened = (given: Partial<JournalSettings> = {}): Opened => {
  const file = openSync(path, 'r+');
  const settings = { file, logPaths, mark: MARKS.data, isSynced: false, isLone: true, ...given };
  const journal = new Journal<unknown>(settings);
  return { journal, close: () => closeSync(file) };
};

/** Commits, and gives what was in the file before. The process ends then, or closes it. */
async function commit(
  changes: ReturnType<typeof change>[],
  notes?: unknown,
  written: WrittenPlace[] = [],
  closes = false,
): Promise<Buffer> {
  const before = readFileSync(path);
  const { journal, close } = opened();
  await journal.commit({ changes, notes, written }, OPEN_GATE);
  if (closes) journal.close();
  close();
  return before;
}

function recovered(): unknown[] {
  const all: unknown[] = [];
  recover(
    path,
    { logPaths, mark: MARKS.data },
    () => true,
    (notes) => all.push(notes) > 0,
  );
  return all;
}

const content = (position: number, length: number): string =>
  readFileSync(path)
    .subarray(position, position + length)
    .toString();

/** The process has ended when so many bytes of each change were written. */
function crashedAfter(before: Buffer, written: number): void {
  const half = Buffer.from(before);
  readFileSync(path).copy(half, 100, 100, 100 + written);
  writeFileSync(path, half);
}

it('writes a commit again that was not begun, or half done; once', async () => {
  for (const written of [0, 2]) {
    writeFileSync(path, Buffer.alloc(1_000, 'a'));
    const before = await commit([change(100, 'aaaa', 'bbbb'), change(200, 'aa', 'cc')], { index: 'n' });
    crashedAfter(before, written);
    expect(recovered()).toEqual([{ index: 'n' }]);
    expect([content(100, 4), content(200, 2)]).toEqual(['bbbb', 'cc']);
    expect(recovered()).toEqual([]);
  }
});

it('has nothing to do where all is done; what is noted is told until it is', async () => {
  await commit([change(100, 'aaaa', 'bbbb')]);
  writeFileSync(path, readFileSync(path).fill('a', 100, 104));
  // Somebody who knows nothing of this has written since.
  expect(recovered()).toEqual([]);
  expect(content(100, 4)).toBe('aaaa');
  await commit([change(100, 'aaaa', 'bbbb')], { index: 'n' });
  recover(
    path,
    { logPaths, mark: MARKS.data },
    () => true,
    () => false,
  );
  expect(recovered()).toEqual([{ index: 'n' }]);
  expect(recovered()).toEqual([]);
});

it('leaves a file alone that is another one, or was written since', async () => {
  const before = await commit([change(100, 'aaaa', 'bbbb')]);
  crashedAfter(before, 2);
  const file = openSync(path, 'r+');
  writeSync(file, 'z', 101);
  closeSync(file);
  expect(recovered()).toEqual([]);
  expect(content(100, 4)).toBe('bzaa');
});

it('leaves a file alone that lacks what the commit leads to: an older one, or one that others have written', async () => {
  const places: WrittenPlace[] = [[300, 4, crc32('aaaa')]];
  const before = await commit([change(100, 'aaaa', 'bbbb')], undefined, places);
  writeFileSync(path, before);
  expect(recovered()).toEqual([]);
  expect(content(100, 4)).toBe('bbbb');
  writeFileSync(path, Buffer.from(before).fill('z', 302, 303));
  expect(recovered()).toEqual([]);
  expect(content(100, 4)).toBe('aaaa');
});

it('leaves no record behind when it is closed: an older file may be put in the place of this one', async () => {
  const before = await commit([change(100, 'aaaa', 'bbbb')], undefined, [], true);
  writeFileSync(path, before);
  expect(recovered()).toEqual([]);
  expect(content(100, 4)).toBe('aaaa');
});

it('takes nothing for a record that is none', async () => {
  const head = (length: number, checksum: number): Buffer => {
    const bytes = Buffer.alloc(44);
    bytes.write('ACR2');
    bytes.writeUInt32BE(length, 8);
    bytes.writeUInt32BE(checksum, 12);
    bytes.writeBigUInt64BE(1n, 32);
    bytes.writeUInt32BE(crc32(bytes.subarray(8)), 4);
    return bytes;
  };
  for (const bytes of [
    head(0xffff_ffff, 0),
    head(0, 0),
    head(4, 0),
    Buffer.from('ACR2'),
    Buffer.alloc(1_000, 'g'),
  ]) {
    for (const logPath of logPaths) writeFileSync(logPath, bytes);
    expect(recovered()).toEqual([]);
  }
});

it('takes no record for one that is not complete, and needs no log', async () => {
  const before = await commit([change(100, 'aaaa', 'bbbb')]);
  crashedAfter(before, 2);
  truncateSync(String(logPaths[0]), 60);
  expect(recovered()).toEqual([]);
  expect(content(100, 4)).toBe('bbaa');
  recover(join(folder, 'none.db'), { logPaths: [join(folder, 'none.redo')], mark: MARKS.data }, () => true);
  expect(existsSync(join(folder, 'none.redo'))).toBe(false);
});

it('a commit that cannot be logged has not happened', async () => {
  const { journal, close } = opened({ logPaths: ['/dev/full'] });
  const committing = journal.commit({ changes: [change(100, 'aaaa', 'bbbb')] }, OPEN_GATE);
  await expect(committing).rejects.toThrow('ENOSPC');
  expect([content(100, 4), journal.failure]).toEqual(['aaaa', undefined]);
  close();
});

it('nor does it harm if the log takes nothing for a while: the next one can be', async () => {
  const { journal, close } = opened();
  await journal.commit({ changes: [change(100, 'aaaa', 'bbbb')] }, OPEN_GATE);
  const { writeSync } = fs;
  const refuse = (): never => {
    throw Object.assign(new Error('ENOSPC: no space left on device, write'), { code: 'ENOSPC' });
  };
  Object.assign(fs, { writeSync: refuse });
  syncBuiltinESMExports();
  const refused = journal.commit({ changes: [change(100, 'bbbb', 'cccc')] }, OPEN_GATE);
  await expect(refused).rejects.toThrow('ENOSPC');
  Object.assign(fs, { writeSync });
  syncBuiltinESMExports();
  expect([content(100, 4), journal.failure]).toEqual(['bbbb', undefined]);
  await journal.commit({ changes: [change(100, 'bbbb', 'dddd')] }, OPEN_GATE);
  expect(content(100, 4)).toBe('dddd');
  close();
});

it('where no log can be made, nothing is committed, and whoever keeps it hears why', async () => {
  const { openSync } = fs;
  const openOrRefuse = (name: string, ...details: unknown[]): number => {
    if (String(name).includes('.redo')) throw Object.assign(new Error('EACCES: no'), { code: 'EACCES' });
    return Reflect.apply(openSync, fs, [name, ...details]) as number;
  };
  const heard: string[] = [];
  const { journal, close } = opened({ unwritable: ({ code }) => heard.push(code) });
  expect(look(journal)).toBeUndefined();
  Object.assign(fs, { openSync: openOrRefuse });
  syncBuiltinESMExports();
  const refused = journal.commit({ changes: [change(100, 'aaaa', 'bbbb')] }, OPEN_GATE);
  await expect(refused).rejects.toThrow('IPC_CLIENT_NO_JOURNAL');
  Object.assign(fs, { openSync });
  syncBuiltinESMExports();
  expect([content(100, 4), journal.failure, heard]).toEqual(['aaaa', undefined, ['IPC_CLIENT_NO_JOURNAL']]);
  journal.close();
  close();
});

describe('a log that belongs to another user', () => {
  const { openSync: open, fstatSync: stat, fchownSync: chown } = fs;
  const replace = (given: object): void => {
    Object.assign(fs, given);
    syncBuiltinESMExports();
  };
  /** Whether that log may only be read, or not even that. */
  const forbid = (path: string | undefined, isReadable = true): void =>
    replace({
      openSync: (name: string, flags: number, ...rest: unknown[]): number => {
        if (name !== path || (isReadable && flags === constants.O_RDONLY))
          return Reflect.apply(open, fs, [name, flags, ...rest]) as number;
        throw Object.assign(new Error(`EACCES: permission denied, open '${name}'`), { code: 'EACCES' });
      },
    });
  afterEach(() => replace({ openSync: open, fstatSync: stat, fchownSync: chown }));

  it('is looked at where it may only be read; who is to write there says why it cannot, and can when it may', async () => {
    const before = await commit([change(100, 'aaaa', 'bbbb')]);
    crashedAfter(before, 2);
    const [log] = logPaths;
    forbid(log);
    const heard: string[] = [];
    const [first, third, second] = [
      opened({ isLone: false }),
      opened({ isLone: false }),
      opened({ isLone: false, unwritable: ({ message }) => heard.push(message) }),
    ];
    expect([look(first.journal), content(100, 4)]).toEqual([{ isRecovered: true, notes: undefined }, 'bbbb']);
    // Its turn is the other log.
    await first.journal.commit({ changes: [change(100, 'bbbb', 'cccc')] }, OPEN_GATE);
    // It can be left empty also where it is not the next one.
    await third.journal.empty(OPEN_GATE);
    expect(look(second.journal)).toBeUndefined();
    const next = (): Promise<void> =>
      second.journal.commit({ changes: [change(100, 'cccc', 'dddd')] }, OPEN_GATE);
    await expect(next()).rejects.toMatchObject({ code: 'IPC_CLIENT_NO_JOURNAL' });
    expect([heard.length, heard[0]?.includes(String(log)), content(100, 4)]).toEqual([1, true, 'cccc']);
    forbid(undefined);
    await next();
    expect(content(100, 4)).toBe('dddd');
    for (const { journal, close } of [first, second, third]) {
      journal.close();
      close();
    }
  });

  it('keeps nobody from the file if nothing is to be done; what it has noted must not be forgotten', async () => {
    await commit([change(100, 'aaaa', 'bbbb')]);
    forbid(logPaths[0]);
    expect(recovered()).toEqual([]);
    forbid(undefined);
    await commit([change(100, 'bbbb', 'cccc')], { index: 'n' });
    forbid(logPaths[1]);
    expect(recovered).toThrow('IPC_CLIENT_NO_JOURNAL');
    forbid(logPaths[0], false);
    expect(recovered).toThrow('IPC_CLIENT_NO_JOURNAL');
    forbid(undefined);
    expect(recovered()).toEqual([{ index: 'n' }]);
  });

  it.each([undefined, 'EPERM', 'EIO'])('is given to the user whose the file is: %s', async (code) => {
    const given: unknown[] = [];
    const { journal, close } = opened();
    replace({
      fstatSync: (file: number) =>
        given.length === 0 && stat(file).size === 1_000 ? { ...stat(file), uid: 7, gid: 8 } : stat(file),
      fchownSync: (_file: number, ...owner: number[]) => {
        given.push(owner);
        if (code !== undefined) throw Object.assign(new Error(code), { code });
      },
    });
    const committing = journal.commit({ changes: [change(100, 'aaaa', 'bbbb')] }, OPEN_GATE);
    // To make it for oneself is better than not to write; a disk that fails is something else.
    if (code === 'EIO') await expect(committing).rejects.toThrow('EIO');
    else await committing;
    // A member of its group can give it that.
    expect(given).toEqual(
      code === 'EPERM'
        ? [
            [7, 8],
            [process.getuid?.(), 8],
          ]
        : [[7, 8]],
    );
    journal.close();
    close();
  });
});

it.each<[string, (journal: Journal<unknown>) => unknown]>([
  ['commit', (journal) => journal.commit({ changes: [change(200, 'aa', 'cc')] }, OPEN_GATE)],
  ['sync', (journal) => journal.sync()],
  ['done', (journal) => journal.done(OPEN_GATE)],
  ['empty', (journal) => journal.empty(OPEN_GATE)],
  ['look', (journal) => look(journal)],
])(
  'a file that could not be synced is not used any more, whatever a second try would say: %s',
  async (name, act) => {
    const { fdatasyncSync } = fs;
    const heard: string[] = [];
    const { journal, close } = opened({ isSynced: true, failed: () => heard.push('failed') });
    const before = readFileSync(path);
    await journal.commit({ changes: [change(100, 'aaaa', 'bbbb')] }, OPEN_GATE);
    if (name === 'look') crashedAfter(before, 2);
    const file = statSync(path).ino;
    const refuse = (descriptor: number): void => {
      if (fs.fstatSync(descriptor).ino === file)
        throw Object.assign(new Error('EIO: i/o error'), { code: 'EIO' });
      fdatasyncSync(descriptor);
    };
    Object.assign(fs, { fdatasyncSync: refuse });
    syncBuiltinESMExports();
    await expect(Promise.resolve(journal).then(act)).rejects.toMatchObject({
      code: 'IPC_CLIENT_OUTCOME_UNKNOWN',
      message: expect.stringContaining('EIO'),
    });
    Object.assign(fs, { fdatasyncSync });
    syncBuiltinESMExports();
    const next = journal.commit({ changes: [change(300, 'aa', 'dd')] }, OPEN_GATE);
    await expect(next).rejects.toMatchObject({ code: 'IPC_CLIENT_OUTCOME_UNKNOWN' });
    expect([content(300, 2), heard]).toEqual(['aa', ['failed']]);
    journal.close();
    close();
  },
);

it('a log that another process has made meanwhile is seen', async () => {
  const [first, second] = [opened({ isLone: false }), opened({ isLone: false })];
  await first.journal.commit({ changes: [change(100, 'aaaa', 'bbbb')], notes: 'noted' }, OPEN_GATE);
  expect(logPaths.map((logPath) => existsSync(logPath))).toEqual([true, false]);
  expect(look(second.journal)).toEqual({ isRecovered: false, notes: 'noted' });
  second.journal.lookIsOver(OPEN_GATE);
  await second.journal.commit({ changes: [change(100, 'bbbb', 'cccc')], notes: 'next' }, OPEN_GATE);
  expect(look(first.journal)).toEqual({ isRecovered: false, notes: 'next' });
  for (const { journal, close } of [first, second]) {
    journal.close();
    close();
  }
});

const look = (journal: Journal<unknown>, isToBeApplied = true, gate = OPEN_GATE) =>
  journal.look(() => isToBeApplied, gate);

it('several processes commit in turns, each in the log that the last one did not use', async () => {
  const [first, second] = [opened({ isLone: false }), opened({ isLone: false })];
  const texts = ['aaaa', 'bbbb', 'cccc', 'dddd', 'eeee'];
  for (const [n, { journal }] of [first, first, second, first].entries()) {
    expect(look(journal)).toBeUndefined();
    await journal.commit({ changes: [change(100, String(texts[n]), String(texts[n + 1]))] }, OPEN_GATE);
  }
  expect(content(100, 4)).toBe('eeee');
  for (const { journal, close } of [first, second]) {
    journal.close();
    close();
  }
  expect(logPaths.every((logPath) => readFileSync(logPath).length > 44)).toBe(true);
});

it('what one of them leaves half done, the next one carries out; or leaves it', async () => {
  for (const isApplied of [false, true]) {
    writeFileSync(path, Buffer.alloc(1_000, 'a').fill(0, 40, 64));
    const [first, second] = [opened({ isLone: false }), opened({ isLone: false })];
    const before = readFileSync(path);
    look(first.journal);
    await first.journal.commit({ changes: [change(100, 'aaaa', 'bbbb')], notes: { index: 'n' } }, OPEN_GATE);
    crashedAfter(before, 2);
    expect(second.journal.isPending).toBe(true);
    const leftover = isApplied ? { isRecovered: true, notes: { index: 'n' } } : undefined;
    expect(look(second.journal, isApplied)).toEqual(leftover);
    expect([content(100, 4), second.journal.isPending]).toEqual([isApplied ? 'bbbb' : 'bbaa', !isApplied]);
    // What was noted is told until it is done.
    if (isApplied) expect(look(second.journal)).toEqual({ isRecovered: false, notes: { index: 'n' } });
    if (isApplied) second.journal.lookIsOver(OPEN_GATE);
    expect(look(second.journal, isApplied)).toBeUndefined();
    for (const { journal, close } of [first, second]) {
      journal.close();
      close();
    }
    for (const logPath of logPaths) writeFileSync(logPath, '');
  }
});

it('one that was stopped on its way to the log, and writes there when others have gone on, changes nothing', async () => {
  const [stopped, next] = [opened({ isLone: false }), opened({ isLone: false })];
  look(stopped.journal);
  await stopped.journal.commit({ changes: [change(100, 'aaaa', 'bbbb')] }, OPEN_GATE);
  const gate = { isOpen: false, wait: () => Promise.resolve() };
  let goOn: () => void = () => undefined;
  gate.wait = () =>
    new Promise((resolve) => {
      goOn = resolve;
    });
  const late = stopped.journal.commit({ changes: [change(200, 'aaaa', 'ssss')] }, gate);
  await new Promise(setImmediate);
  look(next.journal);
  const before = readFileSync(path);
  await next.journal.commit({ changes: [change(100, 'bbbb', 'cccc')] }, OPEN_GATE);
  // Its record is in the log now; the next look of its lease keeps it from the file.
  gate.wait = () => Promise.reject(new Error('the lease is lost'));
  goOn();
  await expect(late).rejects.toThrow('IPC_CLIENT_OUTCOME_UNKNOWN: ');
  crashedAfter(before, 1);
  const third = opened({ isLone: false });
  expect(look(third.journal)).toMatchObject({ isRecovered: true });
  expect([content(100, 4), content(200, 4)]).toEqual(['cccc', 'aaaa']);
  for (const { journal, close } of [stopped, next, third]) {
    journal.close();
    close();
  }
});

it('nothing is mended under a lease that has lapsed: that is left to the next one', async () => {
  const before = await commit([change(100, 'aaaa', 'bbbb')]);
  crashedAfter(before, 2);
  const { journal, close } = opened();
  const gate = { isOpen: false, wait: () => Promise.reject(new Error('lost')) };
  expect(() => look(journal, true, gate)).toThrow('did not hear this process');
  expect(content(100, 4)).toBe('bbaa');
  expect(look(journal)).toMatchObject({ isRecovered: true });
  expect(content(100, 4)).toBe('bbbb');
  journal.close();
  close();
});

it('tables have a log and a mark of their own', async () => {
  const tables = { logPaths: [join(folder, 'data.tables.redo')], mark: MARKS.tables, isLone: false };
  const before = readFileSync(path);
  const [data, own] = [opened(), opened(tables)];
  await own.journal.commit({ changes: [change(300, 'aa', 'tt')] }, OPEN_GATE);
  await data.journal.commit({ changes: [change(100, 'aaaa', 'bbbb')] }, OPEN_GATE);
  const after = readFileSync(path);
  // The process has ended when the mark of the tables was not there yet.
  writeFileSync(path, Buffer.from(after).fill(0, 56, 64).fill('a', 300, 302));
  recover(path, { logPaths: tables.logPaths, mark: MARKS.tables }, () => true);
  expect(readFileSync(path)).toEqual(after);
  expect(after.subarray(56, 64)).not.toEqual(before.subarray(56, 64));
  for (const { journal, close } of [data, own]) {
    journal.close();
    close();
  }
});

it('knows a file whose making was cut short', async () => {
  const header = Buffer.concat([Buffer.from('AceBase⚡'), Buffer.alloc(54)]);
  const whole = Buffer.concat([header, Buffer.alloc(131_072 - 64)]);
  const cases: [Buffer, boolean][] = [
    [Buffer.alloc(0), true],
    [header.subarray(0, 30), true],
    [whole, true],
    [Buffer.concat([whole, Buffer.alloc(1_000)]), true],
    [Buffer.concat([whole, Buffer.alloc(1_000, 1)]), true],
    [Buffer.concat([whole, Buffer.alloc(1_000, 1)]).fill(1, 65_536, 65_540), false],
    [Buffer.from('some other file'), false],
    // One that has lost its end: of its header, its keys, or its space, there is something.
    [Buffer.from(header).fill(1, 12, 18), false],
    [Buffer.from(header).fill(1, 40, 56), false],
    [whole.subarray(0, 100_000), true],
    [Buffer.from(whole.subarray(0, 100_000)).fill(1, 64, 70), false],
    [Buffer.from(whole.subarray(0, 100_000)).fill(1, 65_536, 65_540), false],
  ];
  for (const [bytes, isOne] of cases) {
    writeFileSync(path, bytes);
    expect(isCutShort(path)).toBe(isOne);
  }
});

it.each([
  ['an index', 'items-n.idx', false],
  ['a log', 'data.redo', false],
  ['a log with nothing in it', 'data.redo', true],
  ['an index of other data', '[auth]-accounts-name.idx', true],
])('a file with nothing in it, and %s beside it', (_what, name, isOne) => {
  writeFileSync(path, '');
  writeFileSync(join(dirname(path), name), _what.endsWith('nothing in it') ? '' : 'x');
  expect(isCutShort(path)).toBe(isOne);
});

it('is left empty for those who know nothing of it: after a power cut, what they wrote since is not written over', async () => {
  const before = await commit([change(100, 'aaaa', 'bbbb')]);
  const { journal, close } = opened({ isLone: false });
  journal.look(() => true, OPEN_GATE);
  await journal.empty(OPEN_GATE);
  journal.close();
  close();
  // They have written back what was there; it could be what the cut has left.
  const mark = readFileSync(path).subarray(40, 56);
  writeFileSync(path, before);
  const file = openSync(path, 'r+');
  writeSync(file, mark, 0, 16, 40);
  closeSync(file);
  recover(path, { logPaths, mark: MARKS.data }, () => true, undefined, true);
  expect(content(100, 4)).toBe('aaaa');
});

it.each([
  ['claims its turn', 1],
  ['writes its record', 2],
])(
  'a process that is stopped as it %s does not write over the record of the next one',
  async (_what, nth) => {
    const [before, stopped, next] = [1, 2, 3].map(() => opened({ isLone: false })) as [
      Opened,
      Opened,
      Opened,
    ];
    await before.journal.commit({ changes: [change(100, 'aaaa', 'bbbb')] }, OPEN_GATE);
    const { writeSync: write } = fs;
    let writes = 0;
    let late = (): unknown => undefined;
    // It has seen that it has its lock still; by the time that it writes, another one has had it.
    const gate = {
      get isOpen() {
        return writes < nth;
      },
      wait: () => Promise.reject(new Error('the lock is lost')),
    };
    const stops = (...details: unknown[]): number => {
      const act = (): number => Reflect.apply(write, fs, details);
      writes += 1;
      if (writes !== nth) return act();
      late = act;
      return (details[1] as Buffer).length;
    };
    look(stopped.journal);
    Object.assign(fs, { writeSync: stops });
    syncBuiltinESMExports();
    try {
      await expect(
        stopped.journal.commit({ changes: [change(100, 'bbbb', 'dddd')] }, gate),
      ).rejects.toThrow();
    } finally {
      Object.assign(fs, { writeSync: write });
      syncBuiltinESMExports();
    }
    look(next.journal);
    const between = readFileSync(path);
    await next.journal.commit({ changes: [change(100, 'bbbb', 'cccc')] }, OPEN_GATE);
    late();
    crashedAfter(between, 2);
    expect(content(100, 4)).toBe('ccbb');
    recovered();
    expect(content(100, 4)).toBe('cccc');
    for (const { journal, close } of [before, stopped, next]) {
      journal.close();
      close();
    }
  },
);

it('is left empty also for those who find that the next record was cut short: what others have written meanwhile stays', async () => {
  const [first, second] = [opened({ isLone: false }), opened({ isLone: false })];
  await first.journal.commit({ changes: [change(100, 'aaaa', 'bbbb')] }, OPEN_GATE);
  second.journal.look(() => true, OPEN_GATE);
  await second.journal.empty(OPEN_GATE);
  const file = openSync(path, 'r+');
  writeSync(file, 'aaaa', 100);
  closeSync(file);
  // It has its turn still.
  await second.journal.commit({ changes: [change(200, 'aa', 'cc')] }, OPEN_GATE);
  const log = openSync(String(logPaths[1]), 'r+');
  writeSync(log, Buffer.alloc(8), 0, 8, 20);
  closeSync(log);
  const mark = Buffer.from(readFileSync(path).subarray(40, 56));
  mark.writeUInt8(mark.readUInt8(15) - 1, 15);
  const before = openSync(path, 'r+');
  writeSync(before, mark, 0, 16, 40);
  closeSync(before);
  recover(path, { logPaths, mark: MARKS.data }, () => true, undefined, true);
  expect(content(100, 4)).toBe('aaaa');
  for (const { journal, close } of [first, second]) {
    journal.close();
    close();
  }
});

it('is left empty so that one who was stopped on his way to the log leaves nothing there either', async () => {
  const stopped = opened({ isLone: false });
  await stopped.journal.commit({ changes: [change(100, 'aaaa', 'bbbb')] }, OPEN_GATE);
  const other = opened({ isLone: false });
  other.journal.look(() => true, OPEN_GATE);
  await other.journal.empty(OPEN_GATE);
  const between = readFileSync(path);
  // Its last look at its lease was before.
  await stopped.journal.commit({ changes: [change(100, 'bbbb', 'cccc')] }, OPEN_GATE);
  writeFileSync(path, between);
  expect(recovered()).toEqual([]);
  expect(content(100, 4)).toBe('bbbb');
  // The next one goes on behind.
  other.journal.look(() => true, OPEN_GATE);
  await other.journal.commit({ changes: [change(100, 'bbbb', 'dddd')] }, OPEN_GATE);
  crashedAfter(between, 2);
  expect(recovered()).toEqual([]);
  expect(content(100, 4)).toBe('dddd');
  for (const { journal, close } of [stopped, other]) {
    journal.close();
    close();
  }
});

it('is left with nothing but what it has noted as long as that is to be done', async () => {
  await commit([change(100, 'aaaa', 'bbbb')], { index: 'n' });
  const { journal, close } = opened({ isLone: false });
  expect(journal.look(() => true, OPEN_GATE)?.notes).toEqual({ index: 'n' });
  await journal.empty(OPEN_GATE);
  // Others have written, and left by chance what was there before; and the power is cut.
  const file = openSync(path, 'r+');
  writeSync(file, 'aaaa', 100);
  closeSync(file);
  recover(
    path,
    { logPaths, mark: MARKS.data },
    () => true,
    () => false,
    true,
  );
  expect(content(100, 4)).toBe('aaaa');
  expect(journal.look(() => true, OPEN_GATE)?.notes).toEqual({ index: 'n' });
  journal.lookIsOver(OPEN_GATE);
  await journal.empty(OPEN_GATE);
  journal.close();
  close();
  expect(recovered()).toEqual([]);
});

it('what one has noted is done when he says so, as long as nobody else has got his log or his lock', async () => {
  const [first, second, third] = [
    opened({ isLone: false }),
    opened({ isLone: false }),
    opened({ isLone: false }),
  ];
  const turn = async ({ journal }: typeof first, before: string, after: string) => {
    journal.look(() => true, OPEN_GATE);
    await journal.commit({ changes: [change(100, before, after)], notes: { by: after } }, OPEN_GATE);
  };
  await turn(first, 'aaaa', 'bbbb');
  await turn(second, 'bbbb', 'cccc');
  await turn(third, 'cccc', 'dddd');
  first.journal.done(OPEN_GATE);
  third.journal.done({ isOpen: false, wait: () => Promise.resolve() });
  expect(recovered()).toEqual([{ by: 'dddd' }]);
  for (const { journal, close } of [first, second, third]) {
    journal.close();
    close();
  }
});

it.runIf(process.platform !== 'win32')('whoever may write the file may write its logs', async () => {
  // No umask gives a new file that.
  chmodSync(path, 0o660);
  for (const [before, after] of [
    ['aaaa', 'bbbb'],
    ['bbbb', 'cccc'],
  ] as const) {
    const { journal, close } = opened({ isLone: false });
    await journal.commit({ changes: [change(100, before, after)] }, OPEN_GATE);
    journal.close();
    close();
  }
  expect(logPaths.map((logPath) => statSync(logPath).mode & 0o777)).toEqual([0o660, 0o660]);
});
