/**
 * One database, one file (docs/PROTOCOL.md, section 14.9): who has another file open than those who are there is not let in.
 *
 * Clients that can `identify` take part in a challenge. Of other processes the server sees the open files, where they are on
 * its own machine.
 */

import { ACCEPTED, type DatabaseFile, parseAnswer, refused } from '../../protocol/file-identity.js';
import { MASTER_ID } from '../../protocol/frames.js';
import { OLD_MASTER_RETURN_MS } from '../limits.js';
import { isSameSession } from '../peers/admission.js';
import { GoneIds } from '../peers/membership.js';
import { isThere, type Peer } from '../peers/peer.js';
import type { ArrivalRequest, Clock, LogFields, Scope } from '../ports.js';
import type { CheckedClient, CheckedPeer, PriorMember } from './challenge.js';
import { FolderChecks } from './folder-checks.js';
import { OpenFiles } from './open-files.js';

/** What it works with. */
export interface FileIdentitySettings extends Pick<Scope, 'database' | 'clock' | 'limits' | 'incidents'> {
  readonly peers: ReadonlyMap<string, Peer>;
  /** Ends the connection of a peer that has another file. */
  dismiss(peer: Peer): void;
  /** A peer may take part now. */
  accepted(peer: Peer): void;
  /** Who was at the door was checked, and comes in. */
  mayEnter(client: PriorMember): void;
  /** Those who are there have another file than one that was a member before them: the database begins anew, with that one. */
  beginAnew(client: PriorMember): void;
}

/** Whether all processes of one database have the same file. */
export class FileIdentity {
  /** The clients that can say which file they have. */
  readonly checks: FolderChecks;
  readonly #settings: FileIdentitySettings;
  readonly #files: OpenFiles;
  readonly #sentAway: SentAway;
  #hasWarned = false;

  constructor(settings: FileIdentitySettings) {
    this.#settings = settings;
    this.#sentAway = new SentAway(settings.clock);
    this.#files = new OpenFiles(settings, {
      toldBy: (peer) => this.checks.toldBy(peer),
      differs: (peer, other) => this.#sendAway(peer, this.#files.describe(peer), this.#files.describe(other)),
      differsAtDoor: (request, files, other) => this.#turnedAway(request, files, other),
    });
    this.checks = new FolderChecks(settings, {
      accepted: (client, isTold) => this.#accepted(client, isTold),
      isUnknown: (client, why) => this.#warn(client, why),
      differs: (client, other) => this.#differs(client, other),
      mayEnter: (client) => settings.mayEnter(client),
      differsAtDoor: (client, other) => this.#refuseAtDoor(client, other),
      prevails: (client, members) => {
        for (const member of members) this.#differs(member, client);
        settings.beginAnew(client);
      },
      isComparable: (peer) => this.#files.areAnySeenBeside(peer),
    });
  }

  /** Why a second master is refused, with the folder of the first; `undefined` if that is not known. */
  describeMaster(master: Peer): string | undefined {
    const file = this.checks.describe(master) ?? this.#files.describeSeen(master);
    return file === undefined
      ? undefined
      : `Another process is the master of this database, and it is alive. It has ${file}.`;
  }

  /** Whether the peer at the door was sent away, and has come back by itself. Of a master, to be asked once. */
  refuses({ peerId }: ArrivalRequest): boolean {
    return this.#sentAway.has(peerId);
  }

  /** Whether the file of a process at the door is to be looked for before it is let in. */
  isToBeHeld(request: ArrivalRequest): boolean {
    return request.client?.abilities.has('identify') !== true && this.#files.isToBeHeld(request);
  }

  /** Whether it may come in then; `undefined` while its file is looked for. @param since when it came, by the broker's clock */
  mayEnter(request: ArrivalRequest, since: number): boolean | undefined {
    return this.#files.mayEnter(request, since);
  }

  /** A peer is there, or there again. */
  came(peer: Peer): void {
    if (peer.isAccepted) this.#files.joins(peer);
    this.checks.came();
  }

  /** A client answers. @returns false if the answer is malformed, or nobody has asked it anything */
  answer(peer: Peer, frame: Uint8Array): boolean {
    const answer = peer.can('identify') ? parseAnswer(frame) : undefined;
    if (answer === undefined) return false;
    this.checks.answer(peer, answer);
    return true;
  }

  /** A peer is no longer part of the database. */
  left(peer: Peer): void {
    this.#files.left(peer);
    this.checks.left(peer);
  }

  /** Says, once, if it cannot be known whether all have the same file. To be called now and then. */
  look(): void {
    const blind = this.#files.findBlind();
    if (blind !== undefined)
      this.#warn(blind, 'its client cannot tell, and the server does not see its open files');
  }

  /** The server stops, or nobody is left. */
  stop(): void {
    this.#files.stop();
    this.checks.stop();
  }

  #accepted({ peer }: CheckedPeer, isTold: boolean): void {
    this.#files.joins(peer);
    if (!isTold && isThere(peer)) peer.outbox.say(ACCEPTED);
    this.#settings.accepted(peer);
  }

  #differs(client: CheckedPeer, other: CheckedClient): void {
    const isReplaced = client.answer?.isReplaced === true || other.answer?.isReplaced === true;
    this.#sendAway(client.peer, client.describe(), other.describe(), isReplaced);
  }

  #sendAway(peer: Peer, file: string, others: string, isReplaced = false): void {
    const { database, dismiss } = this.#settings;
    const what = explain(database, file, others, isReplaced);
    if (peer.can('identify')) peer.outbox.say(refused('IPC_CLOSED_OTHER_FILE', what));
    // A client that can identify does not come back; nobody else who comes as the master is to pay for it.
    if (!peer.isMaster || !peer.can('identify')) this.#sentAway.add(peer.id);
    const { id, address, process } = peer;
    this.#record({ peer: id, address, pid: process?.pid, file, others, isReplaced });
    dismiss(peer);
  }

  #refuseAtDoor(client: PriorMember, other: CheckedClient): void {
    const { database, peers, dismiss } = this.#settings;
    const { request, address } = client;
    const isReplaced = client.answer?.isReplaced === true || other.answer?.isReplaced === true;
    const [file, others] = [client.describe(), other.describe()];
    client.sendAway(explain(database, file, others, isReplaced));
    this.#record({ peer: client.id, address, pid: request.process?.pid, file, others, isReplaced });
    const known = peers.get(client.id);
    if (known !== undefined && isSameSession(known, request)) dismiss(known);
  }

  #turnedAway(request: ArrivalRequest, files: readonly DatabaseFile[], other: Peer): void {
    const { peerId, address, process } = request;
    if (peerId !== MASTER_ID) this.#sentAway.add(peerId);
    const file = files[0]?.folder;
    this.#record({ peer: peerId, address, pid: process?.pid, file, others: this.#files.describe(other) });
  }

  #record(fields: LogFields): void {
    this.#settings.incidents.record('other-file', fields);
  }

  #warn({ id, address }: Pick<Peer, 'id' | 'address'>, why: string): void {
    if (this.#hasWarned) return;
    this.#hasWarned = true;
    this.#settings.incidents.record('file-unknown', { peer: id, address, why });
  }
}

function explain(database: string, file: string, others: string, isReplaced: boolean): string {
  return isReplaced
    ? `The file of ${database} was replaced while processes had it open. This process has ${file}; those that are connected have ${others}`
    : `This process has another database file than those that are connected as ${database}: it has ${file}; those that are connected have ${others}`;
}

/** Peers that were sent away and must not come back. A worker comes back under its own id; all masters have the same one. */
export class SentAway {
  readonly #clock: Clock;
  readonly #workers = new GoneIds();
  /** Until when a master that comes is the one that was sent away, by the broker's clock. */
  #masterUntil = Number.NEGATIVE_INFINITY;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** That peer was sent away, and will come back by itself. */
  add(id: string): void {
    if (id === MASTER_ID) this.#masterUntil = this.#clock.now() + OLD_MASTER_RETURN_MS;
    else this.#workers.add(id);
  }

  /** Whether it was. Of a master this is true once: the one after it is another process. */
  has(id: string): boolean {
    if (id !== MASTER_ID) return this.#workers.has(id);
    const wasSentAway = this.#clock.now() < this.#masterUntil;
    this.#masterUntil = Number.NEGATIVE_INFINITY;
    return wasSentAway;
  }
}
