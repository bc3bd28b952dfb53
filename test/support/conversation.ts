import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { expect, onTestFinished } from 'vitest';
import { WebSocket } from 'ws';
import { connectPath } from './raw-socket.js';

/** The rest between two rounds, in milliseconds, so that the two do not take a whole processor for their talk. */
const REST_MS = 3;

/** Rounds that are still to go well when everything else is over. */
const LAST_ROUNDS = 3;

export interface ConversationOptions {
  readonly port: number;
  readonly secure?: boolean;
  readonly database?: string;
  readonly token?: string;
}

/** Two well-behaved peers that talk to each other all the time: one says a number, the other says it back. */
export class Conversation {
  /** What reached either of them that was not part of the conversation. */
  readonly #overheard: string[] = [];
  readonly #asked: number[] = [];
  readonly #answered: number[] = [];
  #rounds = 0;
  #lastRound = Number.POSITIVE_INFINITY;
  #disturbance: string | undefined;
  #next: (() => void) | undefined;
  readonly #over: Promise<void>;

  private constructor(asking: WebSocket, answering: WebSocket) {
    for (const [name, peer] of [
      ['asking', asking],
      ['answering', answering],
    ] as const) {
      peer.on('close', (code) => this.#disturbed(`the ${name} peer was cut off with ${code}`));
      peer.on('error', (error) => this.#disturbed(`the ${name} peer failed: ${error.message}`));
    }
    answering.on('message', (data) => {
      const number = this.#numberIn(String(data));
      if (number === undefined) return;
      this.#asked.push(number);
      answering.send(`to:asking00;${JSON.stringify({ type: 'test', from: 'answering', number })}`);
    });
    asking.on('message', (data) => {
      const number = this.#numberIn(String(data));
      if (number === undefined) return;
      this.#answered.push(number);
      this.#next?.();
    });
    this.#over = this.#run(asking);
  }

  /** Lets the two in, and has them begin. */
  static async start(options: ConversationOptions): Promise<Conversation> {
    const peers = [];
    for (const id of ['asking00', 'answering']) peers.push(await join(options, id));
    const [asking, answering] = peers as [WebSocket, WebSocket];
    return new Conversation(asking, answering);
  }

  /** Other peers that came or went, or said something that reached the two. */
  get overheard(): readonly string[] {
    return this.#overheard;
  }

  /** Lets them go on for some rounds, and makes sure that they were never disturbed, then or before. */
  async finish(): Promise<void> {
    this.#lastRound = this.#rounds + LAST_ROUNDS;
    await this.#over;
    expect(this.#disturbance, 'what disturbed the conversation').toBeUndefined();
    const said = Array.from({ length: this.#rounds }, (_, index) => index + 1);
    expect(this.#asked, 'what was asked').toEqual(said);
    expect(this.#answered, 'what was answered').toEqual(said);
  }

  async #run(asking: WebSocket): Promise<void> {
    while (this.#rounds < this.#lastRound && this.#disturbance === undefined) {
      const number = ++this.#rounds;
      const answered = new Promise<void>((resolve) => {
        this.#next = resolve;
      });
      asking.send(`to:answering;${JSON.stringify({ type: 'test', from: 'asking00', number })}`);
      await answered;
      await delay(REST_MS);
    }
  }

  #numberIn(frame: string): number | undefined {
    const number: unknown = frame.startsWith('{') ? JSON.parse(frame).number : undefined;
    if (typeof number === 'number') return number;
    // The two are introduced to each other.
    const isPresence = /^(welcome:|connect:(asking00|answering)$)/.test(frame) || /"hello"/.test(frame);
    if (!isPresence) this.#overheard.push(frame);
    return undefined;
  }

  #disturbed(how: string): void {
    this.#disturbance ??= how;
    this.#next?.();
  }
}

/**
 * Joins a database with a client that does everything right. It is gone when the test is over.
 *
 * @param onMessage is called with each message, also with those that come together with the answer to the handshake
 */
export async function join(
  { port, secure = false, database = 'mydb_data', token = 'undefined' }: ConversationOptions,
  id: string,
  onMessage?: (text: string, peer: WebSocket) => void,
): Promise<WebSocket> {
  const path = connectPath({ database, id, token });
  const peer = new WebSocket(`${secure ? 'wss' : 'ws'}://localhost:${port}${path}`, {
    rejectUnauthorized: false,
  });
  if (onMessage !== undefined) peer.on('message', (data) => onMessage(String(data), peer));
  onTestFinished(() => {
    peer.removeAllListeners();
    peer.on('error', () => undefined);
    peer.terminate();
  });
  await once(peer, 'open');
  return peer;
}
