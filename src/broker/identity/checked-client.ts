import type { Peer } from '../peers/peer.js';
import type { DatabaseFile } from '../ports.js';
import type { FolderAnswer } from './identity-words.js';

/**
 * Where a client stands: `new`, nothing is known of its folder; `member`, it has the file of the database; `fileless`, there was
 * no file in its folder when that was asked.
 */
export type Standing = 'new' | 'member' | 'fileless';

/** A peer whose client can `identify`. */
export class CheckedClient {
  readonly peer: Peer;
  standing: Standing;
  /** Whether it may take part. */
  isAccepted: boolean;
  /** Whether it is being checked. */
  isInCheck = false;
  /** What it said last. */
  answer: FolderAnswer | undefined;

  /** @param isFirst whether nobody else is there: then its file is that of the database */
  constructor(peer: Peer, isFirst: boolean) {
    this.peer = peer;
    this.standing = isFirst ? 'member' : 'new';
    this.isAccepted = isFirst;
  }

  /** Whether it is connected. */
  get isPresent(): boolean {
    return this.peer.state === 'present';
  }

  /** Its file, as it says. */
  get file(): DatabaseFile | undefined {
    const { answer } = this;
    return answer?.file === undefined ? undefined : { ...answer.file, folder: answer.folder };
  }
}
