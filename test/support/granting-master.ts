import type { WebSocket } from 'ws';
import { type ConversationOptions, join } from './conversation.js';

/** Milliseconds for which a lock of a master lasts. */
const LOCK_TIMEOUT_MS = 120_000;

/** What the server asks of a master: the root lock, or to take it back. */
interface RootRequest {
  readonly type: string;
  readonly from: string;
  readonly id: string;
  readonly data: object;
}

/**
 * Joins a database as a master that grants the server the root lock whenever it is asked for it, and answers nothing else.
 * It is gone when the test is over.
 */
export function joinAsGrantingMaster(options: ConversationOptions): Promise<WebSocket> {
  let last = 0;
  return join(options, '[master]', (text, master) => {
    if (!text.startsWith('{')) return;
    const { type, from, id, data }: RootRequest = JSON.parse(text);
    if (from !== '[server]') return;
    const answer = (answerType: string, details: object): void => {
      const result = { type: answerType, from: '[master]', to: from, id, ok: true, data: details };
      master.send(`to:${from};${JSON.stringify(result)}`);
    };
    if (type === 'unlock-request') answer('unlock-result', data);
    if (type !== 'lock-request') return;
    answer('lock-result', { ...data, id: ++last, expires: Date.now() + LOCK_TIMEOUT_MS });
  });
}
