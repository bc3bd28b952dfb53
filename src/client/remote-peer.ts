import type { WebSocket } from 'ws';
import { type ErrorCode, IPCError } from '../errors.js';
import { systemClock } from '../platform/clock.js';
import { claimOf, type SessionWelcome } from '../protocol/session.js';
import { Acceptance } from './acceptance.js';
import { type IPCLock, type LockDetails, loggerOf, type Message, type RemoteIPCPeer } from './acebase.js';
import { describe, overHttp, webSocketTarget } from './address.js';
import { Answers } from './answers.js';
import type { ValueClasses } from './codec.js';
import { Connection, type ConnectionHandlers, type Target } from './connection.js';
import { EventNumbers } from './event-numbers.js';
import { type Failure, FailureNotices, FOREIGN_ANSWER } from './failure.js';
import { FileIdentity } from './file-identity.js';
import { FirstWord } from './first-word.js';
import { Incoming } from './incoming.js';
import { WorkerLocks } from './locks.js';
import { LongMessages } from './long-messages.js';
import { isForSuccessor, lockOfMaster, type MasterLockSettings } from './master-lock.js';
import type { HeldFile } from './opening.js';
import { TokenPlacement } from './original-server.js';
import { Outflow } from './outflow.js';
import { frameOf, isRequest, type OutgoingSettings } from './outgoing.js';
import { Reconnection } from './reconnection.js';
import {
  codeOfRefusal,
  describeRefusal,
  FILE_APPEARED,
  judgeRefusal,
  lateRefusal,
  OUT_OF_TOUCH,
  type Refusal,
} from './refusals.js';
import type { RepairName } from './repairs.js';
import { SessionPosition } from './session-position.js';
import { Space } from './space.js';
import type { ClientStatus } from './status.js';
import { View } from './view.js';
import { Waiting } from './waiting.js';

/** UTF-16 units that are kept for a server that is not there, or that may die. */
export const MAX_KEPT_UNITS = 64 * 1024 * 1024;

/** Milliseconds that peers have to come back to a server that does not say how long it waits for them. */
const RETURN_MS = 10_000;

/** Milliseconds that a master which is closed waits for a server that is not there, to say goodbye to it. */
const GOODBYE_MS = 3_000;

/** Milliseconds that a server has to end the line of a peer that said goodbye. */
const FAREWELL_MS = 3_000;

/** Milliseconds that the server has to say who holds locks. */
const LOOK_MS = 2_000;

/** What a peer is made with. */
export interface RemotePeerSettings {
  readonly classes: ValueClasses;
  readonly WebSocket: new (url: string, options: object) => WebSocket;
  /** Name and version of this client. */
  readonly client: string;
  /** Makes a random id of AceBase's kind, of 25 characters. */
  createId(): string;
  exitingError(message: string): Error;
  /** AceBase's own way to get a lock, for the master. */
  masterLock(details: LockDetails): Promise<IPCLock>;
  has(repair: RepairName): boolean;
  /**
   * For a transaction log: the peer of its data. It connects when that one is accepted, so that of two masters one is refused
   * for both; and where one of the two is refused, so is the other.
   */
  readonly dataPeer?: RemotePeer | undefined;
  onStatus(status: ClientStatus): void;
  readonly maxKeptUnits?: number;
}

/** What this client puts in the place of AceBase's way to the IPC server: one for each file that is open. */
export class RemotePeer {
  readonly #ipc: RemoteIPCPeer;
  readonly #settings: RemotePeerSettings;
  readonly #connection: Connection;
  readonly #outflow: Outflow;
  readonly #longMessages: LongMessages;
  readonly #view: View;
  readonly #locks: WorkerLocks;
  readonly #masterLocks: MasterLockSettings;
  readonly #space: Space;
  /** Messages that may leave with the next one. */
  readonly #patient = new WeakSet<Message>();
  readonly #answers = new Answers(systemClock.wallTime, (lockId) => this.#ranOut(lockId));
  readonly #incoming: Incoming;
  readonly #outgoing: OutgoingSettings;
  readonly #eventNumbers: EventNumbers;
  readonly #position: SessionPosition;
  readonly #fileIdentity: FileIdentity;
  readonly #tokenPlacement: TokenPlacement;
  /** Whether the server that it was at last knows sessions. */
  #hasSessions = false;
  #isReady = false;
  #isClosing = false;
  #hasBeenConnected = false;
  readonly #failures = new FailureNotices(systemClock);
  readonly #reconnection = new Reconnection(systemClock);
  /** Resolves when the file is open. */
  readonly #opened: Promise<void>;
  /** Whether this process may take part. The server says so in its first welcome, or later [PROTOCOL-14.9]. */
  readonly acceptance = new Acceptance();
  readonly #firstWord = new FirstWord((callback) => this.#connection.inStep(callback));
  /** A master's file, which is not opened before. */
  file: HeldFile | undefined;
  readonly #waiting: Waiting;

  constructor(ipc: RemoteIPCPeer, settings: RemotePeerSettings) {
    this.#ipc = ipc;
    this.#settings = settings;
    this.#position = new SessionPosition(() => settings.createId());
    this.#tokenPlacement = new TokenPlacement(ipc.config);
    this.#longMessages = new LongMessages({
      config: ipc.config,
      now: systemClock.now,
      ask: (endpoint, parameters) => ({
        endpoint,
        parameters: { id: ipc.id, ...parameters },
        tokenPlace: this.#tokenPlacement.current,
      }),
    });
    this.#connection = new Connection(this.#handlers(), {
      WebSocket: settings.WebSocket,
      clock: systemClock,
      random: Math.random,
    });
    this.#outflow = new Outflow({
      line: this.#connection,
      maxKeptUnits: settings.maxKeptUnits ?? MAX_KEPT_UNITS,
      isAwaited: (peerId) => this.#incoming.isAwaited(peerId),
      sendLong: (text, isWanted) => this.#longMessages.send(text, isWanted),
      tooLong: (requestId, reason) => this.#tooLong(requestId, reason),
    });
    this.#view = new View(ipc);
    this.#fileIdentity = new FileIdentity(ipc.storage, {
      clock: systemClock,
      isOpen: () => this.#isReady && !ipc._exiting,
      isMaster: () => ipc.isMaster,
    });
    this.#eventNumbers = new EventNumbers(() => this.#position.id);
    this.#locks = new WorkerLocks({
      ...settings,
      ipc,
      clock: systemClock,
      granted: () => this.#lockGranted(),
      forget: (id) => this.#outflow.answered(id),
      areShared: settings.has('locks'),
    });
    this.#masterLocks = { ...settings, ipc, granted: () => this.#view.underLock() };
    this.#space = new Space({
      ipc,
      createId: () => settings.createId(),
      isInTouch: () => this.#connection.isInTouch,
      letWait: (message) => this.#patient.add(message),
    });
    this.#incoming = new Incoming({
      ...settings,
      ipc,
      answers: this.#answers,
      eventNumbers: this.#eventNumbers,
      answered: (id) => this.#outflow.answered(id),
      repeat: (message) => this.send(message),
      isBack: (peerId) => this.#outflow.isBack(peerId),
      rootTold: () => this.#view.rootTold(),
      isGone: (peerId) => this.#outflow.isGone(peerId),
      hasSessions: () => this.#hasSessions,
      inStep: (callback) => this.#connection.inStep(callback),
    });
    this.#outgoing = {
      classes: settings.classes,
      eventNumbers: this.#eventNumbers,
      hasValues: () => settings.has('values'),
      canWait: (message) => this.#patient.has(message),
      understands: (peerId) => this.#incoming.understandsValues(peerId),
    };
    this.#waiting = new Waiting({
      ipc,
      clock: systemClock,
      isReady: () => this.#isReady,
      isConnected: () => this.#connection.isOpen,
      hasSessions: () => this.#hasSessions,
      isAwaited: (peerId) => this.#incoming.isAwaited(peerId),
      isOfWorker: (request) => this.#incoming.isOfWorker(request),
      fetchLocks: () =>
        overHttp(
          ipc.config,
          { endpoint: 'locks', parameters: {}, tokenPlace: this.#tokenPlacement.current },
          undefined,
          LOOK_MS,
        ),
    });
    this.#opened = new Promise((resolve) => {
      ipc.storage.once('ready', () => {
        this.#isReady = true;
        this.#sayReady();
        if (ipc.isMaster) this.#letServerSpeakFirst();
        resolve();
      });
    });
  }

  /** Connects. Resolves when the server has accepted this process, or will not have it: that was told then. */
  connect(): Promise<void> {
    const start = (): void => {
      if (!this.#isClosing) this.#connection.start();
    };
    if (this.#settings.dataPeer === undefined) start();
    else void this.#settings.dataPeer.acceptance.accepted().then(start);
    return this.acceptance.decided;
  }

  /** The transaction log of this database is not to be written by this process. */
  logWasRefused(code: ErrorCode, reason: string): void {
    if (!this.#isClosing) this.#giveUp(code, reason, 'does not let it in with its transaction log');
  }

  #handlers(): ConnectionHandlers {
    return {
      target: () => this.#target(),
      frame: (text) => this.#frame(text),
      lost: (reason) => this.#lost(reason),
      failed: (failure) => this.#failed(failure),
      refused: (refusal) => this.#refused(refusal),
      exiting: () => this.#locks.giveBackIdle(),
    };
  }

  /** Sends a message, now or when there is a line. */
  send(message: Message): void {
    // Who asked for that lock will not hear of it.
    if (this.#isClosing && message.type === 'lock-result') this.#incoming.releaseLocksOfOthers();
    if (
      this.#isClosing ||
      (this.#hasSessions && isForSuccessor(message, this.#ipc)) ||
      !this.#isToBeSent(message)
    )
      return;
    if (message.type === 'bye') this.#locks.giveBackIdle();
    const frame = frameOf(message, this.#outgoing);
    if (message.type.endsWith('result')) this.#answers.answer(message);
    if (!this.#outflow.add(frame)) this.#noRoom(message);
    if (message.type === 'bye') this.#leave();
  }

  /** Asks the master for something. @returns `undefined` if it is to be asked as AceBase does */
  ask(data: unknown): Promise<unknown> | undefined {
    return this.#settings.has('space') && !this.#ipc.isMaster ? this.#space.request(data) : undefined;
  }

  /** The database is about to be closed, and will say goodbye. */
  prepareToExit(): Promise<void> | undefined {
    if (this.#isClosing) return undefined;
    if (!this.#ipc.isMaster) return this.#space.close();
    // A master that said goodbye would go on making its file, beside the next one.
    if (this.acceptance.isAccepted && !this.#isReady) return this.#opened;
    // One that goes without a word is waited for: a server that was restarted knows it by its session alone.
    if (this.#hasSessions && !this.#connection.isOpen) return this.#reconnection.within(GOODBYE_MS);
    // What was asked for before is granted yet.
    return this.#firstWord.wait();
  }

  /** Gets a lock, when this process may take part. @throws {IPCError} if it may not */
  async lock(details: LockDetails): Promise<IPCLock> {
    if (!this.acceptance.isAccepted) await this.acceptance.wait();
    if (!this.#ipc.isMaster) return this.#locks.lock(details);
    if (!this.#incoming.isOfWorker(details)) await this.#firstWord.wait();
    return lockOfMaster(this.#masterLocks, details);
  }

  /** The master has changed an index file. */
  indexUpdated(file: string): void {
    if (this.#ipc.peers.length > 0)
      this.send({ type: 'index-updated', from: this.#ipc.id, data: { files: [file] } });
  }

  /** A lock of this master, that nobody knows of, is over: its transaction asks again, and AceBase would refuse that. */
  #ranOut(lockId: number): void {
    const lost = this.#ipc._locks.find(({ lock }) => lock?.id === lockId)?.lock;
    void lost?.release('its holder never knew of it');
  }

  async #lockGranted(): Promise<void> {
    await this.#view.underLock();
    // A new index is told of right before the lock; its file may still be read.
    const { _annoucedIndexes: announced } = this.#ipc.storage;
    if (announced !== undefined && announced.size > 0) await Promise.allSettled(announced.values());
  }

  #isToBeSent(message: Message): boolean {
    if (message.type === 'bye') return message.from === this.#ipc.id;
    if (message.type !== 'unsubscribe' || !this.#settings.has('unsubscribe')) return true;
    const { path, event } = message.data as { path: string; event: string };
    return !this.#ipc.ourSubscriptions.some((other) => other.path === path && other.event === event);
  }

  #noRoom(message: Message): void {
    const { id } = message;
    const reason = `IPC_CLIENT_QUEUE_FULL: too much waits for the IPC server at ${describe(this.#ipc.config)}, which is not there`;
    if (isRequest(message) && id !== undefined) this.#ipc._requests.get(id)?.reject(new Error(reason));
    else if (this.#outflow.dropped === 1) loggerOf(this.#ipc.storage).error(reason);
  }

  #target(): Target {
    const { id, version, config } = this.#ipc;
    const parameters = {
      v: version,
      id,
      client: this.#settings.client,
      ...this.#position.parameters,
      ...this.acceptance.parameters,
      can: `resume,ready,no-echo,yield,waits${FileIdentity.isPossibleFor(this.#ipc.storage) ? ',identify' : ''}`,
    };
    const tokenPlace = this.#tokenPlacement.begin();
    return webSocketTarget(config, { endpoint: 'connect', parameters, tokenPlace });
  }

  #frame(text: string): void {
    if (text.startsWith('welcome:')) this.#welcome(text.slice('welcome:'.length));
    else if (text.startsWith('stable:')) this.#outflow.arrived(Number(text.slice('stable:'.length)));
    else if (text === 'yield') this.#locks.yield();
    else if (text.startsWith('identify:')) void this.#fileIdentity.respond(text, this.#outflow.answerer());
    else if (text === 'accepted') this.#accept();
    else if (text.startsWith('refused:')) this.#refused(lateRefusal(text.slice('refused:'.length)));
    else {
      this.#position.count();
      if (text.startsWith('get:')) void this.#pickUp(text.slice('get:'.length));
      else this.#incoming.receive(text);
    }
  }

  #welcome(json: string): void {
    const { maxPayload, session } = JSON.parse(json) as { maxPayload: number; session?: SessionWelcome };
    const hasSessions = session !== undefined;
    const hadSession = this.#position.received !== undefined;
    if (session?.resumed === false && hadSession && this.#connection.mayBeGivenUp) {
      if (this.#ipc.isMaster) {
        this.#outflow.clear();
        this.#outflow.begin({ maxPayload, hasSessions });
      }
      this.#losePlace();
      return;
    }
    this.#connection.proved();
    const isResumed = session?.resumed === true && this.#outflow.resume(session.received);
    if (session?.resumed === true && !isResumed) {
      // What it lacks is not here any more: only a new session can go on.
      this.#comeAnew();
      this.#connection.renew('the session cannot be resumed');
      return;
    }
    if (!isResumed) this.#beginAnew(hasSessions, session?.grace);
    this.#position.welcomed(isResumed, session?.since ?? 0);
    this.#hasSessions = hasSessions;
    if (!isResumed) this.#sayReady();
    this.#outflow.begin({ maxPayload, hasSessions });
    const relief = this.#failures.over(describe(this.#ipc.config));
    // As loud as what it ends: whoever has read that is to read this.
    if (relief !== undefined) loggerOf(this.#ipc.storage).error(relief);
    this.#hasBeenConnected = true;
    this.#settings.onStatus({ kind: 'connected', database: this.#ipc.dbname, resumed: isResumed });
    this.acceptance.folderIs(session?.folderSince);
    if (session?.accepted !== false) this.#accept(isResumed);
    this.#reconnection.happened();
  }

  /** The server lets this process take part. */
  #accept(isResumed = false): void {
    if (this.acceptance.isWaiting && this.file?.hasAppeared === true) {
      this.#giveUp('IPC_CLIENT_GAVE_UP', FILE_APPEARED, 'cannot go on with this process');
    } else this.acceptance.accept();
    if (this.#ipc.isMaster && !isResumed) this.#letServerSpeakFirst();
  }

  /** Of locks that workers hold; and, once its file is open, of the root and the keys that others know. */
  #letServerSpeakFirst(): void {
    this.#firstWord.listen(() => this.#incoming.rootMayHaveBeenAsked());
  }

  /** This server has never heard of this process. If another one had, much may have got lost with it. */
  #beginAnew(hasSessions: boolean, grace = RETURN_MS): void {
    if (this.#position.received === undefined && !this.#hasBeenConnected) {
      // A worker read the file before, and has heard of nothing that others did since. A master has not opened it.
      if (!this.#ipc.isMaster) this.#view.missedNews();
      return;
    }
    const held = this.#ipc.isMaster ? [] : this.#locks.claims();
    const peers = this.#ipc.peers.map(({ id }) => id);
    const given = this.#outflow.takeForNewServer(hasSessions ? claimOf({ held, peers }) : undefined);
    for (const id of given) this.#ipc._requests.get(id)?.resolve({ ok: true });
    this.#view.missedNews();
    this.#incoming.expectPeersAnew(grace);
    this.#outflow.holdBackEarly();
  }

  #sayReady(): void {
    if (this.#isReady && this.#hasSessions) this.#outflow.say('ready');
  }

  #tooLong(requestId: string | undefined, reason: string): void {
    const where = describe(this.#ipc.config);
    const message = `IPC_CLIENT_MESSAGE_TOO_LONG: the IPC server at ${where} does not take so long a message: ${reason}`;
    loggerOf(this.#ipc.storage).error(message);
    if (requestId !== undefined) this.#ipc._requests.get(requestId)?.reject(new Error(message));
  }

  async #pickUp(messageId: string): Promise<void> {
    const fetched = await this.#longMessages.fetch(messageId);
    if ('text' in fetched) this.#incoming.receive(fetched.text);
    else loggerOf(this.#ipc.storage).error(`Message ${messageId} could not be picked up: ${fetched.reason}`);
  }

  #lost(reason: string): void {
    this.#outflow.lineLost();
    this.#isReconnecting(reason, (where) => this.#failures.lost(where, reason));
  }

  #failed(failure: Failure): void {
    this.#isReconnecting(failure.reason, (where) => this.#failures.failed(where, failure));
  }

  /** @param notice what the log is to say; `undefined` if it has said so already */
  #isReconnecting(reason: string, notice: (where: string) => string | undefined): void {
    const words = this.#isClosing ? undefined : notice(describe(this.#ipc.config));
    if (this.#isClosing) this.#connection.end();
    if (words === undefined) return;
    loggerOf(this.#ipc.storage).error(words);
    this.#settings.onStatus({ kind: 'reconnecting', database: this.#ipc.dbname, reason });
  }

  #refused(refusal: Refusal): 'later' | 'never' {
    const { status, code = FOREIGN_ANSWER, message: reason } = refusal;
    const isForeign403 = status === 403 && refusal.code === undefined;
    if (isForeign403 && this.#tokenPlacement.current === 'url') {
      const why = `It is an original acebase-ipc-server, and does not take this token: ${reason}`;
      this.#giveUp('IPC_REFUSED_TOKEN', why);
      return 'never';
    }
    const verdict = judgeRefusal(refusal, this.#position.received !== undefined && !this.#ipc.isMaster);
    if (verdict === 'place is lost') this.#losePlace();
    else if (verdict === 'later') this.#failed({ reason, code });
    else this.#giveUp(codeOfRefusal(refusal), describeRefusal(refusal));
    if (isForeign403) void this.#tokenPlacement.lookForOriginal();
    return verdict === 'later' ? 'later' : 'never';
  }

  /** Others may have gone on without this process. A worker comes again as another peer. */
  #losePlace(): void {
    if (this.#ipc.isMaster) {
      this.send({ type: 'bye', from: this.#ipc.id });
      this.#giveUp('IPC_CLIENT_GAVE_UP', OUT_OF_TOUCH, 'cannot go on with this process');
      return;
    }
    if (this.#connection.isOpen) this.#connection.end();
    void this.#locks.lose().then(() => {
      this.#comeAnew();
      this.#connection.start();
    });
  }

  /** The session is over: this process begins another one, a worker as another peer. */
  #comeAnew(): void {
    const former = this.#ipc.id;
    this.#ipc.id = this.#ipc.isMaster ? former : this.#settings.createId();
    this.#position.beginAnew();
    this.#outflow.rename(former, this.#ipc.id);
  }

  #giveUp(code: ErrorCode, reason: string, what = 'does not let this process in'): void {
    const text = `The IPC server at ${describe(this.#ipc.config)} ${what}. ${reason}`;
    const error = new IPCError(code, text);
    this.#settings.onStatus({ kind: 'gave-up', database: this.#ipc.dbname, reason });
    // A file that is just being opened cannot be closed.
    const isOpening = !this.#isReady && !(this.#ipc.isMaster && this.acceptance.isWaiting);
    this.#isClosing = true;
    this.acceptance.refuse(error);
    this.#waiting.stop();
    void this.#fileIdentity.close();
    this.#outflow.clear();
    this.#incoming.releaseLocksOfOthers();
    for (const { reject } of [...this.#ipc._requests.values()]) reject(error);
    loggerOf(this.#ipc.storage).error(text);
    this.#settings.dataPeer?.logWasRefused(code, reason);
    if (isOpening) void this.#opened.then(() => this.#ipc.storage.close());
    else void this.#ipc.storage.close();
  }

  /** This process has said goodbye. */
  #leave(): void {
    this.#isClosing = true;
    if (this.acceptance.isWaiting) this.acceptance.refuse(new IPCError('IPC_CLIENT_CLOSED'));
    this.#waiting.stop();
    // A server of this package ends the line when everything was read; others leave it open.
    if (!this.#connection.isOpen || !this.#hasSessions) this.#connection.end();
    else systemClock.scheduleIdle(FAREWELL_MS, () => this.#connection.end());
  }
}
