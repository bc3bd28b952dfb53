/** The insides of AceBase's storage that a journal needs, beside those that are known already. */

import type { Storage } from '../acebase.js';
import type { DescribedIndex } from './index-marks.js';

/** A method, by whatever is given to it. */
export type Method = (...details: unknown[]) => Promise<unknown>;

/** An index, with what is replaced in it. */
export interface Index extends DescribedIndex {
  handleRecordUpdate: Method;
  _processUpdateQueue: Method;
  /** What it is told while its tree is made anew. */
  readonly _updateQueue?: { reject(reason: unknown): void }[];
}

/** What processes tell or ask each other, by its type. */
export interface Told {
  readonly type: string;
}

/** A storage of AceBase, seen from inside. */
export interface InnerStorage
  extends Omit<
    Storage,
    'settings' | 'subscriptions' | 'indexes' | 'readData' | 'writeData' | 'txStorage' | 'ipc' | 'FST'
  > {
  readonly ipc: Omit<Storage['ipc'], 'sendRequest'> & {
    sendNotification(notification: Told): void;
    sendRequest(request: Told): Promise<unknown>;
    replyRequest(request: { readonly data: Told }, result: unknown): void;
    handleMessage(message: Told): unknown;
    removePeer(...details: unknown[]): void;
    sayGoodbye(peerId: string): void;
    emitOnce(event: string, ...details: unknown[]): unknown;
  };
  readonly FST?: NonNullable<Storage['FST']> & { readonly ranges: object[] };
  readonly txStorage?: Storage & {
    _updateNode(path: string, value: object, options: object): Promise<unknown>;
  };
  readonly settings: Storage['settings'] & { readonly recordSize: number; readonly pageSize: number };
  readonly subscriptions: { trigger(...details: unknown[]): void };
  readonly indexes: Storage['indexes'] & { getAll(...details: unknown[]): Index[] };
  readData(
    position: number,
    buffer: ArrayBuffer | Uint8Array,
    offset?: number,
    length?: number,
  ): Promise<number>;
  writeData(position: number, buffer: Uint8Array, offset?: number, length?: number): Promise<number>;
  logMutation?(...details: unknown[]): unknown;
}

/** What kind of data it has: the first part of the names of its files. */
export function typeOf({ settings }: Pick<Storage, 'settings'>): string {
  return settings.type ?? 'data';
}
