/** How the original acebase-ipc-server is known, which looks for the token in the URL alone; and where the token is shown. */

import { randomBytes } from 'node:crypto';
import type { IPCConfig } from './acebase.js';
import { type TokenPlace, upgradeAnswer } from './address.js';

/** The version that is asked for: none that a server speaks. */
const NO_VERSION = '0';

/** How long the answer may take, in milliseconds, and how much of it is read. */
const TIMEOUT_MS = 5_000;
const ANSWER_BYTES = 1_024;

/**
 * Whether an original server answers. It looks at the version before anything else, and refuses one that it does not know in
 * words of its own: so it can be asked without the token. A server of this package, a proxy, or whatever else answers a
 * process that it does not know with 403, says something else.
 *
 * @returns false, too, if there is no answer
 */
export async function isOriginalServer(config: IPCConfig): Promise<boolean> {
  const ask = { endpoint: 'connect', parameters: { v: NO_VERSION }, tokenPlace: 'nowhere' } as const;
  const headers = {
    Connection: 'Upgrade',
    Upgrade: 'websocket',
    'Sec-WebSocket-Version': '13',
    'Sec-WebSocket-Key': randomBytes(16).toString('base64'),
  };
  const answer = await upgradeAnswer(config, ask, { headers, timeoutMs: TIMEOUT_MS, bytes: ANSWER_BYTES });
  return answer?.status === 409 && /unsupported client ipc version/i.test(answer.body);
}

/** Where the token is shown: in a header, and in the URL only to a server that was found to be an original one [PROTOCOL-2.8]. */
export class TokenPlacement {
  readonly #config: IPCConfig;
  /** Of the next attempt. In the URL for one attempt only: the next server may be another one. */
  #next: TokenPlace = 'header';
  #current: TokenPlace = 'header';
  #isAsking = false;

  constructor(config: IPCConfig) {
    this.#config = config;
  }

  /** That of the attempt, or the connection, that there is. */
  get current(): TokenPlace {
    return this.#current;
  }

  /** A new attempt begins. @returns where it shows the token */
  begin(): TokenPlace {
    this.#current = this.#next;
    this.#next = 'header';
    return this.#current;
  }

  /** An answer with 403 and no code came. It may be of an original server, which does not see a token in a header. */
  async lookForOriginal(): Promise<void> {
    if (this.#isAsking) return;
    this.#isAsking = true;
    if (await isOriginalServer(this.#config)) this.#next = 'url';
    this.#isAsking = false;
  }
}
