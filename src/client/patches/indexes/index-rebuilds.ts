import { isSystemError } from '../../../system-error.js';

/** What an index has taken to use its tree. */
interface Taken {
  readonly tree: Tree;
}

interface Tree {
  transaction(operations: object[]): Promise<unknown>;
}

/** What is replaced in the class of indexes. */
interface Methods {
  state?: string;
  /** Makes the index from the data, in its file, which it empties when it opens it. */
  build?(...details: unknown[]): Promise<unknown>;
  _getTree?(...details: unknown[]): Promise<Taken>;
  /** Makes the tree anew from what is in its file. */
  _rebuild?(taken: Taken, ...details: unknown[]): Promise<unknown>;
}

/** Trees whose files may have been written in part, and why. */
const torn = new WeakMap<Tree, unknown>();

/** The classes of indexes that have this repair. */
const repaired = new WeakSet<object>();

/**
 * When an index cannot be changed, AceBase takes a leaf of its tree for full, makes the tree anew from what is in the file, and tries again. If the disk was full,
 * a part of a leaf may be in the file, and the tree that is made of that is not as the data is: the change counts as done, and queries find what is not
 * there. Here it fails then, as other changes that cannot be written: who has made it has the index made anew from the data.
 *
 * When an index that was ready is made anew from the data, AceBase cuts its file off behind the head, while it writes the tree there: what it has written
 * by then is gone, and queries fail ("end of file"), or find nothing. Here nothing is cut off: the file was emptied when it was opened.
 *
 * @param methods the class of indexes that all kinds of them go by; once more, nothing is changed
 * @returns undoes it
 */
export function repairIndexRebuilds(methods: object): () => void {
  const its = methods as Methods;
  const { _getTree: getTree, _rebuild: rebuild, build } = its;
  if (repaired.has(methods) || getTree === undefined || rebuild === undefined || build === undefined)
    return () => undefined;
  repaired.add(methods);
  its.build = async function (...details) {
    // As one that is made for the first time.
    if (this.state === 'ready') this.state = 'init';
    return await build.apply(this, details);
  };
  its._getTree = async function (...details) {
    const taken = await getTree.apply(this, details);
    watch(taken.tree);
    return taken;
  };
  its._rebuild = async function (taken, ...details) {
    if (torn.has(taken.tree)) throw torn.get(taken.tree);
    return await rebuild.call(this, taken, ...details);
  };
  return () => {
    its._getTree = getTree;
    its._rebuild = rebuild;
    its.build = build;
    repaired.delete(methods);
  };
}

/** AceBase makes a tree for each use of it, or has one that is used by several. */
const watched = new WeakSet<Tree>();

function watch(tree: Tree): void {
  if (watched.has(tree)) return;
  watched.add(tree);
  const { transaction } = tree;
  tree.transaction = async function (operations) {
    try {
      return await transaction.call(this, operations);
    } catch (error) {
      if (isOfSystem(error)) torn.set(tree, error);
      throw error;
    }
  };
}

/** Whether the operating system has refused something on the way: AceBase puts errors into others. */
function isOfSystem(error: unknown): boolean {
  if (typeof error !== 'object' || error === null) return false;
  if (isSystemError(error)) return true;
  const { originalError, transactionErrors, rollbackErrors } = error as Readonly<Record<string, unknown>>;
  return [originalError, transactionErrors, rollbackErrors].flat().some(isOfSystem);
}
