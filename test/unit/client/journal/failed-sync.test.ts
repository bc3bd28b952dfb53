import fs, { closeSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { Journal, OPEN_GATE, recover } from '../../../../src/client/journal/journal.js';
import { MARKS } from '../../../../src/client/patches/file-layout.js';
import { removeDirectory, temporaryDirectory } from '../../../support/temporary-directory.js';

const PAGE = 4_096;

let folder: string;
beforeEach(async () => {
  folder = await temporaryDirectory('failed-sync');
});
afterEach(() => removeDirectory(folder));

const change = (position: number, before: string, after: string) => ({
  position,
  before: Buffer.from(before),
  after: Buffer.from(after),
});

it.each(['a process of a cluster comes back', 'one that is alone is restarted'])(
  'what was committed before the disk failed outlives a power cut: %s',
  async (how) => {
    const path = join(folder, 'data.db');
    const logPaths = [join(folder, 'data.redo'), join(folder, 'data.redo2')];
    writeFileSync(path, Buffer.alloc(3 * PAGE, 'a').fill(0, 40, 64));
    const file = openSync(path, 'r+');
    const files = new Set([file]);
    // Linux: pages whose writing failed are clean from then on; fdatasync says so once.
    const durable = readFileSync(path);
    const dirty = new Set<number>();
    let fails = 0;
    const { writeSync, fdatasyncSync } = fs;
    fs.writeSync = ((fd: number, bytes: Uint8Array, offset: number, length: number, position: number) => {
      if (files.has(fd))
        for (let page = Math.floor(position / PAGE); page * PAGE < position + length; page++) dirty.add(page);
      return writeSync(fd, bytes, offset, length, position);
    }) as typeof fs.writeSync;
    fs.fdatasyncSync = (fd) => {
      if (!files.has(fd)) return fdatasyncSync(fd);
      if (fails > 0) {
        fails--;
        dirty.clear();
        throw Object.assign(new Error('EIO: i/o error, fdatasync'), { code: 'EIO' });
      }
      const now = readFileSync(path);
      for (const page of dirty) now.copy(durable, page * PAGE, page * PAGE, (page + 1) * PAGE);
      dirty.clear();
      return undefined;
    };
    syncBuiltinESMExports();
    const isLone = how.startsWith('one');
    const open = () => {
      const journal = new Journal<unknown>({ file, logPaths, mark: MARKS.data, isSynced: true, isLone });
      journal.look(() => true, OPEN_GATE);
      return journal;
    };
    try {
      const first = open();
      await first.commit({ changes: [change(PAGE + 10, 'aaaa', 'bbbb')] }, OPEN_GATE);
      fails = 1;
      await expect(
        first.commit({ changes: [change(2 * PAGE + 10, 'aaaa', 'cccc')] }, OPEN_GATE),
      ).rejects.toThrow('IPC_CLIENT_OUTCOME_UNKNOWN');
      first.retire();
      if (isLone) recover(path, { logPaths, mark: MARKS.data }, () => true);
      const next = open();
      await next.commit({ changes: [change(2 * PAGE + 10, 'aaaa', 'dddd')] }, OPEN_GATE);
      next.sync();
    } finally {
      Object.assign(fs, { writeSync, fdatasyncSync });
      syncBuiltinESMExports();
    }
    closeSync(file);
    writeFileSync(path, durable); // the power is cut
    recover(
      path,
      { logPaths, mark: MARKS.data },
      () => true,
      () => true,
      true,
    );
    const found = readFileSync(path);
    expect(found.toString('latin1', 2 * PAGE + 10, 2 * PAGE + 14)).toBe('dddd');
    expect(found.toString('latin1', PAGE + 10, PAGE + 14)).toBe('bbbb');
  },
);
