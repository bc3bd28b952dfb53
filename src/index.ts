/** The public face of the package `acebase-ipc-server`. */

export type { HeldLock, LockTable, WaitingLock } from './broker/locks/lock-ledger.js';
export type { PeerInfo } from './broker/peers/entrance.js';
export type { LogFields, Logger } from './broker/ports.js';
export { ERRORS, type ErrorCode, type ErrorDefinition, IPCError } from './errors.js';
export type { ServerOptions } from './options.js';
export type { ReloadResult } from './server/live-settings.js';
export {
  AceBaseIPCServer,
  type ServerAddress,
  type ServerCounters,
  type ServerEvents,
  type ServerTools,
} from './server/server.js';
