import { setTimeout as wait } from 'node:timers/promises';
import type { IPCConfig } from './acebase.js';
import { type Ask, HttpRefusal, overHttp } from './address.js';

/** Milliseconds after which a server that had no memory for a message is asked again. */
const BUSY_WAIT_MS = 500;

/**
 * What became of a message: `taken`, the server counts it as a frame; `refused`, it does not; `unknown`, it may or may not,
 * and says so when the client connects again.
 */
export type Outcome =
  | { readonly kind: 'taken' }
  | { readonly kind: 'refused'; readonly reason: string }
  | { readonly kind: 'unknown'; readonly reason: string };

/** What it works with. */
export interface LongMessagesSettings {
  readonly config: IPCConfig;
  /** What is asked of an endpoint, now. */
  ask(endpoint: 'send' | 'receive', parameters: Readonly<Record<string, string>>): Ask;
}

/** Messages that are too long for the WebSocket (docs/PROTOCOL.md, sections 4.2 and 4.3). Nothing here throws. */
export class LongMessages {
  readonly #settings: LongMessagesSettings;

  constructor(settings: LongMessagesSettings) {
    this.#settings = settings;
  }

  /** Sends one, as soon as the server has room for it; `isWanted` is asked before each further attempt. */
  async send(text: string, isWanted: () => boolean): Promise<Outcome> {
    for (;;) {
      const outcome = await this.#trySend(text);
      if (outcome !== 'busy') return outcome;
      await wait(BUSY_WAIT_MS, undefined, { ref: false });
      if (!isWanted()) return { kind: 'unknown', reason: 'the server had no memory for it' };
    }
  }

  /** Fetches one that the server keeps. @returns why it could not be fetched, if so */
  async fetch(messageId: string): Promise<{ readonly text: string } | { readonly reason: string }> {
    const { config, ask } = this.#settings;
    try {
      return { text: await overHttp(config, ask('receive', { msg: messageId })) };
    } catch (error) {
      return { reason: reasonOf(error) };
    }
  }

  async #trySend(text: string): Promise<Outcome | 'busy'> {
    const { config, ask } = this.#settings;
    try {
      await overHttp(config, ask('send', {}), text);
      return { kind: 'taken' };
    } catch (error) {
      const reason = reasonOf(error);
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

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
