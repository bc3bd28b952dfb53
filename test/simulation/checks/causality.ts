import type { Message } from '../model/messages.js';
import type { StockPeer } from '../model/stock-peer.js';
import type { World } from '../world.js';
import type { Verdicts } from './verdicts.js';

/** Milliseconds in which a client is back after a server has ended, if nothing holds it up. */
const LONGEST_RETURN_MS = 10_000;

/** What a process knows of, or what stands behind a message: how much of what each process ever said. */
type Past = number[];

interface Said {
  readonly author: View;
  readonly count: number;
  readonly past: Past;
  readonly at: number;
}

interface View {
  readonly index: number;
  count: number;
  /** What it knows of by what it has heard and said. */
  past: Past;
  readonly heard: Set<number>;
  /** What it said until then it may tell anew, in an order that it alone knows. */
  unorderedUntil: number;
}

/**
 * Causal order: nobody hears a message after he has heard of something that was said in the knowledge of it
 * (docs/PROTOCOL.md, section 10). Two kinds stand outside: requests to a master may be kept back, and so are root
 * updates; what a peer hears a second time, or what is told again to a newcomer, is no news.
 */
export class Causality {
  readonly #views = new Map<StockPeer, View>();
  readonly #said = new Map<number, Said>();
  readonly #world: World;
  readonly #verdicts: Verdicts;
  /** What was said until then may be told anew by who said it, in an order that it alone knows. */
  #unorderedUntil = Number.NEGATIVE_INFINITY;

  constructor(world: World, verdicts: Verdicts) {
    this.#world = world;
    this.#verdicts = verdicts;
  }

  /** The server has ended. Until all are back, what is for one of them waits at its author. */
  serverEnded(): void {
    const { clock, limits } = this.#world;
    this.#unorderedUntil = clock.now() + LONGEST_RETURN_MS + limits.reconnectGrace;
  }

  /** A client has begun a new session: what it had said in vain it tells anew, as its first words. */
  beginsSession(author: StockPeer): void {
    this.#viewOf(author).unorderedUntil = this.#world.clock.now();
  }

  says(author: StockPeer, number: number): void {
    const view = this.#viewOf(author);
    view.count += 1;
    view.past[view.index] = view.count;
    this.#said.set(number, {
      author: view,
      count: view.count,
      past: view.past.slice(),
      at: this.#world.clock.now(),
    });
  }

  /** @param isToldAgain whether it is an old announcement for somebody who was not there at its time */
  hears(receiver: StockPeer, message: Message, number: number, isToldAgain: boolean): void {
    const view = this.#viewOf(receiver);
    const said = this.#said.get(number);
    if (said === undefined) return;
    if (view.heard.has(number)) {
      // A lock that was granted to somebody who was away went back, and is asked for again.
      // A master with our client answers as it has answered.
      if (isRequest(message) && message.type !== 'lock-request' && receiver.ours === undefined)
        this.#verdicts.violation('asked twice', `${receiver.name} by ${message.from}`);
      return;
    }
    view.heard.add(number);
    const { author } = said;
    const unorderedUntil = Math.max(this.#unorderedUntil, author.unorderedUntil);
    const isLate = (view.past[author.index] ?? 0) >= said.count && said.at > unorderedUntil;
    if (isLate && !isToldAgain && !isKeptBack(message)) {
      this.#verdicts.violation('out of order', `${receiver.name} heard ${message.type} too late`);
    }
    // What comes again, or by itself, says nothing of the rest.
    if (isToldAgain || isRootUpdate(message)) return;
    for (let index = 0; index < said.past.length; index++) {
      const known = said.past[index] ?? 0;
      if (known > (view.past[index] ?? 0)) view.past[index] = known;
    }
  }

  #viewOf(process: StockPeer): View {
    let view = this.#views.get(process);
    if (view === undefined) {
      view = {
        index: this.#views.size,
        count: 0,
        past: [],
        heard: new Set(),
        unorderedUntil: Number.NEGATIVE_INFINITY,
      };
      this.#views.set(process, view);
    }
    return view;
  }
}

function isRequest({ type }: Message): boolean {
  return type.endsWith('request');
}

function isKeptBack(message: Message): boolean {
  return isRequest(message) || isRootUpdate(message);
}

function isRootUpdate(message: Message): boolean {
  return message.type === 'notification' && message.data.type === 'root.update';
}
