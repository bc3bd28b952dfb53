import { Broker } from '../../src/broker/broker.js';
import type { Limits } from '../../src/broker/limits.js';
import type { Link, Visitor } from '../../src/broker/ports.js';
import { MASTER_ID, SERVER_ID } from '../../src/protocol/frames.js';
import { CLIENT_ABILITIES } from '../../src/protocol/session.js';
import { Histories } from '../../src/server/monitoring/history.js';
import { VirtualClock } from '../../test/support/virtual-clock.js';

const UNLIMITED = 1e12;

/** Nothing is refused for want of room: what is measured is time. */
const LIMITS: Limits = {
  maxPayload: 10_000_000,
  largeMessages: 'websocket',
  maxBuffered: UNLIMITED,
  maxMailPerPeer: UNLIMITED,
  maxTotalBuffered: UNLIMITED,
  maxPeers: UNLIMITED,
  maxDatabases: UNLIMITED,
  masterSettle: 0,
  reconnectGrace: 11_000,
  lease: 0,
  masterTimeout: 60_000,
  heartbeatInterval: UNLIMITED,
  heartbeatTimeout: UNLIMITED,
  maxOutstandingRequests: UNLIMITED,
  lockTimeout: 120_000,
  readerDelay: 100,
};

const silent = { trace() {}, debug() {}, info() {}, warn() {}, error() {} };
const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** A peer on a line that takes everything at once, and answers each ping. It remembers the last message only. */
export class CostPeer implements Link {
  readonly id: string;
  readonly bufferedBytes = 0;
  readonly roundTrip = undefined;
  bytesReceived = 0;
  frames = 0;
  #last: Uint8Array = new Uint8Array(0);
  #visitor: Visitor | undefined;
  /** Called with each message from the server. */
  onMessage: ((text: string) => void) | undefined;

  constructor(id: string) {
    this.id = id;
  }

  accepted(visitor: Visitor): this {
    this.#visitor = visitor;
    return this;
  }

  send(payload: Uint8Array): void {
    this.frames++;
    this.#last = payload;
    this.onMessage?.(decoder.decode(payload));
  }

  ping(token: number): void {
    this.#visitor?.acknowledge(token);
  }

  close(code: string): void {
    throw new Error(`${this.id} was cut off: ${code}`);
  }

  /** Its line breaks. */
  leaves(): void {
    this.#visitor?.left('the line broke');
  }

  /** Sends a frame. */
  says(frame: string): void {
    const bytes = encoder.encode(frame);
    this.bytesReceived += bytes.length;
    this.#visitor?.receive(bytes);
  }

  /** Sends a message in its own name: to everybody, unless `to` is given. */
  tells(type: string, id: string, data: object, to?: string): void {
    const message = JSON.stringify({ type, id, from: this.id, ...(to === undefined ? {} : { to }), data });
    this.says(to === undefined ? message : `to:${to};${message}`);
  }

  /** Answers a request. */
  answers(type: string, id: string, data: object, to: string): void {
    this.says(`to:${to};${JSON.stringify({ type, id, ok: true, from: this.id, to, data })}`);
  }

  /** Asks for a lock. */
  asksForLock(tid: string, write: boolean): void {
    this.tells(
      'lock-request',
      `ask-${tid}`,
      { path: 'users/ewout', tid, write, comment: 'bench' },
      MASTER_ID,
    );
  }

  /** Gives a lock back. */
  givesBack(lockId: number): void {
    this.tells('unlock-request', `unlock-${lockId}`, { id: lockId }, MASTER_ID);
  }

  /** The number of the lock that its last message grants. */
  get lockId(): number {
    const { type, data } = JSON.parse(decoder.decode(this.#last)) as { type: string; data?: { id: number } };
    if (type !== 'lock-result' || data === undefined) throw new Error(`${this.id} was granted no lock`);
    return data.id;
  }
}

/** A broker whose clock stands still until it is told to go on, and peers without sockets. */
export class CostLab {
  readonly clock = new VirtualClock();
  readonly #histories = new Histories(this.clock, silent);
  readonly #broker = new Broker({
    clock: this.clock,
    logger: silent,
    limits: LIMITS,
    observer: { peerConnected() {}, peerDisconnected() {} },
    incidents: this.#histories.incidents,
    records: this.#histories,
    server: 'of-the-bench',
  });

  /** Lets a peer in. @param received as a client of ours that was at another server before: how many frames it got there */
  connect(id: string, database = 'mydb_data', received?: number): CostPeer {
    const peer = new CostPeer(id);
    const abilities = new Set(CLIENT_ABILITIES.filter((ability) => ability !== 'identify'));
    const since = this.clock.wallTime() - 1;
    const client = { name: 'bench/1', session: `session-of-${id}`, received, since, abilities };
    this.#broker.arrive(
      {
        database,
        peerId: id,
        address: '127.0.0.1:1',
        client: received === undefined ? undefined : client,
        process: undefined,
      },
      {
        accept: (visitor) => peer.accepted(visitor),
        refuse: (code) => {
          throw new Error(`${id} was refused: ${code}`);
        },
      },
    );
    return peer;
  }

  /** Lets a stock master in that grants the server what it asks for, and answers nothing else. */
  connectMaster(database?: string): CostPeer {
    const master = this.connect(MASTER_ID, database);
    let last = 0;
    master.onMessage = (text) => {
      if (!text.includes(`"from":"${SERVER_ID}"`)) return;
      const { type, id, data } = JSON.parse(text) as { type: string; id: string; data: object };
      const answer = { ...data, id: ++last, expires: this.clock.wallTime() + LIMITS.lockTimeout };
      if (type === 'lock-request') master.answers('lock-result', id, answer, SERVER_ID);
      if (type === 'unlock-request') master.answers('unlock-result', id, data, SERVER_ID);
    };
    this.clock.advance(1_000);
    return master;
  }

  /** How often each thing went wrong. */
  get incidents(): Readonly<Record<string, number>> {
    return Object.fromEntries(this.#histories.incidents.totals);
  }
}
