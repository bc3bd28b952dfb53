import type { RefusalCode } from '../../errors.js';
import {
  compareFiles,
  type DatabaseFile,
  type FolderAnswer,
  type FolderRequest,
  identify,
  parseAnswer,
  refused,
} from '../../protocol/file-identity.js';
import { envelopeOf } from '../../protocol/frames.js';
import type { ClientAnnouncement } from '../../protocol/session.js';
import type { Peer } from '../peers/peer.js';
import type { ArrivalRequest, Cancel, Clock, Entrance, Link, Visitor } from '../ports.js';

/**
 * Where a client stands: `new`, nothing is known of its folder; `member`, it has the file of the database; `fileless`, there was
 * no file in its folder when that was asked.
 */
export type Standing = 'new' | 'member' | 'fileless';

/** A client that can `identify`: a peer, or one that is not a peer yet. */
export abstract class CheckedClient {
  standing: Standing = 'new';
  /** Whether it is being checked. */
  isInCheck = false;
  /** What it said last; and since when it has been asked to write, and has said nothing, by the broker's clock. */
  answer: FolderAnswer | undefined;
  silentSince: number | undefined;

  readonly id: string;
  /** Since when its folder has been that of the database, by its own word; infinite if no server has accepted it yet. */
  readonly folderSince: number;

  constructor(id: string, client: ClientAnnouncement | undefined) {
    this.id = id;
    this.folderSince = client?.folderSince ?? Number.POSITIVE_INFINITY;
  }

  /** Where it connects from, for people to read. */
  abstract get address(): string;

  /** Whether it is connected. */
  abstract get isPresent(): boolean;

  /** Says a word of the check to it. */
  abstract say(word: Uint8Array): void;

  /** Its file, as it says. */
  get file(): DatabaseFile | undefined {
    const { answer } = this;
    return answer?.file === undefined ? undefined : { ...answer.file, folder: answer.folder };
  }

  /** Its folder and itself, in words. */
  describe(): string {
    const who = `${this.id} at ${this.address}`;
    if (this.answer === undefined || this.answer.folder === '') return `a folder that is not known (${who})`;
    return `${this.answer.folder} on ${this.answer.host} (${who})`;
  }
}

/** A peer whose client can `identify`. */
export class CheckedPeer extends CheckedClient {
  readonly peer: Peer;

  /** @param isFirst whether nobody else is there: then its file is that of the database */
  constructor(peer: Peer, isFirst: boolean) {
    super(peer.id, peer.session?.client);
    this.peer = peer;
    this.standing = isFirst ? 'member' : 'new';
    peer.isAccepted = isFirst;
  }

  get address(): string {
    return this.peer.address;
  }

  get isPresent(): boolean {
    return this.peer.state === 'present';
  }

  say(word: Uint8Array): void {
    this.peer.outbox.say(word);
  }
}

/** Milliseconds after which another client is asked to write, if the last one has not answered. */
export const WRITER_PATIENCE_MS = 2_000;

/**
 * Milliseconds after which newcomers are let in though nobody has written. Who stands still altogether is given up
 * before that, or cut off by the heartbeat and compared when he is back.
 */
export const WRITING_MS = 60_000;

/** Milliseconds in which newcomers must have read. A client without a folder waits for it for 60 s. */
export const READING_MS = 70_000;

/** What a challenge says of a newcomer: `again` if nobody has a file yet, or the newcomer does not answer. */
export type Verdict =
  | { readonly kind: 'same' | 'again' }
  | { readonly kind: 'different'; readonly other: CheckedClient }
  | { readonly kind: 'unknown'; readonly why: string };

/** What a challenge works with. */
export interface ChallengeHost {
  readonly clock: Clock;
  /** Whether the newcomers are at the door, and not peers. What they are asked has a negative number then. */
  readonly isAtDoor: boolean;
  /** Those whose file is that of the database, in the order in which they are asked. */
  references(): readonly CheckedClient[];
  /** Called once for each newcomer that does not go away. */
  decided(newcomer: CheckedClient, verdict: Verdict): void;
  /** It is over. */
  over(): void;
}

/**
 * One challenge [PROTOCOL-14.9]: somebody who is there writes a nonce into a new file beside his database file, and newcomers
 * say what they read there. Nothing else proves that two folders are one: inodes are used again, clones of a disk have the same
 * ones, and each mount has a device of its own.
 */
export class Challenge {
  readonly #id: number;
  readonly #host: ChallengeHost;
  readonly #newcomers = new Set<CheckedClient>();
  /** Who was asked to write, and of these, who cannot, and why. */
  readonly #asked = new Set<CheckedClient>();
  readonly #failed = new Map<CheckedClient, string | 'has none' | 'is away'>();
  /** Who has written; or has a file open that is not at its path any more. */
  #reference: CheckedClient | undefined;
  #nonce: string | undefined;
  #isOver = false;
  /** Whether nobody could write: whoever would join now, nobody would ever be asked for. */
  #hasFailed = false;
  #cancelPatience: Cancel | undefined;
  #cancelDeadline: Cancel | undefined;

  constructor(id: number, host: ChallengeHost) {
    this.#id = id;
    this.#host = host;
  }

  /** Whether nobody has written yet, so whatever is copied later has no part of it. */
  get isOpen(): boolean {
    return !this.#isOver && !this.#hasFailed && this.#reference === undefined;
  }

  /** Whether that newcomer may join. */
  isOpenTo(isAtDoor: boolean): boolean {
    return this.isOpen && isAtDoor === this.#host.isAtDoor;
  }

  /** Whether newcomers wait for that client to write. */
  waitsFor(client: CheckedClient): boolean {
    return this.isOpen && this.#asked.has(client) && !this.#failed.has(client);
  }

  /** A newcomer takes part. */
  join(newcomer: CheckedClient): void {
    this.#newcomers.add(newcomer);
    newcomer.isInCheck = true;
  }

  /** Begins. To be called once, with newcomers. */
  begin(): void {
    this.#cancelDeadline = this.#later(this.#patience, () =>
      this.#nobodyWrote('those who are there did not answer'),
    );
    this.#askNext();
  }

  /** Newcomers at the door come and go: those who have not answered others before them are waited for no longer than once in all. */
  get #patience(): number {
    const now = this.#host.clock.now();
    const waited = this.#host.references().map(({ silentSince = now }) => now - silentSince);
    return Math.max(WRITING_MS - Math.min(...waited), WRITER_PATIENCE_MS);
  }

  /** A client answers; answers to other challenges are ignored. */
  answer(client: CheckedClient, answer: FolderAnswer): void {
    if (this.#isOver) return;
    if (this.#newcomers.has(client)) {
      if (answer.id === this.#newcomersId) this.#read(client, answer);
    } else if (this.#asked.has(client) && answer.id === this.#id) this.#wrote(client, answer);
  }

  /** A client has no line any more. */
  left(client: CheckedClient): void {
    if (this.#isOver) return;
    if (this.#newcomers.delete(client)) client.isInCheck = false;
    if (this.#newcomers.size === 0) this.end();
    else if (this.isOpen && this.#asked.has(client)) this.#cannot(client, 'is away');
  }

  /** Nothing more is decided. */
  end(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#cancelPatience?.();
    this.#cancelDeadline?.();
    for (const client of this.#asked)
      if (client.isPresent) this.#say(client, { id: this.#id, ask: 'remove' });
    for (const newcomer of this.#newcomers) newcomer.isInCheck = false;
    this.#host.over();
  }

  get #newcomersId(): number {
    return this.#host.isAtDoor ? -this.#id : this.#id;
  }

  #askNext(): void {
    this.#cancelPatience?.();
    const next = this.#host.references().find((it) => !this.#asked.has(it) && !this.#newcomers.has(it));
    if (next === undefined) {
      if (this.#failed.size < this.#asked.size) return;
      const problems = [...this.#failed.values()].filter((why) => why !== 'has none' && why !== 'is away');
      if (problems.length > 0) this.#nobodyWrote(problems.join(', '));
      else this.#tryAgain();
      return;
    }
    this.#asked.add(next);
    next.silentSince ??= this.#host.clock.now();
    this.#cancelPatience = this.#later(WRITER_PATIENCE_MS, () => this.#askNext());
    this.#say(next, { id: this.#id, ask: 'write' });
  }

  #wrote(client: CheckedClient, { written, isReplaced, file, problem }: FolderAnswer): void {
    // One that was slow, and in whose place another has written, has its file removed in the end.
    if (!this.isOpen) return;
    if (isReplaced) this.#has(client, { id: this.#newcomersId, ask: 'tell' });
    else if (file === undefined) {
      client.standing = 'fileless';
      this.#cannot(client, 'has none');
    } else if (written === undefined)
      this.#cannot(client, `it cannot write there (${problem ?? 'no reason given'})`);
    else {
      this.#nonce = written.nonce;
      this.#has(client, { id: this.#newcomersId, ask: 'read', name: written.name });
    }
  }

  #has(client: CheckedClient, request: FolderRequest): void {
    this.#reference = client;
    this.#cancelPatience?.();
    this.#cancelDeadline?.();
    this.#cancelDeadline = this.#later(READING_MS, () => this.#tryAgain());
    for (const newcomer of this.#newcomers) this.#say(newcomer, request);
  }

  #cannot(client: CheckedClient, why: string): void {
    this.#failed.set(client, why);
    this.#askNext();
  }

  #tryAgain(): void {
    this.#hasFailed = true;
    for (const newcomer of [...this.#newcomers]) this.#decide(newcomer, { kind: 'again' });
  }

  #nobodyWrote(why: string): void {
    this.#hasFailed = true;
    for (const newcomer of [...this.#newcomers]) this.#decide(newcomer, { kind: 'unknown', why });
  }

  #read(newcomer: CheckedClient, answer: FolderAnswer): void {
    const other = this.#reference;
    if (other === undefined) return;
    if (this.#nonce === undefined) {
      // The file of those who are there is not at its path any more: it was moved, perhaps to where the newcomer found it.
      const isMoved =
        newcomer.file !== undefined &&
        other.file !== undefined &&
        compareFiles(newcomer.file, other.file) === 'same';
      this.#decide(newcomer, isMoved ? { kind: 'same' } : { kind: 'different', other });
    } else if (answer.read === undefined) {
      const why = `the newcomer cannot read there (${answer.problem ?? 'no reason given'})`;
      this.#decide(newcomer, { kind: 'unknown', why });
    } else {
      const isSame = answer.read === this.#nonce && !answer.isReplaced;
      this.#decide(newcomer, isSame ? { kind: 'same' } : { kind: 'different', other });
    }
  }

  #decide(newcomer: CheckedClient, verdict: Verdict): void {
    this.#newcomers.delete(newcomer);
    newcomer.isInCheck = false;
    if (this.#newcomers.size === 0) this.end();
    this.#host.decided(newcomer, verdict);
  }

  #say(client: CheckedClient, request: FolderRequest): void {
    client.say(identify(request));
  }

  #later(milliseconds: number, act: () => void): Cancel {
    return this.#host.clock.schedule(milliseconds, act);
  }
}

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
    super(request.peerId, request.client);
    this.request = request;
    this.#host = host;
    this.#link = entrance.accept(this);
  }

  get address(): string {
    return this.request.address;
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

  /** At the door it has none. */
  get isPlaceKept(): boolean {
    return this.#visitor?.isPlaceKept === true;
  }

  left(cause: string): void {
    this.#isHere = false;
    if (this.#visitor !== undefined) this.#visitor.left(cause);
    else if (this.#cancel !== undefined) this.#cancel();
    else this.#host.left(this);
  }
}
