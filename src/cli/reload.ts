/** Options that are read again while the server runs. */

import type { Logger } from '../broker/ports.js';
import { IPCError } from '../errors.js';
import type { ResolvedSources, Settings } from '../options.js';

/** What a reload works with. */
export interface ReloadingOptions {
  /** Reads all options again: the flags and variables of the start, and files as they are now. */
  readonly resolve: () => ResolvedSources;
  readonly server: {
    /** Takes over other settings; throws, and changes nothing, where it cannot. */
    reloadFromSettings(settings: Settings): unknown;
  };
  readonly logger: Logger;
  /** The files that the options were read from are these now. */
  readonly watched: (files: readonly string[]) => void;
  readonly setLogLevel: (level: Settings['logLevel']) => void;
}

/** The files that settings are read from. */
export function filesOf({ tokenFile, ssl }: Settings, config: string | undefined): readonly string[] {
  const files = [config, tokenFile, ssl?.certPath, ssl?.keyPath, ssl?.pfxPath, ssl?.caPath];
  return files.filter((file) => file !== undefined);
}

/** @returns reads the options again; what cannot be used is logged with what to do, and changes nothing */
export function reloading(options: ReloadingOptions): (cause: string) => void {
  const { resolve, server, logger, watched, setLogLevel } = options;
  return (cause) => {
    try {
      const { settings, config } = resolve();
      logger.info({ cause }, 'reading options, certificates and tokens again');
      server.reloadFromSettings(settings);
      setLogLevel(settings.logLevel);
      watched(filesOf(settings, config));
    } catch (error) {
      const fields =
        error instanceof IPCError
          ? { cause, code: error.code, reason: error.message, remedy: error.remedy }
          : { cause, reason: String(error) };
      logger.error(fields, 'the new options are invalid; keeping the current ones');
    }
  };
}
