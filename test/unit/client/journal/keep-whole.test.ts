import { expect, it, onTestFinished, vi } from 'vitest';
import type { Storage } from '../../../../src/client/acebase.js';
import { keepWhole, type Place, SharedJournal } from '../../../../src/client/journal/keep-whole.js';
import { removeDirectory, temporaryDirectory } from '../../../support/temporary-directory.js';

it.each([
  [
    'of a cluster',
    (storage: Storage) => new SharedJournal(storage, 'process', vi.fn()).join(undefined as unknown as Place),
  ],
  [
    'alone',
    (storage: Storage) => keepWhole(storage, 'process', { isAlone: () => true, cannotKeep: vi.fn() }),
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
