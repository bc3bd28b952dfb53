import type { ArrivalRequest, Entrance } from '../peers/entrance.js';
import { isSameSession } from '../peers/newcomer.js';
import type { Peer } from '../peers/peer.js';
import type { Cancel, Clock, DatabaseFile } from '../ports.js';
import { Challenge, type Verdict } from './challenge.js';
import { type CheckedClient, CheckedPeer } from './checked-client.js';
import { type FolderAnswer, identify } from './identity-words.js';
import { PriorMember } from './prior-member.js';

/** Milliseconds that a client has to say which file it has. */
export const TELLING_MS = 2_000;

/** Milliseconds for which a prior member waits at the door at most: somewhat longer than others have to write. */
export const AT_DOOR_MS = 12_000;

/** What the checks work with. */
export interface FolderChecksSettings {
  readonly clock: Clock;
  readonly peers: ReadonlyMap<string, Peer>;
  /** Milliseconds for which those who were members at an earlier server go first: `reconnectGrace`. */
  readonly grace: number;
  /** Something was sent, or decided, outside of a call of a visitor. */
  settled(): void;
}

/** What the checks ask of others. */
export interface FolderChecksHost {
  /** The client may take part. @param isTold whether it knows that */
  accepted(client: CheckedPeer, isTold: boolean): void;
  /** Whether the client has the same file as those who are there could not be found out. */
  isUnknown(client: CheckedClient, why: string): void;
  /** The client has another file. It is to be sent away. */
  differs(client: CheckedPeer, other: CheckedClient): void;
  /** A prior member may come in. */
  mayEnter(client: PriorMember): void;
  /** It has another file than the members that are there: they are to be sent away, and all who are at the door let in. */
  prevails(client: PriorMember, members: readonly CheckedPeer[], atDoor: readonly PriorMember[]): void;
  /** Whether what the peer says of its file can be compared with that of a process that cannot say so itself. */
  isComparable(peer: Peer): boolean;
}

/**
 * Which clients have the file of the database. Those who are there have it; a newcomer is challenged by one of them. While the
 * master has no file yet, newcomers wait until it has; a worker has none to lose, and is checked when there is one.
 *
 * After a restart of the server, whoever comes first need not be of those who were there. So who was a member earlier than all
 * that are there, as far as they can say so, is checked before it comes in, and if the files differ, the others have to go.
 */
export class FolderChecks {
  readonly #settings: FolderChecksSettings;
  readonly #host: FolderChecksHost;
  readonly #clients = new Map<Peer, CheckedPeer>();
  /** Prior members that are not in yet. */
  readonly #atDoor = new Map<PriorMember, Cancel>();
  readonly #challenges = new Set<Challenge>();
  /** Those who were asked which file they have, since nobody can challenge them. */
  readonly #telling = new Map<CheckedPeer, { readonly id: number; readonly cancel: Cancel }>();
  readonly #begun: { readonly at: number; readonly priorUntil: number };
  /** Since when the folder of the members has been that of the database, as those say who were members before. */
  #since = Number.POSITIVE_INFINITY;
  #lastId = 0;

  constructor(settings: FolderChecksSettings, host: FolderChecksHost) {
    this.#settings = settings;
    this.#host = host;
    const { clock, grace } = settings;
    this.#begun = { at: clock.wallTime(), priorUntil: clock.now() + grace };
  }

  /** Since when the folder of the members has been that of the database: milliseconds since 1970. */
  get since(): number {
    return Number.isFinite(this.#since) ? this.#since : this.#begun.at;
  }

  /** Whether a prior member waits at the door. */
  get isHolding(): boolean {
    return this.#atDoor.size > 0;
  }

  /** Whether it was a member before all that are there, and may have another file. */
  isPriorMember(request: ArrivalRequest): boolean {
    const { clock, peers } = this.#settings;
    const { client, peerId } = request;
    const since = client?.folderSince;
    if (since === undefined || client?.abilities.has('identify') !== true) return false;
    // Those who were told of it here are no older than it.
    if (since >= this.#since || since === this.#begun.at || clock.now() >= this.#begun.priorUntil)
      return false;
    const peer = peers.get(peerId);
    if (peer !== undefined && isSameSession(peer, request)) return false;
    return [...this.#clients.values()].some(({ peer: { isAccepted } }) => isAccepted);
  }

  /** Such a one is connected, and checked before it comes in, while there is time for that. */
  receive(request: ArrivalRequest, entrance: Entrance): void {
    const { clock } = this.#settings;
    const client = new PriorMember(request, entrance, {
      answered: (answering, answer) => {
        this.#answered(answering, answer);
        this.#settings.settled();
      },
      left: (leaving) => {
        this.#leftDoor(leaving);
        this.#settings.settled();
      },
    });
    const cancel = clock.schedule(AT_DOOR_MS, () => {
      this.#leftDoor(client);
      client.sendBack();
      this.#settings.settled();
    });
    this.#atDoor.set(client, cancel);
    this.#review();
  }

  /** A peer is about to join the others. @returns whether it may take part at once */
  enters(peer: Peer): boolean {
    if (peer.session?.can('identify') !== true) return true;
    const client = new CheckedPeer(peer, this.#settings.peers.size === 0);
    this.#clients.set(peer, client);
    if (peer.isAccepted) this.#since = Math.min(this.#since, client.folderSince);
    return peer.isAccepted;
  }

  /** Has a peer say which file it has, for people to read. */
  inquire(peer: Peer): void {
    const client = this.#clients.get(peer);
    if (client?.answer === undefined) client?.say(identify({ id: ++this.#lastId, ask: 'tell' }));
  }

  /** The folder of a peer, in words, if it has said which. */
  describe(peer: Peer): string | undefined {
    const client = this.#clients.get(peer);
    return client?.file === undefined ? undefined : client.describe();
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
    if (this.#telling.get(client)?.id === answer.id) {
      client.answer = answer;
      this.#endTelling(client);
    }
    this.#answered(client, answer);
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
    for (const client of this.#takeFromDoor()) client.turnAway();
  }

  #takeFromDoor(): PriorMember[] {
    const clients = [...this.#atDoor.keys()];
    for (const cancel of this.#atDoor.values()) cancel();
    this.#atDoor.clear();
    return clients;
  }

  #leftDoor(client: PriorMember): void {
    this.#atDoor.get(client)?.();
    this.#atDoor.delete(client);
    for (const challenge of [...this.#challenges]) challenge.left(client);
  }

  #answered(client: CheckedClient, answer: FolderAnswer): void {
    client.answer = answer;
    for (const challenge of [...this.#challenges]) challenge.answer(client, answer);
    this.#review();
  }

  /** Checks all that can be checked now. */
  #review(): void {
    for (const client of [...this.#clients.values(), ...this.#atDoor.keys()]) {
      if (!client.isPresent || client.isInCheck || client.standing === 'member') continue;
      if (this.#referencesFor(client).length > 0) this.#challenge(client);
      else if (client.standing !== 'new' || this.#isMasterOpening(client)) continue;
      else if (client instanceof CheckedPeer) this.#letTell(client);
      else this.#accept(client);
    }
  }

  /** Whether the master is there, and has no file yet: it is about to make one. */
  #isMasterOpening(client: CheckedClient): boolean {
    return [...this.#clients.values()].some(
      (other) => other !== client && other.peer.isMaster && other.isPresent && other.standing === 'fileless',
    );
  }

  /** Those who can challenge: the master first, then in the order of their coming. */
  #referencesFor(client?: CheckedClient): readonly CheckedPeer[] {
    const members = [...this.#clients.values()].filter(
      (other) => other !== client && other.standing === 'member' && other.isPresent,
    );
    return members.sort((a, b) => Number(b.peer.isMaster) - Number(a.peer.isMaster));
  }

  #challenge(client: CheckedClient): void {
    const isAtDoor = client instanceof PriorMember;
    const open = [...this.#challenges].find((challenge) => challenge.isOpenTo(isAtDoor));
    if (open !== undefined) {
      open.join(client);
      return;
    }
    const { clock, settled } = this.#settings;
    const id = ++this.#lastId;
    const challenge: Challenge = new Challenge(isAtDoor ? -id : id, {
      clock,
      settled,
      isAtDoor,
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
        if (client instanceof CheckedPeer) this.#host.differs(client, verdict.other);
        else if (client instanceof PriorMember) this.#prevails(client);
        return;
      case 'unknown':
        this.#host.isUnknown(client, verdict.why);
        this.#accept(client);
        return;
      case 'same':
        this.#accept(client);
    }
  }

  /** Nobody can challenge it. What it says may still show that it has another file than a process that cannot say so. */
  #letTell(client: CheckedPeer): void {
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
    client.say(identify({ id, ask: 'tell' }));
  }

  #endTelling(client: CheckedPeer): void {
    this.#forgetTelling(client);
    this.#accept(client);
  }

  #forgetTelling(client: CheckedPeer): void {
    const telling = this.#telling.get(client);
    if (telling === undefined) return;
    telling.cancel();
    this.#telling.delete(client);
    client.isInCheck = false;
  }

  #accept(client: CheckedClient): void {
    this.#since = Math.min(this.#since, client.folderSince);
    client.standing = 'member';
    if (client instanceof CheckedPeer) {
      const isTold = client.peer.isAccepted;
      client.peer.isAccepted = true;
      this.#host.accepted(client, isTold);
    } else if (client instanceof PriorMember && this.#atDoor.has(client)) {
      this.#leftDoor(client);
      this.#host.mayEnter(client);
    }
    this.#review();
  }

  #prevails(client: PriorMember): void {
    const members = this.#referencesFor();
    const atDoor = this.#takeFromDoor();
    for (const challenge of [...this.#challenges]) challenge.end();
    this.#host.prevails(client, members, atDoor);
  }
}
