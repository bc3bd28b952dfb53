/**
 * AceBase caches where nodes are stored. To invalidate what is below a path it walks over all entries, and each write makes
 * every process do so. This cache takes its place: it behaves the same, but invalidation costs what it removes, and its size
 * is bounded.
 */

import { LinkedQueue, type QueuePlace } from '../../linked-queue.js';
import type { Storage } from '../acebase.js';
import type { Clock } from '../core/ports.js';
import { estimatedBytesOf, type NodeInfo, PLACE_BYTES, type RecordAddress } from './node-info.js';
import { itemsBelow, itemsFrom, PathIndex, type Place } from './path-index.js';
import { whenAssigned } from './when-assigned.js';

/** A class of AceBase. */
type NodeInfoClass = new (info: { readonly path: string; readonly exists: boolean }) => NodeInfo;

/** What a cache works with. */
export interface NodeCacheSettings {
  /** That of the build of AceBase that the cache is for. */
  readonly NodeInfo: NodeInfoClass;
  readonly clock: Pick<Clock, 'now' | 'scheduleIdle'>;
  /** How many bytes it may take, by the estimate of {@link NodeCache.bytes}. Asked for each time. */
  maxBytes(): number;
}

/** What becomes of the nodes from some children on: they do not exist any more, or are to be looked up again. */
export type ChildActions = Readonly<Record<string, 'delete' | 'invalidate'>>;

/** Milliseconds that an entry lasts after it was updated. That it is used makes no difference. */
const LIFETIME_MS = 60_000;

/** Entries that are removed in one go when they have expired: so many take about a millisecond. */
const CLEANUP_STEP = 1_000;

/** AceBase's `storage.nodeCache`, with all that any version of it uses of that. */
export class NodeCache {
  readonly #settings: NodeCacheSettings;
  readonly #announcements = new Map<string, Announcement>();
  #lists = new Lists();
  #isCleanupScheduled = false;

  constructor(settings: NodeCacheSettings) {
    this.#settings = settings;
  }

  /** How much memory it takes: an estimate. */
  get bytes(): number {
    return this.#lists.bytes;
  }

  /** acebase 1.18 looks here for what is cached. */
  get _cache(): Pick<ReadonlyMap<string, unknown>, 'has' | 'size'> {
    return this.#lists.entries;
  }

  /** Whether there is an entry, be it expired. */
  has(path: string): boolean {
    return this.#lists.entries.has(path);
  }

  /**
   * @param checkAnnounced whether to wait for a lookup that is under way
   * @returns what is known of a node; null if nothing is
   */
  find(path: string, checkAnnounced = false): NodeInfo | Promise<NodeInfo> | null {
    const announcement = checkAnnounced ? this.#announcements.get(path) : undefined;
    if (announcement !== undefined) return announcement.promise;
    this.#scheduleCleanup(LIFETIME_MS);
    const entry = this.#lists.entries.get(path);
    if (entry === undefined) return null;
    if (this.#hasExpired(entry)) {
      this.#lists.remove(entry);
      return null;
    }
    this.#lists.byUse.moveToEnd(entry.use);
    return entry.info;
  }

  /** Remembers what is known of a node, unless that is the root, and tells it to whoever waits for it. */
  update(info: NodeInfo): void {
    if (!(info instanceof this.#settings.NodeInfo)) {
      throw new TypeError('nodeInfo must be an instance of NodeInfo');
    }
    beginAtRoot(info);
    const { path } = info;
    if (path === '') return;
    this.#lists.put(info, this.#settings.clock.now());
    this.#lists.shrink(this.#settings.maxBytes());
    this.#announcements.get(path)?.resolve(info);
    this.#announcements.delete(path);
    this.#scheduleCleanup(LIFETIME_MS);
  }

  /**
   * Forgets a node.
   *
   * @param recursive whether to forget all that is below it, too; or the children to go on with, by their keys
   */
  invalidate(path: string, recursive?: boolean | ChildActions | null): void {
    if (path === '' && recursive === true) this.clear();
    const place = this.#lists.paths.at(path);
    if (place === undefined) return;
    // First what is below: with the last of its items, a place goes.
    if (recursive === true) this.#removeAll(itemsBelow(place));
    else if (recursive) this.#act(place, recursive);
    this.#removeAll(place.items);
  }

  /** Remembers that a node does not exist, nor anything below it. */
  delete(path: string): void {
    this.update(this.#missing(path));
    const place = this.#lists.paths.at(path);
    if (place === undefined) return;
    for (const entry of itemsBelow(place)) {
      entry.info.exists = false;
      entry.info.value = null;
      delete entry.info.type;
      this.#lists.renew(entry, this.#settings.clock.now());
    }
  }

  /** Forgets what is stored in these records: something else will be. */
  invalidateAddress(addresses: readonly RecordAddress[]): void {
    for (const address of addresses) this.#removeAll(this.#lists.in(address));
  }

  /** A node is being looked up: {@link NodeCache.update} or {@link NodeCache.rejectAnnouncement} follows. */
  announce(path: string): void {
    if (!this.#announcements.has(path)) this.#announcements.set(path, new Announcement());
  }

  /** The lookup has failed. */
  rejectAnnouncement(path: string, reason: unknown): void {
    this.#announcements.get(path)?.reject(reason);
    this.#announcements.delete(path);
  }

  /** Forgets everything. Lookups that are under way go on. */
  clear(): void {
    this.#lists = new Lists();
  }

  /** Forgets all that has expired. */
  cleanup(): void {
    this.#removeExpired(Number.POSITIVE_INFINITY);
  }

  #missing(path: string): NodeInfo {
    return new this.#settings.NodeInfo({ path, exists: false });
  }

  #act(place: Place<Entry>, actions: ChildActions): void {
    for (const [key, action] of Object.entries(actions)) {
      const child = place.children?.get(key);
      if (child === undefined) continue;
      const entries = itemsFrom(child);
      if (action === 'delete') for (const { path } of entries) this.update(this.#missing(path));
      else if (action === 'invalidate') this.#removeAll(entries);
    }
  }

  #removeAll(entries: Iterable<Entry>): void {
    for (const entry of entries) this.#lists.remove(entry);
  }

  #hasExpired({ updatedAt }: Entry): boolean {
    return updatedAt + LIFETIME_MS <= this.#settings.clock.now();
  }

  /** @returns whether all that has expired is gone */
  #removeExpired(limit: number): boolean {
    for (let removed = 0; removed < limit; removed++) {
      const oldest = this.#lists.byAge.first;
      if (oldest === undefined || !this.#hasExpired(oldest)) return true;
      this.#lists.remove(oldest);
    }
    return false;
  }

  #scheduleCleanup(delay: number): void {
    if (this.#isCleanupScheduled) return;
    this.#isCleanupScheduled = true;
    this.#settings.clock.scheduleIdle(delay, () => {
      this.#isCleanupScheduled = false;
      const isDone = this.#removeExpired(CLEANUP_STEP);
      if (this.#lists.entries.size > 0) this.#scheduleCleanup(isDone ? LIFETIME_MS : 0);
    });
  }
}

/** Gives a storage that is being made a cache of ours in the place of AceBase's own. */
export function replaceNodeCache(storage: Storage, settings: Omit<NodeCacheSettings, 'NodeInfo'>): void {
  const name = 'nodeCache' satisfies keyof Storage;
  whenAssigned(storage, name, (_storage, original) => {
    const NodeInfo = nodeInfoClassOf(original as NodeCache);
    if (NodeInfo !== undefined) storage[name] = new NodeCache({ ...settings, NodeInfo });
  });
}

/**
 * AceBase asks for no lock to tell what it has in its cache. Where others do not wait for this process any more, they have changed that, perhaps: then it is
 * looked up, which waits for the lease.
 *
 * @param gate open while the lease is held
 */
export function lookUpWithoutLease(storage: Storage, gate: { readonly isOpen: boolean }): void {
  const { getNodeInfo } = storage;
  if (getNodeInfo === undefined) return;
  storage.getNodeInfo = (path, options) =>
    getNodeInfo.call(storage, path, gate.isOpen ? options : { ...options, no_cache: true });
}

/** AceBase's class, which only its cache leads to. @returns `undefined` if that cache can do what this one cannot */
function nodeInfoClassOf(original: NodeCache): NodeInfoClass | undefined {
  const methods = Object.getOwnPropertyNames(Object.getPrototypeOf(original));
  if (!methods.every((name) => name.startsWith('_') || name in NodeCache.prototype)) return undefined;
  // It makes one for what does not exist.
  original.delete('any');
  const info = original.find('any');
  original.clear();
  return info?.constructor as NodeInfoClass | undefined;
}

/** All entries, and the orders and indexes in which they are found. */
class Lists {
  readonly entries = new Map<string, Entry>();
  readonly paths = new PathIndex<Entry>();
  /** Those that were updated first expire first. */
  readonly byAge = new LinkedQueue<Entry>();
  /** The least recently used one first. */
  readonly byUse = new LinkedQueue<Entry>();
  readonly #byRecord = new Map<number, readonly Entry[]>();
  #entryBytes = 0;

  get bytes(): number {
    return this.#entryBytes + this.paths.size * PLACE_BYTES;
  }

  put(info: NodeInfo, now: number): void {
    let entry = this.entries.get(info.path);
    if (entry === undefined) {
      entry = new Entry(info, this);
      this.entries.set(info.path, entry);
    } else {
      this.#forgetInfo(entry);
      this.byUse.moveToEnd(entry.use);
    }
    entry.info = info;
    entry.bytes = estimatedBytesOf(info);
    this.#entryBytes += entry.bytes;
    this.renew(entry, now);
    entry.record = typeof info.address?.pageNr === 'number' ? numberOf(info.address) : undefined;
    if (entry.record === undefined) return;
    this.#byRecord.set(entry.record, this.#byRecord.get(entry.record)?.concat(entry) ?? [entry]);
  }

  renew(entry: Entry, now: number): void {
    entry.updatedAt = now;
    this.byAge.moveToEnd(entry.age);
  }

  /** Does nothing if it is not here any more. */
  remove(entry: Entry): void {
    if (this.entries.get(entry.path) !== entry) return;
    this.entries.delete(entry.path);
    this.#forgetInfo(entry);
    this.paths.remove(entry.place, entry);
    this.byAge.remove(entry.age);
    this.byUse.remove(entry.use);
  }

  #forgetInfo(entry: Entry): void {
    this.#entryBytes -= entry.bytes;
    if (entry.record === undefined) return;
    const others = this.#byRecord.get(entry.record)?.filter((other) => other !== entry) ?? [];
    if (others.length === 0) this.#byRecord.delete(entry.record);
    else this.#byRecord.set(entry.record, others);
  }

  /** Evicts the least recently used entries. The last one stays: AceBase asserts that it finds what it has just put in. */
  shrink(maxBytes: number): void {
    let oldest = this.byUse.first;
    while (oldest !== undefined && this.bytes > maxBytes && this.byUse.size > 1) {
      this.remove(oldest);
      oldest = this.byUse.first;
    }
  }

  /** What is stored in a record. */
  in(address: RecordAddress): readonly Entry[] {
    return this.#byRecord.get(numberOf(address)) ?? [];
  }
}

class Entry {
  readonly path: string;
  info: NodeInfo;
  bytes = 0;
  /** Which record it has; `undefined` if it is part of its parent's. */
  record: number | undefined;
  updatedAt = 0;
  readonly place: Place<Entry>;
  readonly age: QueuePlace<Entry>;
  readonly use: QueuePlace<Entry>;

  constructor(info: NodeInfo, { paths, byAge, byUse }: Lists) {
    this.info = info;
    this.path = info.path;
    this.place = paths.add(this.path, this);
    this.age = byAge.push(this);
    this.use = byUse.push(this);
  }
}

/**
 * AceBase puts a slash before the path of what it finds in the tree of the root, which that has from about a hundred keys on. Nobody asks for it by that: who waits for the node
 * would wait for ever.
 */
function beginAtRoot(info: NodeInfo): void {
  if (!info.path.startsWith('/')) return;
  info.path = info.path.slice(1);
  if (info.address) info.address.path = info.path;
}

/** A lookup that is under way. */
class Announcement {
  readonly promise: Promise<NodeInfo>;
  resolve!: (info: NodeInfo) => void;
  reject!: (reason: unknown) => void;

  constructor() {
    this.promise = new Promise((resolve, reject) => {
      this.resolve = resolve;
      this.reject = reject;
    });
    // Perhaps nobody waits for it.
    this.promise.catch(() => undefined);
  }
}

/** A page has up to 65,536 records. */
function numberOf({ pageNr, recordNr }: RecordAddress): number {
  return pageNr * 65_536 + recordNr;
}
