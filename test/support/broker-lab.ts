import { Broker } from '../../src/broker/broker.js';
import { type Limits, ROOT_LINGER_MS } from '../../src/broker/limits.js';
import type {
  ArrivalRequest,
  Cancel,
  Incident,
  Link,
  LogFields,
  Logger,
  PeerInfo,
  Visitor,
} from '../../src/broker/ports.js';
import type { ClosureCode, RefusalCode } from '../../src/errors.js';
import { CLIENT_ABILITIES } from '../../src/protocol/session.js';
import { Histories } from '../../src/server/monitoring/history.js';
import { Overview } from '../../src/server/monitoring/overview.js';
import { VirtualClock } from './virtual-clock.js';

/** What a client of ours can that keeps no journal. */
export const WITHOUT_JOURNAL = CLIENT_ABILITIES.filter((ability) => ability !== 'journal');

/** A database with workers and no master has a timer: that is warned of. */
export const WITHOUT_MASTER = 1;

/** Limits that no test meets unless it sets its own. */
export const LIMITS: Limits = {
  maxPayload: 10_000,
  largeMessages: 'websocket',
  maxBuffered: 100_000,
  maxMailPerPeer: 100_000,
  maxTotalBuffered: 10_000_000,
  maxPeers: 100,
  maxDatabases: 10,
  masterSettle: 1_000,
  reconnectGrace: 0,
  lease: 0,
  masterTimeout: 60_000,
  heartbeatInterval: 1_000_000_000,
  heartbeatTimeout: 3_000_000_000,
  maxOutstandingRequests: 10_000,
  lockTimeout: 120_000,
  readerDelay: 100,
};

/** Whether a request to a master is to find out whether it is a new process [PROTOCOL-9.7]. */
export function isProof({ type, data }: Record<string, unknown>): boolean {
  const { comment } = (data ?? {}) as { readonly comment?: string };
  return type === 'lock-request' && comment === 'acebase-ipc-server: is this a new master?';
}

/** A line whose other end can be made to stop reading. Pings are answered when the other end reads. */
export class ScriptedPeer implements Link {
  /** What arrived, as text; `ping` frames of the WebSocket layer are not among them. */
  readonly received: string[] = [];
  closedWith: ClosureCode | undefined;
  refusedWith: RefusalCode | undefined;
  /** What was said of that, beside the code. */
  refusedBecause: string | undefined;
  /** What its line says of its last ping. */
  roundTrip: number | undefined;
  cancel: Cancel = () => undefined;
  /** While false, nothing is read, and what is sent to it waits. */
  isReading = true;
  /** While false, it answers no ping that it reads. */
  answersPings = true;
  /** Those of them that may wait a little for others to go with them. */
  readonly patient: string[] = [];
  /** How it was asked what has arrived. */
  readonly pings: ('patient' | 'prompt')[] = [];
  /** Whether it says, as a master with a session, that it has written each root that it is made to write [PROTOCOL-7.6]. */
  writesRoots = false;
  /** Called with each message as it is read, before the ping behind it is answered. */
  onMessage: (text: string) => void = () => undefined;
  #visitor: Visitor | undefined;
  #waiting: (Uint8Array | number)[] = [];
  readonly id: string;

  constructor(id: string) {
    this.id = id;
  }

  /** Whether it was let in. */
  get isIn(): boolean {
    return this.#visitor !== undefined;
  }

  bytesReceived = 0;

  get bufferedBytes(): number {
    return this.#waiting.reduce<number>((sum, item) => sum + (typeof item === 'number' ? 0 : item.length), 0);
  }

  accepted(visitor: Visitor): this {
    this.#visitor = visitor;
    return this;
  }

  send(payload: Uint8Array, canWait = false): void {
    if (canWait) this.patient.push(new TextDecoder().decode(payload));
    this.#waiting.push(payload);
    if (this.isReading) this.read();
  }

  ping(token: number, isPatient = false): void {
    this.pings.push(isPatient ? 'patient' : 'prompt');
    this.#waiting.push(token);
    if (this.isReading) this.read();
  }

  close(code: ClosureCode): void {
    this.closedWith = code;
  }

  /** Reads everything that waits; pongs go out. */
  read(): void {
    for (const item of this.#waiting.splice(0)) {
      if (typeof item === 'number') {
        this.bytesReceived += 1;
        if (this.answersPings) this.#visitor?.acknowledge(item);
      } else {
        const text = new TextDecoder().decode(item);
        this.received.push(text);
        this.onMessage(text);
        if (this.writesRoots && /"root\.update".*"recordNr":"/.test(text)) this.says('written');
      }
    }
  }

  /** What the pong to its ping tells it. */
  get isPlaceKept(): boolean | undefined {
    return this.#visitor?.isPlaceKept;
  }

  /** Sends a frame as text. */
  says(frame: string): void {
    this.bytesReceived += frame.length;
    this.#visitor?.receive(new TextEncoder().encode(frame));
  }

  /** Sends a message in its own name; to everybody, unless `to` is given. */
  tells(message: Record<string, unknown>, to?: string): void {
    const { type, id, ...rest } = message;
    const json = JSON.stringify({ type, id, from: this.id, to, ...rest });
    this.says(to === undefined ? json : `to:${to};${json}`);
  }

  leaves(cause = 'the line broke'): void {
    this.#visitor?.left(cause);
  }

  /** The messages of one type that it received, parsed. */
  messages(type: string): Record<string, unknown>[] {
    return this.received
      .filter((text) => text.startsWith('{'))
      .map((text) => JSON.parse(text) as Record<string, unknown>)
      .filter((message) => message['type'] === type);
  }

  /** Forgets what it received so far. */
  clear(): this {
    this.received.length = 0;
    return this;
  }
}

/** A client that keeps a journal, and comes back. */
export interface KeeperDetails {
  readonly received?: number;
  readonly isJournalOn?: boolean;
}

/** A lock that a worker asks for. */
export interface LockDetails {
  readonly requestId: string;
  /** Its transaction. */
  readonly tid: string;
  readonly write: boolean;
}

/** A log line. */
export interface LogLine {
  readonly level: 'trace' | 'debug' | 'info' | 'warn' | 'error';
  readonly fields: LogFields;
  readonly message: string;
}

/** A real broker, with scripted peers on a virtual clock. */
export class BrokerLab {
  readonly clock = new VirtualClock();
  readonly log: LogLine[] = [];
  readonly events: string[] = [];
  readonly broker: Broker;
  /** What it writes down, and how it is, as the server shows it. */
  readonly histories: Histories;
  readonly overview: Overview;
  /** Of masters that the server runs: whether their folders are its own for certain, and from which server it has them; any, if `undefined`. */
  tenure: { isCertain: boolean; former: string | null | undefined } = { isCertain: true, former: undefined };
  #connections = 0;
  #locks = 0;
  /** When each session began. */
  readonly #sessions = new Map<string, number>();
  readonly #startedAt: number;
  readonly #heartbeats: number;

  /** @param managed the databases whose masters the server runs itself */
  constructor(limits: Partial<Limits> = {}, managed: ReadonlySet<string> = new Set()) {
    this.#heartbeats = (limits.lease ?? LIMITS.lease) > 0 ? 2 : 1;
    const line = (level: LogLine['level']) => (fields: LogFields, message: string) => {
      this.log.push({ level, fields, message });
    };
    const logger: Logger = {
      trace: line('trace'),
      debug: line('debug'),
      info: line('info'),
      warn: line('warn'),
      error: line('error'),
    };
    this.#startedAt = this.clock.wallTime();
    this.histories = new Histories(this.clock, logger);
    this.broker = new Broker({
      clock: this.clock,
      logger,
      limits: { ...LIMITS, ...limits },
      server: 'this-server',
      managed: {
        has: (file) => managed.has(file),
        keepsPlace: () => this.tenure.isCertain,
        inherits: (_file, server) => this.tenure.former === undefined || this.tenure.former === server,
      },
      observer: {
        peerConnected: ({ id }: PeerInfo) => this.events.push(`+${id}`),
        peerDisconnected: ({ id }: PeerInfo, cause) => this.events.push(`-${id}: ${cause}`),
      },
      incidents: this.histories.incidents,
      records: this.histories,
    });
    this.overview = new Overview(this.broker, this.histories, this.clock);
  }

  /** Connects a peer; it may be refused, or have to wait. */
  connect(
    id: string,
    database = 'mydb_data',
    {
      client,
      process,
      isReading = true,
    }: Pick<ArrivalRequest, 'client' | 'process'> & { readonly isReading?: boolean } = {},
  ): ScriptedPeer {
    const peer = new ScriptedPeer(id);
    peer.isReading = isReading;
    peer.writesRoots = client !== undefined && id === '[master]';
    peer.cancel = this.broker.arrive(
      { database, peerId: id, address: `10.0.0.${++this.#connections}:1000`, client, process },
      {
        accept: (visitor) => peer.accepted(visitor),
        refuse: (code, detail) => {
          peer.refusedWith = code;
          peer.refusedBecause = detail;
        },
      },
    );
    return peer;
  }

  /**
   * Connects a client that has a session, cannot say which file it has, and keeps no journal; with `received`, one that comes back, from
   * another server if its session did not begin here.
   */
  connectClient(id: string, session: string, received?: number, since = this.sinceOf(session)): ScriptedPeer {
    const abilities = new Set(WITHOUT_JOURNAL.filter((ability) => ability !== 'identify'));
    const client = { name: 'test/1', session, received, since, abilities };
    return this.connect(id, 'mydb_data', { client });
  }

  /** As {@link BrokerLab.connectClient}, of a client that keeps a journal. @param isJournalOn whether it is in force, as far as it knows */
  connectKeeper(id: string, { received, isJournalOn = false }: KeeperDetails = {}): ScriptedPeer {
    const session = `session-of-keeper-${id}`;
    const since = this.sinceOf(session);
    const abilities = new Set(CLIENT_ABILITIES.filter((ability) => ability !== 'identify'));
    const client = { name: 'test/1', session, received, since, abilities, isJournalOn };
    return this.connect(id, 'mydb_data', { client });
  }

  /** What the client of that session says at the door of when it began: here, when it connects first; before, some time earlier. */
  sinceOf(session: string): number {
    const since = this.#sessions.get(session) ?? this.#startedAt - 1;
    if (!this.#sessions.has(session)) this.#sessions.set(session, this.clock.wallTime());
    return since;
  }

  /** Connects a master, and lets it settle. As a new process it numbers the locks that it grants from 1. */
  connectMaster(database = 'mydb_data'): ScriptedPeer {
    const master = this.connect('[master]', database);
    this.letGrant(master);
    this.clock.advance(10_000);
    return master;
  }

  /** That master grants the server each lock that it asks for, and has asked for. */
  letGrant(master: ScriptedPeer, lasts = LIMITS.lockTimeout): void {
    let last = 0;
    master.onMessage = (text) => {
      const message = text.startsWith('{') ? (JSON.parse(text) as Record<string, unknown>) : {};
      if (message['from'] !== '[server]') return;
      const { type, id, data } = message as { type: string; id: string; data: object };
      if (type === 'unlock-request') master.tells({ type: 'unlock-result', id, ok: true, data }, '[server]');
      if (type !== 'lock-request') return;
      const expires = this.clock.wallTime() + lasts;
      master.tells({ type: 'lock-result', id, ok: true, data: { ...data, id: ++last, expires } }, '[server]');
    };
    // A master may be asked as soon as it connects.
    for (const text of [...master.received]) master.onMessage(text);
  }

  /** Connects a worker that has been granted a lock, so that its file is known to be open, and that has given it back. */
  connectWorker(id: string): ScriptedPeer {
    const worker = this.connect(id);
    this.askForLock(worker);
    this.giveBack(worker, this.lockOf(worker));
    this.clock.advance(ROOT_LINGER_MS);
    return worker;
  }

  /** Lets a worker ask for a lock. @returns the id of the request */
  askForLock(worker: ScriptedPeer, lock: Partial<LockDetails> = {}): string {
    this.#locks += 1;
    const id = lock.requestId ?? `request${this.#locks}`;
    const data = {
      path: 'a/b',
      tid: lock.tid ?? `tid${this.#locks}`,
      write: lock.write ?? false,
      comment: 'test',
    };
    worker.tells({ type: 'lock-request', id, data }, '[master]');
    return id;
  }

  /** The number of the lock that a worker was granted last. */
  lockOf(worker: ScriptedPeer): number {
    const granted = worker.messages('lock-result').findLast(({ ok }) => ok === true);
    if (granted === undefined) throw new Error(`${worker.id} was granted no lock`);
    return (granted['data'] as { id: number }).id;
  }

  /** Lets a worker give a lock back. */
  giveBack(worker: ScriptedPeer, lockId: number): void {
    worker.tells({ type: 'unlock-request', id: `unlock${lockId}`, data: { id: lockId } }, '[master]');
  }

  /** How many timers are set beside the heartbeats: each database has one, and another one where clients have a lease. */
  get timers(): number {
    return this.clock.pending - this.broker.databases.length * this.#heartbeats;
  }

  /** How often something went wrong. */
  count(incident: Incident): number {
    return this.histories.incidents.totals.get(incident) ?? 0;
  }

  warnings(): string[] {
    return this.log.filter(({ level }) => level === 'warn').map(({ message }) => message);
  }
}
