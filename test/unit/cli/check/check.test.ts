import {
  closeSync,
  copyFileSync,
  existsSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { describeCheck } from '../../../../src/cli/check/check.js';
import { setMark } from '../../../../src/client/journal/index-marks.js';
import { Journal, OPEN_GATE } from '../../../../src/client/journal/journal.js';
import { MARKS } from '../../../../src/client/patches/file-layout.js';
import {
  changeFreeSpace,
  checked,
  checksums,
  copyForEachTest,
  inDatabase,
  indexesOf,
  overwrite,
  placeOf,
  pointerTo,
  positionOf,
  viewOf,
  wrongIn,
} from './checked-database.js';

let folder: string;

copyForEachTest((copy) => {
  folder = copy;
});

/** Checks that files are as wrong as they should be, that this changes none, and what a repair leaves. */
async function expectWrong(before: unknown[], after: unknown[] = []): Promise<void> {
  const files = checksums(folder);
  const result = await checked(folder);
  expect(wrongIn(result)).toEqual(before);
  expect(checksums(folder)).toEqual(files);
  const repaired = await checked(folder, { repair: true });
  expect(wrongIn(repaired.repair ?? { findings: [] }), describeCheck(repaired)).toEqual(after);
  expect(wrongIn(await checked(folder))).toEqual(after);
}

/** Leaves a commit in the log that was not carried out. */
async function logOf(before: Buffer, after: Buffer, notes: object): Promise<void> {
  const files = join(folder, 'mydb.acebase');
  const changes = [];
  for (let at = 64; at < after.length; at += 128) {
    const [was, is] = [before.subarray(at, at + 128), after.subarray(at, at + 128)];
    if (!was.equals(is)) changes.push({ position: at, before: was, after: is });
  }
  const file = openSync(join(files, 'data.db'), 'r+');
  const logPaths = [join(files, 'data.redo'), join(files, 'data.redo2')];
  const journal = new Journal({ file, logPaths, mark: MARKS.data, isSynced: false, isLone: true });
  await journal.commit({ changes, notes }, OPEN_GATE);
  closeSync(file);
  writeFileSync(join(files, 'data.db'), before);
}

/** The values of some items, as AceBase finds them. */
async function found(path: string): Promise<unknown> {
  let value: unknown;
  await inDatabase(folder, async (database) => {
    value = (await database.ref(path).get()).val();
  });
  return value;
}

describe('check', () => {
  it('finds nothing wrong with a sound database, and changes none of its files', async () => {
    await expectWrong([]);
    expect(readdirSync(folder)).toEqual(['mydb.acebase']);
  });

  it('counts what leaked, and takes it back', async () => {
    await changeFreeSpace(folder, (ranges) =>
      ranges.slice(1).map((range) => ({ ...range, start: range.start + 1 })),
    );
    await expectWrong([
      expect.stringMatching(/^warning space data\.db: \d+ records are neither used nor free; \d+ free$/),
    ]);
    expect(readdirSync(folder)).toEqual(['mydb.acebase', 'mydb.acebase.2026-01-02T03-04-05']);
  });

  it('finds records that are used and free, and takes them out of what is free', async () => {
    const { address } = await placeOf(folder, 'items/item7');
    const free = { page: address.pageNr, start: address.recordNr, end: address.recordNr + 1 };
    await changeFreeSpace(folder, (ranges) => [...ranges, free]);
    await expectWrong([
      `error structure data.db: record ${address.pageNr * 1024 + address.recordNr} belongs to /items/item7 and the free space`,
    ]);
    expect(await found('items/item7/name')).toBe('Item 7');
  });

  it('finds ranges in the table of free space that cannot be, and what is free twice', async () => {
    await changeFreeSpace(folder, (ranges, pages) => [
      ...ranges,
      { page: pages, start: 0, end: 1 },
      ...ranges.slice(0, 1).map((range) => ({ ...range, end: range.start + 1 })),
    ]);
    await expectWrong([
      expect.stringContaining('the table of free space has records 0 to 1 of page'),
      expect.stringContaining('is free twice'),
    ]);
  });

  it('finds a file that is shorter than its table says, and makes it as long where nothing is lost', async () => {
    const { found: length } = await viewOf(folder, (view) => view.length);
    truncateSync(join(folder, 'mydb.acebase/data.db'), length - 100);
    await expectWrong(['error structure data.db: it is 100 bytes shorter than its table of free space says']);
    const { position } = await placeOf(folder, 'many');
    truncateSync(join(folder, 'mydb.acebase/data.db'), position + 64);
    const { findings } = await checked(folder, { repair: true });
    expect(wrongIn({ findings })).toContainEqual(
      expect.stringMatching(
        /^error structure data\.db: \/many \(page 0, record \d+\) lies beyond the end of the file$/,
      ),
    );
    const { found: after } = await viewOf(folder, (view) => view.length);
    expect(after).toBe(position + 64);
  });

  it('finds a record that two nodes have, and cannot repair that', async () => {
    const [one, other] = [await placeOf(folder, 'items/item7'), await placeOf(folder, 'items/item8')];
    const parent = await placeOf(folder, 'items');
    const at = await positionOf(folder, pointerTo(other.address), parent.position);
    overwrite(folder, 'data.db', at, pointerTo(one.address));
    const wrong = [
      expect.stringMatching(
        /^error structure data\.db: record \d+ belongs to \/items\/item[78] and \/items\/item[78]$/,
      ),
    ];
    const { findings } = await checked(folder);
    expect(wrongIn({ findings })).toEqual(expect.arrayContaining(wrong));
    expect(findings).toContainEqual(expect.objectContaining({ subject: 'space', status: 'skipped' }));
    const repaired = await checked(folder, { repair: true });
    expect(wrongIn({ findings: repaired.repair?.findings ?? [] })).toEqual(expect.arrayContaining(wrong));
  });

  it('finds a record that cannot be read, and cannot repair that', async () => {
    const { address, position } = await placeOf(folder, 'items/item9');
    overwrite(folder, 'data.db', position, Buffer.alloc(128, 0xee));
    const wrong = expect.stringContaining(
      `error structure data.db: /items/item9 (page ${address.pageNr}, record ${address.recordNr}) cannot be read: `,
    );
    const before = checksums(folder);
    const { isSound, findings } = await checked(folder);
    expect(isSound).toBe(false);
    expect(wrongIn({ findings })[0]).toEqual(wrong);
    expect(
      findings.filter(({ subject, status }) => subject === 'index' && status === 'skipped'),
    ).toHaveLength(4);
    const repaired = await checked(folder, { repair: true });
    expect(repaired).toMatchObject({ isSound: false, repair: { done: [] } });
    expect(checksums(folder)).toEqual(before);
  });

  it('finds a file that is none, and one whose making was cut short', async () => {
    overwrite(folder, 'transaction.db', 0, Buffer.from('nothing'));
    await expectWrong(
      ['error structure transaction.db: it is not a database file of AceBase'],
      ['error structure transaction.db: it is not a database file of AceBase'],
    );
    writeFileSync(join(folder, 'mydb.acebase/transaction.db'), Buffer.alloc(1_000));
    await expectWrong([
      'error structure transaction.db: its making was cut short; there is nothing in it, and it never opens',
    ]);
    expect(existsSync(join(folder, 'mydb.acebase/transaction.db'))).toBe(false);
  });

  it('finds entries that an index lacks or has too many, of each kind, and makes it anew', async () => {
    await inDatabase(folder, async (database) => {
      const value = (await database.ref('items/item6').get()).val();
      for (const index of indexesOf(database)) {
        if (index.key === '{key}') continue;
        await index.handleRecordUpdate('items/item6', value, null);
        await index.handleRecordUpdate('items/item99', null, value);
        // Geo indexes do not wait for what they write; it is read behind that.
        await index.take(0, 1);
      }
    });
    const wrong = (name: string, missing: string) =>
      expect.stringMatching(
        new RegExp(
          `^error index ${name}: .* lacks ${missing}, e\\.g\\. value .* → /items/item6.*; has [1-9]\\d* stale entr.*, e\\.g\\. value .* → /items/item99`,
        ),
      );
    await expectWrong([
      wrong('items-n.idx', '1 entry'),
      wrong('items-place.geo.idx', '1 entry'),
      wrong('items-tags.array.idx', '2 entries'),
      wrong('items-text.fulltext.idx', '7 entries'),
    ]);
    await inDatabase(folder, async (database) => {
      const index = indexesOf(database).find(({ key }) => key === 'n');
      const results = [...((await index?.query('==', 6)) ?? [])];
      expect(results.map(({ path }) => path).sort()).toEqual(
        ['item13', 'item20', 'item27', 'item34', 'item6', 'new6'].map((key) => `items/${key}`),
      );
    });
  });

  it('is not sure of words that a full-text index has nowhere: its file does not tell with which settings it was made', async () => {
    await inDatabase(folder, async (database) => {
      await database.ref('items/item7/text').set('unheardof');
      const [index] = indexesOf(database).filter(({ fileName }) => fileName.includes('fulltext'));
      await index?.handleRecordUpdate('items/item7', { text: 'unheardof' }, null);
    });
    const wrong = expect.stringContaining(
      'warning index items-text.fulltext.idx: the fulltext index of text in /items differs by 1 entry',
    );
    await expectWrong([wrong], [wrong]);
  });

  it('finds an index whose tree leads nowhere, and one that is none', async () => {
    overwrite(folder, 'items-n.idx', 4_100, Buffer.alloc(200, 0xff));
    writeFileSync(join(folder, 'mydb.acebase/items-{key},n.idx'), 'nothing');
    const none = expect.stringMatching(
      /^error index items-\{key\},n\.idx: it cannot be used: .*is not an AceBase index/,
    );
    await expectWrong(
      [expect.stringMatching(/^error index items-n\.idx: it cannot be used: /), none],
      [none],
    );
  });

  it('leaves an index as it was that AceBase cannot make anew: of items below keys that it does not expect', async () => {
    await inDatabase(folder, async (database) => {
      await database.indexes.create('users/*/posts', 'n', {});
      await database.ref('users/user-1/posts/post1').set({ n: 1, text: 'x'.repeat(100) });
      const [index] = indexesOf(database, 'users/*/posts');
      await index?.handleRecordUpdate('users/user-1/posts/post1', { n: 1 }, null);
    });
    const wrong = expect.stringMatching(
      /^error index users~#~posts-n\.idx: .* lacks 1 entry, e\.g\. value 1 → \/users\/user-1\/posts\/post1$/,
    );
    await expectWrong([wrong], [wrong]);
  });

  it('makes marked indexes anew, and removes one that was new', async () => {
    const options = { type: 'normal' };
    setMark(join(folder, 'mydb.acebase'), { file: 'items-n.idx', path: 'items', key: 'n', options }, false);
    setMark(
      join(folder, 'mydb.acebase'),
      { file: 'items-name.idx', path: 'items', key: 'name', options },
      true,
    );
    writeFileSync(join(folder, 'mydb.acebase/items-n.idx'), 'half');
    writeFileSync(join(folder, 'mydb.acebase/items-name.idx'), 'half');
    writeFileSync(join(folder, 'mydb.acebase/items-tags.array.idx.redo'), '{"file":');
    await expectWrong([
      'warning index items-n.idx: it was being made, and may not be as the data is',
      'warning index items-name.idx: its making was cut short, and nobody was told that it is there',
      'warning left-overs items-tags.array.idx: a mark beside it was cut short; it stands for nothing',
    ]);
    expect(existsSync(join(folder, 'mydb.acebase/items-name.idx'))).toBe(false);
  });

  it('says what it has removed also where only the transaction log is left', async () => {
    const files = join(folder, 'mydb.acebase');
    copyFileSync(join(files, 'data.db'), join(files, 'transaction.db'));
    for (const name of readdirSync(files)) if (/idx|redo/.test(name)) rmSync(join(files, name));
    writeFileSync(join(files, 'data.db'), '');
    const { repair } = await checked(folder, { repair: true });
    expect(repair?.done).toContain('removed data.db, whose making was cut short: AceBase makes it anew');
    expect(readdirSync(repair?.copy ?? '')).toContain('data.db');
  });

  it('leaves alone the indexes of other data that is in the folder, such as that of users', async () => {
    const files = ['[auth]-accounts-name.idx', '[auth]-accounts-email.idx.redo'];
    for (const file of files) writeFileSync(join(folder, 'mydb.acebase', file), 'not of data.db');
    await expectWrong([]);
    overwrite(folder, 'items-n.idx', 4_100, Buffer.alloc(200, 0xff));
    await checked(folder, { repair: true });
    for (const file of files)
      expect(readFileSync(join(folder, 'mydb.acebase', file), 'utf8')).toBe('not of data.db');
  });

  it('sees a write that is in the log as done, and writes it', async () => {
    const before = readFileSync(join(folder, 'mydb.acebase/data.db'));
    await inDatabase(folder, (database) =>
      database.ref('items/item7').update({ n: 6, name: 'another name' }),
    );
    const after = readFileSync(join(folder, 'mydb.acebase/data.db'));
    const index = { file: 'items-n.idx', path: 'items', key: 'n', options: { type: 'normal' } };
    writeFileSync(join(folder, 'mydb.acebase/data.db'), before);
    await logOf(before, after, { indexes: [index] });
    await expectWrong([
      'warning journal data.db: the last write was committed, and is not in the file; below, it counts as if it was',
      'warning journal data.db: these indexes may lack the last write: items-n.idx',
    ]);
    expect(await found('items/item7/name')).toBe('another name');
  });

  it('leaves to AceBase what is to go into the transaction log', async () => {
    const before = readFileSync(join(folder, 'mydb.acebase/data.db'));
    await logOf(before, before, { indexes: [], mutation: { cursor: 'abc', item: {} } });
    const wrong = 'warning journal data.db: the last write is not in the transaction log yet';
    const pending =
      'warning journal data.db: the last write was committed, and is not in the file; below, it counts as if it was';
    await expectWrong([pending, wrong], [wrong]);
  });

  it('removes what was left over', async () => {
    for (const name of ['tree-abc.tmp', 'items-n.idx.build', 'ipc-check-1', 'ipc-owner.json.1'])
      writeFileSync(join(folder, 'mydb.acebase', name), 'x');
    await expectWrong([
      'warning left-overs 4 files left over: ipc-check-1, ipc-owner.json.1, items-n.idx.build, tree-abc.tmp',
    ]);
  });
});
