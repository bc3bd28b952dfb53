import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { install, uninstall } from '../../../../src/client/install.js';
import { countFixesAsProgress, type TreeMethods } from '../../../../src/client/patches/tree-growth.js';
import { openDatabase, perform } from '../../../crash/database.js';
import { type Tree, writesBehind } from '../../../crash/verdict.js';
import { applied, type Operation, workload } from '../../../crash/workload.js';
import { removeDirectory, temporaryDirectory } from '../../../support/temporary-directory.js';

const full = Object.assign(new Error('full'), {
  hasErrorCode: (code: string) => code === 'tree-full-no-autogrow',
});

/** As AceBase goes on: what it fails with at last, or how often it has tried. */
async function processed(trees: TreeMethods, count: number): Promise<number> {
  const operations = Array.from({ length: count }, (_, key) => ({ type: 'add', key }));
  let last: number | undefined;
  for (let retry = 0; ; retry++) {
    if (retry > 2 && operations.length === last) throw new Error('did not change');
    last = operations.length;
    try {
      await trees.transaction(operations);
      return retry;
    } catch (error) {
      if (error !== full) throw error;
    }
  }
}

/** Trees that write one operation at each of these attempts, and fail at all but the last. */
function treesWith(attempts: number, progress: readonly number[] = []) {
  const seen: object[][] = [];
  const trees: TreeMethods = {
    transaction: (operations) => {
      seen.push([...operations]);
      if (seen.length === attempts) return Promise.resolve(operations.splice(0));
      if (progress.includes(seen.length)) operations.shift();
      return Promise.reject(full);
    },
  };
  countFixesAsProgress(trees);
  return { trees, seen };
}

describe('a tree that is full', () => {
  it('is made larger for as long as it takes; AceBase sees nothing but what it is to write', async () => {
    for (const progress of [[], [1], [2], [3], [2, 3, 4], [4, 6, 7]]) {
      const { trees, seen } = treesWith(20, progress);
      expect(await processed(trees, 9)).toBe(19);
      expect(seen.flat().every((operation) => Reflect.get(operation, 'type') === 'add')).toBe(true);
      expect(seen.at(-1)).toHaveLength(9 - progress.length);
    }
  });

  it('is given up at some time, and soon where to build it anew does not help', async () => {
    const { trees, seen } = treesWith(Number.POSITIVE_INFINITY);
    await expect(processed(trees, 2)).rejects.toThrow('did not change');
    expect([seen.length > 48, seen.length < 55]).toEqual([true, true]);
    const other: TreeMethods = { transaction: () => Promise.reject(new Error('wrong')) };
    const undo = countFixesAsProgress(other);
    const operations = [{ type: 'add' }];
    const lengths: number[] = [];
    for (let attempt = 0; attempt < 8; attempt++) {
      await expect(other.transaction(operations)).rejects.toThrow('wrong');
      lengths.push(operations.length);
    }
    expect(lengths).toEqual([2, 1, 2, 1, 1, 1, 1, 1]);
    undo();
  });
});

describe('with AceBase', () => {
  let path: string;
  beforeEach(async () => {
    path = await temporaryDirectory('trees');
  });
  afterEach(async () => {
    uninstall();
    await removeDirectory(path);
  });

  it.each([
    ['needs a larger tree', 61, 186],
    ['needs a larger tree that is built anew', 253, 182],
  ])('what %s is written, whether a journal is kept or not', async (_what, seed, count) => {
    const isInTree = (operation: Operation): boolean =>
      'path' in operation && operation.path.split('/')[0] === 'tree';
    const operations = [...[...workload(seed, 220)].slice(0, count), ...writesBehind()].filter(isInTree);
    const expected = operations.reduce((tree, operation) => applied(tree, operation) as Tree, {} as Tree);
    for (const journal of ['off', 'process'] as const) {
      install({ journal });
      const home = join(path, journal);
      mkdirSync(home);
      const database = openDatabase(home, false);
      await database.ready();
      for (const operation of operations) await perform(database, operation);
      expect((await database.ref('tree').get()).val()).toEqual(expected['tree']);
      await database.close();
    }
  });
});
