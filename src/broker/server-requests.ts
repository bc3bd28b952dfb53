import { SERVER_ID } from '../protocol/frames.js';
import type { MasterAnswer } from '../protocol/messages.js';
import type { Peer } from './peers/peer.js';

/** The master has answered. @param message the whole answer */
export type Answered = (answer: MasterAnswer, message: Uint8Array) => void;

/**
 * What the server itself asks of the masters of one database: a lock to see whether one is a new process, the root lock, indexes for
 * keys. What one was asked that is gone is forgotten with it.
 */
export class ServerRequests {
  /** What its ids begin with, and those of its transactions: no other server gives the same, nor does this one when it has forgotten the database. */
  readonly name: string;
  readonly #open = new WeakMap<Peer, Map<string, Answered>>();
  #count = 0;

  /** @param epoch a number that none of the same master had before */
  constructor(epoch: number) {
    this.name = `${SERVER_ID}${epoch.toString(36)}-`;
  }

  /** A request is about to be sent to that master. `answered` is called once, if at all. @returns its id */
  open(master: Peer, answered: Answered): string {
    const id = `${this.name}${++this.#count}`;
    const ofMaster = this.#open.get(master) ?? new Map<string, Answered>();
    this.#open.set(master, ofMaster.set(id, answered));
    return id;
  }

  /** A master answers. @returns false if it was not asked that, or has answered it */
  answered(master: Peer, answer: MasterAnswer, message: Uint8Array): boolean {
    const ofMaster = this.#open.get(master);
    const answered = ofMaster?.get(answer.id);
    ofMaster?.delete(answer.id);
    answered?.(answer, message);
    return answered !== undefined;
  }
}
