import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { compareIndex, readIndex } from '../../../../src/cli/check/stored-indexes.js';
import { userAtOnce } from '../../../../src/platform/folder-watch.js';
import { commandHere } from '../../../support/command.js';
import { leaveRecord } from '../../../support/left-record.js';
import { eventually } from '../../../support/waiting.js';
import {
  changeFreeSpace,
  checked,
  copyForEachTest,
  inDatabase,
  modules,
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

/** The command, run in the folder of a program. */
function command(...words: string[]) {
  return commandHere(['check', ...words], { folder: process.cwd() });
}

describe('the command check', () => {
  it('prints what it found, for people and as JSON, and ends with 0 if that is sound', async () => {
    const people = await command('mydb', '--path', folder);
    expect(people).toMatchObject({ code: 0, stderr: '' });
    expect(people.stdout).toMatch(
      /^ok {7}structure {3}data\.db: 207 nodes in \d+ records, all can be read$/m,
    );
    const { code, stdout } = await command('mydb', '--path', folder, '--json');
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({
      isSound: true,
      findings: expect.arrayContaining([
        { subject: 'left-overs', status: 'ok', message: 'no file was left over' },
      ]),
    });
  });

  it('ends with 1 if it is not, and with 0 when that was repaired', async () => {
    const { address } = await placeOf(folder, 'items/item7');
    await changeFreeSpace(folder, (ranges) => [
      ...ranges,
      { page: address.pageNr, start: address.recordNr, end: address.recordNr + 1 },
    ]);
    const damaged = await command('mydb', '--path', folder);
    expect(damaged.code).toBe(1);
    expect(damaged.stdout).toMatch(
      /^error .* belongs to \/items\/item7 and the free space\n +→ Run it again with --repair\.$/m,
    );
    const repaired = await command('mydb', '--path', folder, '--repair');
    expect(repaired.code).toBe(0);
    expect(repaired.stdout).toContain(
      'repair: wrote the table of free space of data.db anew\n\nChecked again:',
    );
    const again = await command('mydb', '--path', folder, '--repair');
    expect(again.stdout).toMatch(/There is nothing to repair\.\n$/);
    expect(readdirSync(folder)).toHaveLength(2);
  });

  it('finds a node whose address lies beyond the end of the file', async () => {
    const { position } = await placeOf(folder, 'items');
    const { address } = await placeOf(folder, 'items/item7');
    const at = await positionOf(folder, pointerTo(address), position);
    overwrite(folder, 'data.db', at, Buffer.from([0, 0, 0xff, 0xff, 0, 0]));
    const { isSound, findings } = await checked(folder);
    expect(isSound).toBe(false);
    expect(findings).toContainEqual(
      expect.objectContaining({
        message: 'data.db: /items/item7 (page 65535, record 0) lies beyond the end of the file',
      }),
    );
  });

  it.each([
    [['mydb', '--path', 'nowhere'], 'IPC_CHECK_NO_DATABASE'],
    [['mydb'], 'IPC_OPTION_INVALID'],
    [['my/db', '--path', '.'], 'IPC_OPTION_INVALID'],
  ])('ends with 2 for %j: %s', async (words, code) => {
    const { code: exit, stderr, stdout } = await command(...words);
    expect({ exit, stdout }).toEqual({ exit: 2, stdout: '' });
    expect(stderr).toContain(`(${code})`);
  });

  it('refuses while a process has the database open', async () => {
    const file = join(folder, 'mydb.acebase/data.db');
    const opens = `require('fs').openSync(${JSON.stringify(file)}); console.log('open'); setInterval(() => {}, 1000)`;
    const other = spawn(process.execPath, ['-e', opens]);
    try {
      await once(other.stdout, 'data');
      const { code, stderr } = await command('mydb', '--path', folder, '--repair');
      expect(code).toBe(2);
      expect(stderr).toContain(`mydb.acebase is open in process ${other.pid} (`);
      expect(stderr).toContain('(IPC_CHECK_IN_USE)');
    } finally {
      other.kill('SIGKILL');
      await once(other, 'exit');
    }
  });

  it('repairs nothing while a master has the folder whose processes it cannot see, and waits for one that may have it', async () => {
    const record = join(folder, 'mydb.acebase/ipc-owner.json');
    writeFileSync(join(folder, 'mydb.acebase/tree-1.tmp'), '');
    await leaveRecord(record, 'another');
    const said: string[] = [];
    const repair = () => checked(folder, { repair: true }, (line) => said.push(line));
    const refused = expect(repair()).rejects.toMatchObject({
      code: 'IPC_CHECK_IN_USE',
      message: expect.stringMatching(
        /mydb\.acebase cannot be repaired: its folder is in use by process 7 on far, a master at the IPC server at localhost:9163$/,
      ),
    });
    await eventually(() => said.length > 0);
    expect(said).toEqual([
      expect.stringMatching(/^waiting for .*mydb\.acebase: its folder is in use by process 7/),
    ]);
    // It is renewed.
    writeFileSync(record, readFileSync(record, 'utf8').replace('"beat":0', '"beat":1'));
    await refused;
    const looked = await checked(folder);
    expect(wrongIn(looked)[0]).toMatch(
      /^warning users its folder is in use by process 7 .*, as far as is known until 2\d s from now$/,
    );
    expect([looked.isSound, existsSync(record)]).toEqual([true, true]);
    rmSync(record);
    const repairing = repair();
    await eventually(() => existsSync(record) && readFileSync(record).length > 0);
    expect(userAtOnce(join(folder, 'mydb.acebase'))).toMatch(
      new RegExp(`in use by process ${process.pid} on .*, which repairs it \\(acebase-ipc-server check\\)$`),
    );
    const { repair: done } = await repairing;
    expect(done?.done).toEqual(['removed tree-1.tmp']);
    expect(readdirSync(done?.copy ?? '')).not.toContain('ipc-owner.json');
    // It says to the next server that what workers knew is void, and is nobody's.
    expect(JSON.parse(readFileSync(record, 'utf8'))).toMatchObject({ hasLeft: true, grace: 0 });
    expect(wrongIn(await checked(folder))).toEqual([]);
    expect((await repair()).repair?.copy).toBeNull();
  });

  it('repairs nothing where it cannot note that', async () => {
    mkdirSync(join(folder, 'mydb.acebase/ipc-owner.json'));
    await expect(checked(folder, { repair: true })).rejects.toThrow(
      /^cannot write .*mydb\.acebase\/ipc-owner\.json \(EISDIR\)$/,
    );
    expect(wrongIn(await checked(folder))[0]).toMatch(
      /^warning users it cannot be seen who has the folder: EISDIR/,
    );
  });

  it('needs an acebase that can read records one by one', async () => {
    const none = await commandHere(['check', 'mydb', '--path', folder], { folder });
    expect(none.stderr).toContain('(IPC_CHECK_NO_ACEBASE)');
    const old = join(folder, 'node_modules/acebase');
    mkdirSync(old, { recursive: true });
    writeFileSync(
      join(old, 'package.json'),
      '{ "name": "acebase", "version": "1.28.1", "main": "index.js" }',
    );
    writeFileSync(join(old, 'index.js'), '');
    const unknown = await commandHere(['check', 'mydb', '--path', folder], { folder });
    expect(unknown.stderr).toContain('acebase 1.28.1 in ');
    expect(unknown.stderr).toContain('(IPC_CHECK_UNKNOWN_ACEBASE)');
  });

  it('repairs nothing where there is no room for a copy', async () => {
    for (const name of ['tree-1.tmp', 'large']) writeFileSync(join(folder, 'mydb.acebase', name), '');
    truncateSync(join(folder, 'mydb.acebase/large'), 8 * 2 ** 40);
    const { code, stderr } = await command('mydb', '--path', folder, '--repair');
    expect(code).toBe(2);
    expect(stderr).toContain('(IPC_CHECK_NO_ROOM)');
    expect(readdirSync(folder)).toEqual(['mydb.acebase']);
    expect(readdirSync(join(folder, 'mydb.acebase'))).toContain('tree-1.tmp');
  });

  it('compares a large index in parts, and finds the same', async () => {
    await inDatabase(folder, (database) => database.ref('items/item8').update({ n: 3 }));
    const compared = await viewOf(folder, async (view) =>
      compareIndex(modules, view, await readIndex(modules, view, 'items-n.idx'), 7),
    );
    expect(compared).toMatchObject({
      entries: 50,
      missing: 0,
      extra: 0,
      examples: { missing: [], extra: [] },
    });
  });
});
