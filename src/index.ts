/** The public face of the package `acebase-ipc-server`. */

import './node-check.js';

export type { LogFields, Logger, PeerInfo } from './broker/ports.js';
export { ERRORS, type ErrorCode, type ErrorDefinition, IPCError } from './errors.js';
export type { MasterOptions } from './options/masters.js';
export type { LogLevel, ServerOptions, SslOptions } from './options/server-options.js';
export type { TokenInput } from './options/tokens.js';
export type { Duration, Size } from './options/units.js';
export type { ReloadResult } from './server/live-settings.js';
export type { TimelineEntry } from './server/monitoring/history.js';
export type { HeldLock, LockList, RootState, WaitingLock } from './server/monitoring/lock-list.js';
export type { ManagedMasterStatus } from './server/monitoring/master-status.js';
export type { Problem } from './server/monitoring/problems.js';
export type { KeptMail, ReportedState } from './server/monitoring/report.js';
export type { DatabaseStatus, PeerStatus, ServerStatus, Status } from './server/monitoring/status.js';
export {
  AceBaseIPCServer,
  type ServerAddress,
  type ServerCounters,
  type ServerEvents,
  type ServerTools,
  type StopTimes,
} from './server/server.js';
