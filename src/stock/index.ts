/**
 * What a process of a cluster does that AceBase does not do by itself, with the stock client or with that of this package. It
 * loads no AceBase and no other package.
 *
 * @packageDocumentation
 */

export { type ConnectedDatabase, endWithConnection } from './end-with-connection.js';
export { ipcSettings, type ProcessSettings } from './ipc-settings.js';
export { quiet } from './quiet.js';
export { type ListeningServer, releaseClients } from './release-clients.js';
export type { ServerPlace } from './server-requests.js';
export { takeTurns } from './take-turns.js';
export { untilNoMaster } from './until-no-master.js';
