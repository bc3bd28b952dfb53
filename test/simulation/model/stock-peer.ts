import type { Cancel } from '../../../src/broker/ports.js';
import type { LockInfo, OpenRequest } from '../../../src/client/core/host.js';
import type { RefusalCode } from '../../../src/errors.js';
import { ERRORS } from '../../../src/errors.js';
import type { Line } from '../line.js';
import { type Answer, describe, type Lock, type Message, type Question, textOf } from './messages.js';
import { type Host, PatchedPeer } from './patched-peer.js';
import { ModelProcess } from './process.js';
import type { Wait } from './task.js';

/** Milliseconds of silence after which a stock client pings, and gives up; how often it looks. */
const PING_AFTER_MS = 5_000;
const CRASH_AFTER_MS = 10_000;
const LOOK_EVERY_MS = 500;
const RETRY_MS = 1_000;

/** Milliseconds that a supervisor gives a process that is to exit. */
const KILL_TIMEOUT_MS = 8_000;

/**
 * The IPC peer of a stock AceBase process, as `ipc/ipc.js` and `ipc/remote.js` of the package have it, faults included:
 * what is sent while it connects again is lost or throws, an answer that it does not know and every unhandled rejection
 * end the process, and so does silence. A process with our client has `ours` in the place of all that has to do with
 * the line, and with locks and space of workers.
 */
export abstract class StockPeer extends ModelProcess {
  readonly requests = new Map<string, OpenRequest>();
  /** With our client: locks that it holds or waits for, those of others at a master included. */
  readonly lockInfos: LockInfo[] = [];
  /** Ids of the others that it knows. */
  readonly peers = new Set<string>();
  /** Its own subscriptions, as `event path`. */
  readonly subscriptions = new Set<string>();
  /** What others want to hear, by their ids. */
  readonly served = new Map<string, Set<string>>();
  /** Without our client: how many locks it holds or waits for. */
  locks = 0;
  isExiting = false;
  /** With our client: whether it tells what a commit has brought, which is in the file. */
  tellsOfCommit = false;
  /** What it says is kept until it is connected for the first time. */
  #queue: string[] | undefined = [];
  #line: Line | undefined;
  /** Its last line, though it may not know of it yet, or any more. */
  dialed: Line | undefined;
  /** It is at the door of the server, and goes away. */
  leaveDoor: Cancel = () => undefined;
  #state: 'new' | 'open' | 'closed' | 'connecting' = 'new';
  #heardAt = 0;
  #lastRequest = 0;
  #attempts = 0;
  /** Our client, if it has that. */
  readonly ours: PatchedPeer | undefined;
  #isToldToExit = false;

  constructor(
    world: StockPeer['world'],
    name: string,
    /** `[master]`, or an id of its own. */
    public id: string,
    isOurs: boolean,
  ) {
    super(world, name);
    this.ours = isOurs ? new PatchedPeer(this, () => this.host, world.journalOf(name)) : undefined;
    this.after(0, () => (this.ours === undefined ? this.#connect() : void this.ours.client.connect()));
  }

  get isMaster(): boolean {
    return this.id === '[master]';
  }

  /** Its line, while it has one that it believes in. */
  get line(): Line | undefined {
    return this.ours === undefined ? this.#line : this.ours.line;
  }

  /** What our client works with, beside the line. */
  protected abstract readonly host: Host;

  /** Says something. Throws while it connects again; into a closed line it speaks in vain. */
  send(message: Message): void {
    if (!this.isAlive) return;
    const number = this.world.checks.sends(this, message);
    this.note(() => `says ${describe(message)} #${number}`);
    if (this.ours !== undefined) this.ours.send(message, number);
    else this.#speak((message.to === undefined ? '' : `to:${message.to};`) + textOf(message, number), number);
    this.world.onMessage(this, `says ${kindOf(message)}`);
  }

  #speak(text: string, number: number): void {
    if (this.#queue !== undefined) this.#queue.push(text);
    else if (this.#state === 'connecting') {
      this.world.checks.neverSent(number);
      throw new Error('WebSocket is not open: readyState 0 (CONNECTING)');
    } else if (this.#state === 'open' && this.#line !== undefined) this.#line.say(text);
    else this.world.checks.lost(number);
  }

  /** Asks the master something. */
  ask<T>(question: Question): Wait<T> {
    return (resolve, reject) => {
      const id = `${this.name}.${++this.#lastRequest}`;
      const message = { ...question, id, from: this.id, to: '[master]' };
      this.request(message, resolve as (data: unknown) => void, reject);
    };
  }

  /** Sends a request, and calls one of the two when it is answered. */
  request(
    message: Message & { id: string },
    resolve: (data: unknown) => void,
    reject: (error: Error) => void,
  ): void {
    const { id } = message;
    const close = (): void => {
      this.requests.delete(id);
      this.world.checks.answered(this, id);
    };
    this.requests.set(id, {
      request: message as OpenRequest['request'],
      resolve: (data) => {
        close();
        resolve(data);
      },
      reject: (error) => {
        close();
        reject(error);
      },
    });
    try {
      this.send(message);
    } catch (error) {
      reject(error as Error);
    }
  }

  /** Asks, and awaits no answer: an error ends the process. */
  askUnawaited(question: Question, answered: (data: unknown) => void = () => undefined): void {
    const failed = (error: Error): void => this.die(`unhandled rejection: ${error.message}`);
    this.ask<unknown>(question)(answered, (error) => this.act(() => failed(error)));
  }

  /** Closes the database: it waits for its locks, says goodbye, and ends when the server ends its line. */
  exit(): void {
    if (this.#isToldToExit) return;
    this.note(() => 'is told to exit');
    this.#isToldToExit = true;
    const kill = (): void => this.die('killed by its supervisor: it did not exit');
    this.world.clock.schedule(KILL_TIMEOUT_MS, kill);
    const exit = (): void => {
      this.isExiting = true;
      if (this.locks === 0 && this.lockInfos.length === 0) this.#sayGoodbye();
    };
    const preparation = this.ours?.client.prepareToExit();
    if (preparation === undefined) exit();
    else this.ours?.whenSettled(preparation, exit);
  }

  /** With our client: the last lock has ended. */
  locksCleared(): void {
    if (this.isExiting) this.#sayGoodbye();
  }

  /** A lock is given back, or was not granted. */
  lockEnded(): void {
    this.locks -= 1;
    if (this.locks === 0 && this.isExiting) this.#sayGoodbye();
  }

  /** Its line is open, and the first time so, what it had to say goes out. */
  opened(line: Line): void {
    if (this.ours !== undefined) {
      this.ours.opened(line);
      return;
    }
    this.#line = line;
    this.#state = 'open';
    this.#heardAt = this.world.clock.now();
    this.#watchSilence(line, this.#heardAt);
    for (const text of this.#queue ?? []) line.say(text);
    this.#queue = undefined;
  }

  /** A ping came, which the system answers by itself. */
  feelsPing(line: Line): void {
    if (line === this.line) this.ours?.feelsPing();
  }

  /** There is no server to let it in. Stock processes are never in such runs. */
  dialFailed(): void {
    this.ours?.dialFailed();
  }

  refused(code: RefusalCode): void {
    if (this.ours !== undefined) {
      this.ours.refused(code);
      return;
    }
    this.note(() => `is refused: ${code}`);
    const { status } = ERRORS[code] as { status: number };
    if (status === 403 || status === 409 || status === 500) this.die(`refused: ${code}`);
    // The timer of the attempt that failed stays behind, and throws.
    else this.after(CRASH_AFTER_MS + LOOK_EVERY_MS, () => this.die('ws.close(1) of an attempt that failed'));
    if (this.isAlive) this.after(RETRY_MS, () => this.#connect());
  }

  /** Its line has closed: it connects again at once. */
  lineClosed(line: Line): void {
    if (this.ours !== undefined) {
      this.ours.lineClosed(line);
      return;
    }
    if (line !== this.#line) return;
    this.#line = undefined;
    this.#state = 'closed';
    if (this.isExiting) {
      this.after(0, () => this.die('closed'));
      return;
    }
    this.note(() => 'lost its line');
    this.lostLine();
    this.after(0.05, () => {
      this.#state = 'connecting';
      this.#connect();
    });
  }

  /** A text came. */
  hear(text: string): void {
    this.#heardAt = this.world.clock.now();
    let message: Numbered | undefined;
    if (text.startsWith('{')) {
      message = JSON.parse(text) as Numbered;
      for (const each of saidTogether(message)) {
        this.#notes(each);
        if (!this.isAlive) return;
      }
    }
    if (this.ours !== undefined) this.ours.hears(text);
    else if (text.startsWith('disconnect:')) this.#disconnected(text.slice('disconnect:'.length));
    else if (message !== undefined) {
      try {
        this.handle(message);
      } catch (error) {
        this.die(`unhandled rejection: ${(error as Error).message}`);
      }
    }
  }

  #notes(message: Numbered): void {
    this.note(() => `hears from ${message.from}: ${describe(message)}`);
    this.world.onMessage(this, `hears ${kindOf(message)}`);
    if (this.isAlive) this.world.checks.hears(this, message, message.simulated);
  }

  /** Tells everybody who wants to hear of it. */
  raise(event: string, path: string, val: number): void {
    for (const [to, subjects] of this.served) {
      if (!subjects.has(`${event} `)) continue;
      this.world.checks.events.raises(this, this.world.processWith(to));
      this.send({ type: 'event', from: this.id, to, path: '', event, data: { path, val } });
    }
  }

  /** Its line is gone: it may have missed something. */
  protected abstract lostLine(): void;

  /** With our client: the server has given it up. */
  abstract losesPlace(): void;
  protected abstract notified(message: Message & { type: 'notification' }): void;
  /** A master is asked. */
  protected abstract asked(message: Message & { id: string }): unknown;
  /** Its own subscription is served. */
  protected abstract heardEvent(message: Message & { type: 'event' }): void;

  protected override ended(): void {
    this.leaveDoor();
    (this.line ?? this.dialed)?.processDied();
    this.#line = undefined;
  }

  #connect(): void {
    const attempt = ++this.#attempts;
    this.world.dial(this);
    // Its first ping, after 5 s of silence, goes into a socket that is not open, and throws.
    this.after(PING_AFTER_MS + LOOK_EVERY_MS, () => {
      if (attempt === this.#attempts && this.#state !== 'open') this.die('nobody answers its handshake');
    });
  }

  #sayGoodbye(): void {
    this.note(() => 'says goodbye');
    try {
      this.send({ type: 'bye', from: this.id });
    } catch {
      this.die('could not say goodbye: it connects just now');
    }
  }

  /** The timer of a stock client: it looks twice a second, from when it began to connect. Looks in vain are left out. */
  #watchSilence(line: Line, startedAt: number, looked = 0): void {
    const { clock } = this.world;
    const look = Math.max(looked + 1, Math.ceil((this.#heardAt + PING_AFTER_MS - startedAt) / LOOK_EVERY_MS));
    this.after(startedAt + look * LOOK_EVERY_MS - clock.now(), () => {
      if (this.#line !== line || this.isExiting) return;
      const silence = clock.now() - this.#heardAt;
      if (silence > CRASH_AFTER_MS) {
        this.die('ws.close(1) after 10 s of silence');
        return;
      }
      if (silence > PING_AFTER_MS) line.say('ping');
      this.#watchSilence(line, startedAt, look);
    });
  }

  #disconnected(id: string): void {
    if (!this.peers.has(id) || this.isExiting) return;
    this.removePeer(id);
    this.send({ type: 'bye', from: id });
  }

  /** A peer is gone. */
  removePeer(id: string): void {
    if (this.isExiting) return;
    this.peers.delete(id);
    this.served.delete(id);
  }

  /** A message came, and is handled. */
  handle(message: Message & { simulated?: number }): unknown {
    if (!this.isAlive) return undefined;
    switch (message.type) {
      case 'hello':
        this.#greeted(message);
        return undefined;
      case 'bye':
        this.removePeer(message.from);
        return undefined;
      case 'subscribe':
        if (!this.isExiting) this.#serve(message.from).add(`${message.data.event} ${message.data.path}`);
        return undefined;
      case 'unsubscribe':
        // AceBase compares the path with the event, and so finds nothing.
        return undefined;
      case 'event':
        this.world.checks.events.heard(this, message.simulated);
        this.heardEvent(message);
        return undefined;
      case 'notification':
        this.notified(message);
        return undefined;
      case 'lock-request':
      case 'unlock-request':
      case 'move-lock-request':
      case 'request':
        return this.asked(message);
      case 'lock-result':
      case 'unlock-result':
      case 'result':
        this.#answered(message);
        return undefined;
    }
  }

  #greeted({ from, to }: Message): void {
    if (this.isExiting) return;
    this.peers.add(from);
    if (to === this.id) return;
    this.send({ type: 'hello', from: this.id, to: from });
    for (const subscription of this.subscriptions) {
      const [event = '', path = ''] = subscription.split(' ');
      this.send({ type: 'subscribe', from: this.id, to: from, data: { path, event } });
    }
  }

  #serve(id: string): Set<string> {
    const subjects = this.served.get(id) ?? new Set<string>();
    this.served.set(id, subjects);
    return subjects;
  }

  #answered(answer: Answer): void {
    if (this.isMaster && answer.type !== 'result') throw new Error('masters get no results for locks');
    const open = this.requests.get(answer.id);
    if (open === undefined) {
      this.world.checks.killed(this, `an answer that nobody awaits: ${answer.type} ${answer.id}`);
      throw new Error('the request must be known to us');
    }
    if (answer.ok) open.resolve(answer.data);
    else {
      const question = open.request as Question;
      if (!isAwaited(question, this.ours !== undefined))
        this.world.checks.killed(this, `an error that nobody awaits: ${answer.reason ?? ''}`);
      open.reject(new Error(answer.reason ?? ''));
    }
  }
}

/** Whether the error of a request is handled anywhere: our client gives back locks and space itself. */
function isAwaited({ type, data }: Question, isOurs: boolean): boolean {
  if (type === 'request' && data.type === 'kit.add') return false;
  return isOurs || (type !== 'unlock-request' && !(type === 'request' && data.type === 'fst.release'));
}

/** What a message is: its type, and of a request or notification what it is about. */
function kindOf(message: Message): string {
  return message.type === 'request' || message.type === 'notification'
    ? `${message.type} ${message.data.type}`
    : message.type;
}

/** The lock of an answer. */
export function lockOf(data: unknown): Lock {
  return data as Lock;
}

/** A message, with its number in the run. */
type Numbered = Message & { readonly simulated?: number };

/** The messages of a frame: what our client says of caches comes in one [PROTOCOL-15.7]. */
function saidTogether(
  message: Numbered | { readonly type: 'cache-news'; readonly data: unknown },
): readonly Numbered[] {
  if (message.type !== 'cache-news') return [message];
  return (message.data as { readonly news: readonly Numbered[] }).news;
}
