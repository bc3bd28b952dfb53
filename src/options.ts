/** Every option: schema, default, unit, names in the environment and on the command line. */

export { OPTION_GROUPS } from './options/fields.js';
export type { MasterOptions, MasterSettings } from './options/masters.js';
export {
  coveredNames,
  DATABASE_NAME_RULE,
  isDatabaseName,
  isLoopbackHost,
  isWildcardHost,
} from './options/names.js';
export { nearestName } from './options/nearest-name.js';
export { areAboutAccess, isReloadable, type ReloadedSettings, reloadSettings } from './options/reload.js';
export {
  type OptionSources,
  type ResolvedSources,
  resolveOptions,
  resolveSources,
} from './options/resolve.js';
export type { LogLevel, ServerOptions, SslOptions } from './options/server-options.js';
export type { Settings, SslSettings } from './options/settings.js';
export { ENVIRONMENT_PREFIX, type OptionRow, optionTable } from './options/table.js';
export type { TokenInput, TokenPolicy } from './options/tokens.js';
export {
  type Duration,
  formatNumber,
  formatSize,
  formatTime,
  parseTime,
  type Size,
} from './options/units.js';
