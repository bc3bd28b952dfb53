import type { Cancel } from '../../../src/broker/ports.js';
import { SpaceReserve } from '../../../src/client/core/allocator.js';
import { Answers } from '../../../src/client/core/answer-cache.js';
import { EventNumbers } from '../../../src/client/core/inbox.js';
import { frameOf } from '../../../src/client/core/outgoing.js';
import { judgeRefusal } from '../../../src/client/core/refusals.js';
import { Outflow, SessionPosition } from '../../../src/client/core/session.js';
import { ERRORS, type RefusalCode } from '../../../src/errors.js';
import { SERVER_ID } from '../../../src/protocol/frames.js';
import { type ClientAnnouncement, claimOf } from '../../../src/protocol/session.js';
import type { Line } from '../line.js';
import { isAnswer, isRequest, type Message, type Range } from './messages.js';
import { OurConnection } from './our-connection.js';
import { OurLocks } from './our-locks.js';
import type { StockPeer } from './stock-peer.js';

const MAX_KEPT_UNITS = 64 * 1024 * 1024;
const FAREWELL_MS = 3_000;

/** Values of the model are plain numbers: there is nothing to encode. */
const NO_CLASSES = {
  PathReference: class {
    readonly path = '';
  },
};

/** A message as it comes, with what our clients add to it. */
export type Heard = Message & { readonly nr?: readonly [session: string, number: number] };

/**
 * What a process with our client has in the place of AceBase's line: `src/client/remote-peer.ts` and `incoming.ts`, of
 * which all that is pure is used as it is.
 */
export class OurPeer {
  readonly locks = new OurLocks();
  readonly space: SpaceReserve;
  readonly #process: StockPeer;
  readonly #connection: OurConnection;
  readonly #outflow: Outflow;
  readonly #answers = new Answers(
    () => this.#process.world.clock.wallTime(),
    (lockId) => this.#process.lockRanOut(lockId),
  );
  readonly #position: SessionPosition;
  readonly #eventNumbers = new EventNumbers(() => this.#position.id);
  #sessions = 0;
  #waitingForRoot: (() => void)[] | undefined = [];
  #isReady = false;
  #hasHeardWelcome = false;
  #isClosing = false;
  #hasBeenConnected = false;
  #unseen: Set<string> | undefined;
  #cancelExpectation: Cancel | undefined;

  constructor(process: StockPeer) {
    this.#process = process;
    this.#connection = new OurConnection(process, {
      lost: () => this.#lost(),
      refused: (code) => this.#refused(code),
    });
    this.#outflow = new Outflow({
      line: this.#connection,
      maxKeptUnits: MAX_KEPT_UNITS,
      isAwaited: (peerId) => this.#unseen?.has(peerId) === true,
      // Messages of the model are short.
      sendLong: () => Promise.resolve({ kind: 'taken' }),
      tooLong: () => undefined,
    });
    this.space = new SpaceReserve({
      clock: {
        now: () => process.world.clock.now(),
        scheduleIdle: (milliseconds, callback) => process.after(milliseconds, callback),
      },
      ask: (records) => this.#askForSpace(records),
      giveBack: (ranges) => process.askUnawaited({ type: 'request', data: { type: 'fst.release', ranges } }),
    });
    this.#position = new SessionPosition(() => `session-${++this.#sessions}-of-${process.name}`);
  }

  get line(): Line | undefined {
    return this.#connection.line;
  }

  get announcement(): ClientAnnouncement {
    return {
      name: 'model',
      session: this.#position.id,
      abilities: new Set(['resume', 'ready', 'no-echo', 'yield']),
      received: this.#position.received,
      since: this.#position.since,
    };
  }

  get connection(): OurConnection {
    return this.#connection;
  }

  /** Says something, now or when there is a line. */
  send(message: Message, number: number): void {
    if (this.#isClosing) {
      this.#process.world.checks.neverSent(number);
      return;
    }
    const { type, from, ...rest } = message;
    const frame = frameOf({ type, from, ...rest } as Message, {
      classes: NO_CLASSES,
      eventNumbers: this.#eventNumbers,
      hasValues: () => false,
      understands: () => false,
      canWait: () => false,
    });
    // Behind all else, where the checks look for it.
    frame.text = `${frame.text.slice(0, -1)},"simulated":${number}}`;
    if (isAnswer(message)) this.#answers.answer(message);
    this.#outflow.add(frame);
    if (message.type === 'bye') this.#leave();
  }

  /** The file is open. */
  ready(): void {
    this.#isReady = true;
    this.#sayReady();
    if (this.#process.isMaster && this.#hasHeardWelcome) this.#letServerAskFirst();
  }

  /** A text came. @returns whether it was one between client and server, and there is nothing else to do with it */
  hears(text: string): boolean {
    this.#connection.heard();
    if (text.startsWith('welcome:')) this.#welcome(text.slice('welcome:'.length));
    else if (text.startsWith('stable:')) this.#outflow.arrived(Number(text.slice('stable:'.length)));
    else if (text === 'yield') this.locks.yield();
    else {
      this.#position.count();
      return false;
    }
    return true;
  }

  /** Whether a message is to be handled: not what was there already. */
  takes(message: Heard): boolean {
    if (message.type === 'hello' && this.#unseen?.delete(message.from) === true)
      this.#outflow.isBack(message.from);
    if (message.type === 'event') return message.nr === undefined || this.#eventNumbers.isNew(message.nr);
    if (isAnswer(message)) {
      if (!this.#process.requests.has(message.id)) return false;
      this.#outflow.answered(message.id);
      return true;
    }
    if (!isRequest(message)) return true;
    if (!this.#process.isMaster) return false;
    const state = this.#answers.ask(message);
    if (state !== 'new' && state !== 'answering') this.#process.send(state as Message);
    return state === 'new';
  }

  /** A peer is gone. */
  forgets(peerId: string): void {
    this.#outflow.isGone(peerId);
    const process = this.#process;
    if (!process.isMaster || ![...process.lockHolders()].includes(peerId)) return;
    this.#connection.inStep(() => process.peerStayedAway(peerId));
  }

  #askForSpace(records: number): void {
    const process = this.#process;
    const data = { type: 'fst.allocate', records } as const;
    process.ask<{ allocation: readonly Range[] }>({ type: 'request', data })(
      ({ allocation }) => {
        for (const { recordNr } of allocation) process.world.checks.space.allocated(process, recordNr);
        this.space.came(records, allocation);
      },
      () => this.space.failed(records),
    );
  }

  #welcome(json: string): void {
    const { maxPayload, session } = JSON.parse(json) as {
      maxPayload: number;
      session: { resumed: boolean; since: number; received: number; grace: number };
    };
    const hadSession = this.#position.received !== undefined;
    if (!session.resumed && hadSession && this.#connection.mayBeGivenUp) {
      this.#process.note(() => 'may have been given up');
      if (this.#process.isMaster) this.#giveUp('was out of touch for too long');
      else this.#losePlace();
      return;
    }
    this.#connection.proved();
    const isResumed = session.resumed && this.#outflow.resume(session.received);
    if (session.resumed && !isResumed) {
      this.#process.world.checks.promises.cannotResume(this.#process);
      this.#comeAnew();
      this.#connection.renew();
      return;
    }
    this.#process.note(() => (isResumed ? 'resumes its session' : 'begins a session'));
    this.#process.world.goesOn(this.#process);
    if (!isResumed) this.#beginAnew(session.grace);
    this.#position.welcomed(isResumed, session.since);
    this.#hasHeardWelcome = true;
    if (!isResumed) this.#sayReady();
    this.#outflow.begin({ maxPayload, hasSessions: true });
    if (!isResumed && this.#process.isMaster) this.#letServerAskFirst();
    this.#hasBeenConnected = true;
  }

  /** A master's own transactions wait until the server has had the time to ask for locks that workers hold. */
  whenRootIsAsked(callback: () => void): void {
    if (this.#waitingForRoot === undefined) callback();
    else this.#waitingForRoot.push(callback);
  }

  #letServerAskFirst(): void {
    const waiting = this.#waitingForRoot ?? [];
    this.#waitingForRoot = waiting;
    this.#connection.inStep(() => {
      this.#process.rootMayHaveBeenAsked();
      if (this.#waitingForRoot !== waiting) return;
      this.#waitingForRoot = undefined;
      for (const callback of waiting) callback();
    });
  }

  #beginAnew(grace: number): void {
    if (this.#position.received === undefined && !this.#hasBeenConnected) {
      if (this.#connection.hasTriedBefore) this.#process.missedNews();
      return;
    }
    const held = this.#process.isMaster ? [] : this.locks.claims();
    const given = this.#outflow.takeForNewServer(claimOf({ held, peers: [...this.#process.peers] }));
    for (const id of given) this.#process.givenUp(id);
    this.#process.missedNews();
    this.#expectPeersAnew(grace);
    this.#outflow.holdBackEarly();
  }

  #expectPeersAnew(milliseconds: number): void {
    this.#process.beginsRootHandover();
    this.#unseen = new Set([...this.#process.peers, ...this.#process.lockHolders()]);
    this.#unseen.delete(SERVER_ID);
    this.#cancelExpectation?.();
    this.#cancelExpectation = this.#process.after(milliseconds, () => {
      const awaited = this.#unseen;
      this.#connection.inStep(() => {
        if (awaited !== this.#unseen) return;
        for (const id of this.#unseen ?? []) this.#process.peerStayedAway(id);
        this.#unseen = undefined;
      });
    });
  }

  #sayReady(): void {
    if (this.#isReady && this.#hasHeardWelcome) this.#outflow.say('ready');
  }

  #lost(): void {
    this.#outflow.lineLost();
    if (this.#isClosing) this.#end();
    else this.#process.note(() => 'lost its line');
  }

  #refused(code: RefusalCode): 'later' | 'never' {
    const process = this.#process;
    process.note(() => `is refused: ${code}`);
    process.world.checks.promises.refused(process, code);
    const { status } = ERRORS[code] as { status: number };
    const verdict = judgeRefusal(
      { status, code },
      this.#position.received !== undefined && !process.isMaster,
    );
    if (verdict === 'place is lost') this.#losePlace();
    else if (verdict === 'never') this.#giveUp(`refused: ${code}`);
    return verdict === 'later' ? 'later' : 'never';
  }

  #giveUp(reason: string): void {
    this.#connection.end();
    this.#process.after(0, () => this.#process.die(reason));
  }

  #losePlace(): void {
    const process = this.#process;
    this.#connection.drop();
    process.world.lostPlace(process);
    const ended = this.locks.lose(process.requests, () => {
      this.#comeAnew();
      this.#connection.connect();
    });
    for (const id of ended) {
      this.#outflow.answered(id);
      process.failed(id, 'the lock was lost with the connection, not allowed to continue');
    }
    this.locks.toldLost();
  }

  #comeAnew(): void {
    const former = this.#process.id;
    this.#position.beginAnew();
    if (!this.#process.isMaster)
      this.#process.id = `${this.#process.name.toLowerCase()}-${this.#position.id}`;
    this.#outflow.rename(former, this.#process.id);
  }

  #leave(): void {
    this.#isClosing = true;
    if (this.line === undefined) this.#end();
    else this.#process.after(FAREWELL_MS, () => this.#end());
  }

  #end(): void {
    this.#connection.end();
    this.#process.after(0, () => this.#process.die('closed'));
  }
}
