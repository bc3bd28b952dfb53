/**
 * AceBase keeps the keys of a node that has many in a tree, in records that cannot grow. When a write does not fit, AceBase makes the tree a tenth larger, or
 * builds it anew, and tries again: from the third time on only if the last attempt has written some of the keys. A leaf of a small tree that is to be split needs
 * more than a tenth, and is rebuilt then: the write fails ("Applied tree fixes did not change …"), and under a journal, which leaves nothing of it, it fails each
 * time. Here a tree that has become larger, or was built anew, is progress, too.
 */

/** What is replaced in AceBase's class of trees. */
export interface TreeMethods {
  /** Carries out operations, and takes those that are done out of the array. */
  transaction(operations: object[]): Promise<unknown>;
}

/** So often the tree of one write is made a tenth larger, to a hundred times what it was; and so often it is built anew. */
const MOST_GROWTHS = 48;
const MOST_REBUILDS = 4;

/** Stands beside the operations that are left, so that their number is another one than the last time. */
const PROGRESS: object = Object.freeze({ type: 'none' });

/** What was done to the tree of one write. */
interface Fixes {
  growths: number;
  rebuilds: number;
}

/** Has writes go on when their trees have become larger, or were built anew. @returns what undoes it */
export function countFixesAsProgress(trees: TreeMethods): () => void {
  const { transaction } = trees;
  const fixes = new WeakMap<object[], Fixes>();
  trees.transaction = async function (operations) {
    const { length } = operations;
    if (operations.at(-1) === PROGRESS) operations.pop();
    try {
      return await transaction.call(this, operations);
    } catch (error) {
      const fixed = fixes.get(operations) ?? { growths: 0, rebuilds: 0 };
      if (isFull(error)) fixed.growths += 1;
      else fixed.rebuilds += 1;
      fixes.set(operations, fixed);
      const mayGoOn = fixed.growths <= MOST_GROWTHS && fixed.rebuilds <= MOST_REBUILDS;
      if (mayGoOn && operations.length === length) operations.push(PROGRESS);
      throw error;
    }
  };
  return () => {
    trees.transaction = transaction;
  };
}

/** Whether AceBase is about to make the tree larger. */
function isFull(error: unknown): boolean {
  const hasCode: unknown = Reflect.get(Object(error), 'hasErrorCode');
  return typeof hasCode === 'function' && Reflect.apply(hasCode, error, ['tree-full-no-autogrow']) === true;
}
