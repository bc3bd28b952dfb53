import { randomUUID } from 'node:crypto';
import { EventEmitter } from 'node:events';
import type { Duplex } from 'node:stream';
import packageJson from '../../package.json' with { type: 'json' };
import { Broker } from '../broker/broker.js';
import { TransientMemory } from '../broker/memory.js';
import type { Logger, PeerInfo } from '../broker/ports.js';
import { IPCError, type RefusalCode } from '../errors.js';
import { ManagedMasters } from '../managed-masters/managed-masters.js';
import { coveredNames, resolveOptions, type ServerOptions, type Settings } from '../options.js';
import { systemClock } from '../platform/clock.js';
import { ownDescriptors } from '../platform/descriptors.js';
import { EventLoopDelay } from '../platform/event-loop-delay.js';
import { createRequestListener } from './app.js';
import { Authentication } from './authentication.js';
import { DescriptorWatch } from './descriptor-watch.js';
import { Gatekeeper } from './gatekeeper.js';
import { type DropReason, Listener, type ListenerSettings } from './listener.js';
import { type LiveParts, LiveSettings, type ReloadResult } from './live-settings.js';
import { createLogger } from './logger.js';
import { ManagedService } from './managed.js';
import { Histories } from './monitoring/history.js';
import type { LockList } from './monitoring/lock-list.js';
import type { Figures } from './monitoring/metric-table.js';
import { Metrics } from './monitoring/metrics.js';
import { Overview } from './monitoring/overview.js';
import { refusalProblems } from './monitoring/refusal-problems.js';
import { type Status, StatusBoard } from './monitoring/status.js';
import { StatusStreams } from './monitoring/status-streams.js';
import { PrivateDoor } from './private-door.js';
import { processBehind } from './process-behind.js';
import { RefusalLog, refuseOnSocket } from './refusals.js';
import { loadTls } from './tls.js';
import { Upgrades } from './upgrades.js';

/** Where a server listens. */
export interface ServerAddress {
  /** The option `host`. */
  readonly host: string;
  /** The port, also where the option was 0. */
  readonly port: number;
  /** One for each address, such as `http://127.0.0.1:9163`. */
  readonly urls: readonly string[];
}

/** The events of an {@link AceBaseIPCServer}, with their arguments. */
export interface ServerEvents {
  /** It listens. */
  listening: [address: ServerAddress];
  /** A process joined a database. */
  'peer-connected': [peer: PeerInfo];
  /** A process left a database; `cause` says why, in a few words. */
  'peer-disconnected': [peer: PeerInfo, cause: string];
  /** Something failed that the server lives on after. Without a listener it is only logged. */
  error: [error: Error];
  /** It has stopped. */
  stopped: [];
}

/**
 * The way in for {@link AceBaseIPCServer.fromSettings} alone.
 *
 * @internal
 */
const RESOLVED = Symbol('resolved options');

/** What a server may be given besides its options. */
export interface ServerTools {
  /** Where to log; default: JSON on standard output, or text where that is a terminal. */
  readonly logger?: Logger;
  /** @internal Options that were resolved already. */
  readonly [RESOLVED]?: Settings;
}

/** How often something happened since the server was started. */
export interface ServerCounters {
  /** By kind: what the broker did not do, and why (docs/OPERATIONS.md). */
  readonly incidents: Readonly<Record<string, number>>;
  /** By error code: connections and requests that were refused. */
  readonly refusals: Readonly<Record<string, number>>;
}

/** How long a server takes to end at most, in milliseconds. */
export interface StopTimes {
  /** For which `drain()` lets processes finish what they have begun. */
  readonly drainTimeout: number;
  /** That `stop()` takes. */
  readonly stopTimeout: number;
}

const DROP_CODES = {
  'too-many': 'IPC_REFUSED_TOO_MANY_CONNECTIONS',
  'no-descriptors': 'IPC_REFUSED_NO_DESCRIPTORS',
  malformed: 'IPC_REFUSED_MALFORMED_HTTP',
  untrusted: 'IPC_REFUSED_TLS_UNTRUSTED',
  'plain-for-tls': 'IPC_REFUSED_TLS_EXPECTED',
  'tls-for-plain': 'IPC_REFUSED_TLS_UNEXPECTED',
  'tls-failed': 'IPC_REFUSED_TLS_FAILED',
  timeout: 'IPC_REFUSED_TIMEOUT',
} as const satisfies Record<DropReason, RefusalCode>;

/** The logger that was given, whose level is somebody else's to set; or one of our own. */
function loggerFor(settings: Settings, given: Logger | undefined): Pick<LiveParts, 'logger' | 'setLogLevel'> {
  if (given !== undefined) return { logger: given, setLogLevel: () => undefined };
  const logger = createLogger(settings);
  const setLogLevel = (level: Settings['logLevel']): void => {
    logger.level = level;
  };
  return { logger, setLogLevel };
}

/**
 * The IPC server: lets the AceBase processes of a cluster talk to each other.
 *
 * @example
 * const server = new AceBaseIPCServer({ port: 9163 });
 * await server.start();
 */
export class AceBaseIPCServer extends EventEmitter<ServerEvents> {
  /** What it was given in code; `undefined` where that was resolved settings. */
  readonly #options: ServerOptions | undefined;
  readonly #live: LiveSettings;
  readonly #parts: LiveParts;
  readonly #logger: Logger;
  readonly #broker: Broker;
  readonly #histories: Histories;
  readonly #overview: Overview;
  readonly #refusals: RefusalLog;
  readonly #listener: Listener;
  readonly #managed: ManagedService;
  readonly #eventLoop = new EventLoopDelay();
  readonly #descriptors: DescriptorWatch;
  readonly #streams: StatusStreams;
  #startedAt = 0;
  #starting: Promise<void> | undefined;
  #draining: Promise<void> | undefined;
  #stopping: Promise<void> | undefined;
  #address: ServerAddress | null = null;

  /**
   * @param options see docs/OPERATIONS.md; the defaults serve localhost:9163
   * @throws {IPCError} IPC_OPTION_*, IPC_TOKEN_FILE_UNREADABLE, IPC_TLS_*
   */
  constructor(options: ServerOptions = {}, tools: ServerTools = {}) {
    super();
    const settings = tools[RESOLVED] ?? resolveOptions(options);
    const { logger, setLogLevel } = loggerFor(settings, tools.logger);
    const { maxPayload, maxConnections, handshakeTimeout, host, port } = settings;
    this.#options = tools[RESOLVED] === undefined ? options : undefined;
    this.#logger = logger;
    this.#refusals = new RefusalLog(systemClock, logger);
    this.#histories = new Histories(systemClock, logger);
    const server = randomUUID();
    const masters = new ManagedMasters({
      server,
      clock: systemClock,
      logger,
      settings,
      folderTaken: (file) => this.#broker.folderTaken(file),
      folderLost: (file) => this.#broker.folderLost(file),
    });
    this.#broker = new Broker({
      clock: systemClock,
      logger,
      limits: settings,
      observer: {
        // Later, so that a listener that throws does not break off the broker's work.
        peerConnected: (peer) => queueMicrotask(() => this.#peerConnected(peer)),
        peerDisconnected: (peer, cause) => queueMicrotask(() => this.#peerDisconnected(peer, cause)),
      },
      incidents: this.#histories.incidents,
      records: this.#histories,
      managed: masters,
      server,
    });
    this.#overview = new Overview(this.#broker, this.#histories, systemClock);
    const gatekeeper = new Gatekeeper(new Authentication(settings), masters);
    const tls = loadTls(settings.ssl);
    this.#live = new LiveSettings(settings, tls);
    const inboundMemory = new TransientMemory(settings.maxTotalBuffered);
    const upgrades = new Upgrades({
      broker: this.#broker,
      histories: this.#histories,
      gatekeeper,
      refusals: this.#refusals,
      clock: systemClock,
      maxPayload,
      inboundMemory,
      processBehind: settings.watchProcesses ? processBehind : () => undefined,
      managed: masters,
    });
    const look = () => this.#look();
    this.#streams = new StatusStreams({ clock: systemClock, look });
    const onRequest = createRequestListener({
      broker: this.#broker,
      overview: this.#overview,
      gatekeeper,
      refusals: this.#refusals,
      inboundMemory,
      maxHttpMessage: settings.maxHttpMessage,
      servesLargeMessages: settings.largeMessages === 'http',
      look,
      streams: this.#streams,
      metrics: new Metrics(() => this.#figures()),
      isReady: () => this.isReady,
      onError: (error) => this.#fail(error),
    });
    this.#descriptors = new DescriptorWatch({ clock: systemClock, logger, descriptors: ownDescriptors() });
    const common: Pick<
      ListenerSettings,
      'clock' | 'handshakeTimeout' | 'onRequest' | 'onError' | 'onDropped'
    > = {
      clock: systemClock,
      handshakeTimeout,
      onRequest,
      onError: (error) => this.#fail(error),
      onDropped: (reason, socket, canAnswer, detail) => this.#drop(reason, socket, canAnswer, detail),
    };
    this.#listener = new Listener({
      ...common,
      host,
      port,
      tls,
      maxConnections,
      descriptors: this.#descriptors,
      onUpgrade: (request, socket, head) => upgrades.handle(request, socket, head, tls !== undefined),
    });
    const door = new PrivateDoor({
      ...common,
      logger,
      managed: masters,
      onUpgrade: (request, socket, head) => upgrades.handle(request, socket, head, false),
    });
    this.#managed = new ManagedService({ clock: systemClock, masters, door, broker: this.#broker });
    this.#parts = { gatekeeper, listener: this.#listener, streams: this.#streams, logger, setLogLevel };
  }

  /** @internal A server with options that were resolved already, as the command does it. */
  static fromSettings(settings: Settings, tools: ServerTools = {}): AceBaseIPCServer {
    return new AceBaseIPCServer({}, { ...tools, [RESOLVED]: settings });
  }

  /** Where it listens; `null` before `start` has resolved and after `stop` was called. */
  get address(): ServerAddress | null {
    return this.#address;
  }

  /** Whether it listens, and lets processes in: what `GET /ready` says. */
  get isReady(): boolean {
    return this.#address !== null && !this.isDraining;
  }

  /** The names of the databases that have peers, as on the wire: `mydb_data`, `mydb_transaction`. */
  get databases(): readonly string[] {
    return this.#broker.databases;
  }

  /** What happened how often since the start. */
  get counters(): ServerCounters {
    return {
      incidents: Object.fromEntries(this.#histories.incidents.totals),
      refusals: Object.fromEntries(this.#refusals.totals),
    };
  }

  /** The peers of a database that are connected, and its master also while it is away. @param database its name on the wire */
  peers(database: string): readonly PeerInfo[] {
    return this.#broker.peers(database);
  }

  /**
   * Which workers hold locks of a database, by its name on the wire, and which wait for one: who blocks the cluster.
   * What the master locks for itself never passes the server, and is not among them. Empty lists for a database that
   * nobody is connected to.
   */
  locks(database: string): LockList {
    return this.#overview.locks(database);
  }

  /**
   * How the server and its databases are: what `GET /status` answers, as an object of its own. Every database is looked at
   * anew; with thousands of peers, once a second is often enough.
   *
   * @param database only this one, by the name that AceBase has for it (`mydb`, with its transaction log) or by that on the
   *   wire (`mydb_data`); default: all
   */
  status(database?: string): Status {
    const names = database === undefined ? undefined : coveredNames(database);
    return this.#look().status((name) => names === undefined || names.includes(name));
  }

  /**
   * Starts to listen. Calls that come while it starts, or later, share one promise; after a failure it may be called again.
   *
   * @throws {IPCError} IPC_LISTEN_*, or IPC_SERVER_STOPPED after `stop`
   */
  start(): Promise<void> {
    this.#starting ??=
      this.#stopping === undefined ? this.#start() : Promise.reject(new IPCError('IPC_SERVER_STOPPED'));
    return this.#starting;
  }

  /**
   * Takes over new options while it runs, and reads certificates and the token file again: all of it or, at an error,
   * nothing. Connections that there are live on, also those whose token is not accepted any more. docs/OPERATIONS.md
   * lists the options that need a restart.
   *
   * @param options all options, as for the constructor; default: those of the constructor
   * @throws {IPCError} as the constructor does
   */
  reload(options: ServerOptions | undefined = this.#options): ReloadResult {
    return this.reloadFromSettings(options === undefined ? this.#live.current : resolveOptions(options));
  }

  /** @internal {@link AceBaseIPCServer.reload} with options that were resolved already, as the command does it. */
  reloadFromSettings(settings: Settings): ReloadResult {
    return this.#live.reload(settings, this.#parts);
  }

  /** The options `drainTimeout` and `stopTimeout` as they are in force, in milliseconds. */
  get stopTimes(): StopTimes {
    const { drainTimeout, stopTimeout } = this.#live.current;
    return { drainTimeout, stopTimeout };
  }

  /** Whether it is about to stop, and lets nobody in any more but those who come back. */
  get isDraining(): boolean {
    return this.#draining !== undefined || this.#stopping !== undefined;
  }

  /**
   * Stops in such a way that another server can take over at the same place: lets nobody in; lets workers finish what
   * they have begun, for `drainTimeout` at most, while no transaction begins; tells them to come back, then the masters;
   * and stops. Calls share one promise. `stop()` meanwhile ends it at once.
   */
  drain(): Promise<void> {
    this.#draining ??= this.#drain();
    return this.#draining;
  }

  /**
   * Stops: takes no more connections, and ends those that there are, the WebSocket ones with 1001. Resolves when all
   * have ended, `stopTimeout` later at most. Calls share one promise; a server that never started may be stopped.
   */
  stop(): Promise<void> {
    this.#stopping ??= this.#stop();
    return this.#stopping;
  }

  /** {@link AceBaseIPCServer.stop}, for `await using server = new AceBaseIPCServer()`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  async #start(): Promise<void> {
    try {
      await this.#open();
    } catch (error) {
      this.#starting = undefined;
      throw error;
    }
    for (const warning of this.#live.current.warnings) this.#logger.warn({}, warning);
    const { host } = this.#live.current;
    this.#address = { host, port: this.#listener.addresses[0]?.port ?? 0, urls: this.#urls };
    this.#startedAt = systemClock.wallTime();
    this.#eventLoop.start();
    this.#descriptors.start(this.#live.current.maxConnections);
    this.emit('listening', this.#address);
  }

  async #drain(): Promise<void> {
    // A start that failed was reported to who called it.
    await this.#starting?.catch(() => undefined);
    if (this.#stopping === undefined) {
      await this.#managed.drain(this.#live.current.drainTimeout);
    }
    await this.stop();
  }

  /** Masters are started last: whoever is refused the port must not have two of them. */
  async #open(): Promise<void> {
    await this.#listener.open();
    this.#broker.begin();
    try {
      await this.#managed.start(this.#urls);
    } catch (error) {
      const closed = this.#listener.close();
      // Somebody may be in already.
      this.#listener.destroyConnections();
      await closed;
      throw error;
    }
  }

  async #stop(): Promise<void> {
    // A start that failed was reported to who called it; stopping goes on all the same.
    await this.#starting?.catch(() => undefined);
    this.#address = null;
    const { stopTimeout } = this.#live.current;
    const deadline = systemClock.now() + stopTimeout;
    await this.#managed.stop(stopTimeout, this.#draining !== undefined);
    this.#streams.close();
    this.#eventLoop.stop();
    this.#descriptors.stop();
    const doors = [this.#listener, this.#managed];
    const closed = Promise.all(doors.map((door) => door.close()));
    this.#broker.stop();
    const cancelDeadline = systemClock.schedule(Math.max(deadline - systemClock.now(), 0), () => {
      for (const door of doors) door.destroyConnections();
    });
    await closed;
    cancelDeadline();
    this.emit('stopped');
  }

  /** Where it listens now. */
  get #urls(): readonly string[] {
    const scheme = this.#live.current.ssl === undefined ? 'http' : 'https';
    return this.#listener.addresses.map(({ address, port, family }) => {
      return `${scheme}://${family === 'IPv6' ? `[${address}]` : address}:${port}`;
    });
  }

  #peerConnected(peer: PeerInfo): void {
    this.#managed.peerConnected(peer);
    this.emit('peer-connected', peer);
  }

  #peerDisconnected(peer: PeerInfo, cause: string): void {
    this.#managed.peerDisconnected(peer);
    this.emit('peer-disconnected', peer, cause);
  }

  /** How everything is now. */
  #look(): StatusBoard {
    return new StatusBoard({
      overview: this.#overview,
      clock: systemClock,
      limits: { ...this.#live.current, managed: this.#managed.files },
      masters: this.#managed.reports,
      server: () => ({
        version: packageJson.version,
        startedAt: this.#startedAt,
        draining: this.isDraining,
        bufferedBytes: this.#broker.bufferedBytes,
        eventLoopDelayP99: Math.round(this.#eventLoop.p99 * 10) / 10,
        connections: this.#listener.connections,
        maxConnections: this.#live.current.maxConnections,
        descriptors: this.#descriptors.report,
        problems: refusalProblems(this.#refusals.recent, systemClock.wallTime()),
      }),
    });
  }

  #figures(): Figures {
    return {
      version: packageJson.version,
      isReady: this.isReady,
      connections: this.#listener.connections,
      summaries: this.#overview.summaries(),
      totals: this.#overview.totals(),
      incidents: this.#histories.incidents.totals,
      refusals: this.#refusals.totals,
      masters: this.#managed.reports,
    };
  }

  #drop(
    reason: DropReason,
    socket: Duplex & { remoteAddress?: string | undefined; remotePort?: number | undefined },
    canAnswer: boolean,
    detail?: string,
  ): void {
    const code = DROP_CODES[reason];
    const { remoteAddress = 'unknown', remotePort } = socket;
    socket.on('error', () => undefined);
    this.#refusals.record({ code, address: remoteAddress, port: remotePort, detail });
    if (canAnswer) refuseOnSocket(socket, systemClock, code);
    else socket.destroy();
  }

  #fail(error: unknown): void {
    const failure = error instanceof Error ? error : new Error(String(error));
    this.#logger.error({ reason: failure.stack }, 'an endpoint failed');
    if (this.listenerCount('error') > 0) this.emit('error', failure);
  }
}
