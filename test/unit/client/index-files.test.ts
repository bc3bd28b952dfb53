import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { AceBase } from 'acebase';
import { expect, it } from 'vitest';
import type { Storage } from '../../../src/client/acebase.js';
import { readIndexesAgain } from '../../../src/client/index-files.js';

it('an index that could not be read is read again by who wants it next', async () => {
  const path = await mkdtemp(join(tmpdir(), 'index-files-'));
  const database = new AceBase('people', { logLevel: 'error', storage: { path } });
  try {
    await database.ready();
    await database.ref('people').set({ ann: { age: 5, note: 'x'.repeat(60) } });
    await database.indexes.create('people', 'age');
    const storage = Reflect.get(database.api, 'storage') as unknown as Storage;
    readIndexesAgain(storage);
    const [index] = storage.indexes.list();
    const fileName = index?.fileName ?? '';
    await storage.indexes.remove(fileName);
    expect(await storage.indexes.add(`${fileName}.missing.idx`)).toBeNull();
    // AceBase waits for what has failed.
    expect(await storage.indexes.add(`${fileName}.missing.idx`)).toBeNull();
    expect(await storage.indexes.add(fileName)).toMatchObject({ path: 'people' });
  } finally {
    await database.close();
    await rm(path, { recursive: true });
  }
});
