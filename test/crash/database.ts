/** A database of real AceBase, alone with its files, and what is asked of its insides. */

import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import type { RecordAddress, Records, StoredNode } from '../../src/cli/check/walk.js';
import { INDEXED, INDEXES, type Operation } from './workload.js';

/** An index, as far as it is asked. */
export interface Index {
  readonly key: string;
  query(operator: string, value: unknown): Promise<readonly { readonly path: string }[]>;
}

/** The insides of AceBase, as far as they are looked at. */
export interface Storage extends Records {
  readonly nodeLocker: {
    lock(
      path: string,
      tid: string,
      forWriting: boolean,
      comment: string,
    ): Promise<{ release(): Promise<unknown> }>;
  };
  readonly indexes: { get(path: string): readonly Index[] };
  readonly txStorage?: Storage & { getNode(path: string): Promise<{ readonly value: unknown }> };
  createTid(): string | number;
}

interface Reference {
  context(context: object): Reference;
  set(value: unknown): Promise<unknown>;
  update(value: unknown): Promise<unknown>;
  remove(): Promise<unknown>;
  transaction(change: (snapshot: { val(): unknown }) => unknown): Promise<unknown>;
  import(read: () => string | null): Promise<unknown>;
  get(): Promise<{ val(): unknown }>;
}

/** AceBase, as far as it is used here. */
export interface Database {
  readonly api: { readonly storage: Storage };
  ready(): Promise<unknown>;
  ref(path: string): Reference;
  close(): Promise<unknown>;
  readonly indexes: { create(path: string, key: string, options: object): Promise<unknown> };
}

const require = createRequire(import.meta.url);

/** Where the modules of AceBase are. */
const modules = dirname(require.resolve('acebase'));

/** How a process takes part in a cluster: what AceBase takes as `storage.ipc`. */
export interface Membership {
  readonly host: string;
  readonly port: number;
  readonly role: 'master' | 'worker';
}

/** Opens a database, or makes it. @param folder the one that its folder is in @param ipc left out: alone with its files */
export function openDatabase(folder: string, isLogged: boolean, ipc?: Membership): Database {
  const { AceBase } = require('acebase') as { AceBase: new (name: string, options: object) => Database };
  return new AceBase('mydb', {
    logLevel: 'error',
    logColors: false,
    sponsor: true,
    storage: { path: folder, ...(ipc && { ipc }) },
    transactions: isLogged ? { log: true, maxAge: 30, noWait: false } : undefined,
  });
}

/** The node at an address, read under a lock. */
export function storedNode(storage: Storage, address: RecordAddress, lock: object): StoredNode {
  const { NodeReader } = require(join(modules, 'storage/binary/node-reader.js')) as {
    NodeReader: new (
      storage: Storage,
      address: RecordAddress,
      lock: object,
      updatesCache: boolean,
    ) => StoredNode;
  };
  return new NodeReader(storage, address, lock, false);
}

/** Carries an operation out. @param number by which the log of transactions names it */
export async function perform(database: Database, operation: Operation, number = -1): Promise<void> {
  if (operation.kind === 'index') {
    await database.indexes.create(INDEXED, operation.key, INDEXES[operation.key]);
    return;
  }
  const node = database.ref(operation.path).context({ number });
  switch (operation.kind) {
    case 'set':
      await node.set(operation.value);
      return;
    case 'update':
      await node.update(operation.value);
      return;
    case 'remove':
      await node.remove();
      return;
    case 'add':
      await node.transaction((snapshot) => ((snapshot.val() as number) ?? 0) + operation.increment);
      return;
    case 'import': {
      const parts: (string | null)[] = [JSON.stringify(operation.value)];
      await node.import(() => parts.shift() ?? null);
    }
  }
}
