import { expect, it } from 'vitest';
import { type Journal, OPEN_GATE } from '../../../../src/client/journal/journal.js';
import { MasterTables } from '../../../../src/client/journal/tables.js';
import type { Change } from '../../../../src/client/journal/write-buffer.js';

it('tables that are written at one time are each compared with the one before, not with what the file still has', async () => {
  const file = Buffer.from('old entry 04');
  const journal = {
    commit: async ({ changes }: { changes: readonly Change[] }) => {
      await Promise.resolve();
      for (const { position, after } of changes) file.set(after, position);
    },
  } as unknown as Journal<never>;
  const read = (position: number, bytes: Buffer): void => void file.copy(bytes, 0, position);
  const tables = new MasterTables({
    storage: {},
    journal: () => journal,
    gate: OPEN_GATE,
    read,
    untilFree: () => undefined,
  });
  const texts = ['____________', '______', 'new entry 04'];
  await Promise.all(texts.map((text) => tables.write(0, Buffer.from(text))));
  expect(file.toString()).toBe('new entry 04');
});
