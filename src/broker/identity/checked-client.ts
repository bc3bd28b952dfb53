import type { DatabaseFile, FolderAnswer } from '../../protocol/file-identity.js';
import type { Peer } from '../peers/peer.js';

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
  /** What it said last. */
  answer: FolderAnswer | undefined;

  abstract readonly id: string;
  /** Where it connects from, for people to read. */
  abstract readonly address: string;
  /** Since when its folder has been that of the database, by its own word; infinite if no server has accepted it yet. */
  abstract readonly folderSince: number;

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
    super();
    this.peer = peer;
    this.standing = isFirst ? 'member' : 'new';
    peer.isAccepted = isFirst;
  }

  get id(): string {
    return this.peer.id;
  }

  get address(): string {
    return this.peer.address;
  }

  get folderSince(): number {
    return this.peer.session?.client.folderSince ?? Number.POSITIVE_INFINITY;
  }

  get isPresent(): boolean {
    return this.peer.state === 'present';
  }

  say(word: Uint8Array): void {
    this.peer.outbox.say(word);
  }
}
