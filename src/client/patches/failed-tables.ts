import type { Storage } from '../acebase.js';
import type { RootAddress } from '../core/host.js';
import { FREE_SPACE_AT } from './file-layout.js';

/**
 * AceBase goes on when it could not write what all processes share: from a root that the file does not lead to, and with space that is free there. A
 * restart would lose what was written since, or damage it. Here what needs that fails, and nothing goes on from it.
 *
 * To be called when the file is open.
 */
export function failWithTables(storage: Storage): void {
  failWithRoot(storage);
  if (storage.ipc.isMaster) failWithFreeSpace(storage);
}

/** A root that could not be written is none: all go on from the one before, under the lock of who wanted to move it. */
function failWithRoot({ rootRecord, ipc }: Storage): void {
  if (rootRecord === undefined) return;
  const { update } = rootRecord;
  rootRecord.update = async (address, fromIPC) => {
    const { pageNr, recordNr } = rootRecord;
    const former: RootAddress = { path: '', pageNr, recordNr };
    try {
      await update.call(rootRecord, address, fromIPC);
    } catch (error) {
      // One in quotes is that of the others already.
      if (typeof address.recordNr === 'number') {
        await update.call(rootRecord, former, true);
        ipc.sendMessage({
          type: 'notification',
          from: ipc.id,
          data: { type: 'root.update', address: former },
        });
      }
      throw error;
    }
  };
}

/** Space is not allotted that is free in the file still. */
function failWithFreeSpace(storage: Storage): void {
  const { FST, writeData } = storage;
  if (FST?.allocate === undefined || FST.release === undefined || writeData === undefined) return;
  const { allocate, release } = FST;
  let failure: { readonly error: unknown } | undefined;
  storage.writeData = (fileIndex, ...rest) => {
    const writing = writeData.call(storage, fileIndex, ...rest);
    if (fileIndex !== FREE_SPACE_AT) return writing;
    const written = (): void => {
      failure = undefined;
    };
    const failed = (error: unknown): void => {
      failure = { error };
    };
    writing.then(written, failed);
    return writing;
  };
  FST.allocate = async (records) => {
    const allocation = await allocate.call(FST, records);
    if (failure === undefined) return allocation;
    const { error } = failure;
    await release.call(FST, allocation);
    throw error;
  };
}
