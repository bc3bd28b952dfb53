/** The parts of AceBase that read its files. */

import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import type { DescribedIndex } from '../../client/journal/index-marks.js';
import { IPCError } from '../../errors.js';
import { findAceBasePackage } from '../../platform/acebase-package.js';
import type { InstalledPackage } from '../../platform/packages.js';
import type { RecordAddress, StoredNode } from './walk.js';

/** Reads one node. */
export type NodeReaderClass = new (
  storage: object,
  address: object,
  lock: object,
  updatesCache: boolean,
) => StoredNode & NodeValues;

/** How a node is read otherwise. */
export interface NodeValues {
  getValue(options: { readonly include?: readonly string[] }): Promise<unknown>;
  getChildInfo(key: string | number): Promise<{
    readonly exists?: boolean;
    readonly address?: RecordAddress | null;
    readonly value?: unknown;
  }>;
}

/** A leaf of a tree. */
export interface TreeLeaf {
  readonly index: number;
  readonly entries: readonly {
    readonly key: unknown;
    readonly values: readonly { readonly recordPointer: ArrayLike<number> }[];
  }[];
  readonly hasExtData: boolean;
  readonly extData: { readonly loaded: boolean; load(): Promise<unknown> };
  getNext?(): Promise<TreeLeaf | null>;
}

/** A tree in an index file. */
export interface Tree {
  getFirstLeaf(): Promise<TreeLeaf | null>;
  findLeaf(key: unknown): Promise<TreeLeaf | null>;
}

/** An index of AceBase, as far as it is used here. */
export interface StoredIndex extends DescribedIndex {
  /** Where its file is. */
  _fileName: string;
  /** Keeps others in this process from it. */
  _lock(): Promise<{ release(): void }>;
  readonly trees: { readonly default: { readonly fileIndex: number } };
  build(): Promise<unknown>;
}

/** How a kind of index makes entries of values. */
export interface BuildOptions {
  readonly addCallback?: (
    add: (value: unknown, item: string) => void,
    value: unknown,
    item: string,
    metadata: object,
    environment: object,
  ) => unknown;
  readonly valueTypes?: readonly number[];
}

/** AceBase's class of indexes. */
export interface StoredIndexClass {
  readonly prototype: { build(options?: BuildOptions): Promise<unknown> };
  readonly KnownIndexTypes: Readonly<
    Record<string, new (storage: object, path: string, key: string, options: object) => StoredIndex>
  >;
  readFromFile(storage: object, fileName: string): Promise<StoredIndex>;
}

/** What is read with. */
export interface AceBaseModules {
  readonly version: string;
  readonly NodeReader: NodeReaderClass;
  readonly NodeAddress: new (path: string, pageNr: number, recordNr: number) => RecordAddress;
  readonly DataIndex: StoredIndexClass;
  readonly Tree: new (settings: {
    readFn(index: number, length: number): Promise<Buffer>;
    chunkSize: number;
    logger: object;
    id: string;
  }) => Tree;
  /** `a/b[1]` has `a`, `b` and 1. */
  pathKeys(path: string): readonly (string | number)[];
  /** The number of a type, as AceBase stores it. */
  readonly valueTypeOf: (value: unknown) => number;
}

/** The AceBase that a program has which runs in a folder. @throws IPCError `IPC_CHECK_NO_ACEBASE` @see findAceBasePackage */
export function acebaseOf(folder: string): InstalledPackage {
  const found = findAceBasePackage([folder]);
  if (found === undefined) throw new IPCError('IPC_CHECK_NO_ACEBASE', `no acebase is found from ${folder}`);
  return found;
}

/**
 * Finds what reads files in the AceBase of a folder.
 *
 * @throws IPCError `IPC_CHECK_NO_ACEBASE`, `IPC_CHECK_UNKNOWN_ACEBASE`
 */
export function findAceBase(folder: string): AceBaseModules {
  const found = acebaseOf(folder);
  const root = join(found.folder, 'dist/cjs');
  if (!existsSync(join(root, 'storage/binary/node-reader.js'))) throw unknown(found.folder, found.version);
  const load = createRequire(join(root, 'index.js'));
  const part = <T>(path: string, name: string): T => {
    const value = (load(path.startsWith('.') ? join(root, path) : path) as Record<string, unknown>)[name];
    if (value === undefined) throw unknown(found.folder, found.version);
    return value as T;
  };
  const { getPathKeys } = part<{ getPathKeys(path: string): readonly (string | number)[] }>(
    'acebase-core',
    'PathInfo',
  );
  return {
    version: found.version,
    NodeReader: part('./storage/binary/node-reader.js', 'NodeReader'),
    NodeAddress: part('./storage/binary/node-address.js', 'BinaryNodeAddress'),
    DataIndex: part('./data-index/index.js', 'DataIndex'),
    Tree: part('./btree/index.js', 'BinaryBPlusTree'),
    pathKeys: (path) => getPathKeys(path),
    valueTypeOf: part('./node-value-types.js', 'getValueType'),
  };
}

function unknown(folder: string, version: string): IPCError {
  return new IPCError(
    'IPC_CHECK_UNKNOWN_ACEBASE',
    `acebase ${version} in ${folder} is not one that check can read files with`,
  );
}
