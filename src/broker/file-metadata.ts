import { MASTER_ID, SERVER_ID } from '../protocol/frames.js';
import { keyIndexOf, parseNotification, type RecordAddress } from '../protocol/messages.js';
import { cacheInvalidation, keyAnnouncement, keyRequest, rootUpdate } from '../protocol/server-messages.js';
import type { JournalSwitch } from './journal-switch.js';
import { LAST_SAFE_KEY_INDEX, MAX_ANNOUNCEMENT_BYTES, MAX_REPLAYED_KEYS } from './limits.js';
import type { MasterSeat } from './mastership.js';
import type { Delivery } from './peers/delivery.js';
import { isPresent, type Peer } from './peers/peer.js';
import { type CurrentRoot, RootRecord, RootView } from './peers/root-tracker.js';
import type { Scope } from './ports.js';
import type { ServerRequests } from './server-requests.js';

/** What file news work with. */
export interface FileNewsSettings extends Pick<Scope, 'incidents'> {
  readonly peers: ReadonlyMap<string, Peer>;
  readonly seat: MasterSeat;
  readonly delivery: Delivery;
  readonly journal: Pick<JournalSwitch, 'isInUse' | 'haveReread'>;
  readonly asked: ServerRequests;
}

/** What becomes of a notification that {@link FileNews.handle} has looked at: it was passed on there, or stops there; it goes to all others; or stock workers have no turn until they have read it, too. */
export type NewsFate = 'is done' | 'goes on' | 'is to be read';

/**
 * What all processes must know of the database file: where its root is, and its key table. Passed on when it changes,
 * and told again to those who come later (docs/PROTOCOL.md, sections 7 and 8).
 *
 * Nobody hears of the root before his file is open: AceBase would write it into a file that it has not opened yet,
 * and the process would end. A worker's file is open when it is granted a lock, for it asks for none before; a
 * master's, when it has settled.
 */
export class FileNews {
  readonly #settings: FileNewsSettings;
  #facts = new FileFacts();
  /** What was known when the last of its processes lost its connection; and those who were away then: they have heard of all of it, or will when they are back. */
  #aside: { readonly members: ReadonlySet<Peer>; readonly facts: FileFacts } | undefined;
  /**
   * Workers that were granted no lock since a master was made to write a root again. What one of them says of the root is
   * from before: the file had his, and must get it again.
   */
  readonly #lastGrantedBefore = new Set<Peer>();
  /** The master that was made to write it, and how often it has not said yet that it has. */
  #rootWritten: { readonly master: Peer; writesDue: number } | undefined;
  /** The root that a master has found in its file, or a worker has brought from before a restart, when none had been told; unless one was told since. */
  #firstRoot: CurrentRoot | undefined;
  /** How many keys the master was asked for, and has not answered for. */
  #keysUnderWay = 0;
  /** Keys that the server asked a master for, and that it has not answered for. */
  readonly #askedKeys = new Set<string>();
  /** How many of the keys that it asked for last were in doubt. */
  #askedInDoubt = 0;

  constructor(settings: FileNewsSettings) {
    this.#settings = settings;
  }

  /** Looks at a notification. */
  handle(sender: Peer, message: Uint8Array): NewsFate {
    const notification = parseNotification(message);
    switch (notification.type) {
      case 'kit.new_key':
        // Only the master hands out indexes of the key table.
        if (sender.isMaster) this.#facts.keys.remember(notification.index, notification.key, message);
        return 'goes on';
      case 'index.created':
        // Only the master makes them.
        return sender.isMaster ? 'is to be read' : 'goes on';
      case 'root.update':
        if (this.#root.receive(sender.root, notification.address, message) === 'echo') {
          this.#settings.incidents.record('root-echo', { from: sender.id });
        } else {
          // Workers hear of it when they are next granted a lock: nobody needs it before, and a worker that is late
          // must not write an old root into the file behind a newer one.
          const { master } = this.#settings.seat;
          if (master !== undefined && master !== sender && master.hasFileOpen) this.#sendRoot(master);
          // A master that moves it has not read yet what it was told to write: that would go back behind its own.
          const crosses = this.#rootWritten?.master === sender;
          if (crosses || (this.#lastGrantedBefore.has(sender) && !writesRoots(master))) {
            this.#facts.isRootUnwritten = true;
            this.#writeRoot();
          }
        }
        return 'is done';
      case 'unknown':
        return 'goes on';
    }
  }

  /**
   * The peer's file is open, and it may be about to use it: it is told the root as it is now, and, the first time,
   * the keys [PROTOCOL-8.3].
   */
  bringUpToDate(peer: Peer): void {
    if (!peer.hasFileOpen) {
      peer.hasFileOpen = true;
      if (peer.isMaster) this.#haveKeysWritten(peer);
      this.repeatKeys(peer);
      // One that takes a root over writes none: a former master may have ended before it wrote this one. Not so one that was the master
      // before a restart of the server; and it may just have moved the root.
      const isNew = peer.session?.isReturning !== true;
      const hasItsOwn = this.#root.current !== undefined && this.#root.current === this.#firstRoot;
      const mayLackRoot = takesRootsOver(peer) && isNew && !hasItsOwn && !this.#settings.journal.isInUse;
      if (peer.isMaster && (this.#facts.isRootUnwritten || mayLackRoot)) this.#haveRootWritten();
      else if (peer.isMaster && !this.#settings.journal.isInUse) this.#rootIsWrittenAnew();
    }
    // What one says that was granted a lock before the root was written may come behind that.
    if (!this.#facts.isRootUnwritten) this.#lastGrantedBefore.delete(peer);
    if (this.#root.current !== undefined && peer.root.believes !== this.#root.current.address)
      this.#sendRoot(peer);
  }

  /**
   * A master has opened its file, and nobody has written since before: what it found there is the root, whatever was said of it
   * [PROTOCOL-7.6]. A master that is gone may have moved it and told nobody; or may have told, and not written it. If a worker
   * may have told and not written it, others have used it since. And workers may have opened the file before the root was moved there.
   */
  masterOpened({ openedRoot, root }: Peer): void {
    const known = this.#known;
    if (openedRoot === undefined || known.some((facts) => facts.isRootUnwritten)) return;
    const isNews = known.every((facts) => facts.root.current === undefined);
    this.#root.receive(root, openedRoot, rootUpdate(MASTER_ID, openedRoot));
    if (isNews) this.#firstRoot = this.#root.current;
  }

  /**
   * A worker that holds a lock of a server that is gone says where the root is: as long as it holds that nobody else has moved it, but
   * another master may have opened the file meanwhile, with one that only a writer knew who is gone.
   */
  rootIsClaimed(address: RecordAddress): void {
    if (this.#settings.journal.isInUse) return;
    // Somebody has told of one here: it is too late, if that one was moved meanwhile.
    if (this.#root.current !== undefined && this.#root.current !== this.#firstRoot) return;
    // The worker itself is told again with its next lock: it would read the file otherwise, before the master has written it.
    this.#root.receive(new RootView(), address, rootUpdate(MASTER_ID, address));
    this.#firstRoot = this.#root.current;
    this.#haveRootWritten();
  }

  /** Tells a peer all keys that were announced. Hearing of a key twice is harmless. */
  repeatKeys(peer: Peer): void {
    for (const { message } of this.#facts.keys.all()) this.#settings.delivery.sendOwed(peer, message);
  }

  /**
   * The master is to be asked for an index for a key. If every key that it has not answered for is a new one, is there room
   * in the table of the file for one more [PROTOCOL-6.3]? Then this one counts, until {@link FileNews.keyAnswered}.
   */
  hasRoomForKey(): boolean {
    const askedByServer = this.#askedKeys.size > 0 ? this.#askedInDoubt : 0;
    if (this.#facts.keys.highestIndex + this.#keysUnderWay + askedByServer >= LAST_SAFE_KEY_INDEX)
      return false;
    this.#keysUnderWay++;
    return true;
  }

  /** The master answered for a key. */
  keyAnswered(): void {
    this.#keysUnderWay--;
  }

  /** A write of that worker may have left others with what is not in the file, and the file with what they do not know. */
  writeWasCutShort(workerId: string): void {
    if (this.#settings.journal.isInUse) {
      this.#haveReread();
      return;
    }
    this.#invalidateCaches(workerId);
    this.#haveRootWritten();
  }

  /** What the master wrote last, and was to tell of, may have ended with it. */
  masterIsGone(): void {
    if (this.#settings.journal.isInUse) this.#haveReread();
    else this.#invalidateCaches(MASTER_ID);
  }

  /**
   * Whoever is granted the next lock applies what the journal holds, and then the file is right [PROTOCOL-16.5]: what peers were told of its
   * root, or set out to tell, no longer counts.
   */
  #haveReread(): void {
    this.#settings.journal.haveReread();
    this.#facts.forgetRoot();
    this.#aside?.facts.forgetRoot();
    this.#rootWritten = undefined;
    this.#lastGrantedBefore.clear();
    for (const { root } of this.#settings.peers.values()) root.believes = undefined;
  }

  #invalidateCaches(id: string): void {
    const notice = cacheInvalidation(id);
    for (const receiver of this.#settings.peers.values())
      this.#settings.delivery.sendInOrder(receiver, id, notice);
  }

  /**
   * A writer is gone, and what it said of a root that it moved may have been lost with its line; it wrote it into the
   * file all the same. So the master is made to write the one in which all others believe [PROTOCOL-7.6]: a number in
   * quotes is news to AceBase, and means the same.
   */
  #haveRootWritten(): void {
    this.#rootIsWrittenAnew();
    if (this.#root.current === undefined && this.#aside !== undefined)
      this.#aside.facts.isRootUnwritten = true;
    this.#facts.isRootUnwritten = this.#root.current !== undefined;
    this.#writeRoot();
  }

  #rootIsWrittenAnew(): void {
    this.#lastGrantedBefore.clear();
    for (const peer of this.#settings.peers.values()) if (!peer.isMaster) this.#lastGrantedBefore.add(peer);
  }

  /**
   * Whether nobody may use the file: the master has not written the root yet in which the others believe; or those are away who know where
   * it is, and which keys the file may lack, and it may say something else. They decide it when they are back; when they are given
   * up, the file does.
   */
  get isInDoubt(): boolean {
    if (this.#facts.isRootUnwritten) return true;
    const aside = this.#awaited;
    if (aside === undefined) return false;
    return this.#askedKeys.size > 0 || (aside.root.current !== undefined && this.#root.current === undefined);
  }

  /** The peer is back. What was known when it was there last is known again, but for what is newer. */
  isBack(peer: Peer): void {
    const aside = this.#aside;
    if (aside?.members.has(peer) !== true) return;
    this.#aside = undefined;
    this.#facts.addKeysOf(aside.facts);
    if (this.#root.current !== undefined) return;
    this.#root.current = aside.facts.root.current;
    // A writer may have moved it, and told nobody, and a new master has opened the file since. If it is the master that is back,
    // nobody else was in its place; and what it has moved itself meanwhile it is about to tell.
    // And nobody may have moved it since if none has opened the file, and the peer writes no root that it is told: a master that is gone may
    // have before, and told nobody.
    const isAsLeft = takesRootsOver(peer) && this.#settings.seat.master?.hasFileOpen !== true;
    if (!aside.facts.isRootUnwritten && (peer.isMaster || isAsLeft)) return;
    if (this.#settings.journal.isInUse) this.#haveReread();
    else this.#haveRootWritten();
  }

  get #root(): RootRecord {
    return this.#facts.root;
  }

  /** What is set aside, as long as somebody may come back who knows it. */
  get #awaited(): FileFacts | undefined {
    for (const member of this.#aside?.members ?? []) if (member.state === 'away') return this.#aside?.facts;
    return undefined;
  }

  /** All that is known: what those know who may come back, and what is newer. */
  get #known(): readonly FileFacts[] {
    const aside = this.#awaited;
    return aside === undefined ? [this.#facts] : [aside, this.#facts];
  }

  #writeRoot(): void {
    const { master } = this.#settings.seat;
    const { current } = this.#root;
    const former = this.#rootWritten;
    this.#rootWritten = undefined;
    if (master === undefined || current === undefined || !master.hasFileOpen) return;
    const { pageNr, recordNr } = current.place;
    const inQuotes = rootUpdate(SERVER_ID, { pageNr, recordNr: `${recordNr}` });
    const token = master.outbox.nextToken();
    const writesDue = (former?.master === master ? former.writesDue : 0) + 1;
    const written = { master, writesDue };
    this.#rootWritten = written;
    this.#root.expectTwoEchoes(master.root, token);
    if (takesRootsOver(master)) master.root.believes = current.address;
    this.#settings.delivery.send(master, inQuotes);
    this.#settings.delivery.send(master, current.message);
    master.whenRead(() => {
      this.#root.confirm(master.root, token);
      // One that takes roots over says by itself when it has written one: it may take long, on a disk that is slow.
      if (this.#rootWritten === written && !takesRootsOver(master)) this.#rootIsWritten();
    });
  }

  /**
   * A master gave that key that index. If it did not tell the others, since it told them before and its line broke, or
   * since the key was in the file when it came, they hear of it here, before anybody writes it [PROTOCOL-8.5].
   *
   * @param index `undefined` if it gave none
   */
  keyHasIndex(key: string, index: number | undefined): void {
    if (index === undefined || this.#facts.keys.isAnnounced(index, key)) return;
    const announcement = keyAnnouncement(key, index);
    this.#facts.keys.remember(index, key, announcement);
    for (const peer of this.#settings.peers.values())
      if (!peer.isMaster) this.#settings.delivery.send(peer, announcement);
  }

  /** A master that is gone was asked for an index for that key, and perhaps told of one that nobody heard of. */
  keyInDoubt(key: string | undefined): void {
    if (key === undefined) return;
    this.keyAnswered();
    this.#facts.keysInDoubt.add(key);
  }

  /**
   * The last master may have died between telling of a key and writing it. A new one that was only told of it would
   * not write it either; one that is asked to add it does [PROTOCOL-8.5].
   */
  #haveKeysWritten(master: Peer): void {
    const announced = new Set(this.#known.flatMap(({ keys }) => [...keys.all()].map(({ key }) => key)));
    const inDoubt = new Set(this.#askedKeys);
    for (const { keysInDoubt } of this.#known) for (const key of keysInDoubt) inDoubt.add(key);
    for (const key of announced) inDoubt.delete(key);
    this.#askedKeys.clear();
    this.#askedInDoubt = inDoubt.size;
    for (const key of [...announced, ...inDoubt]) {
      this.#askedKeys.add(key);
      const id = this.#settings.asked.open(master, (_answer, message) => {
        if (this.#askedKeys.delete(key)) this.keyHasIndex(key, keyIndexOf(message));
      });
      this.#settings.delivery.sendOwed(master, keyRequest(id, key));
    }
    this.#facts.keysInDoubt.clear();
  }

  /** With nobody connected, the file may be repaired or replaced: nothing of the old one must be told, unless somebody comes back. */
  forgetIfAlone(): void {
    for (const peer of this.#settings.peers.values()) if (isPresent(peer)) return;
    const members = new Set(this.#settings.peers.values());
    const facts = this.#facts;
    if (this.#aside !== undefined) facts.addOlder(this.#aside.facts);
    for (const key of this.#askedKeys) facts.keysInDoubt.add(key);
    this.#aside = members.size === 0 ? undefined : { members, facts };
    this.#facts = new FileFacts();
    this.#lastGrantedBefore.clear();
    // The master that was asked may be back, and answer.
    if (members.size === 0) this.#askedKeys.clear();
  }

  /** A master says that it has written a root that it was made to write. */
  rootIsWritten(master: Peer): void {
    const written = this.#rootWritten;
    if (written?.master === master && --written.writesDue <= 0) this.#rootIsWritten();
  }

  #rootIsWritten(): void {
    this.#rootWritten = undefined;
    this.#facts.isRootUnwritten = false;
  }

  #sendRoot(receiver: Peer): void {
    const { current } = this.#root;
    if (current === undefined) return;
    if (takesRootsOver(receiver)) {
      receiver.root.believes = current.address;
      this.#settings.delivery.send(receiver, current.message);
      return;
    }
    const token = receiver.outbox.nextToken();
    const verdict = this.#root.relay(receiver.root, token);
    if (verdict === 'overdue') {
      this.#settings.delivery.markOverdue(receiver);
      return;
    }
    this.#settings.delivery.send(receiver, current.message);
    if (verdict === 'send-and-ping') receiver.whenRead(() => this.#root.confirm(receiver.root, token));
  }
}

/** What is known of the file that it may not say itself. */
class FileFacts {
  readonly root = new RootRecord();
  /** Whether the file may have another root than this one, since a writer is gone. */
  isRootUnwritten = false;
  readonly keys = new AnnouncedKeys();
  /** Keys that workers asked a former master for, and that it had not answered for: no more than it may be asked for at one time. */
  readonly keysInDoubt = new Set<string>();

  /** Adds what was known before. */
  addOlder(older: FileFacts): void {
    this.addKeysOf(older);
    this.root.current ??= older.root.current;
    this.isRootUnwritten ||= older.isRootUnwritten;
  }

  /** Adds the keys that were known before. */
  addKeysOf(older: FileFacts): void {
    this.keys.addAll(older.keys);
    for (const key of older.keysInDoubt) this.keysInDoubt.add(key);
  }

  /** The file itself says where its root is. */
  forgetRoot(): void {
    this.root.current = undefined;
    this.isRootUnwritten = false;
  }
}

/** Whether it is there, and writes each root that it is told. */
function writesRoots(master: Peer | undefined): boolean {
  return master?.hasFileOpen === true && isPresent(master) && !takesRootsOver(master);
}

/** Whether it believes a root that it is told, and neither writes nor echoes it. */
function takesRootsOver(peer: Peer | undefined): boolean {
  return peer?.can('no-echo') === true;
}

/*
 * Who is there, as the server tells it (docs/PROTOCOL.md, section 8). Stock clients never introduce themselves; a
 * `hello` in another peer's name, with no `to`, makes the receiver answer with a `hello` and all its subscriptions.
 * Sent both ways on each arrival it brings every pair together, whatever the order of starting up.
 */

/** A key that the master announced, and its message. */
export interface Announcement {
  readonly key: string;
  readonly message: Uint8Array;
}

/** The keys that the master announced, for those who were not there or had not opened the file [PROTOCOL-8.3]. */
export class AnnouncedKeys {
  readonly #announcements = new Map<number, Announcement>();
  /** The highest index that was announced. */
  highestIndex = -1;

  /** A `kit.new_key` for that index of the key table. A later one for the same index replaces it. */
  remember(index: number, key: string, announcement: Uint8Array): void {
    this.highestIndex = Math.max(this.highestIndex, index);
    if (announcement.length > MAX_ANNOUNCEMENT_BYTES) return;
    if (this.#announcements.size >= MAX_REPLAYED_KEYS && !this.#announcements.has(index)) return;
    this.#announcements.set(index, { key, message: new Uint8Array(announcement) });
  }

  /** Adds what others announced for indexes that nothing was announced for here. */
  addAll(others: AnnouncedKeys): void {
    for (const [index, announcement] of others.#announcements) {
      if (!this.#announcements.has(index)) this.remember(index, announcement.key, announcement.message);
    }
    this.highestIndex = Math.max(this.highestIndex, others.highestIndex);
  }

  /** Whether it was announced that this index stands for that key. */
  isAnnounced(index: number, key: string): boolean {
    return this.#announcements.get(index)?.key === key;
  }

  /** The announcements, in the order in which their indexes were first announced. */
  all(): Iterable<Announcement> {
    return this.#announcements.values();
  }
}
