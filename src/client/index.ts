/** The public face of `acebase-ipc-server/client`. */

import '../node-check.js';

export {
  type ClientStatus,
  type InstalledBuild,
  type InstallOptions,
  install,
  type RepairName,
  type TlsOptions,
  uninstall,
} from './install.js';
export { type AceBaseIPCSettings, type IPCSettings, ipcSettings } from './ipc-settings.js';
