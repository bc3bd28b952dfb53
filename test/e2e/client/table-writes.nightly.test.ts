import { expect, it } from 'vitest';
import { writeOnUnorderedDisk } from '../../support/unordered-disk.js';

it('the tables in the file are the newest, in whatever order a disk writes', async () => {
  const { taken, takenInFile, written, found } = await writeOnUnorderedDisk(true, 300);
  expect(takenInFile).toBe(taken);
  expect(found).toEqual(written);
});
