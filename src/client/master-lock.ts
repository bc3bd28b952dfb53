import type { IPCLock, LockDetails, Message, RemoteIPCPeer } from './acebase.js';

/** What a master gets its own locks, and those of workers, with. */
export interface MasterLockSettings {
  readonly ipc: RemoteIPCPeer;
  /** AceBase's own way to get a lock. */
  masterLock(details: LockDetails): Promise<IPCLock>;
  /** To be awaited before a lock is used. */
  granted(): Promise<void>;
}

/**
 * Gets a lock of a master. One that fails leaves nothing behind: neither the lock, which nobody would give back, nor the entry
 * for it, which would keep the database from closing.
 */
export async function lockOfMaster(settings: MasterLockSettings, details: LockDetails): Promise<IPCLock> {
  const { ipc, masterLock, granted } = settings;
  let lock: IPCLock;
  try {
    lock = await masterLock(details);
  } catch (error) {
    forget(ipc, details);
    throw error;
  }
  try {
    await granted();
  } catch (error) {
    await lock.release('it cannot be used');
    throw error;
  }
  return lock;
}

/** AceBase leaves the entry of a request that it does not grant: the transaction had a lock that has expired, perhaps. */
function forget(ipc: RemoteIPCPeer, details: LockDetails): void {
  const index = ipc._locks.findIndex(({ request, granted }) => request === details && !granted);
  if (index < 0) return;
  ipc._locks.splice(index, 1);
  if (ipc._locks.length === 0) ipc.emit('locks-cleared');
}

/**
 * Whether a message denies a lock since this master closes. It is not to be sent: a server of this package asks the next master
 * what this one has not answered.
 */
export function isForSuccessor({ type, ok, reason }: Message, { _exiting }: RemoteIPCPeer): boolean {
  if (type !== 'lock-result' || ok !== false) return false;
  return _exiting && String(reason).includes('the IPC peer is exiting');
}
