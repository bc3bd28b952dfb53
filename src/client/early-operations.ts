import type { RemoteIPCPeer } from './acebase.js';
import type { Acceptance } from './core/acceptance.js';

/** A database of AceBase, as far as it waits until its file is open. */
interface Database {
  readonly api?: Api;
}

/** What is between a database and its storage. */
interface Api {
  readonly storage?: { readonly ipc: RemoteIPCPeer };
}

/** What is replaced in AceBase's classes: that of databases, and the one between a database and its storage. */
export interface EarlyMethods {
  readonly database: { ready(this: Database, callback?: () => void): Promise<void> };
  readonly api: { createIndex(this: Api, ...rest: unknown[]): Promise<unknown> };
}

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
  const { createIndex } = api;
  const wasOwn = Object.hasOwn(database, 'ready');
  const of = ({ storage }: Api): Acceptance | undefined =>
    storage === undefined ? undefined : acceptanceOf(storage.ipc);
  database.ready = function (callback) {
    const acceptance = this.api === undefined ? undefined : of(this.api);
    const opened = ready.call(this, callback);
    if (acceptance === undefined) return opened;
    const refused = acceptance.refused.then((reason) => {
      throw reason;
    });
    const settled = Promise.race([opened, refused]);
    // Who waits for it hears of the refusal; for who gave a callback alone, it stands in the log.
    settled.catch(() => undefined);
    return settled;
  };
  api.createIndex = async function (...rest) {
    await of(this)?.wait();
    return await createIndex.apply(this, rest);
  };
  return () => {
    api.createIndex = createIndex;
    if (wasOwn) database.ready = ready;
    else Reflect.deleteProperty(database, 'ready');
  };
}
