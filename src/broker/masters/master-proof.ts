import { encode, MASTER_ID, SERVER_ID } from '../../protocol/frames.js';
import type { MasterAnswer } from '../../protocol/messages.js';
import type { Delivery } from '../delivery.js';
import { FORMER_MASTER_MS, MASTER_PROOF_MS } from '../limits.js';
import type { Peer } from '../peers/peer.js';
import type { Cancel, Clock } from '../ports.js';

/** The number of the first lock that a master gives. */
const FIRST_ID = 1;

/**
 * How many masters in a row are sent away as old ones. A new process that takes locks of its own as it starts may seem to
 * be one; sooner or later it must be trusted.
 */
const MAX_MASTERS_SENT_AWAY = 2;

/** What the proof came to: a `new` process, or the `old` one that came back. */
export type ProofVerdict = 'new' | 'old';

/** What a master is asked. */
export interface ProofQuestion {
  /** The transaction of the server that held a lock at the last master; `undefined` if none did. */
  readonly tid: string | undefined;
  /** The highest number of a lock that the last master gave the server; `undefined` if it cannot be that one. */
  readonly highestId: number | undefined;
}

/** Is called once. */
export type Conclude = (verdict: ProofVerdict) => void;

const PROOF_ID = `${SERVER_ID}proof`;

/** Whether that is the id of such a question, or of what follows it. */
export function isProofId(id: string): boolean {
  return id.startsWith(PROOF_ID);
}

/**
 * Finds out whether a master is a new process [PROTOCOL-9.7].
 *
 * A process whose line broke and that comes back still has the locks that it gave, and the ids that it gave them. So
 * it is asked for one read lock, for a transaction that held one. A new process grants it at once, under a low number;
 * an old one counts on from the highest that was seen, refuses, or does not answer, since somebody holds a lock there. One
 * that has not read the question yet, since it is stopped or busy, says nothing by its silence.
 */
export class MasterProof {
  readonly #clock: Clock;
  readonly #delivery: Delivery;
  #questions = 0;
  #highestId = 0;
  #conclude: Conclude | undefined;
  #master: Peer | undefined;
  /** Who is asked, and the ping behind the question. */
  #asked: { readonly master: Peer; readonly pingToken: number } | undefined;
  #cancelTimeout: Cancel | undefined;
  /** Whether the last question has no answer: whoever it was put to may have granted a lock that nobody gives back. */
  #isUnanswered = false;
  /** How many masters in a row were found to be old ones. */
  #sentAway = 0;
  /** The highest numbers of masters that were replaced and may come back, and until when. */
  #formers: { readonly highestId: number; readonly until: number }[] = [];

  constructor(clock: Clock, delivery: Delivery) {
    this.#clock = clock;
    this.#delivery = delivery;
  }

  /** Whether so many were sent away that the next one is to be trusted. */
  get isDispensable(): boolean {
    return this.#sentAway >= MAX_MASTERS_SENT_AWAY;
  }

  /**
   * A master takes over from one that may still be there, with locks that are not known.
   *
   * @param highestId the highest number of a lock that is known of the former one
   */
  replaced(highestId: number): void {
    this.#formers.push({ highestId, until: this.#clock.now() + FORMER_MASTER_MS });
  }

  /** Whether one of those before the last may come back. */
  get mayFormerReturn(): boolean {
    return this.#returning.length > 0;
  }

  /** The highest numbers of those before the last that may come back. */
  get #returning(): readonly number[] {
    const now = this.#clock.now();
    this.#formers = this.#formers.filter(({ until }) => until > now);
    return this.#formers.map(({ highestId }) => highestId);
  }

  /** The master is taken for a new one. */
  masterStays(): void {
    this.#sentAway = 0;
  }

  /** Asks. */
  begin(master: Peer, { tid, highestId }: ProofQuestion, conclude: Conclude): void {
    this.cancel();
    const id = `${PROOF_ID}${++this.#questions}`;
    const known = this.#returning.concat(highestId ?? []);
    this.#highestId = this.#isUnanswered ? FIRST_ID : Math.max(Math.min(...known), FIRST_ID);
    this.#isUnanswered = true;
    this.#conclude = conclude;
    this.#master = master;
    const pingToken = master.nextToken();
    this.#asked = { master, pingToken };
    const data = {
      path: '',
      tid: tid ?? id,
      write: false,
      comment: 'acebase-ipc-server: is this a new master?',
    };
    const message = { type: 'lock-request', id, from: SERVER_ID, to: MASTER_ID, data };
    this.#delivery.send(master, encode(JSON.stringify(message)));
    master.outbox.ping(pingToken);
  }

  /** That peer has read everything that was sent before its ping with that token. */
  acknowledge(peer: Peer, token: number): void {
    if (this.#asked?.master !== peer || token < this.#asked.pingToken) return;
    this.#asked = undefined;
    this.#cancelTimeout = this.#clock.schedule(MASTER_PROOF_MS, () => this.#end('old'));
  }

  /** The master answered one of these questions. */
  answered({ id, lock }: MasterAnswer): void {
    if (this.#conclude === undefined || id !== `${PROOF_ID}${this.#questions}`) return;
    this.#isUnanswered = false;
    if (lock === undefined) {
      this.#end('old');
      return;
    }
    if (this.#master !== undefined) this.#giveBack(this.#master, lock.id);
    this.#end(lock.id > this.#highestId ? 'old' : 'new');
  }

  /** The master is gone: nothing is concluded. */
  cancel(): void {
    this.#cancelTimeout?.();
    this.#asked = undefined;
    this.#conclude = undefined;
  }

  #end(verdict: ProofVerdict): void {
    const conclude = this.#conclude;
    this.cancel();
    if (verdict === 'old') this.#sentAway += 1;
    conclude?.(verdict);
  }

  #giveBack(master: Peer, lockId: number): void {
    const id = `${PROOF_ID}unlock`;
    const message = { type: 'unlock-request', id, from: SERVER_ID, to: MASTER_ID, data: { id: lockId } };
    this.#delivery.send(master, encode(JSON.stringify(message)));
  }
}
