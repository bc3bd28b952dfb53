import type { DatabaseFile, IPCPeer, LockInfo, RootAddress } from './host.js';
import type { JournalSwitch } from './journal-switch.js';
import type { Clock } from './ports.js';

/**
 * What this process believes of the database file: caches, key table, root, list of indexes. After a gap in which news
 * may have been missed, all of it is read again, under the first lock after the gap and before anybody uses it: while
 * that lock is held, nobody writes, and what was written before is in the file (docs/PROTOCOL.md, section 14.6).
 */
export class View {
  readonly #ipc: IPCPeer;
  readonly #file: DatabaseFile;
  readonly #clock: Pick<Clock, 'wallTime'>;
  #isStale = false;
  /** How often news may have been missed. */
  #gaps = 0;
  /** Whether another master has come: the last one may have added keys that nobody heard of, on a line that was dead. */
  #areKeysOld = false;
  /** Whether the root was told since: that one is newer than the one in the file, which a master may just be writing. */
  #isRootTold = false;
  #refreshing: Promise<void> | undefined;
  /** Locks from before the gap. While one for writing is held, nobody else wrote: there is nothing to read again. */
  #heldThroughGap = new Set<LockInfo>();
  readonly #journal: Pick<JournalSwitch, 'look' | 'isInForce'>;
  /** Whether the root in the file counts, whatever was told: the journal was applied. */
  #isFileRight = false;

  constructor(
    ipc: IPCPeer,
    file: DatabaseFile,
    clock: Pick<Clock, 'wallTime'>,
    journal: Pick<JournalSwitch, 'look' | 'isInForce'>,
  ) {
    this.#ipc = ipc;
    this.#file = file;
    this.#clock = clock;
    this.#journal = journal;
  }

  /** News may have been missed. @param isFileRight whether the root in the file counts, whatever was told until now */
  missedNews(isFileRight = false): void {
    this.#isStale = true;
    this.#gaps += 1;
    this.#isFileRight = isFileRight;
    this.#isRootTold = false;
    this.#heldThroughGap = new Set(
      this.#ipc._locks.filter(({ granted, request }) => granted && request.write),
    );
    this.#file.invalidateCaches();
  }

  /** Another master has come, or the same one again. */
  masterCame(): void {
    this.#areKeysOld = !this.#ipc.isMaster;
  }

  /** The root was told by who moved it, or by the server. */
  rootTold(): void {
    this.#isRootTold = true;
  }

  /** Nobody writes, and the file is right: the root that it has is the one, and the server hears of it. */
  async tellRoot(): Promise<void> {
    const address = await this.#file.readRoot();
    if (address !== undefined) await this.#takeOver(address);
  }

  /** Whether it is as the file is, for who holds a lock. */
  get isSound(): boolean {
    return !this.#isStale || this.#isHeldThroughGap();
  }

  /** A lock was granted: makes the view sound, if it is not. To be awaited before the lock is used. */
  async underLock(): Promise<void> {
    if (this.#file.isOpen) {
      const found = this.#journal.look();
      if (typeof found === 'boolean' ? found : await found) {
        this.missedNews(true);
        // Who knows nothing of the journal is here, perhaps, and has read the file as it was.
        if (!this.#journal.isInForce) this.#file.invalidateAllCaches();
        // The gap ended with this lock: none was held through it.
        this.#heldThroughGap.clear();
      }
    }
    while (this.#file.isOpen && (this.#areKeysOld || !this.isSound)) {
      this.#refreshing ??= (this.isSound ? this.#readKeys() : this.#refresh()).finally(() => {
        this.#refreshing = undefined;
      });
      await this.#refreshing;
    }
  }

  #isHeldThroughGap(): boolean {
    if (this.#heldThroughGap.size === 0) return false;
    const held = this.#ipc._locks.some((info) => this.#heldThroughGap.has(info) && !this.#isOver(info));
    if (!held) this.#heldThroughGap.clear();
    return held;
  }

  /** Whether others may have got it: it has run out, or was lost. */
  #isOver({ lock }: LockInfo): boolean {
    return lock !== null && (lock.state === 'expired' || lock.expires <= this.#clock.wallTime());
  }

  /** A master makes the key table. */
  async #readKeys(): Promise<void> {
    this.#areKeysOld = false;
    if (this.#ipc.isMaster) return;
    try {
      await this.#file.readKeys();
    } catch (error) {
      this.#areKeysOld = true;
      throw error;
    }
  }

  async #refresh(): Promise<void> {
    const gaps = this.#gaps;
    this.#file.invalidateCaches();
    await this.#readRoot();
    await this.#readKeys();
    await this.#file.readIndexes();
    this.#file.invalidateCaches();
    // What was read before that may have been so under a lock that others had.
    this.#isStale = gaps !== this.#gaps;
  }

  async #readRoot(): Promise<void> {
    const address = await this.#file.readRoot();
    if (address === undefined) return;
    const { root } = this.#file;
    const isBelieved = root?.pageNr === address.pageNr && Number(root.recordNr) === Number(address.recordNr);
    if (this.#isRootTold && isBelieved) return;
    if (this.#isRootTold && !this.#isFileRight) {
      // Whoever was stopped in the midst of moving it, and given up, writes that when it goes on; all others have gone on from another one.
      if (root !== undefined) await this.#file.writeRoot(root);
      return;
    }
    // A server that knew it would have told it. It must know: a writer may die when it has moved the root and told nobody.
    await this.#takeOver(address);
  }

  async #takeOver(address: RootAddress): Promise<void> {
    await this.#file.setRoot(address, false);
    const { id: from } = this.#ipc;
    this.#ipc.sendMessage({ type: 'notification', from, data: { type: 'root.update', address } });
  }
}
