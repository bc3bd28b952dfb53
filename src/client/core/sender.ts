/** What this process says to others: as which frames it leaves, and what becomes of what cannot leave. */

import type { Answers } from './answer-cache.js';
import { CacheNews } from './cache-news.js';
import type { ClientSettings } from './client-settings.js';
import type { Message } from './host.js';
import {
  cacheNewsFrame,
  failRequest,
  frameOf,
  invalidationOf,
  isCacheNews,
  isRequest,
  isRootUpdate,
  type OutgoingSettings,
} from './outgoing.js';
import type { Frame, Outflow } from './session.js';

/** What it works with. */
export interface SenderSettings
  extends Pick<ClientSettings, 'ipc' | 'clock' | 'log' | 'classes' | 'server' | 'has'> {
  readonly outflow: Outflow;
  readonly answers: Answers;
  readonly eventNumbers: OutgoingSettings['eventNumbers'];
  /** Whether that peer understands encoded values. */
  understandsValues(peerId: string): boolean;
  /** Whether all others that are there understand what is said of caches at one time. */
  understandCacheNews(): boolean;
  /** The units of the longest frame that the server takes. */
  longest(): number;
  /** It is said that this process has moved the root. */
  rootMoved(): void;
}

/** The outgoing messages of one peer. */
export class Sender {
  readonly #settings: SenderSettings;
  readonly #outgoing: OutgoingSettings;
  readonly #cacheNews: CacheNews;
  /** Messages that may leave with the next one. */
  readonly #patient = new WeakSet<Message>();

  constructor(settings: SenderSettings) {
    const { ipc, outflow, classes, eventNumbers, has } = settings;
    this.#settings = settings;
    this.#outgoing = {
      classes,
      eventNumbers,
      hasValues: () => has('values'),
      canWait: (message) => this.#patient.has(message),
      understands: (peerId) => settings.understandsValues(peerId),
    };
    this.#cacheNews = new CacheNews({
      ...settings,
      // A master may write before it is told who is there.
      isUnderstood: () => !ipc.isMaster && settings.understandCacheNews(),
      send: (news, canWait) => void outflow.add(cacheNewsFrame(ipc.id, news, canWait)),
    });
  }

  /** The message may leave with the next one. */
  letWait(message: Message): void {
    this.#patient.add(message);
  }

  /** Sends a message, behind all that was said before. */
  send(message: Message): void {
    const { outflow, answers, rootMoved } = this.#settings;
    if (isRootUpdate(message)) rootMoved();
    const frame = this.#frameOf(message);
    if (isCacheNews(message) && this.#cacheNews.take(frame.text)) return;
    this.#cacheNews.flush(true);
    if (message.type.endsWith('result')) answers.answer(message);
    if (!outflow.add(frame)) this.#noRoom(message);
  }

  /** What is long takes another way, on which the lock may overtake it, and may be refused: so others forget more than they need to. */
  #frameOf(message: Message): Frame {
    const frame = frameOf(message, this.#outgoing);
    const isLong = isCacheNews(message) && frame.text.length > this.#settings.longest();
    return isLong ? frameOf(invalidationOf(message), this.#outgoing) : frame;
  }

  /** The text of a message that goes by another way than all others. */
  textOf(message: Message): string {
    return frameOf(message, this.#outgoing).text;
  }

  /** What was gathered leaves now. */
  flush(): void {
    this.#cacheNews.flush();
  }

  /** What was gathered is of no use to anybody. */
  clear(): void {
    this.#cacheNews.clear();
  }

  /** The server does not take so long a message. @param requestId the request that it is, if it is one */
  tooLong(requestId: string | undefined, reason: string): void {
    const { server, log, ipc } = this.#settings;
    const message = `IPC_CLIENT_MESSAGE_TOO_LONG: the IPC server at ${server} does not take so long a message: ${reason}`;
    log.error(message);
    const open = requestId === undefined ? undefined : ipc._requests.get(requestId);
    if (open !== undefined) failRequest(open, new Error(message));
  }

  #noRoom(message: Message): void {
    const { server, log, ipc, outflow } = this.#settings;
    const { id } = message;
    const reason = `IPC_CLIENT_QUEUE_FULL: too much waits for the IPC server at ${server}, which is not there`;
    const open = isRequest(message) && id !== undefined ? ipc._requests.get(id) : undefined;
    if (open !== undefined) failRequest(open, new Error(reason));
    else if (outflow.dropped === 1) log.error(reason);
  }
}
