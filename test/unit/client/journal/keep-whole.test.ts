import { mkdirSync, readdirSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it, onTestFinished, vi } from 'vitest';
import type { Storage } from '../../../../src/client/acebase.js';
import type { ValueClasses } from '../../../../src/client/core/codec.js';
import { keepWhole, type Place, SharedJournal } from '../../../../src/client/journal/keep-whole.js';
import { removeDirectory, temporaryDirectory } from '../../../support/temporary-directory.js';

it.each([
  [
    'of a cluster',
    (storage: Storage) => new SharedJournal(storage, 'process', vi.fn()).join(undefined as unknown as Place),
  ],
  [
    'alone',
    (storage: Storage) =>
      keepWhole(storage, 'process', {
        isAlone: () => true,
        cannotKeep: vi.fn(),
        classes: {} as ValueClasses,
      }),
  ],
])(
  'a database %s whose constructor throws gets no journal: there is nothing that could have one',
  async (_kind, begin) => {
    const path = await temporaryDirectory('keep-whole');
    onTestFinished(() => removeDirectory(path));
    const later: (() => void)[] = [];
    const queue = vi.spyOn(globalThis, 'queueMicrotask').mockImplementation((act) => void later.push(act));
    onTestFinished(() => queue.mockRestore());
    // As far as AceBase got with it.
    begin({ name: 'mydb', settings: { path, type: 'data' } } as unknown as Storage);
    expect(later).toHaveLength(1);
    expect(later[0]).not.toThrow();
  },
);

it('what those were making who were killed is removed when it is an hour old: a worker may be making it', async () => {
  const path = await temporaryDirectory('keep-whole');
  onTestFinished(() => removeDirectory(path));
  const folder = join(path, 'mydb.acebase');
  mkdirSync(folder);
  const names = ['data.use.redo.12.tmp', 'tree-new.tmp', 'tree-old.tmp', 'tree-of-a-user.db'];
  for (const name of names) {
    writeFileSync(join(folder, name), '');
    if (name !== 'tree-new.tmp') utimesSync(join(folder, name), 0, Date.now() / 1_000 - 3_700);
  }
  const storage = { name: 'mydb', settings: { path, type: 'data' } } as unknown as Storage;
  new SharedJournal(storage, 'process', vi.fn()).prepare();
  expect(readdirSync(folder).sort()).toEqual(['tree-new.tmp', 'tree-of-a-user.db']);
});
