import type { Client } from '../../../src/client/core/client.js';
import type { ClientEvent } from '../../../src/client/core/client-settings.js';
import type {
  DatabaseFile,
  FileJournal,
  IndexFiles,
  IPCLock,
  IPCPeer,
  LockDetails,
  LockInfo,
  Message as WireMessage,
} from '../../../src/client/core/host.js';
import {
  type Clock,
  HANDSHAKE_MS,
  type LineEvents,
  type Line as LineOfClient,
} from '../../../src/client/core/ports.js';
import { ERRORS, type RefusalCode } from '../../../src/errors.js';
import { type ClientAnnouncement, parseAnnouncement } from '../../../src/protocol/session.js';
import type { Line } from '../line.js';
import type { Message, Range } from './messages.js';
import type { StockPeer } from './stock-peer.js';

/** Milliseconds after which a closing handshake that nobody answers has failed, as the package `ws` has it. */
const CLOSING_HANDSHAKE_MS = 30_000;

/** Values of the model are plain numbers: there is nothing to encode. */
const NO_CLASSES = {
  PathReference: class {
    readonly path = '';
  },
};

/** What the storage behind an IPC peer gives the client. */
export interface Host {
  readonly file: Omit<DatabaseFile, 'close'>;
  readonly indexes: IndexFiles;
  readonly journal: Omit<FileJournal, 'isKept'>;
  masterLock(details: LockDetails): Promise<IPCLock>;
  revoke(info: LockInfo): void;
}

/** A process with our client: the one that ships, `src/client/core`, between the modelled IPC peer and the simulated lines. */
export class PatchedPeer {
  readonly client: Client;
  readonly #process: StockPeer;
  #attempt: Attempt | undefined;
  #announcement: ClientAnnouncement | undefined;
  #hasSaidGoodbye = false;
  #ids = 0;

  /** @param journal whether it commits what it writes, or looks only what others have committed; `undefined` if it knows of no journals */
  constructor(process: StockPeer, host: () => Host, journal: 'kept' | 'looked at' | undefined) {
    this.#process = process;
    const { world } = process;
    this.client = new world.classes.Client({
      ipc: ipcOf(process),
      file: fileOf(process, () => host().file),
      journal: journal && journalOf(() => host().journal, journal === 'kept'),
      indexes: {
        localized: (message) => message,
        isUnknown: () => false,
        changed: (message) => host().indexes.changed(message),
        built: () => host().indexes.built(),
        over: () => host().indexes.over(),
        announced: () => host().indexes.announced(),
      },
      log: {
        warn: (...words) => process.note(() => `warns: ${words.join(' ')}`),
        error: (...words) => this.#logsError(words.join(' ')),
      },
      clock: clockOf(process),
      random: () => world.random.fraction(),
      dial: (parameters, events) => this.#dial(parameters, events),
      long: {
        send: async () => ({ kind: 'unknown', reason: 'messages of the model are short' }),
        fetch: async () => ({ reason: 'messages of the model are short' }),
      },
      identify: undefined,
      server: 'the simulation',
      client: 'model',
      parameters: {},
      version: '1.0.0',
      classes: NO_CLASSES,
      createId: () => `${process.name}-${String(++this.#ids).padStart(16, '0')}`,
      exitingError: (message) => new Error(message),
      masterLock: (details) => host().masterLock(details),
      revoke: (info) => host().revoke(info),
      has: () => true,
      tell: (event) => this.#happens(event),
    });
  }

  /** The line that it believes in. */
  get line(): Line | undefined {
    return this.#attempt?.openLine;
  }

  /** What it said of itself when it connected last. */
  get announcement(): ClientAnnouncement | undefined {
    return this.#announcement;
  }

  /** Sends a message that has a number in the run. */
  send(message: Message, number: number): void {
    // The client knows some of its messages again, so it is given the same object.
    Object.assign(message, { simulated: number });
    this.client.send(message as WireMessage);
    if (message.type !== 'bye') return;
    const { goodbye } = this.client;
    if (goodbye === undefined) this.#saidGoodbye();
    else this.whenSettled(goodbye, () => this.#saidGoodbye(number));
  }

  /** @param number of the message, if it left only now */
  #saidGoodbye(number?: number): void {
    if (number !== undefined) this.#process.world.checks.leavesOnlyNow(this.#process, number);
    this.#hasSaidGoodbye = true;
    this.#endIfOffline();
  }

  /** Calls one of the two when a promise of the client is settled, if the process lives then. */
  whenSettled<T>(
    promise: Promise<T>,
    resolve: (value: T) => void,
    reject: (error: Error) => void = (error) => this.#process.die(`unhandled rejection: ${error.message}`),
  ): void {
    const process = this.#process;
    promise.then(
      (value) => process.act(() => resolve(value)),
      (error: unknown) => process.act(() => reject(error as Error)),
    );
  }

  opened(line: Line): void {
    this.#attempt?.opened(line);
  }

  hears(text: string): void {
    this.#attempt?.events.text(text);
  }

  feelsPing(): void {
    this.#attempt?.events.heard();
  }

  dialFailed(): void {
    this.#attempt?.failed('nobody answers');
  }

  refused(code: RefusalCode): void {
    const process = this.#process;
    if (this.#attempt?.isDialing !== true) return;
    process.note(() => `is refused: ${code}`);
    process.world.checks.promises.refused(process, code);
    const { status } = ERRORS[code] as { status: number };
    this.#attempt.isDialing = false;
    this.#attempt.events.refused({ status, code, message: code, remedy: undefined });
  }

  lineClosed(line: Line): void {
    this.#attempt?.lineClosed(line);
    this.#endIfOffline();
  }

  #dial(parameters: Readonly<Record<string, string>>, events: LineEvents): LineOfClient {
    const process = this.#process;
    this.#announcement = parseAnnouncement((name) => parameters[name]);
    // What comes late of the line before says nothing of this one.
    process.dialed = undefined;
    const attempt = new Attempt(process, events, () => this.#endIfOffline());
    this.#attempt = attempt;
    if (process.isAlive) process.world.dial(process);
    return attempt;
  }

  #endIfOffline(): void {
    if (!this.#hasSaidGoodbye || this.client.isConnected) return;
    const process = this.#process;
    process.after(0, () => {
      if (!this.client.isConnected) process.die('closed');
    });
  }

  #happens(event: ClientEvent): void {
    const process = this.#process;
    const { world } = process;
    process.note(() => `client: ${JSON.stringify(event)}`);
    switch (event.kind) {
      case 'connected':
        if (!event.resumed) world.checks.beginsSession(process);
        world.goesOn(process);
        return;
      case 'place lost':
        world.lostPlace(process);
        process.losesPlace();
        return;
      case 'session lost':
        world.checks.promises.cannotResume(process);
        return;
      case 'lost':
        process.note(() => 'lost its line');
        return;
      case 'lease regained':
        world.leaseRegained(process);
        world.checks.values.comesBack(process);
        return;
      case 'failed':
      case 'lease lapsed':
      case 'came back':
        world.checks.values.comesBack(process);
        return;
      case 'gave up':
      case 'left':
        return;
    }
  }

  #logsError(words: string): void {
    const process = this.#process;
    process.note(() => `logs: ${words}`);
    if (process.isAlive && words.includes('could not be handled'))
      process.world.checks.killed(process, words);
  }
}

/** An attempt to connect, and the line that comes of it. */
class Attempt implements LineOfClient {
  readonly #process: StockPeer;
  readonly #ended: () => void;
  isDialing = true;
  #line: Line | undefined;

  constructor(
    process: StockPeer,
    readonly events: LineEvents,
    ended: () => void,
  ) {
    this.#process = process;
    this.#ended = ended;
    process.after(HANDSHAKE_MS, () => {
      if (!this.isDialing) return;
      this.#leave();
      this.failed('no answer in time');
    });
  }

  get openLine(): Line | undefined {
    return this.#line;
  }

  opened(line: Line): void {
    if (!this.isDialing || line !== this.#process.dialed) return;
    this.isDialing = false;
    this.#line = line;
    this.events.opened();
  }

  failed(reason: string): void {
    if (!this.isDialing) return;
    this.isDialing = false;
    this.#closed(reason);
  }

  lineClosed(line: Line): void {
    if (this.isDialing && line === this.#process.dialed) this.failed('the line broke');
    else if (line === this.#line) this.#closed('the line broke');
  }

  send(text: string): void {
    if (this.#process.isAlive) this.#line?.say(text);
  }

  ping(text: string): void {
    if (this.#process.isAlive) this.#line?.pingServer(() => this.events.ponged(text));
  }

  close(): void {
    const line = this.#line;
    if (line === undefined) return;
    let isClosed = false;
    const closed = (): void => {
      if (isClosed) return;
      isClosed = true;
      if (this.#line === line) this.#closed('closed');
    };
    line.closeFromProcess(() => this.#process.act(closed));
    this.#process.after(CLOSING_HANDSHAKE_MS, closed);
  }

  /** No message is long. */
  readonly bytesRead = 0;

  /** Nothing is held back here. */
  flush(): void {}

  terminate(): void {
    if (this.isDialing) this.#leave();
    this.isDialing = false;
    this.#line?.hangUp();
    this.#process.after(0, () => this.#closed('terminated'));
  }

  #leave(): void {
    const process = this.#process;
    process.leaveDoor();
    process.dialed?.hangUp();
    process.dialed = undefined;
  }

  #closed(reason: string): void {
    this.#line = undefined;
    this.events.closed({ reason, code: '' });
    this.#ended();
  }
}

/** Time, as a process has it that may be stopped, and ends. */
function clockOf(process: StockPeer): Clock {
  const { clock } = process.world;
  const after = (milliseconds: number, callback: () => void) =>
    process.after(milliseconds / process.clockRate, callback);
  return {
    now: () => process.now(),
    wallTime: () => clock.wallTime(),
    uptime: () => clock.now(),
    schedule: after,
    scheduleIdle: after,
    atEndOfTurn: (callback) => void after(0, callback),
  };
}

/** The modelled IPC peer, with the members of AceBase's. */
function ipcOf(process: StockPeer): IPCPeer {
  return {
    get id() {
      return process.id;
    },
    set id(id: string) {
      process.id = id;
    },
    masterPeerId: '[master]',
    get isMaster() {
      return process.isMaster;
    },
    get peers() {
      return [...process.peers].map((id) => ({ id }));
    },
    get ourSubscriptions() {
      return [...process.subscriptions].map((subscription) => {
        const [event = '', path = ''] = subscription.split(' ');
        return { event, path };
      });
    },
    get _exiting() {
      return process.isExiting;
    },
    _locks: process.lockInfos,
    _requests: process.requests,
    sendMessage: (message) => process.send(message as Message),
    handleMessage: (message) => process.handle(message as Message & { simulated?: number }),
    request(message) {
      return new Promise((resolve, reject) => {
        const done = (data: unknown): void => {
          const { type, records } = (message.data ?? {}) as { type?: string; records?: number };
          if (type === 'fst.allocate' && records !== undefined) takes(process, data);
          resolve(data);
        };
        process.request(message as Message & { id: string }, done, reject);
      });
    },
    removePeer: (id) => process.removePeer(id),
    cancelRemoteSubscription(peerId, { event, path }) {
      process.served.get(peerId)?.delete(`${event} ${path}`);
    },
    emit: (event) => {
      if (event === 'locks-cleared') process.locksCleared();
    },
  };
}

/** A worker is given space. */
function takes(process: StockPeer, data: unknown): void {
  for (const { recordNr, length } of (data as { allocation: readonly Range[] }).allocation) {
    for (let record = recordNr; record < recordNr + length; record++) {
      process.world.checks.space.allocated(process, record);
    }
  }
}

function journalOf(journal: () => Host['journal'], isKept: boolean): FileJournal {
  return {
    isKept,
    look: () => journal().look(),
    empty: () => journal().empty(),
    get isPending() {
      return journal().isPending;
    },
  };
}

function fileOf(process: StockPeer, file: () => Host['file']): DatabaseFile {
  return {
    get lockTimeout() {
      return file().lockTimeout;
    },
    get isOpen() {
      return file().isOpen;
    },
    get root() {
      return file().root;
    },
    written: () => file().written(),
    invalidateCaches: () => file().invalidateCaches(),
    invalidateAllCaches: () => file().invalidateAllCaches(),
    readRoot: () => file().readRoot(),
    writeRoot: (address) => file().writeRoot(address),
    setRoot: (address, isToBeWritten) => file().setRoot(address, isToBeWritten),
    readKeys: () => file().readKeys(),
    readIndexes: () => file().readIndexes(),
    reopen: () => file().reopen(),
    // Who closes the database ends, and a supervisor starts it again.
    close: () => void process.after(0, () => process.die('closed the database')),
  };
}
