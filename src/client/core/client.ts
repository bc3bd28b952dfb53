import { type ErrorCode, IPCError } from '../../errors.js';
import { decode, SERVER_ID, WRITTEN } from '../../protocol/frames.js';
import type { RecordAddress } from '../../protocol/messages.js';
import { type Claim, claimOf, readyWord, type SessionWelcome } from '../../protocol/session.js';
import { Acceptance } from './acceptance.js';
import { Space } from './allocator.js';
import { Answers } from './answer-cache.js';
import type { ClientEvent, ClientSettings, DataPeer } from './client-settings.js';
import { Comeback } from './comeback.js';
import { Connection, type ConnectionHandlers, Reconnection } from './connection.js';
import { FailedWrites } from './failed-writes.js';
import type { DatabaseFile, IPCLock, LockDetails, Message } from './host.js';
import { EventNumbers, Incoming } from './inbox.js';
import { JournalSwitch } from './journal-switch.js';
import { Lease } from './lease.js';
import { isAskedUnderLock, WorkerLocks } from './locks.js';
import { LostTransactions, lostError } from './lost-transactions.js';
import { FirstWord, isForSuccessor, lockOfMaster, type MasterLockSettings } from './master-locks.js';
import { MasterTransactions } from './master-transactions.js';
import { MasterTurn } from './master-turn.js';
import { failRequest } from './outgoing.js';
import type { Cancel, Failure } from './ports.js';
import {
  codeOfRefusal,
  describeNoReturn,
  describeRefusal,
  describeUnusableLock,
  describeUnwrittenRoot,
  FILE_APPEARED,
  FOREIGN_ANSWER,
  judgeRefusal,
  lateRefusal,
  OUT_OF_TOUCH,
  type Refusal,
} from './refusals.js';
import { View } from './resync.js';
import { Rival } from './rival.js';
import { Sender } from './sender.js';
import { Outflow, SessionPosition } from './session.js';

/** UTF-16 units that are kept for a server that is not there, or that may die. */
export const MAX_KEPT_UNITS = 64 * 1024 * 1024;

/** Milliseconds that peers have to come back to a server that does not say how long it waits for them. */
const RETURN_MS = 10_000;

/** Milliseconds that a master which is closed waits for a server that is not there, to say goodbye to it. */
const GOODBYE_MS = 3_000;

/** How long a master waits that could not write the root, before it comes anew to do that, in milliseconds. */
const ROOT_RETRY_MS = 2_000;

/** For how long a worker that is closed waits for a server that is not there, at least, in milliseconds. */
const LEAST_ABSENCE_MS = 1_000;

/** How it is said that a server let this process in, and it cannot stay. */
const CANNOT_GO_ON = 'cannot go on with this process';

/** Milliseconds that a server has to end the line of a peer that said goodbye. */
const FAREWELL_MS = 3_000;

/**
 * What this client puts in the place of AceBase's way to the IPC server: one for each file that is open. Pure: it is given
 * the time, randomness and lines, and AceBase as {@link IPCPeer} and {@link DatabaseFile}.
 */
export class Client implements DataPeer {
  readonly #settings: ClientSettings;
  readonly #connection: Connection;
  readonly #outflow: Outflow;
  readonly #view: View;
  readonly #locks: WorkerLocks;
  readonly #masterLocks: MasterLockSettings;
  readonly #locksOfOthers: MasterLockSettings;
  readonly #turn: MasterTurn;
  readonly #transactions: MasterTransactions;
  readonly #space: Space;
  readonly #answers: Answers;
  readonly #incoming: Incoming;
  readonly #sender: Sender;
  readonly #position: SessionPosition;
  /** Whether the server that it was at last knows sessions. */
  #hasSessions = false;
  /** The units of the longest frame that it takes. */
  #maxPayload = 0;
  /** Whether it wants to know when this master wants its turn. */
  #hasTurns = false;
  /** Milliseconds for which it lets one lock for writing serve several transactions. */
  #slice: number | undefined;
  #patience = Number.POSITIVE_INFINITY;
  #isClosing = false;
  /** Whether the database is about to be closed, and waits for a server that is not there no longer than so; and what ends that in a worker. */
  #isToPart = false;
  #cancelAbsence: Cancel | undefined;
  readonly #comeback: Comeback;
  /** Whether it was given up, and what it was doing is not at rest yet. */
  #isLosing = false;
  /** Which time that it was given up it is about to come back from. */
  #returning = 0;
  readonly #placeLost: (() => void)[] = [];
  /** Says goodbye when it has written what it is writing. */
  #goodbye: Promise<void> | undefined;
  #hasBeenConnected = false;
  readonly #reconnection: Reconnection;
  #isReady = false;
  /** Whether the server that it was at last has told this master who was there. */
  #knowsPeers = false;
  #open: () => void = () => undefined;
  /** Resolves when the file is open. */
  readonly #opened = new Promise<void>((resolve) => {
    this.#open = resolve;
  });
  /** Whether this process may take part. The server says so in its first welcome, or later [PROTOCOL-14.9]. */
  readonly acceptance = new Acceptance();
  readonly #rival: Rival;
  #graceOfServer: number | undefined;
  readonly #firstWord: FirstWord;
  /** For how long this process may use its locks, and the file, without a word of the server. */
  readonly lease: Lease;
  readonly #failedWrites: FailedWrites;
  /** Transactions whose locks were lost with the place of this process. */
  readonly lost = new LostTransactions();
  /** Whether what this process writes is committed as a whole. */
  readonly journal: JournalSwitch;
  /** A master's file, which is not opened before. */
  heldFile: { readonly hasAppeared: boolean } | undefined;

  constructor(settings: ClientSettings) {
    const { ipc, clock, random, dial, long, createId } = settings;
    this.#settings = settings;
    this.#position = new SessionPosition(createId);
    this.#answers = new Answers(clock.wallTime, (lockId) => this.#ranOut(lockId));
    this.#reconnection = new Reconnection(clock);
    this.#rival = new Rival(clock);
    this.lease = new Lease({
      clock,
      proof: () => this.#connection.proof,
      // What is locked has run out by then.
      patience: () => Math.min(this.#patience, settings.file.lockTimeout),
      impatience: () => this.#leaseLost(),
      lapsed: () => settings.tell({ kind: 'lease lapsed' }),
      regained: (milliseconds) => settings.tell({ kind: 'lease regained', milliseconds }),
    });
    this.#connection = new Connection(this.#handlers(), { dial, clock, random });
    this.#firstWord = new FirstWord((callback) => this.#connection.inStep(callback));
    this.#outflow = new Outflow({
      line: this.#connection,
      maxKeptUnits: settings.maxKeptUnits ?? MAX_KEPT_UNITS,
      isAwaited: (peerId) => this.#incoming.isAwaited(peerId),
      sendLong: (text, isWanted) => long.send(text, isWanted),
      tooLong: (requestId, reason) => this.#sender.tooLong(requestId, reason),
    });
    this.#failedWrites = new FailedWrites(() => settings.file.invalidateAllCaches());
    this.journal = new JournalSwitch(settings.journal, ipc.isMaster);
    this.#view = new View(ipc, settings.file, clock, this.journal);
    const eventNumbers = new EventNumbers(() => this.#position.id);
    this.#locks = new WorkerLocks({
      ...settings,
      granted: () => this.#lockGranted(),
      forget: (id) => this.#outflow.answered(id),
      lost: this.lost,
      ends: (tid) => this.#failedWrites.ends(tid),
      areShared: settings.has('locks'),
      slice: () => this.#slice,
      flush: () => {
        this.#sender.flush();
        this.#connection.flush();
      },
    });
    this.#masterLocks = { ...settings, granted: () => this.#view.underLock() };
    this.#locksOfOthers = { ...settings, granted: () => this.#grantedToOthers() };
    this.#turn = new MasterTurn({
      ...settings,
      isOfWorker: (request) => this.isOfWorker(request),
      isAskedFor: () => this.#hasTurns,
      say: (word) => this.#outflow.say(word),
    });
    this.#space = new Space({
      ...settings,
      isInTouch: () => this.#connection.isInTouch,
      letWait: (message) => this.#sender.letWait(message),
    });
    this.#incoming = new Incoming({
      ...settings,
      answers: this.#answers,
      eventNumbers,
      answered: (id) => this.#outflow.answered(id),
      repeat: (message) => this.send(message),
      isBack: (peerId) => this.#outflow.isBack(peerId),
      rootTold: () => this.#view.rootTold(),
      masterCame: () => this.#view.masterCame(),
      rootWritten: () => this.#outflow.say(decode(WRITTEN)),
      // As one that has just come, it is asked again, as the next master would be. A disk that is out of order has that said again and again.
      rootNotWritten: (error) => {
        const { times } = this.#comeback;
        clock.scheduleIdle(ROOT_RETRY_MS, () => {
          if (times === this.#comeback.times) this.giveUpPlace(describeUnwrittenRoot(error));
        });
      },
      isGone: (peerId) => this.#outflow.isGone(peerId),
      hasSessions: () => this.#hasSessions,
      journalIsHeard: (word) => {
        if (this.journal.heard(word)) void this.#lookForServer();
      },
      reread: () => {
        this.journal.othersMayWrite();
        this.#view.missedNews(true);
      },
      othersMayWrite: () => this.journal.othersMayWrite(),
      heardAt: () => this.#connection.proof,
      inStep: (callback) => this.#connection.inStep(callback),
    });
    this.#sender = new Sender({
      ...settings,
      outflow: this.#outflow,
      answers: this.#answers,
      eventNumbers,
      understandsValues: (peerId) => this.#incoming.understandsValues(peerId),
      understandCacheNews: () => this.#hasSessions && this.#incoming.understandCacheNews,
      longest: () => this.#maxPayload,
      rootMoved: () => this.#space.rootMoved(),
    });
    this.#comeback = new Comeback({
      ...settings,
      lost: this.lost,
      loseWorkerLocks: () => this.#locks.lose(),
      isOfWorker: (request) => this.isOfWorker(request),
      releaseLocksOfOthers: () => this.#incoming.releaseLocksOfOthers(),
    });
    this.#transactions = new MasterTransactions({
      ...settings,
      acceptance: this.acceptance,
      lost: this.lost,
      failedWrites: this.#failedWrites,
      comeback: this.#comeback,
      turn: this.#turn,
      firstWord: this.#firstWord,
      hasRootRunOut: () => this.#incoming.hasRootRunOut(),
      get: (details, watch) => lockOfMaster(this.#masterLocks, details, watch),
      leaseLost: () => this.#leaseLost(),
    });
    if (ipc.isMaster) settings.dataPeer?.onPlaceLost(() => this.#losePlace());
  }

  /** Whether the file is open. */
  get isReady(): boolean {
    return this.#isReady;
  }

  /** A part of that transaction is about to write. */
  writeBegins(tid: LockDetails['tid']): void {
    this.#failedWrites.begins(tid);
  }

  /** Something is written. */
  writes(): void {
    this.#failedWrites.writes();
  }

  /** A part of that transaction has failed. */
  writeFailed(tid: LockDetails['tid']): void {
    const { _locks } = this.#settings.ipc;
    this.#failedWrites.add(
      tid,
      _locks.some((info) => info.granted && info.tid === tid),
    );
  }

  /** Space is set free when this is called. */
  setsFree(give: () => void): void {
    // One before it may be of a transaction whose lock has run out.
    const writer = this.#settings.ipc._locks.findLast(
      ({ granted, request }) => granted && request.write && !this.isOfWorker(request),
    );
    this.#failedWrites.setsFree(give, writer?.tid);
  }

  /** Whether it was given up by the server, and is not back. */
  get isAway(): boolean {
    return this.#comeback.isUnderWay;
  }

  /** Calls each time that it is given up. */
  onPlaceLost(callback: () => void): void {
    this.#placeLost.push(callback);
  }

  /** The peer of the transaction log was given up: a master comes back with both. */
  logLostPlace(): void {
    if (!this.isAway) this.#losePlace();
  }

  /** Whether there is a connection. */
  get isConnected(): boolean {
    return this.#connection.isOpen;
  }

  /** Whether the server that it was at last knows sessions. */
  get hasSessions(): boolean {
    return this.#hasSessions;
  }

  /** Whether that peer is not back yet after the server was restarted. */
  isAwaited(peerId: string): boolean {
    return this.#incoming.isAwaited(peerId);
  }

  /** Whether a worker asked this master for that lock. */
  isOfWorker(request: object): boolean {
    return this.#incoming.isOfWorker(request);
  }

  /** The database file is open. */
  fileOpened(): void {
    this.#isReady = true;
    // From now on there is one.
    this.heldFile = undefined;
    // What a crash has cut short is not in it yet.
    const isSound = !this.journal.isPending;
    if (!isSound) this.#view.missedNews();
    this.#sayReady(this.#settings.ipc.isMaster && isSound ? rootOf(this.#settings.file) : undefined);
    if (this.#settings.ipc.isMaster) this.#letServerSpeakFirst();
    this.#open();
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
      parameters: () => this.#parameters(),
      frame: (text) => this.#frame(text),
      lost: (reason) => this.#lost(reason),
      failed: (failure) => {
        this.#rival.failed(failure);
        this.#failed(failure);
      },
      refused: (refusal) => this.#refused(refusal),
      proved: () => this.lease.proved(),
      exiting: () => {
        this.#locks.giveBackIdle();
        this.#sender.flush();
      },
    };
  }

  /** Sends a message, now or when there is a line. */
  send(message: Message): void {
    // The next master opens the file at once.
    const writing = this.#isGoodbye(message) ? this.#settings.file.written() : undefined;
    if (writing === undefined) this.#send(message);
    else this.#goodbye = writing.then(() => this.#send({ ...message, from: this.#settings.ipc.id }));
  }

  /** Resolves when this process has said goodbye; `undefined` if it has, or was not about to. */
  get goodbye(): Promise<void> | undefined {
    return this.#isClosing ? undefined : this.#goodbye;
  }

  #isGoodbye({ type, from }: Message): boolean {
    return type === 'bye' && from === this.#settings.ipc.id;
  }

  #send(message: Message): void {
    // Whoever asked, or is told, has another master by then.
    if (this.#isSaidInVain(message)) return;
    // Who asked for that lock will not hear of it.
    if (this.#isClosing && message.type === 'lock-result') this.#incoming.releaseLocksOfOthers();
    if (
      this.#isClosing ||
      (this.#hasSessions && isForSuccessor(message, this.#settings.ipc)) ||
      !this.#isToBeSent(message)
    )
      return;
    if (message.type === 'bye') this.#locks.giveBackIdle();
    if (this.#isLosing && isAskedUnderLock(message)) this.#failUnderLostLock(message);
    else this.#sender.send(message);
    if (message.type === 'bye') this.#leave();
  }

  /** It would be answered when this process is back, which waits for what goes on under the lock that it has lost. */
  #failUnderLostLock({ id = '' }: Message): void {
    const { _requests } = this.#settings.ipc;
    const open = _requests.get(id);
    _requests.delete(id);
    if (open !== undefined) failRequest(open, lostError('the lock'));
  }

  #isSaidInVain({ type }: Message): boolean {
    const { isMaster } = this.#settings.ipc;
    return (
      isMaster &&
      this.isAway &&
      !this.acceptance.isAccepted &&
      (type.endsWith('result') || type === 'notification')
    );
  }

  /** Asks the master for something. @returns `undefined` if it is to be asked as AceBase does */
  ask(data: unknown): Promise<unknown> | undefined {
    return this.#settings.has('space') && !this.#settings.ipc.isMaster
      ? this.#space.request(data)
      : undefined;
  }

  /** The database is about to be closed, and will say goodbye. */
  prepareToExit(): Promise<void> | undefined {
    if (this.#isClosing) return undefined;
    if (!this.#settings.ipc.isMaster) {
      this.#isToPart = true;
      if (!this.#connection.isOpen) this.#limitAbsence();
      return this.#space.close();
    }
    // A master that said goodbye would go on making its file, beside the next one.
    if (this.acceptance.isAccepted && !this.#isReady)
      return (
        this.#comeback.wait() ?? Promise.race([this.#opened, this.acceptance.refused]).then(() => undefined)
      );
    this.#turn.leave();
    return this.#awaitIndexes();
  }

  /** There is no line. A worker that is closed waits for answers no longer than its server waits for it: nobody gives them. */
  #limitAbsence(): void {
    const { ipc, clock } = this.#settings;
    this.#cancelAbsence?.();
    const longest = Math.max(this.#graceOfServer ?? RETURN_MS, LEAST_ABSENCE_MS);
    this.#cancelAbsence = clock.scheduleIdle(longest, () => {
      if (this.#isClosing || this.#connection.isOpen) return;
      for (const [id, open] of [...ipc._requests]) {
        ipc._requests.delete(id);
        this.#outflow.answered(id);
        failRequest(open, new IPCError('IPC_CLIENT_CLOSED'));
      }
      this.#limitAbsence();
    });
  }

  #awaitIndexes(): Promise<void> {
    const { indexes } = this.#settings;
    // Those that wait until it is back are not waited for.
    const made = this.isAway ? indexes.built() : indexes.over();
    return made === undefined ? this.#awaitServer() : made.then(() => this.#awaitIndexes());
  }

  #awaitServer(): Promise<void> {
    this.#isToPart = true;
    // One that goes without a word is waited for: a server that was restarted knows it by its session alone.
    if (this.#hasSessions && !this.#connection.isOpen) return this.#partUnlessBack();
    // What was asked for before is granted yet.
    return this.#firstWord.wait();
  }

  #partUnlessBack(): Promise<void> {
    return this.#reconnection.within(GOODBYE_MS).then(() => this.#partWithWorkers());
  }

  /** A master that is closed gives up the lock that the server has here, which is not there to give it back. */
  #partWithWorkers(): void {
    if (this.#connection.isOpen) return;
    this.#transactions.part();
    this.#firstWord.isOver();
    this.#incoming.releaseLocksOfOthers();
  }

  /** Gets a lock, when this process may take part. @throws {IPCError} if it may not */
  async lock(details: LockDetails): Promise<IPCLock> {
    if (!this.acceptance.isAccepted && !this.isAway) await this.acceptance.wait();
    if (!this.#settings.ipc.isMaster) return this.#underLease(await this.#locks.lock(details));
    if (this.#incoming.isOfWorker(details))
      return this.#turn.ofWorkers(() => lockOfMaster(this.#locksOfOthers, details));
    return this.#underLease(await this.#transactions.lock(details));
  }

  /**
   * Somebody else has got a lock at this master. One that is coming back reads nothing yet, and makes its view sound under its next own lock. One that cannot do so must not
   * refuse the lock, and go on: workers hold theirs already, for which the server asks for this one.
   */
  async #grantedToOthers(): Promise<void> {
    if (this.isAway) return;
    try {
      await this.#view.underLock();
    } catch (error) {
      if (!this.isAway) this.giveUpPlace(describeUnusableLock(error));
      throw error;
    }
  }

  /** A lock that was granted is of use only while the lease is held. */
  async #underLease(lock: IPCLock): Promise<IPCLock> {
    try {
      await this.lease.wait();
    } catch (error) {
      await lock.release('the lease is lost');
      throw error;
    }
    return lock;
  }

  /** Somebody is to be let in who knows nothing of the journal: what a crash has cut short is carried out before. */
  async #lookForServer(): Promise<void> {
    const { ipc, log, createId } = this.#settings;
    const { times } = this.#comeback;
    try {
      await this.#opened;
      await this.lease.wait();
      if (ipc.isMaster) {
        const details = { path: '', tid: createId(), write: false, comment: 'journal' };
        const lock = await this.lock(details);
        await this.#emptyJournal().finally(() => lock.release('journal'));
      } else await this.#emptyJournal();
      if (times === this.#comeback.times) this.#outflow.say('looked');
    } catch (error) {
      log.error('What a crash has left cannot be looked at:', error);
      // So that the server asks the next one.
      if (times === this.#comeback.times) this.#losePlace();
    }
  }

  /** Those who are let in then may have opened the file before the root was moved, and everybody who could have told them may be gone. */
  async #emptyJournal(): Promise<void> {
    if (await this.journal.empty()) this.#view.missedNews(true);
    await this.#view.tellRoot();
  }

  /** The file cannot be opened as it is. */
  cannotOpen(error: unknown): void {
    if (this.#isClosing) return;
    if (error instanceof IPCError)
      this.#giveUp(error.code, `${error.message}. ${error.remedy}`, CANNOT_GO_ON);
    else this.#giveUp('IPC_CLIENT_GAVE_UP', describeNoReturn(error), CANNOT_GO_ON);
  }

  /** This process cannot go on with what it has begun: it comes again as a new peer. @param reason why, for people to read */
  giveUpPlace(reason?: string): void {
    this.#losePlace(true, reason);
  }

  #leaseLost(): IPCError {
    const { server } = this.#settings;
    const what = `the IPC server at ${server} did not hear this process for too long, and others may use what it had locked`;
    return new IPCError('IPC_CLIENT_LEASE_LOST', `IPC_CLIENT_LEASE_LOST: ${what}`);
  }

  /** The master has changed an index file. */
  indexUpdated(file: string): void {
    if (this.#settings.ipc.peers.length > 0)
      this.send({ type: 'index-updated', from: this.#settings.ipc.id, data: { files: [file] } });
  }

  /** A lock of this master, that nobody knows of, is over: its transaction asks again, and AceBase would refuse that. */
  #ranOut(lockId: number): void {
    const lost = this.#settings.ipc._locks.find(({ lock }) => lock?.id === lockId)?.lock;
    void lost?.release('its holder never knew of it');
  }

  async #lockGranted(): Promise<void> {
    await this.#view.underLock();
    // A new index is told of right before the lock; its file may still be read.
    const announced = this.#settings.indexes.announced();
    if (announced !== undefined) await announced;
  }

  #isToBeSent(message: Message): boolean {
    if (message.type === 'bye') return this.#isGoodbye(message);
    if (message.type !== 'unsubscribe' || !this.#settings.has('unsubscribe')) return true;
    const { path, event } = message.data as { path: string; event: string };
    return !this.#settings.ipc.ourSubscriptions.some((other) => other.path === path && other.event === event);
  }

  #parameters(): Readonly<Record<string, string>> {
    const { ipc, version, client, identify, journal, parameters } = this.#settings;
    return {
      v: version,
      id: ipc.id,
      client,
      ...this.#position.parameters,
      ...(this.#position.received !== undefined && { grace: String(Math.ceil(this.#connection.usableFor)) }),
      ...this.acceptance.parameters,
      ...(ipc.isMaster && this.#othersKnown()),
      ...parameters,
      ...this.journal.parameters,
      can: `resume,ready,no-echo,waits,turn,slice${identify === undefined ? '' : ',identify'}${journal?.isKept === true ? ',journal' : ''}`,
    };
  }

  /** Which run of which server has let this process in last; `undefined` if that is not known. */
  get server(): string | undefined {
    return this.#position.server;
  }

  /** Milliseconds for which that server waits for a process whose line broke; `undefined` if that is not known. */
  get graceOfServer(): number | undefined {
    return this.#graceOfServer;
  }

  /** What a master knows of another one. Who was let in at a server is the one that others wait for. */
  #othersKnown(): Readonly<Record<string, string>> {
    const rival = this.#rival.dial();
    if (this.#position.received !== undefined) return {};
    return this.#settings.isFolderInUse?.() === true ? { ...rival, other: '1' } : rival;
  }

  #frame(text: string): void {
    if (this.#isLosing) return;
    if (text.startsWith('welcome:')) this.#welcome(text.slice('welcome:'.length));
    else if (text.startsWith('stable:')) this.#outflow.arrived(Number(text.slice('stable:'.length)));
    else if (text.startsWith('yield:')) this.#locks.yieldWrite(Number(text.slice('yield:'.length)));
    else if (text.startsWith('identify:')) this.#settings.identify?.(text, this.#outflow.answerer());
    else if (text === 'accepted') this.#accept();
    else if (text.startsWith('refused:')) this.#refused(lateRefusal(text.slice('refused:'.length)));
    else {
      this.#position.count();
      // The next master has the file soon: nothing is written on anybody's word any more.
      if (this.#isClosing || this.#goodbye !== undefined) return;
      if (text.startsWith('get:')) void this.#pickUp(text.slice('get:'.length));
      else this.#incoming.receive(text);
    }
  }

  #welcome(json: string): void {
    const { maxPayload, session } = JSON.parse(json) as { maxPayload: number; session?: SessionWelcome };
    const hasSessions = session !== undefined;
    if (!this.#hasBeenConnected && !this.#settings.ipc.isMaster) {
      const problem = this.#settings.judge?.(session?.managed);
      if (problem !== undefined) {
        this.#giveUp(problem.code, problem.message, CANNOT_GO_ON);
        return;
      }
    }
    this.#maxPayload = maxPayload;
    this.#rival.isOver();
    const hadSession = this.#position.received !== undefined;
    if (session?.resumed === false && hadSession && this.#mayOthersHaveItsPlace) {
      // That server waits for what it held, until it says goodbye.
      this.#losePlace(true);
      return;
    }
    const isResumed = session?.resumed === true && this.#outflow.resume(session.received);
    if (session?.resumed === true && !isResumed) {
      this.#settings.tell({ kind: 'session lost' });
      // What it lacks is not here any more: only a new session can go on.
      this.#losePlace();
      return;
    }
    if (!isResumed && !this.#beginAnew(hasSessions, session?.grace)) {
      this.#losePlace();
      return;
    }
    this.#position.welcomed(isResumed, session?.since ?? 0, session?.server);
    if (!isResumed) this.journal.welcomed(session?.journal);
    this.lease.begin(session?.lease);
    this.#hasSessions = hasSessions;
    this.#hasTurns = session?.turns === true;
    this.#slice = session?.slice;
    this.#patience = session?.patience ?? Number.POSITIVE_INFINITY;
    if (!isResumed) {
      this.#sayReady();
      this.#turn.serverIsNew();
    }
    this.#outflow.begin({ maxPayload, hasSessions });
    // What is said first is heard before the ping.
    this.#connection.proved(session?.lease, session?.grace);
    this.#hasBeenConnected = true;
    this.#graceOfServer = session?.grace;
    this.#settings.tell({ kind: 'connected', resumed: isResumed });
    this.acceptance.folderIs(session?.folderSince);
    if (session?.accepted !== false) this.#accept(isResumed);
    this.#reconnection.happened();
  }

  /**
   * Whether a server that is gone may have given others what this process would go on with at the next one, or tell of there: the root may have been
   * moved since. Who has done nothing that was not heard of reads everything anew.
   */
  get #mayOthersHaveItsPlace(): boolean {
    return this.#connection.mayBeGivenUp || (this.#locks.isAnyOpen && this.#connection.isPastGrace);
  }

  /** The server lets this process take part. */
  #accept(isResumed = false): void {
    if (this.acceptance.isWaiting && this.heldFile?.hasAppeared === true) {
      this.#giveUp('IPC_CLIENT_GAVE_UP', FILE_APPEARED, CANNOT_GO_ON);
    } else this.acceptance.accept();
    if (this.#settings.ipc.isMaster && !isResumed) this.#letServerSpeakFirst();
    if (this.isAway && this.#returning !== this.#comeback.times) void this.#comeBack();
  }

  /** The server has let it in again: a master reads first what one reads that opens the file. */
  async #comeBack(): Promise<void> {
    const { ipc, file, tell } = this.#settings;
    const { times } = this.#comeback;
    this.#returning = times;
    const isOutOfDate = (): boolean => this.#isClosing || times !== this.#comeback.times;
    if (ipc.isMaster) {
      try {
        await file.reopen();
      } catch (error) {
        if (!isOutOfDate()) this.cannotOpen(error);
        return;
      }
      if (isOutOfDate()) return;
    }
    const milliseconds = this.#comeback.end();
    if (ipc.isMaster) this.fileOpened();
    tell({ kind: 'came back', milliseconds });
  }

  /** Of locks that workers hold; and, once its file is open, of the root and the keys that others know. */
  #letServerSpeakFirst(): void {
    const isIntroduced = this.#isReady;
    this.#firstWord.listen(() => {
      this.#knowsPeers = isIntroduced;
      this.#incoming.rootMayHaveBeenAsked();
    });
  }

  /**
   * This server has never heard of this process. If another one had, much may have got lost with it.
   *
   * @returns false if the server cannot be told on this line what it holds
   */
  #beginAnew(hasSessions: boolean, grace = RETURN_MS): boolean {
    if (this.#position.received === undefined && !this.#hasBeenConnected) {
      // A worker read the file before, and has heard of nothing that others did since. A master has not opened it.
      if (!this.#settings.ipc.isMaster) this.#view.missedNews();
      return true;
    }
    // One that comes again as another peer was at no other server [PROTOCOL-14.6].
    const isKnown = hasSessions && this.#position.received !== undefined;
    const claim = isKnown ? claimOf(this.#claim()) : undefined;
    // By another way than the line, it would come behind the ping that proves the lease.
    if (claim !== undefined && claim.length > this.#maxPayload) return false;
    this.#sender.flush();
    const given = this.#outflow.takeForNewServer(claim);
    this.#knowsPeers = false;
    this.#assumeDone(given);
    this.#view.missedNews();
    this.#incoming.expectPeersAnew(Math.max(grace, this.#connection.usableFor));
    this.#outflow.holdBackEarly();
    return true;
  }

  /** Nobody will answer these requests, and what they were for need not be done. */
  #assumeDone(requestIds: readonly string[]): void {
    for (const id of requestIds) this.#settings.ipc._requests.get(id)?.resolve({ ok: true, isAssumed: true });
  }

  /** What a new server is to know of the time before. */
  #claim(): Claim {
    const { ipc, file } = this.#settings;
    const peers = ipc.peers.map(({ id }) => id);
    if (!ipc.isMaster) {
      return {
        held: this.#locks.claims(),
        peers,
        // With a journal in force, the file has the one that counts.
        root:
          this.#locks.isHolding && this.#view.isSound && !this.journal.isInForce ? rootOf(file) : undefined,
      };
    }
    if (!this.#knowsPeers) peers.push(SERVER_ID);
    return { held: [], peers };
  }

  /** @param root where a master has just found it */
  #sayReady(root?: RecordAddress): void {
    if (this.#isReady && this.#hasSessions) this.#outflow.say(readyWord(root));
  }

  async #pickUp(messageId: string): Promise<void> {
    const fetched = await this.#settings.long.fetch(messageId);
    if ('text' in fetched) this.#incoming.receive(fetched.text);
    else this.#settings.log.error(`Message ${messageId} could not be picked up: ${fetched.reason}`);
  }

  #lost(reason: string): void {
    this.#outflow.lineLost();
    if (this.#isToPart && !this.#isClosing) {
      if (this.#settings.ipc.isMaster) void this.#partUnlessBack();
      else this.#limitAbsence();
    }
    this.#isReconnecting({ kind: 'lost', reason });
  }

  #failed(failure: Failure): void {
    this.#isReconnecting({ kind: 'failed', failure });
  }

  #isReconnecting(event: ClientEvent): void {
    if (this.#isClosing) this.#connection.end();
    else this.#settings.tell(event);
  }

  #refused(refusal: Refusal): 'later' | 'never' {
    const { code = FOREIGN_ANSWER, message: reason } = refusal;
    if (this.#isLosing) return 'never';
    const hasPlace = this.#position.received !== undefined;
    const verdict = judgeRefusal(refusal, hasPlace);
    this.#rival.refused(code);
    if (verdict === 'place is lost') this.#losePlace();
    else if (verdict === 'later') this.#failed({ reason, code });
    else this.#giveUp(codeOfRefusal(refusal), describeRefusal(refusal));
    return verdict === 'later' ? 'later' : 'never';
  }

  /** Others may have gone on without this process: it comes again as a new peer. */
  #losePlace(isGivenUp = false, reason?: string): void {
    const { ipc, file, dataPeer, tell } = this.#settings;
    if (this.#isLosing || this.#isClosing) return;
    this.lease.lose(this.#leaseLost());
    this.#sender.clear();
    const isOpening = !this.#isReady && this.acceptance.isAccepted && !this.isAway;
    if (ipc.isMaster && (isOpening || this.#isToPart || ipc._exiting)) {
      this.#leaveForGood(reason);
      return;
    }
    this.#isLosing = true;
    // A master lets the next one in when nothing is being written; and so does a worker that gives up what it has.
    const isLast = ipc.isMaster || isGivenUp;
    if (!isLast) this.#endLine(false);
    // What it has locked is not unlocked, but lost: others read everything again.
    else if (isGivenUp) this.#outflow.lineLost();
    const hasBegun = !ipc.isMaster || !this.acceptance.isWaiting || this.isAway;
    if (hasBegun) tell({ kind: 'place lost', reason });
    const isAtRest = hasBegun ? this.#comeback.begin(this.#connection.proof) : Promise.resolve();
    if (ipc.isMaster) {
      this.#isReady = false;
      this.#answers.clear();
      this.acceptance.beginAnew();
      this.#firstWord.isOver();
    }
    void isAtRest.then(async () => {
      if (isGivenUp) await file.written();
      if (this.#isClosing) return;
      if (isLast) this.#endLine(true);
      this.#comeAnew();
      void this.connect();
    });
    for (const lost of this.#placeLost) lost();
    if (ipc.isMaster) dataPeer?.logLostPlace();
  }

  /** @param saysGoodbye so that the server waits no more for what this process has, which uses nothing of it any more */
  #endLine(saysGoodbye: boolean): void {
    const { ipc } = this.#settings;
    if (saysGoodbye && this.#connection.isOpen) {
      this.#connection.send(this.#sender.textOf({ type: 'bye', from: ipc.id }));
    }
    // One that is being dialled would go on with the place that was lost.
    this.#connection.end();
    this.#outflow.lineLost();
  }

  /** As a master that is just opening its file, or is being closed. */
  #leaveForGood(reason = OUT_OF_TOUCH): void {
    const leave = (): void => {
      if (this.#isClosing) return;
      this.#endLine(true);
      this.#giveUp('IPC_CLIENT_GAVE_UP', reason, CANNOT_GO_ON);
    };
    // It lets the next master in.
    this.#goodbye = this.#settings.file.written()?.then(leave);
    if (this.#goodbye === undefined) leave();
  }

  /** The session is over: this process begins another one, a worker as another peer. */
  #comeAnew(): void {
    const former = this.#settings.ipc.id;
    this.#isLosing = false;
    this.#settings.ipc.id = this.#settings.ipc.isMaster ? former : this.#settings.createId();
    this.#position.beginAnew();
    this.#sender.flush();
    this.#assumeDone(this.#outflow.comeAnew(former, this.#settings.ipc.id));
  }

  #giveUp(code: ErrorCode, reason: string, what = 'does not let this process in'): void {
    const { ipc, server, log, file, dataPeer, tell } = this.#settings;
    const text = `The IPC server at ${server} ${what}. ${reason}`;
    const error = new IPCError(code, text);
    tell({ kind: 'gave up', code, reason });
    // A file that is just being opened cannot be closed.
    const isOpening = !this.#isReady && !this.isAway && !(ipc.isMaster && this.acceptance.isWaiting);
    this.#isClosing = true;
    this.acceptance.refuse(error);
    this.lease.lose(error);
    this.#locks.end(error);
    this.#sender.clear();
    this.#comeback.end();
    this.#firstWord.isOver();
    this.#outflow.clear();
    // Else the server takes it for one that works, and is only busy.
    this.#connection.end();
    this.#incoming.releaseLocksOfOthers();
    for (const open of [...ipc._requests.values()]) failRequest(open, error);
    log.error(text);
    dataPeer?.logWasRefused(code, reason);
    if (isOpening) void this.#opened.then(() => file.close());
    else file.close();
  }

  /** This process has said goodbye. */
  #leave(): void {
    const isTold =
      this.#connection.isOpen && !this.#isLosing && !this.isAway && !this.#transactions.hasParted;
    // What it gave up is waited for by nobody else.
    if (this.#isLosing) this.#endLine(true);
    this.#isClosing = true;
    // What waits for it, also for its being back, fails.
    if (this.acceptance.isWaiting || this.isAway) this.acceptance.refuse(new IPCError('IPC_CLIENT_CLOSED'));
    this.lease.end();
    this.#comeback.end();
    this.#transactions.part();
    this.#firstWord.isOver();
    this.#cancelAbsence?.();
    this.#settings.tell({ kind: 'left', isTold });
    // A server of this package ends the line when everything was read; others leave it open.
    if (!this.#connection.isOpen || !this.#hasSessions) this.#connection.end();
    else this.#settings.clock.scheduleIdle(FAREWELL_MS, () => this.#connection.end());
  }
}

function rootOf({ root }: Pick<DatabaseFile, 'root'>): RecordAddress | undefined {
  return root && { pageNr: root.pageNr, recordNr: Number(root.recordNr) };
}
