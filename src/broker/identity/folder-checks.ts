import type { Peer } from '../peers/peer.js';
import type { Cancel, Clock, DatabaseFile } from '../ports.js';
import { Challenge, type Verdict } from './challenge.js';
import { CheckedClient } from './checked-client.js';
import { type FolderAnswer, identify } from './identity-words.js';

/** Milliseconds that a client has to say which file it has. */
export const TELLING_MS = 2_000;

/** What the checks work with. */
export interface FolderChecksSettings {
  readonly clock: Clock;
  readonly peers: ReadonlyMap<string, Peer>;
  /** Something was sent, or decided, outside of a call of a visitor. */
  settled(): void;
}

/** What the checks ask of others. */
export interface FolderChecksHost {
  /** The client may take part. @param isTold whether it knows that */
  accepted(client: CheckedClient, isTold: boolean): void;
  /** Whether the client has the same file as those who are there could not be found out. */
  isUnknown(peer: Peer, why: string): void;
  /** The client has another file. It is to be sent away. */
  differs(client: CheckedClient, other: CheckedClient): void;
  /** Whether what the peer says of its file can be compared with that of a process that cannot say so itself. */
  isComparable(peer: Peer): boolean;
}

/**
 * Which clients have the file of the database. Those who are there have it; a newcomer is challenged by one of them. While the
 * master has no file yet, newcomers wait until it has; a worker has none to lose, and is checked when there is one.
 */
export class FolderChecks {
  readonly #settings: FolderChecksSettings;
  readonly #host: FolderChecksHost;
  readonly #clients = new Map<Peer, CheckedClient>();
  readonly #challenges = new Set<Challenge>();
  /** Those who were asked which file they have, since nobody can challenge them. */
  readonly #telling = new Map<CheckedClient, { readonly id: number; readonly cancel: Cancel }>();
  #lastId = 0;

  constructor(settings: FolderChecksSettings, host: FolderChecksHost) {
    this.#settings = settings;
    this.#host = host;
  }

  /** A peer is about to join the others. @returns whether it may take part at once */
  enters(peer: Peer): boolean {
    if (peer.session?.can('identify') !== true) return true;
    const client = new CheckedClient(peer, this.#settings.peers.size === 0);
    this.#clients.set(peer, client);
    return client.isAccepted;
  }

  /** Whether it may take part. */
  isAccepted(peer: Peer): boolean {
    return this.#clients.get(peer)?.isAccepted ?? true;
  }

  /** The file of a peer, as it says. */
  toldBy(peer: Peer): readonly DatabaseFile[] {
    const file = this.#clients.get(peer)?.file;
    return file === undefined ? [] : [file];
  }

  /** A peer is there, or there again. */
  came(): void {
    this.#review();
  }

  /** A client says that its file is open. */
  ready(peer: Peer): void {
    const client = this.#clients.get(peer);
    if (client === undefined) return;
    if (client.standing === 'fileless' && !client.isInCheck) client.standing = 'new';
    this.#review();
  }

  /** A client answers. */
  answer(peer: Peer, answer: FolderAnswer): void {
    const client = this.#clients.get(peer);
    if (client === undefined) return;
    client.answer = answer;
    if (this.#telling.get(client)?.id === answer.id) this.#endTelling(client);
    for (const challenge of [...this.#challenges]) challenge.answer(client, answer);
    this.#review();
  }

  /** A peer has no line any more; what it was asked, it may not have heard. */
  isAway(peer: Peer): void {
    const client = this.#clients.get(peer);
    if (client === undefined) return;
    this.#forgetTelling(client);
    for (const challenge of [...this.#challenges]) challenge.left(client);
    this.#review();
  }

  /** A peer is no longer part of the database. */
  left(peer: Peer): void {
    this.isAway(peer);
    if (this.#clients.delete(peer)) this.#review();
  }

  /** Nobody is checked any more. */
  stop(): void {
    for (const client of [...this.#telling.keys()]) this.#forgetTelling(client);
    this.#clients.clear();
    for (const challenge of [...this.#challenges]) challenge.end();
  }

  /** Checks all that can be checked now. */
  #review(): void {
    for (const client of [...this.#clients.values()]) {
      if (!client.isPresent || client.isInCheck || client.standing === 'member') continue;
      if (this.#referencesFor(client).length > 0) this.#challenge(client);
      else if (client.standing === 'new' && !this.#isMasterOpening(client)) this.#letTell(client);
    }
  }

  /** Whether the master is there, and has no file yet: it is about to make one. */
  #isMasterOpening(client: CheckedClient): boolean {
    return [...this.#clients.values()].some(
      (other) => other !== client && other.peer.isMaster && other.isPresent && other.standing === 'fileless',
    );
  }

  /** Those who can challenge: the master first, then in the order of their coming. */
  #referencesFor(client?: CheckedClient): readonly CheckedClient[] {
    const members = [...this.#clients.values()].filter(
      (other) => other !== client && other.standing === 'member' && other.isPresent,
    );
    return members.sort((a, b) => Number(b.peer.isMaster) - Number(a.peer.isMaster));
  }

  #challenge(client: CheckedClient): void {
    const open = [...this.#challenges].find(({ isOpen }) => isOpen);
    if (open !== undefined) {
      open.join(client);
      return;
    }
    const { clock, settled } = this.#settings;
    const challenge: Challenge = new Challenge(++this.#lastId, {
      clock,
      settled,
      references: () => this.#referencesFor(),
      decided: (newcomer, verdict) => this.#decided(newcomer, verdict),
      over: () => this.#challenges.delete(challenge),
    });
    this.#challenges.add(challenge);
    challenge.join(client);
    challenge.begin();
  }

  #decided(client: CheckedClient, verdict: Verdict): void {
    switch (verdict.kind) {
      case 'again':
        this.#review();
        return;
      case 'different':
        this.#host.differs(client, verdict.other);
        return;
      case 'unknown':
        this.#host.isUnknown(client.peer, verdict.why);
        this.#accept(client);
        return;
      case 'same':
        this.#accept(client);
    }
  }

  /** Nobody can challenge it. What it says may still show that it has another file than a process that cannot say so. */
  #letTell(client: CheckedClient): void {
    if (client.file !== undefined || !this.#host.isComparable(client.peer)) {
      // Those who are away have not been compared with it: they are, when they are back.
      for (const other of this.#clients.values()) if (!other.isPresent) other.standing = 'new';
      this.#accept(client);
      return;
    }
    const id = ++this.#lastId;
    const cancel = this.#settings.clock.schedule(TELLING_MS, () => {
      this.#endTelling(client);
      this.#settings.settled();
    });
    client.isInCheck = true;
    this.#telling.set(client, { id, cancel });
    client.peer.outbox.say(identify({ id, ask: 'tell' }));
  }

  #endTelling(client: CheckedClient): void {
    this.#forgetTelling(client);
    this.#accept(client);
  }

  #forgetTelling(client: CheckedClient): void {
    const telling = this.#telling.get(client);
    if (telling === undefined) return;
    telling.cancel();
    this.#telling.delete(client);
    client.isInCheck = false;
  }

  #accept(client: CheckedClient): void {
    const isTold = client.isAccepted;
    client.standing = 'member';
    client.isAccepted = true;
    this.#host.accepted(client, isTold);
    this.#review();
  }
}
