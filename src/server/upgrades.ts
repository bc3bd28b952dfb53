import type { IncomingMessage } from 'node:http';
import { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { TLSSocket } from 'node:tls';
import type { Broker } from '../broker/broker.js';
import type { TransientMemory } from '../broker/memory.js';
import type { Clock, PeerProcess, Visitor } from '../broker/ports.js';
import { ERRORS, type RefusalCode } from '../errors.js';
import type { ManagedFiles } from '../managed-masters/managed-masters.js';
import { databaseOf } from '../options/names.js';
import { type ConnectionOptions, eventLoop } from '../websocket/connection.js';
import { acceptResponse } from '../websocket/handshake.js';
import { Lane, type Loop } from '../websocket/lanes.js';
import type { Gatekeeper } from './gatekeeper.js';
import type { Histories } from './monitoring/history.js';
import { PeerLink, PingRounds } from './peer-link.js';
import { type RefusalLog, refuseOnSocket } from './refusals.js';
import { SocketEntrance } from './socket-entrance.js';
import { parseTarget, queryParameter } from './target.js';

/** How long a peer may take for its part of the closing handshake, in milliseconds. */
const CLOSE_TIMEOUT_MS = 2_000;

/** The bytes that one UTF-16 unit takes at most as UTF-8: clients count units, frames count bytes. */
export const MAX_BYTES_PER_UNIT = 3;

/** Who only wants to know whether a process would be let in asks in this version [PROTOCOL-2.6]. No client speaks it. */
const QUESTION_VERSION = '0';

/** What it takes to turn upgrade requests into peers. */
export interface UpgradeSettings {
  readonly broker: Broker;
  readonly histories: Pick<Histories, 'noteRefusal'>;
  readonly gatekeeper: Gatekeeper;
  readonly refusals: RefusalLog;
  readonly clock: Clock;
  /** UTF-16 units. */
  readonly maxPayload: number;
  readonly inboundMemory: TransientMemory;
  /** The process at the other end of a connection; `undefined` if none is to be watched. */
  processBehind(request: IncomingMessage, database: string): PeerProcess | undefined;
  /** The masters that this server runs itself: of their processes it knows at once when they have ended, on every system. */
  readonly managed: Pick<ManagedFiles, 'processOf'>;
}

/** The lane of a database, as long as it has connections. */
interface SharedLane {
  readonly lane: Lane;
  /** A connection has ended. */
  readonly leave: () => void;
  users: number;
}

/** Answers upgrade requests: with a refusal, or by letting the peer in. */
export class Upgrades {
  readonly #settings: UpgradeSettings;
  readonly #pings: PingRounds;
  readonly #plain: Omit<ConnectionOptions, 'lane' | 'memory'>;
  readonly #encrypted: Omit<ConnectionOptions, 'lane' | 'memory'>;
  readonly #loop: Loop;
  /** One lane for all connections of a database. */
  readonly #lanes = new Map<string, SharedLane>();

  constructor(settings: UpgradeSettings) {
    this.#settings = settings;
    const { clock, maxPayload } = settings;
    this.#pings = new PingRounds(clock);
    this.#loop = eventLoop(clock.now);
    this.#encrypted = {
      maxMessageBytes: maxPayload * MAX_BYTES_PER_UNIT,
      closeTimeoutMs: CLOSE_TIMEOUT_MS,
      schedule: clock.schedule,
    };
    this.#plain = { ...this.#encrypted, writesAtOnce: true };
  }

  /** An upgrade request came. @returns whether it has what lets it in: it may still be refused for what is going on in its database */
  handle(request: IncomingMessage, socket: Duplex, head: Buffer, isSecure: boolean): boolean {
    // Until a connection takes the socket over, nobody else listens for its errors.
    const ignoreError = () => undefined;
    socket.on('error', ignoreError);
    const { method = '', url = '', httpVersion, headers } = request;
    const admission = this.#settings.gatekeeper.admit({ method, url, httpVersion, headers, isSecure });
    if (!admission.isAdmitted) {
      this.#refuse(request, socket, admission.code, admission.detail);
      return false;
    }
    const { database, peerId, accept, client, isManagedMaster } = admission;
    const { managed, processBehind } = this.#settings;
    const process = isManagedMaster ? managed.processOf(database) : processBehind(request, database);
    const arrival = { database, peerId, address: addressOf(request), client, process };
    const entrance = new SocketEntrance(socket, {
      admit: (visitor) => {
        socket.off('error', ignoreError);
        return this.#connect(socket, database, visitor, accept, head);
      },
      turnAway: (code, detail) => this.#refuse(request, socket, code, detail, peerId),
    });
    entrance.leave = this.#settings.broker.arrive(arrival, entrance);
    return true;
  }

  #connect(socket: Duplex, database: string, visitor: Visitor, accept: string, head: Buffer): PeerLink {
    const writesAtOnce = socket instanceof Socket && !(socket instanceof TLSSocket);
    const options = writesAtOnce ? this.#plain : this.#encrypted;
    const lane = this.#enterLane(database, socket);
    const memory = this.#settings.inboundMemory.of(databaseOf(database));
    const link = new PeerLink(socket, { ...options, lane, memory }, visitor, this.#pings);
    link.begin(acceptResponse(accept), head);
    return link;
  }

  #enterLane(database: string, socket: Duplex): Lane {
    const shared = this.#lanes.get(database) ?? this.#newLane(database);
    shared.users++;
    if (socket.closed) shared.leave();
    else socket.once('close', shared.leave);
    return shared.lane;
  }

  #newLane(database: string): SharedLane {
    const leave = (): void => {
      if (--shared.users === 0) this.#lanes.delete(database);
    };
    const shared: SharedLane = { lane: new Lane(this.#loop), leave, users: 0 };
    this.#lanes.set(database, shared);
    return shared;
  }

  /** @param peerId if it is known to be one */
  #refuse(
    request: IncomingMessage,
    socket: Duplex,
    code: RefusalCode,
    detail?: string,
    peerId?: string,
  ): void {
    const { remoteAddress = 'unknown', remotePort } = request.socket;
    const { path, database, query } = parseTarget(request.url ?? '');
    const { refusals, histories, clock } = this.#settings;
    const isQuestion = code === 'IPC_REFUSED_VERSION' && queryParameter(query, 'v') === QUESTION_VERSION;
    if (isQuestion) refusals.answered({ address: remoteAddress, port: remotePort, path });
    else refusals.record({ code, address: remoteAddress, port: remotePort, path, detail });
    // Not what the other end said of itself: it may be anybody.
    if (database !== undefined && !isQuestion)
      histories.noteRefusal(database, peerId, `from ${remoteAddress}: ${ERRORS[code].summary}`);
    refuseOnSocket(socket, clock, code, detail);
  }
}

/** The other end of a request's connection, for people to read. */
export function addressOf(request: IncomingMessage): string {
  const { remoteAddress = 'unknown', remotePort } = request.socket;
  return remoteAddress.includes(':') ? `[${remoteAddress}]:${remotePort}` : `${remoteAddress}:${remotePort}`;
}
