import type { RemoteIPCPeer, Storage } from '../acebase.js';
import type { Acceptance } from '../core/acceptance.js';

/** A database of AceBase, as far as it waits until its file is open. */
interface Database {
  readonly isReady: boolean;
  readonly api?: Api;
}

/** What is between a database and its storage. */
interface Api {
  readonly storage?: Pick<Storage, 'ipc' | 'txStorage'>;
}

/** What is replaced in AceBase's classes: that of databases, and the one between a database and its storage. */
export interface EarlyMethods {
  readonly database: { ready(this: Database, callback?: () => void): Promise<void> };
  readonly api: Record<'createIndex' | (typeof OF_THE_LOG)[number], ApiMethod>;
}

type ApiMethod = (this: Api, ...rest: unknown[]) => Promise<unknown>;

/** What is read of the transaction log, which AceBase waits for until it is open. */
const OF_THE_LOG = ['getMutations', 'getChanges'] as const;

/**
 * Operations that are asked for before the server has accepted this process wait for `ready()`, which AceBase never ends if the
 * file is not opened: here a refusal fails them. Those that wait for nothing wait for the server.
 *
 * @returns what undoes it
 */
export function failEarlyOperations(
  { database, api }: EarlyMethods,
  acceptanceOf: (ipc: RemoteIPCPeer) => Acceptance | undefined,
): () => void {
  const { ready } = database;
  const { createIndex, getMutations, getChanges } = api;
  const wasOwn = Object.hasOwn(database, 'ready');
  const of = ({ storage }: Api): Acceptance | undefined =>
    storage === undefined ? undefined : acceptanceOf(storage.ipc);
  database.ready = function (callback) {
    // Once it is open, nothing is waited for: what would be kept for each call, would be kept for good.
    const acceptance = this.isReady || this.api === undefined ? undefined : of(this.api);
    const opened = ready.call(this, callback);
    if (acceptance === undefined) return opened;
    const settled = unlessRefused(opened, acceptance);
    // Who waits for it hears of the refusal; for who gave a callback alone, it stands in the log.
    settled.catch(() => undefined);
    return settled;
  };
  api.createIndex = async function (...rest) {
    await of(this)?.wait();
    return await createIndex.apply(this, rest);
  };
  for (const name of OF_THE_LOG) {
    const original = api[name];
    api[name] = function (...rest) {
      // Once it is open, a lock is waited for, as by all others.
      const acceptance = this.storage?.txStorage?.isReady === true ? undefined : of(this);
      const read = original.apply(this, rest);
      return acceptance === undefined ? read : unlessRefused(read, acceptance);
    };
  }
  return () => {
    Object.assign(api, { createIndex, getMutations, getChanges });
    if (wasOwn) database.ready = ready;
    else Reflect.deleteProperty(database, 'ready');
  };
}

/** What fails with the refusal of this process, if that comes first. */
function unlessRefused<T>(doing: Promise<T>, { refused }: Acceptance): Promise<T> {
  const failing = refused.then((reason) => {
    throw reason;
  });
  return Promise.race([doing, failing]);
}
