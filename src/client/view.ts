import { readdir } from 'node:fs/promises';
import { basename } from 'node:path';
import { type LockInfo, loggerOf, type RemoteIPCPeer } from './acebase.js';

/** Where AceBase's file header has the address of the root record, and how long that is. */
const ROOT_ADDRESS_AT = 12;
const ROOT_ADDRESS_BYTES = 6;

/**
 * What this process believes of the database file: caches, key table, root, list of indexes. After a gap in which news
 * may have been missed, all of it is read again, under the first lock after the gap and before anybody uses it: while
 * that lock is held, nobody writes, and what was written before is in the file (docs/PROTOCOL.md, section 14.6).
 */
export class View {
  readonly #ipc: RemoteIPCPeer;
  #isStale = false;
  /** Whether the root was told since: that one is newer than the one in the file, which a master may just be writing. */
  #isRootTold = false;
  #refreshing: Promise<void> | undefined;
  /** Locks from before the gap. While one for writing is held, nobody else wrote: there is nothing to read again. */
  #heldThroughGap = new Set<LockInfo>();

  constructor(ipc: RemoteIPCPeer) {
    this.#ipc = ipc;
  }

  /** News may have been missed. */
  missedNews(): void {
    this.#isStale = true;
    this.#isRootTold = false;
    this.#heldThroughGap = new Set(
      this.#ipc._locks.filter(({ granted, request }) => granted && request.write),
    );
    this.#invalidate();
  }

  /** The root was told by who moved it, or by the server. */
  rootTold(): void {
    this.#isRootTold = true;
  }

  /** A lock was granted: makes the view sound, if it is not. To be awaited before the lock is used. */
  async underLock(): Promise<void> {
    if (!this.#isStale || this.#isHeldThroughGap()) return;
    this.#refreshing ??= this.#refresh().finally(() => {
      this.#refreshing = undefined;
    });
    await this.#refreshing;
  }

  #isHeldThroughGap(): boolean {
    if (this.#heldThroughGap.size === 0) return false;
    const held = this.#ipc._locks.some((lock) => this.#heldThroughGap.has(lock));
    if (!held) this.#heldThroughGap.clear();
    return held;
  }

  #invalidate(): void {
    this.#ipc.storage.invalidateCache?.(true, '', true, 'ipc_news_missed');
  }

  async #refresh(): Promise<void> {
    const { storage, isMaster } = this.#ipc;
    if (storage.file === undefined || storage.isReady === false) return;
    this.#invalidate();
    await this.#readRoot();
    // The master makes the key table.
    if (!isMaster) await this.#readKeys();
    await this.#readIndexes();
    this.#invalidate();
    this.#isStale = false;
  }

  async #readRoot(): Promise<void> {
    const { readData, rootRecord } = this.#ipc.storage;
    if (readData === undefined || rootRecord === undefined) return;
    const header = Buffer.alloc(ROOT_ADDRESS_BYTES);
    await readData.call(this.#ipc.storage, ROOT_ADDRESS_AT, header);
    if (this.#isRootTold) return;
    const address = { path: '', pageNr: header.readUInt32BE(0), recordNr: header.readUInt16BE(4) };
    await rootRecord.update(address, true);
    // A server that knew it would have told it. It must know: a writer may die when it has moved the root and told nobody.
    const { id: from } = this.#ipc;
    this.#ipc.sendMessage({ type: 'notification', from, data: { type: 'root.update', address } });
  }

  async #readKeys(): Promise<void> {
    const { KIT } = this.#ipc.storage;
    if (KIT === undefined) return;
    const known = [...KIT.keys];
    await KIT.load();
    // The master may have announced a key that it is about to write.
    known.forEach((key, index) => {
      KIT.keys[index] ??= key;
    });
  }

  async #readIndexes(): Promise<void> {
    const { storage } = this.#ipc;
    const { indexes, settings, name } = storage;
    const type = settings.type ?? 'data';
    const isOurs = (file: string): boolean =>
      file.endsWith('.idx') && (type === 'data' ? !/^\[[a-z]+\]-/.test(file) : file.startsWith(`[${type}]-`));
    try {
      const folder = `${settings.path}/${name}.acebase`;
      const files = new Set((await readdir(folder)).filter(isOurs));
      const known = new Set(indexes.list().map(({ fileName }) => basename(fileName)));
      for (const file of files) if (!known.has(file)) await indexes.add(`${folder}/${file}`);
      // The master's own list has those that it is making.
      if (this.#ipc.isMaster) return;
      for (const { fileName } of indexes.list()) {
        if (!files.has(basename(fileName))) await indexes.remove(fileName);
      }
    } catch (error) {
      loggerOf(storage).error('The list of indexes cannot be read again:', error);
    }
  }
}
