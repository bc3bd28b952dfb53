import type { WebSocket } from 'ws';
import { systemClock } from '../platform/clock.js';
import { ownWords } from '../platform/local-processes.js';
import { loggerOf, type RemoteIPCPeer } from './acebase.js';
import { indexFilesOf, logOf, revoke, StorageFile, tolerateLostKeys } from './acebase-host.js';
import { describe, overHttp, webSocketTarget } from './address.js';
import { Client } from './core/client.js';
import type { ClientEvent, ClientSettings } from './core/client-settings.js';
import type { Lease } from './core/lease.js';
import type { Dial } from './core/ports.js';
import type { Refusal } from './core/refusals.js';
import { FailureNotices } from './failure.js';
import { FileIdentity } from './file-identity.js';
import type { FolderRecord } from './folder-record.js';
import type { SharedJournal } from './journal/keep-whole.js';
import { LongMessages } from './long-messages.js';
import { judgeManaged } from './managed-settings.js';
import { TokenPlacement } from './original-server.js';
import type { RepairName } from './patches/repairs.js';
import type { ClientStatus } from './status.js';
import { Waiting } from './waiting.js';
import { WebSocketLine } from './web-socket-line.js';

/** Milliseconds that the server has to say who holds locks. */
const LOOK_MS = 2_000;

/** What an endpoint is made with. */
export interface EndpointSettings
  extends Pick<
    ClientSettings,
    'client' | 'classes' | 'createId' | 'exitingError' | 'masterLock' | 'dataPeer'
  > {
  readonly WebSocket: new (url: string, options: object) => WebSocket;
  /** `undefined` if this process keeps none. */
  readonly journal: SharedJournal | undefined;
  /** Of a master: that of the database, for its transaction log as well. `undefined` for workers. */
  readonly folder: FolderRecord | undefined;
  has(repair: RepairName): boolean;
  onStatus(status: ClientStatus): void;
  /** Resolves when nothing is being written into the files of the database; returns `undefined` if nothing is. */
  written(): Promise<void> | undefined;
  /** All that it needs to use its files. */
  leases(): readonly Lease[];
  /** The database is closed: nothing of it is used any more. */
  left(): void;
}

/** Joins a client with what is around it here: AceBase, sockets, HTTP, the clock, the log. */
export function clientOf(ipc: RemoteIPCPeer, settings: EndpointSettings): Client {
  const { storage, config } = ipc;
  const ownFolder = settings.dataPeer === undefined ? settings.folder : undefined;
  settings.folder?.join();
  const tokenPlacement = new TokenPlacement(config);
  const ask = (endpoint: 'send' | 'receive' | 'locks', parameters: Readonly<Record<string, string>>) => ({
    endpoint,
    parameters,
    tokenPlace: tokenPlacement.current,
  });
  const fileIdentity = new FileIdentity(storage, {
    clock: systemClock,
    isOpen: () => client.isReady && !ipc._exiting,
    isMaster: () => ipc.isMaster,
  });
  const client: Client = new Client({
    ...settings,
    ipc,
    file: new StorageFile(ipc, settings.written, settings.journal, settings.folder),
    isFolderInUse: () => ownFolder?.isAnothers === true,
    indexes: indexFilesOf(ipc, settings.has),
    log: logOf(storage),
    revoke: (info) => revoke(ipc, info),
    clock: systemClock,
    random: Math.random,
    dial: dialTo(ipc, tokenPlacement, settings.WebSocket),
    long: new LongMessages({
      config,
      now: systemClock.now,
      ask: (endpoint, parameters) => ask(endpoint, { id: ipc.id, ...parameters }),
    }),
    identify: FileIdentity.isPossibleFor(storage)
      ? (question, say) => void fileIdentity.respond(question, say)
      : undefined,
    server: describe(config),
    judge: (facts) => judgeManaged(ipc, facts),
    version: ipc.version,
    parameters: ownParameters(),
    tell(event) {
      if (event.kind === 'connected') ownFolder?.isAt(client.server, client.graceOfServer);
      if (event.kind === 'gave up' || event.kind === 'left') {
        waiting.stop();
        settings.folder?.leave(event.kind === 'gave up' ? event.kind : event.isTold ? 'told' : 'untold');
      }
      if (event.kind === 'gave up') void fileIdentity.close();
      if (event.kind === 'left') settings.left();
      tell(event);
    },
  });
  const waiting = new Waiting({
    ipc,
    clock: systemClock,
    isReady: () => client.isReady,
    isConnected: () => client.isConnected,
    hasSessions: () => client.hasSessions,
    isAwaited: (peerId) => client.isAwaited(peerId),
    isOfWorker: (request) => client.isOfWorker(request),
    fetchLocks: () => overHttp(config, ask('locks', {}), undefined, LOOK_MS),
  });
  const tell = teller(ipc, (status) => settings.onStatus(status));
  storage.once('ready', () => {
    tolerateLostKeys(storage, settings.leases());
    settings.journal?.opened();
    client.fileOpened();
  });
  return client;
}

function dialTo(
  { config }: RemoteIPCPeer,
  tokenPlacement: TokenPlacement,
  WebSocket: EndpointSettings['WebSocket'],
): Dial {
  return (parameters, events) => {
    const tokenPlace = tokenPlacement.begin();
    const target = webSocketTarget(config, { endpoint: 'connect', parameters, tokenPlace });
    const refused = (refusal: Refusal): void => {
      const isForeign403 = refusal.status === 403 && refusal.code === undefined;
      if (isForeign403 && tokenPlace === 'url') {
        const message = `It is an original acebase-ipc-server, and does not take this token: ${refusal.message}`;
        events.refused({ ...refusal, code: 'IPC_REFUSED_TOKEN', message });
        return;
      }
      events.refused(refusal);
      if (isForeign403) void tokenPlacement.lookForOriginal();
    };
    return new WebSocketLine(target, { ...events, refused }, { WebSocket, clock: systemClock });
  };
}

/** Says what happens to a client, in the log and to the program. */
function teller(
  { config, storage, dbname: database }: RemoteIPCPeer,
  onStatus: (status: ClientStatus) => void,
): (event: ClientEvent) => void {
  const failures = new FailureNotices(systemClock);
  const server = describe(config);
  const reconnects = (notice: string | undefined, reason: string): void => {
    // It has said so already.
    if (notice === undefined) return;
    loggerOf(storage).error(notice);
    onStatus({ kind: 'reconnecting', database, reason });
  };
  return (event) => {
    switch (event.kind) {
      case 'connected': {
        const relief = failures.over(server);
        // As loud as what it ends: whoever has read that is to read this.
        if (relief !== undefined) loggerOf(storage).error(relief);
        onStatus({ kind: 'connected', database, resumed: event.resumed });
        return;
      }
      case 'lost':
        reconnects(failures.lost(server, event.reason), event.reason);
        return;
      case 'failed':
        reconnects(failures.failed(server, event.failure), event.failure.reason);
        return;
      case 'gave up':
        onStatus({ kind: 'gave-up', database, reason: event.reason, code: event.code });
        return;
      case 'lease lapsed':
        loggerOf(storage).error(
          `The IPC server at ${server} does not answer. Others may soon get what ${database} holds here: reading and writing wait`,
        );
        onStatus({ kind: 'waiting', database });
        return;
      case 'lease regained': {
        const seconds = (event.milliseconds / 1000).toFixed(1);
        loggerOf(storage).error(`${database} goes on after ${seconds} s: nobody else has got what it held`);
        onStatus({ kind: 'going-on', database, milliseconds: event.milliseconds });
        return;
      }
      case 'place lost': {
        const { reason = `the IPC server at ${server} did not hear this process for too long` } = event;
        loggerOf(storage).error(
          `What ${database} was doing fails, and it comes again as a new peer: ${reason}`,
        );
        onStatus({ kind: 'place-lost', database, reason });
        return;
      }
      case 'came back': {
        const seconds = (event.milliseconds / 1000).toFixed(1);
        loggerOf(storage).error(
          `${database} is back as a new peer. The IPC server had not heard this process for ${seconds} s: others may have used what it held, and what it was doing then has failed`,
        );
        onStatus({ kind: 'came-back', database, milliseconds: event.milliseconds });
        return;
      }
      case 'session lost':
      case 'left':
        return;
    }
  };
}

/** A server on the same machine sees this process end. */
function ownParameters(): Readonly<Record<string, string>> {
  const words = ownWords();
  return words === undefined ? {} : { process: words };
}
