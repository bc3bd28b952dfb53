import { expect, it } from 'vitest';
import { writeOnUnorderedDisk } from '../../support/unordered-disk.js';

it('with stock clients, an older table of free space stays in the file: it has space as free that is taken', async () => {
  const { taken, takenInFile } = await writeOnUnorderedDisk(false, 3_000);
  expect(takenInFile).toBeLessThan(taken);
});
