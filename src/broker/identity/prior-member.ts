import type { RefusalCode } from '../../errors.js';
import { type FolderAnswer, parseAnswer, refused } from '../../protocol/file-identity.js';
import { envelopeOf } from '../../protocol/frames.js';
import type { ArrivalRequest, Entrance, Visitor } from '../peers/entrance.js';
import type { Cancel, Link } from '../ports.js';
import { CheckedClient } from './checked-client.js';

/** What a prior member needs of the checks. */
export interface PriorMemberHost {
  answered(client: PriorMember, answer: FolderAnswer): void;
  /** It went away while it was being checked. */
  left(client: PriorMember): void;
  /** It was checked, and may not come in for another reason. It is told that when it comes again. */
  turnedBack(session: string): void;
}

/**
 * A client that was a member of the database before, here or at a server that is gone, and was not compared with those who are
 * there now [PROTOCOL-14.9]. It is connected, and not a peer yet: it has had no welcome, hears of nobody, and nobody hears of it,
 * until it is known whose folder is that of the database. Then it comes in, by the entrance that it is itself.
 */
export class PriorMember extends CheckedClient implements Entrance, Visitor {
  readonly request: ArrivalRequest;
  readonly #link: Link;
  readonly #host: PriorMemberHost;
  /** Whether it was a member before all that are there. */
  isPrior = false;
  #isHere = true;
  /** Who hears what it says, once it is a peer. */
  #visitor: Visitor | undefined;
  /** To be called if it goes away after the check, and before it is a peer. */
  #cancel: Cancel | undefined;

  constructor(request: ArrivalRequest, entrance: Entrance, host: PriorMemberHost) {
    super();
    this.request = request;
    this.#host = host;
    this.#link = entrance.accept(this);
  }

  get id(): string {
    return this.request.peerId;
  }

  get address(): string {
    return this.request.address;
  }

  get folderSince(): number {
    return this.request.client?.folderSince ?? Number.POSITIVE_INFINITY;
  }

  get isPresent(): boolean {
    return this.#isHere;
  }

  say(word: Uint8Array): void {
    this.#link.send(word);
  }

  /** The check is over: it comes in, if it is still there. */
  enter(arrive: (request: ArrivalRequest, entrance: Entrance) => Cancel): void {
    if (this.#isHere) this.#cancel = arrive(this.request, this);
  }

  accept(visitor: Visitor): Link {
    this.#visitor = visitor;
    return this.#link;
  }

  /** Its handshake was answered long ago: it is told why when it connects again. */
  refuse(_code: RefusalCode): void {
    this.#host.turnedBack(this.request.client?.session ?? '');
    this.#link.close('IPC_CLOSED_CONNECT_AGAIN');
  }

  /** It was not found out in time: it may come as every other client does. */
  sendBack(): void {
    this.#link.close('IPC_CLOSED_CONNECT_AGAIN');
  }

  /** It has another file than those who are there. */
  sendAway(reason: string): void {
    this.say(refused('IPC_CLOSED_OTHER_FILE', reason));
    this.#link.close('IPC_CLOSED_OTHER_FILE');
  }

  /** Nothing more will be decided. */
  turnAway(): void {
    this.#link.close('IPC_CLOSED_STOPPING');
  }

  receive(frame: Uint8Array): void {
    const answer = envelopeOf(frame) === 'identity' ? parseAnswer(frame) : undefined;
    // What it was asked here, it may answer late; ids of questions to peers are positive.
    if (answer !== undefined && answer.id < 0) {
      if (this.#visitor === undefined) this.#host.answered(this, answer);
    } else this.#visitor?.receive(frame);
  }

  acknowledge(token: number): void {
    this.#visitor?.acknowledge(token);
  }

  left(cause: string): void {
    this.#isHere = false;
    if (this.#visitor !== undefined) this.#visitor.left(cause);
    else if (this.#cancel !== undefined) this.#cancel();
    else this.#host.left(this);
  }
}
