import { type DatabaseFile, type FolderAnswer, identify } from '../../protocol/file-identity.js';
import { isSameSession } from '../peers/admission.js';
import { isPresent, type Peer } from '../peers/peer.js';
import type { ArrivalRequest, Cancel, Entrance, Scope } from '../ports.js';
import {
  Challenge,
  type CheckedClient,
  CheckedPeer,
  PriorMember,
  type Verdict,
  WRITING_MS,
} from './challenge.js';

/** Milliseconds that a client has to say which file it has. */
export const TELLING_MS = 2_000;

/**
 * Milliseconds for which somebody waits at the door at most; then he may come again. Who keeps him there, and says nothing, is given up before,
 * some looks after `reconnectGrace`, unless that is longer than a challenge.
 */
export function longestAtDoor(reconnectGrace: number): number {
  return Math.min(Math.max(12_000, reconnectGrace + 3_000), WRITING_MS - 2_000);
}

/** How many sessions are kept of those who were turned back. */
const MAX_PASSED = 1_000;

/** What the checks work with. */
export interface FolderChecksSettings extends Pick<Scope, 'clock' | 'limits'> {
  readonly peers: ReadonlyMap<string, Peer>;
}

/** What the checks ask of others. */
export interface FolderChecksHost {
  /** The client may take part. @param isTold whether it knows that */
  accepted(client: CheckedPeer, isTold: boolean): void;
  /** Whether the client has the same file as those who are there could not be found out. */
  isUnknown(client: CheckedClient, why: string): void;
  /** The client has another file. It is to be sent away. */
  differs(client: CheckedPeer, other: CheckedClient): void;
  /** A client at the door may come in. */
  mayEnter(client: PriorMember): void;
  /** A client at the door has. It is to be refused. */
  differsAtDoor(client: PriorMember, other: CheckedClient): void;
  /** It has another file than the members that are there, and was a member before them: they are to be sent away, and it let in. */
  prevails(client: PriorMember, members: readonly CheckedPeer[]): void;
  /** Whether what the peer says of its file can be compared with that of a process that cannot say so itself. */
  isComparable(peer: Peer): boolean;
}

/**
 * Which clients have the file of the database. Those who are there have it; a newcomer is challenged by one of them. While the
 * master has no file yet, newcomers wait until it has; a worker has none to lose, and is checked when there is one.
 *
 * Who was a member before goes on as such when it is back: it asks for locks, and answers. So it is checked before it comes in,
 * unless it was compared with all that are there. If the files differ, those who were members earlier stay, here or at an earlier
 * server, as far as they can say so: after a restart, whoever comes first need not be of those who were there.
 */
export class FolderChecks {
  readonly #settings: FolderChecksSettings;
  readonly #host: FolderChecksHost;
  readonly #clients = new Map<Peer, CheckedPeer>();
  /** Who was a member before, and is not in yet. */
  readonly #atDoor = new Map<PriorMember, Cancel>();
  readonly #challenges = new Set<Challenge>();
  /** Those who were asked which file they have, since nobody can challenge them. */
  readonly #telling = new Map<CheckedPeer, { readonly id: number; readonly cancel: Cancel }>();
  readonly #begun: { readonly at: number; readonly priorUntil: number };
  /** The sessions of those who were checked, and turned back at the door: they are told why when they come again. */
  readonly #passed = new Set<string>();
  /** Since when the folder of the members has been that of the database, as those say who were members before. */
  #since = Number.POSITIVE_INFINITY;
  #lastId = 0;

  constructor(settings: FolderChecksSettings, host: FolderChecksHost) {
    this.#settings = settings;
    this.#host = host;
    const { clock, limits } = settings;
    // So long those who were members at an earlier server go first.
    this.#begun = { at: clock.wallTime(), priorUntil: clock.now() + limits.reconnectGrace };
  }

  /** Since when the folder of the members has been that of the database: milliseconds since 1970. */
  get since(): number {
    return Number.isFinite(this.#since) ? this.#since : this.#begun.at;
  }

  /** Whether somebody waits at the door. */
  get isHolding(): boolean {
    return this.#atDoor.size > 0;
  }

  /** Whether it was a member before, and may have another file than those who are there. */
  isToBeChecked(request: ArrivalRequest): boolean {
    const { client, peerId } = request;
    if (client?.folderSince === undefined || !client.abilities.has('identify')) return false;
    if (this.#passed.delete(client.session)) return false;
    const peer = this.#settings.peers.get(peerId);
    // All masters have one id.
    const known = peer !== undefined && isSameSession(peer, request) ? peer : undefined;
    if (known !== undefined && this.#clients.get(known)?.standing !== 'new') return false;
    return [...this.#clients.keys()].some((other) => other !== known && other.isAccepted);
  }

  /** Such a one is connected, and checked before it comes in, while there is time for that. */
  receive(request: ArrivalRequest, entrance: Entrance): void {
    const { clock, limits } = this.#settings;
    const client = new PriorMember(request, entrance, {
      answered: (answering, answer) => this.#answered(answering, answer),
      left: (leaving) => this.#leftDoor(leaving),
      turnedBack: (session) => {
        if (this.#passed.size >= MAX_PASSED) this.#passed.clear();
        this.#passed.add(session);
      },
    });
    client.isPrior = this.#isPrior(client);
    const cancel = clock.schedule(longestAtDoor(limits.reconnectGrace), () => {
      this.#leftDoor(client);
      client.sendBack();
    });
    this.#atDoor.set(client, cancel);
    this.#review();
  }

  /** Whether it was a member before all that are there: here, or at an earlier server. */
  #isPrior(client: PriorMember): boolean {
    const { clock, peers } = this.#settings;
    const { request, folderSince } = client;
    const peer = peers.get(request.peerId);
    if (peer !== undefined && isSameSession(peer, request)) {
      const [first] = [...this.#clients.keys()].filter((other) => other === peer || isPresent(other));
      return first === peer;
    }
    // Those who were told of it here are no older than it.
    return (
      folderSince < this.#since && folderSince !== this.#begun.at && clock.now() < this.#begun.priorUntil
    );
  }

  /** A peer is about to join the others. @returns whether it may take part at once */
  enters(peer: Peer): boolean {
    if (!peer.can('identify')) return true;
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

  /** Whether newcomers wait for that peer. */
  isWaitedFor(peer: Peer): boolean {
    const client = this.#clients.get(peer);
    if (client === undefined) return false;
    for (const challenge of this.#challenges) if (challenge.waitsFor(client)) return true;
    return false;
  }

  /** A peer has no line any more; what it was asked, it may not have heard. */
  isAway(peer: Peer): void {
    const client = this.#clients.get(peer);
    if (client === undefined) return;
    client.silentSince = undefined;
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
    this.#passed.clear();
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
    client.silentSince = undefined;
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
    const { clock } = this.#settings;
    const id = ++this.#lastId;
    const challenge: Challenge = new Challenge(id, {
      clock,
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
        else if (client instanceof PriorMember) this.#differsAtDoor(client, verdict.other);
        return;
      case 'unknown':
        this.#compareLater();
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
      this.#compareLater();
      this.#accept(client);
      return;
    }
    const id = ++this.#lastId;
    const cancel = this.#settings.clock.schedule(TELLING_MS, () => this.#endTelling(client));
    client.isInCheck = true;
    this.#telling.set(client, { id, cancel });
    client.say(identify({ id, ask: 'tell' }));
  }

  /** Those who are away have not been compared with whom is accepted now: they are, before they come in again. */
  #compareLater(): void {
    for (const other of this.#clients.values()) if (!other.isPresent) other.standing = 'new';
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

  #differsAtDoor(client: PriorMember, other: CheckedClient): void {
    if (!client.isPrior) {
      this.#leftDoor(client);
      this.#host.differsAtDoor(client, other);
      return;
    }
    const members = this.#referencesFor();
    // The others have not been compared with it.
    for (const waiting of this.#takeFromDoor()) if (waiting !== client) waiting.sendBack();
    for (const challenge of [...this.#challenges]) challenge.end();
    this.#host.prevails(client, members);
  }
}
