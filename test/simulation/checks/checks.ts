import { isRequest, type Message } from '../model/messages.js';
import type { StockPeer } from '../model/stock-peer.js';
import type { World } from '../world.js';
import { Beliefs } from './beliefs.js';
import { Causality } from './causality.js';
import { Deliveries } from './deliveries.js';
import { Events } from './events.js';
import { Promises } from './promises.js';
import { SpaceCheck } from './space.js';
import { Values } from './values.js';
import { Verdicts } from './verdicts.js';

interface Said {
  readonly author: StockPeer;
  readonly message: Message;
  /** Whether it tells of the root that its author has just moved, and has not reached the server. */
  isMove: boolean;
  /** Whether a master has been made to write another root since. */
  isOverwritten?: boolean;
}

const WRITTEN_OVER = 'a master wrote the root over one that a writer had moved who could not tell the server';

/** Looks at every step of a run, and finds what must not be. The model tells it what it does; it changes nothing. */
export class Checks {
  readonly verdicts: Verdicts;
  readonly beliefs: Beliefs;
  readonly values: Values;
  readonly space: SpaceCheck;
  readonly events: Events;
  readonly promises: Promises;
  readonly #world: World;
  readonly #causality: Causality;
  readonly #deliveries: Deliveries;
  readonly #said = new Map<number, Said>();
  #lastNumber = 0;
  /** Which record was the root before each move that the server has not heard of, and so has a new master write again. */
  readonly #formerRoots = new Map<number, { readonly mover: StockPeer; readonly record: number }>();
  /** Processes that wait for an answer to something that was lost with their line: nobody can help them. */
  readonly #stranded = new Set<StockPeer>();

  constructor(world: World) {
    this.#world = world;
    this.verdicts = new Verdicts(world.history);
    this.beliefs = new Beliefs(world, this.verdicts);
    this.values = new Values(
      this.verdicts,
      (reader) => (reader.ours !== undefined && world.isCutOff(reader)) || this.beliefs.hasRunOut(reader),
    );
    this.space = new SpaceCheck(this.verdicts);
    this.events = new Events(this.verdicts);
    this.promises = new Promises(world, this.verdicts);
    this.#causality = new Causality(world, this.verdicts);
    this.#deliveries = new Deliveries(this.verdicts);
  }

  /** A process says something. @returns the number of the message */
  sends(author: StockPeer, message: Message): number {
    const number = ++this.#lastNumber;
    const isMove = isRootUpdate(message) && !author.tellsOfCommit && this.beliefs.isWriting(author);
    this.#said.set(number, { author, message, isMove });
    if (isMove) this.#formerRoots.set(number, { mover: author, record: this.#world.file.root });
    this.#causality.says(author, number);
    if (message.type === 'event') this.events.said(number);
    return number;
  }

  /** A message that was said before has left its process. */
  leavesOnlyNow(author: StockPeer, number: number): void {
    this.#causality.says(author, number);
  }

  neverSent(number: number): void {
    this.#said.delete(number);
    this.#formerRoots.delete(number);
    this.events.neverSaid(number);
  }

  /** A message goes into a line that is closed, or that breaks. */
  lost(number: number): void {
    const said = this.#said.get(number);
    if (said === undefined) return;
    const { author, message, isMove } = said;
    // Our client says it again on its next line.
    if (author.ours !== undefined) return;
    if ('id' in message && !author.isMaster) this.#stranded.add(author);
    // What it wrote was known to itself alone.
    if (isMove) this.values.losesMove(author);
  }

  lostOnTheWay(text: string): void {
    for (const number of numbersOf(text)) this.lost(number);
  }

  /** A message is about to be given to the broker. */
  reaches(text: string): void {
    for (const number of numbersOf(text)) this.#reaches(number);
  }

  #reaches(number: number): void {
    const said = this.#said.get(number);
    if (said === undefined) return;
    const { author, message } = said;
    if (!this.#world.isPresent(author) || message.from !== author.id) return;
    said.isMove = false;
    if (isRootUpdate(message)) this.#rootReaches(number);
    if (isRequest(message)) {
      if ('id' in message) this.#deliveries.asks(author, message.id, message.type);
      return;
    }
    if ('id' in message || isRootUpdate(message)) return;
    this.#deliveries.expects(message, number, this.#receiversOf(author, message));
  }

  /** The server believes in the root that was told with that number; of those before it, it wants to know nothing any more. */
  #rootReaches(number: number): void {
    for (const earlier of [...this.#formerRoots.keys()])
      if (earlier <= number) this.#formerRoots.delete(earlier);
  }

  hears(receiver: StockPeer, message: Message, number: number | undefined): void {
    if (number === undefined) return;
    const isAnnouncement = message.type === 'notification' && message.data.type === 'kit.new_key';
    const isToldAgain = isAnnouncement && !this.#deliveries.isExpected(receiver, number);
    this.#causality.hears(receiver, message, number, isToldAgain);
    this.#deliveries.hears(receiver, number);
  }

  answered(asker: StockPeer, id: string): void {
    this.#deliveries.answered(asker, id);
  }

  /** Something reached a live process that ends it. */
  killed(process: StockPeer, why: string): void {
    this.verdicts.violation('killed by a message', `${process.name}: ${why}`);
  }

  /** Whether a process waits for something that was lost with its line. */
  isStranded(process: StockPeer): boolean {
    return this.#stranded.has(process);
  }

  /** A client has begun a new session. */
  beginsSession(process: StockPeer): void {
    this.#causality.beginsSession(process);
  }

  /** It is of no interest any more what reaches this process. */
  releases(process: StockPeer): void {
    this.#deliveries.releases(process);
  }

  /** A process has ended. */
  ends(process: StockPeer): void {
    this.losesPlace(process);
  }

  /** A process was away for too long, or has ended. What it had to say of a root that it moved reaches nobody any more. */
  losesPlace(process: StockPeer): void {
    this.releases(process);
    this.events.releases(process);
    if (process.ours === undefined) return;
    const untold = [...this.#said.values()].filter(({ author, isMove }) => author === process && isMove);
    if (untold.length > 1) this.values.losesMoves(process);
    else if (untold.length === 1) this.values.losesMove(process);
  }

  /**
   * A process writes a value to a record. A worker with our client must not to what was the root, as long as the server believes in that:
   * if it is killed, a master writes that root again.
   */
  writesValue(writer: StockPeer, record: number): void {
    if (writer.ours === undefined || writer.isMaster) return;
    for (const former of this.#formerRoots.values()) {
      if (former.mover !== writer || former.record !== record) continue;
      this.verdicts.wrongFile('root written over', `${writer.name} writes to record ${record}`);
    }
  }

  /** A master has the root written that all others believe in, though somebody has moved it who lost his line before he could tell. */
  writesRootOver(master: StockPeer): void {
    for (const said of this.#said.values()) {
      const { author, isMove } = said;
      if (!isMove || author === master || !author.isAlive) continue;
      // One whose line is only slow tells the server yet, which has it written again.
      if (author.line === undefined) this.verdicts.tear(WRITTEN_OVER);
      else said.isOverwritten = true;
    }
  }

  /** The server has ended. Who gets what again is up to the clients: see {@link Events} for what they owe each other. */
  serverEnded(): void {
    for (const { isMove, isOverwritten, author } of this.#said.values()) {
      if (isMove && isOverwritten === true && author.isAlive) this.verdicts.tear(WRITTEN_OVER);
    }
    // The next one is told of the root in other ways.
    this.#formerRoots.clear();
    this.#deliveries.serverEnded();
    this.#causality.serverEnded();
  }

  /** The server gives a line something, while so much waits there. */
  buffers(process: StockPeer, waiting: number, length: number): void {
    const { maxBuffered, maxMailPerPeer } = this.#world.limits;
    // One message may always be added, and what was kept for it comes on top.
    if (waiting <= maxBuffered + maxMailPerPeer + length) return;
    this.verdicts.violation('too much buffered', `${waiting} bytes wait for ${process.name}`);
  }

  /** Whether what was to be kept for that process found no room, which the server says aloud (docs/LIMITS.md). */
  hadNoRoom({ isMaster }: StockPeer): boolean {
    return isMaster && this.#world.server.histories.incidents.totals.has('mailbox-full');
  }

  /** The run is over, and everybody was given the time to come to rest. */
  conclude(): void {
    this.#deliveries.conclude((receiver) => this.hadNoRoom(receiver));
    this.events.conclude();
  }

  #receiversOf(author: StockPeer, { to }: Message): StockPeer[] {
    const all = this.#world.accepted.filter((peer) => peer !== author && !peer.isExiting);
    if (to === undefined) return all;
    return all.filter((peer) => peer.id === to && (!peer.isMaster || this.#world.isPresent(peer)));
  }
}

function isRootUpdate(message: Message): boolean {
  return message.type === 'notification' && message.data.type === 'root.update';
}

/** What a message has its number behind; the values that are written are numbers. */
const NUMBER = /"simulated":(\d+)/g;

/** The numbers of the messages that a frame holds: one, or several that are said at one time. */
function numbersOf(text: string): number[] {
  return [...text.matchAll(NUMBER)].map(([, number]) => Number(number));
}
