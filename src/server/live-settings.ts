import { isDeepStrictEqual } from 'node:util';
import type { Logger } from '../broker/ports.js';
import { areAboutAccess, reloadSettings, type Settings } from '../options.js';
import { Authentication } from './authentication.js';
import type { Gatekeeper } from './gatekeeper.js';
import { type LoadedTls, loadTls } from './tls.js';

/** What a reload came to. */
export interface ReloadResult {
  /** What is new, by the names of options; `certificate` where the contents of its files are. */
  readonly changed: readonly string[];
  /** Options that were given another value, and keep the old one until the server is started anew. */
  readonly needRestart: readonly string[];
}

/** What settings can be changed in while the server runs. */
export interface LiveParts {
  readonly gatekeeper: Pick<Gatekeeper, 'replace'>;
  readonly listener: {
    /** Serves new connections with that certificate. */
    renewTls(tls: LoadedTls): void;
  };
  /** The streams of those who watch the status. */
  readonly streams: {
    /** Ends all; who may watch still comes again. */
    close(): void;
  };
  readonly logger: Logger;
  /** The least important level that is logged from now on. */
  setLogLevel(level: Settings['logLevel']): void;
}

/** The settings that are in force, and the way to others. */
export class LiveSettings {
  #current: Settings;
  #tls: LoadedTls | undefined;

  /** @param tls what was loaded for these settings */
  constructor(settings: Settings, tls: LoadedTls | undefined) {
    this.#current = settings;
    this.#tls = tls;
  }

  /** What is in force. */
  get current(): Settings {
    return this.#current;
  }

  /**
   * Takes over what can change, all of it or, at an error, nothing. Certificates are read again.
   *
   * @throws {IPCError} IPC_OPTION_INSECURE, IPC_TLS_*
   */
  reload(next: Settings, { gatekeeper, listener, streams, logger, setLogLevel }: LiveParts): ReloadResult {
    const { settings, changed, needRestart } = reloadSettings(this.#current, next);
    const tls = loadTls(settings.ssl);
    const all = isDeepStrictEqual(tls, this.#tls) ? changed : [...changed, 'certificate'];
    const isTold = new Set(this.#current.warnings);
    this.#current = settings;
    this.#tls = tls;
    gatekeeper.replace(new Authentication(settings));
    // What they may see was decided when they were opened.
    if (areAboutAccess(changed)) streams.close();
    if (tls !== undefined) listener.renewTls(tls);
    setLogLevel(settings.logLevel);
    logger.info({ changed: all.join(', ') || 'nothing' }, 'reloaded');
    for (const warning of settings.warnings) if (!isTold.has(warning)) logger.warn({}, warning);
    if (needRestart.length > 0) {
      const fields = { options: needRestart.join(', ') };
      logger.warn(fields, 'these options changed, and are in force only after a restart of the server');
    }
    return { changed: all, needRestart };
  }
}
