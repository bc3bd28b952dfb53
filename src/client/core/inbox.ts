/** What comes from other peers, and what it means here. */

import type { Moment } from '../../elapsed.js';
import { SERVER_ID } from '../../protocol/frames.js';
import type { Answers } from './answer-cache.js';
import { decodeValue, type ValueClasses } from './codec.js';
import type {
  DatabaseFile,
  IndexFiles,
  IPCPeer,
  LockDetails,
  LockInfo,
  Log,
  Message,
  RootAddress,
} from './host.js';
import { RootHandover } from './master-locks.js';
import { isRequest, subjectOf } from './outgoing.js';
import type { Cancel, Clock } from './ports.js';

/** What it works with. */
export interface IncomingSettings {
  readonly ipc: IPCPeer;
  readonly file: Pick<DatabaseFile, 'setRoot'>;
  readonly indexes: IndexFiles;
  readonly log: Pick<Log, 'error'>;
  readonly clock: Pick<Clock, 'scheduleIdle'>;
  readonly classes: ValueClasses;
  readonly answers: Answers;
  readonly eventNumbers: EventNumbers;
  /** Ends a lock of AceBase's own, in a master; one that is waited for is refused. */
  revoke(info: LockInfo): void;
  /** Whether unsubscribing is repaired. */
  has(repair: 'unsubscribe'): boolean;
  /** A request of this process has its answer. */
  answered(requestId: string): void;
  /** Sends an answer again. */
  repeat(message: Message): void;
  /** A peer that was awaited is there. */
  isBack(peerId: string): void;
  /** A root is in the file that this master was made to write. */
  rootWritten(): void;
  /** It could not be written. Until somebody has done that, the server gives nobody a lock. */
  rootNotWritten(error: unknown): void;
  /** A master introduces itself. */
  masterCame(): void;
  /** Somebody told where the root is. */
  rootTold(): void;
  /** A peer is gone. */
  isGone(peerId: string): void;
  /** Whether the server has sessions. */
  hasSessions(): boolean;
  /** When something was said that the server has answered before what comes now; `undefined` if it has answered nothing. */
  heardAt(): Moment | undefined;
  /** The server says whether the journal is in force. */
  journalIsHeard(word: { readonly on: boolean; readonly look?: boolean }): void;
  /** A writer is gone, and what it committed may not have been told. */
  reread(): void;
  /** The server has got the lock under which workers write. */
  othersMayWrite(): void;
  /** Calls when everything was heard that the server had said by now. */
  inStep(callback: () => void): void;
}

/** The incoming messages of one peer. */
export class Incoming {
  readonly #settings: IncomingSettings;
  /** What others say they understand. */
  readonly #abilities = new Map<string, ReadonlySet<string>>();
  /** Those who were introduced, and have not said that they understand what is said of caches at one time. */
  readonly #withoutCacheNews = new Set<string>();
  readonly #root = new RootHandover();
  /** Which worker asked a master for each lock. */
  readonly #holders = new WeakMap<LockDetails, string>();
  /** Locks of the server that have run out, and were told of. */
  readonly #runOut = new WeakSet<LockDetails>();
  #unseen: Set<string> | undefined;
  #cancelExpectation: Cancel | undefined;

  constructor(settings: IncomingSettings) {
    this.#settings = settings;
  }

  /** Whether that peer understands encoded values. */
  understandsValues(peerId: string): boolean {
    return this.#abilities.get(peerId)?.has('values') === true;
  }

  /** Whether all others that are there understand what is said of caches at one time. */
  get understandCacheNews(): boolean {
    return this.#withoutCacheNews.size === 0;
  }

  /** Whether that peer is not back yet after the server was restarted. */
  isAwaited(peerId: string): boolean {
    return this.#unseen?.has(peerId) === true;
  }

  /** Whether a worker asked this master for that lock. */
  isOfWorker(request: object): boolean {
    return this.#holders.has(request as LockDetails);
  }

  /**
   * Whether a lock that the server has at this master has run out since this was asked last: what workers did under it may not
   * have been heard.
   */
  hasRootRunOut(): boolean {
    const runOut = this.#settings.ipc._locks.filter(
      ({ lock, request }) =>
        lock?.state === 'expired' && this.#holders.get(request) === SERVER_ID && !this.#runOut.has(request),
    );
    for (const { request } of runOut) this.#runOut.add(request);
    return runOut.length > 0;
  }

  /** A frame came, but for the words of the session. Never throws. */
  receive(text: string): void {
    if (text.startsWith('disconnect:')) this.#disconnected(text.slice('disconnect:'.length));
    else if (text.startsWith('{')) this.#attempt(() => JSON.parse(text) as Message);
  }

  #attempt(read: () => Message): void {
    try {
      this.#handle(this.#decoded(read()));
    } catch (error) {
      this.#settings.log.error('A message of the IPC server could not be handled:', error);
    }
  }

  /** A peer is there: the server says so, and then the peer itself, which says what it understands if it is one of ours. */
  #introduced({ from, can }: Message): void {
    // Another process may be the master since, under the same id.
    if (can !== undefined || from === this.#settings.ipc.masterPeerId)
      this.#abilities.set(from, new Set(can));
    if (this.#abilities.get(from)?.has('cache-news') === true) this.#withoutCacheNews.delete(from);
    else this.#withoutCacheNews.add(from);
  }

  /**
   * The server is a new one: peers that are not there any more are forgotten after a while. Not by a line that has died
   * since: on that one, nobody is heard to come back.
   */
  expectPeersAnew(milliseconds: number): void {
    const { ipc, revoke } = this.#settings;
    const locks = ipc._locks.filter(({ request }) => this.#holders.get(request) === SERVER_ID);
    // Whoever asked is gone: granted from now on, it would be given back by nobody.
    for (const info of locks) if (info.lock === null) revoke(info);
    this.#root.begin(locks);
    this.#unseen = new Set([
      ...ipc.peers.map(({ id }) => id),
      ...ipc._locks.map(({ request }) => this.#holders.get(request)).filter((id) => id !== undefined),
    ]);
    // It is never introduced.
    this.#unseen.delete(SERVER_ID);
    this.#cancelExpectation?.();
    this.#cancelExpectation = this.#settings.clock.scheduleIdle(milliseconds, () => {
      const awaited = this.#unseen;
      this.#settings.inStep(() => {
        // Since then the server may have been restarted once more.
        if (awaited === this.#unseen) this.#giveUpAwaited();
      });
    });
  }

  /** The server has had the time to ask this master for the lock of its workers. */
  rootMayHaveBeenAsked(): void {
    if (!this.#root.isUnderWay) this.#root.end();
  }

  #giveUpAwaited(): void {
    for (const id of this.#unseen ?? []) this.#gone(id);
    this.#unseen = undefined;
  }

  #gone(id: string): void {
    this.#forget(id);
    this.#releaseLocksOf(id);
  }

  /**
   * A server that has sessions says it of who is gone for good, and gives back what it knows him to hold. It does not know of
   * a lock from before it was restarted, if he had not come to tell.
   */
  #disconnected(id: string): void {
    this.#forget(id);
    const { ipc, hasSessions, inStep } = this.#settings;
    if (!hasSessions()) return;
    // Only a master knows holders.
    if (ipc._locks.some(({ request }) => this.#holders.get(request) === id)) {
      inStep(() => this.#releaseLocksOf(id));
    }
  }

  /** This master goes, or was given up: what others hold has no meaning any more, must not keep it from closing, and who waits is granted nothing. */
  releaseLocksOfOthers(): void {
    const { ipc } = this.#settings;
    const holders = new Set(ipc._locks.map(({ request }) => this.#holders.get(request)));
    for (const id of holders) if (id !== undefined) this.#releaseLocksOf(id);
  }

  #releaseLocksOf(id: string): void {
    const { ipc } = this.#settings;
    if (!ipc.isMaster) return;
    for (const { lock, request } of [...ipc._locks]) {
      if (lock !== null && this.#holders.get(request) === id) void lock.release('its holder is gone');
    }
  }

  #forget(id: string): void {
    const { ipc, isGone } = this.#settings;
    isGone(id);
    ipc.removePeer(id, true);
    this.#abilities.delete(id);
    this.#withoutCacheNews.delete(id);
  }

  #decoded(message: Message): Message {
    if (message.encoded === undefined) return message;
    return { ...message, data: decodeValue(message.encoded, this.#settings.classes) };
  }

  #handle(message: Message): void {
    const { ipc, eventNumbers, has, indexes } = this.#settings;
    // Whoever is there is introduced first. The server also says things in the name of peers that are gone.
    if (message.type === 'hello' && this.#unseen?.delete(message.from) === true)
      this.#settings.isBack(message.from);
    switch (message.type) {
      case 'hello':
        if (message.from === ipc.masterPeerId) this.#settings.masterCame();
        this.#introduced(message);
        void this.#pass(message);
        return;
      case 'event':
        if (message.nr !== undefined && !eventNumbers.isNew(message.nr)) return;
        void this.#pass(message);
        return;
      case 'unsubscribe':
        if (has('unsubscribe') && message.counted === true)
          ipc.cancelRemoteSubscription(message.from, message.data as { path: string; event: string });
        return;
      case 'notification':
        this.#notified(message);
        return;
      case 'lock-result':
      case 'unlock-result':
      case 'result':
        this.#answered(message);
        return;
      case 'index-updated':
        indexes.changed(message);
        return;
      case 'journal':
        if (message.from === SERVER_ID) this.#settings.journalIsHeard(message.data as { on: boolean });
        return;
      case 'reread':
        if (message.from === SERVER_ID) this.#settings.reread();
        return;
      case 'cache-news':
        for (const each of (message.data as { news: readonly Message[] }).news) this.#attempt(() => each);
        return;
      default:
        if (isRequest(message)) this.#asked(message);
        else void this.#pass(message);
    }
  }

  #notified(message: Message): void {
    const { ipc, file, indexes } = this.#settings;
    if (subjectOf(message) === 'root.update') {
      this.#settings.rootTold();
      const { pageNr, recordNr } = (message.data as { address: RootAddress }).address;
      // Neither told again nor written to the file: who changed it did both. But a master is to write one whose number
      // comes in quotes [PROTOCOL-7.6], and echoes it.
      const isToBeWritten = ipc.isMaster && typeof recordNr === 'string';
      const set = file.setRoot({ path: '', pageNr, recordNr }, isToBeWritten);
      if (isToBeWritten)
        void set.then(
          () => this.#settings.rootWritten(),
          (error: unknown) => this.#settings.rootNotWritten(error),
        );
      return;
    }
    const localized = indexes.localized(message);
    if (subjectOf(message) === 'index.deleted' && indexes.isUnknown(localized)) return;
    void this.#pass(localized);
  }

  #answered(message: Message): void {
    const { ipc, answered, indexes } = this.#settings;
    const { id } = message;
    if (id === undefined || !ipc._requests.has(id)) return;
    answered(id);
    void this.#pass(indexes.localized(message.type === 'lock-result' ? this.#stamped(message) : message));
  }

  /** A lock was not granted yet when that was said. To be noted at once: who waits for it looks only when all was read that came with it. */
  #stamped(message: Message): Message {
    const heardAt = this.#settings.heardAt();
    const { data } = message;
    return typeof data === 'object' && data !== null ? { ...message, data: { ...data, heardAt } } : message;
  }

  #asked(message: Message): void {
    const { ipc, answers, repeat, indexes } = this.#settings;
    if (!ipc.isMaster) return;
    const state = answers.ask(message);
    if (state === 'answering') return;
    if (state !== 'new') {
      repeat(state);
      return;
    }
    if (message.type === 'lock-request') this.#lockAsked(message);
    else void this.#pass(indexes.localized(message));
  }

  #lockAsked(message: Message): void {
    const isRoot = message.from === SERVER_ID;
    const own = isRoot ? this.#root.asked(message) : message;
    const { server } = this.#root;
    this.#holders.set(own.data as LockDetails, own.from);
    void this.#pass(own).then(() => {
      this.#settings.othersMayWrite();
      // What the last server asked for says nothing of what this one does.
      if (isRoot && server === this.#root.server) this.#root.end();
    });
  }

  #pass(message: Message): Promise<unknown> {
    const { ipc, log } = this.#settings;
    return Promise.resolve(ipc.handleMessage(message)).catch((error: unknown) => {
      log.error(`A message of type ${message.type} could not be handled:`, error);
    });
  }
}

/** How many senders are told apart. */
export const MAX_SENDERS = 10_000;

/** Numbers events, and tells those that came twice (docs/PROTOCOL.md, section 15.4). */
export class EventNumbers {
  readonly #session: () => string;
  #sent = 0;
  readonly #received = new Map<string, number>();

  /** @param session the session of this client */
  constructor(session: () => string) {
    this.#session = session;
  }

  /**
   * The number of the next event, whoever is to get it: a receiver that was given up and comes again, under its id or
   * under another one, must not hear numbers that it has heard before.
   */
  next(): readonly [session: string, number: number] {
    return [this.#session(), ++this.#sent];
  }

  /** Whether an event has not come before. */
  isNew([session, number]: readonly [session: string, number: number]): boolean {
    const last = this.#received.get(session);
    if (last !== undefined && number <= last) return false;
    this.#received.delete(session);
    this.#received.set(session, number);
    this.#forgetOldest();
    return true;
  }

  #forgetOldest(): void {
    if (this.#received.size <= MAX_SENDERS) return;
    for (const session of this.#received.keys()) {
      this.#received.delete(session);
      return;
    }
  }
}
