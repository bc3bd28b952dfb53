/** The parts of AceBase that read its files. */

import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join, sep } from 'node:path';
import { IPCError } from '../../errors.js';
import { findPackage } from '../../platform/packages.js';
import type { StoredIndexClass } from './stored-indexes.js';
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
  getChildInfo(
    key: string | number,
  ): Promise<{
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
  pathKeys(path: string): readonly (string | number)[];
  /** The text that a database has stored. */
  readonly valueTypeOf: (value: unknown) => number;
}

/**
 * Finds AceBase as a program finds it that runs in a folder: on its own, or as that of `acebase-server`.
 *
 * @throws IPCError `IPC_CHECK_NO_ACEBASE`, `IPC_CHECK_UNKNOWN_ACEBASE`
 */
export function findAceBase(folder: string): AceBaseModules {
  const program = join(folder, sep);
  const server = findPackage('acebase-server', program);
  const found = findPackage('acebase', program) ?? (server && findPackage('acebase', server.entry));
  if (found === undefined) throw new IPCError('IPC_CHECK_NO_ACEBASE', `no acebase is found from ${folder}`);
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
