import { setTimeout as wait } from 'node:timers/promises';
import { messageOf } from '../system-error.js';
import type { IPCConfig } from './acebase.js';
import { type Ask, HttpRefusal, overHttp } from './address.js';
import type { LongWay, Outcome } from './core/ports.js';

/** Milliseconds after which a server that had no memory for a message is asked again, or one that could not be reached. */
const AGAIN_MS = 500;

/** Milliseconds for which a server keeps a message to be fetched [PROTOCOL-4.3]. */
const KEPT_MS = 60_000;

/** What it works with. */
export interface LongMessagesSettings {
  readonly config: IPCConfig;
  /** Milliseconds, of a clock that only goes on. */
  now(): number;
  /** What is asked of an endpoint, now. */
  ask(endpoint: 'send' | 'receive', parameters: Readonly<Record<string, string>>): Ask;
}

/** Messages that are too long for the WebSocket (docs/PROTOCOL.md, sections 4.2 and 4.3). Nothing here throws. */
export class LongMessages implements LongWay {
  readonly #settings: LongMessagesSettings;

  constructor(settings: LongMessagesSettings) {
    this.#settings = settings;
  }

  /** Sends one, as soon as the server has room for it; `isWanted` is asked before each further attempt. */
  async send(text: string, isWanted: () => boolean): Promise<Outcome> {
    for (;;) {
      const outcome = await this.#trySend(text);
      if (outcome !== 'busy') return outcome;
      await wait(AGAIN_MS, undefined, { ref: false });
      if (!isWanted()) return { kind: 'unknown', reason: 'the server had no memory for it' };
    }
  }

  /**
   * Fetches one that the server keeps, also if a proxy in between has no answer for a while: nobody sends it a second time.
   *
   * @returns why it could not be fetched, if so
   */
  async fetch(messageId: string): Promise<{ readonly text: string } | { readonly reason: string }> {
    const { config, ask, now } = this.#settings;
    for (const since = now(); ; await wait(AGAIN_MS, undefined, { ref: false })) {
      try {
        return { text: await overHttp(config, ask('receive', { msg: messageId })) };
      } catch (error) {
        if (isFinal(error) || now() - since >= KEPT_MS) return { reason: messageOf(error) };
      }
    }
  }

  async #trySend(text: string): Promise<Outcome | 'busy'> {
    const { config, ask } = this.#settings;
    try {
      await overHttp(config, ask('send', {}), text);
      return { kind: 'taken' };
    } catch (error) {
      const reason = messageOf(error);
      switch (error instanceof HttpRefusal ? error.status : undefined) {
        case 503:
          return 'busy';
        case 413:
          return { kind: 'refused', reason };
        default:
          return { kind: 'unknown', reason };
      }
    }
  }
}

/** Whether it is the server's own word: of this package, by its code, or of the original, which has none. */
function isFinal(error: unknown): boolean {
  return error instanceof HttpRefusal && (error.code !== undefined || [401, 404].includes(error.status));
}
