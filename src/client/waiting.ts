/** Says what a process waits for, if that takes long: without a master, for one, AceBase waits and says nothing. */

import { resolve } from 'node:path';
import type { Cancel } from '../broker/ports.js';
import { loggerOf, type RemoteIPCPeer } from './acebase.js';
import type { LockInfo } from './core/host.js';

/** A wait is told of when it has lasted for so many milliseconds, and again as often as the second says. */
export const LONG_WAIT_MS = 5_000;
export const REMINDER_MS = 60_000;

/** How often it is looked whether something waits, in milliseconds. */
const LOOK_MS = 1_000;

/** Stands for the file, while a worker waits until the master has made it: nothing is asked before. */
const THE_FILE = {};

/** What it works with. */
export interface WaitingSettings {
  readonly ipc: RemoteIPCPeer;
  /** Whether the file is open. */
  isReady(): boolean;
  readonly clock: { now(): number; scheduleIdle(milliseconds: number, callback: () => void): Cancel };
  /** Whether there is a connection; while there is none, that is told by others. */
  isConnected(): boolean;
  /** Whether the server introduces all peers to each other. */
  hasSessions(): boolean;
  /** Whether that peer was there before the server was restarted, and is not back yet. */
  isAwaited(peerId: string): boolean;
  /** Whether somebody else asked this master for that lock. */
  isOfWorker(request: object): boolean;
  /** `GET /<database>/locks` of the server. */
  fetchLocks(): Promise<string>;
}

/** A lock that keeps others waiting, as the server knows it [PROTOCOL-4.6]. */
export interface BlockingLock {
  readonly holder: string;
  readonly path: string;
  readonly write: boolean;
  /** Milliseconds. */
  readonly heldFor: number;
}

/** What is waited for. */
export type Wait =
  | { readonly kind: 'master' }
  /** @param path where this process looks for it; storages that keep their data elsewhere have none */
  | { readonly kind: 'file'; readonly path: string | undefined }
  | { readonly kind: 'answer'; readonly isConnected: boolean }
  | { readonly kind: 'lock'; readonly lock: BlockingLock; readonly isOwn: boolean };

/** Looks, once a second, at what has waited for longest: nothing is noted of a request when it is made. */
export class Waiting {
  readonly #settings: WaitingSettings;
  #cancel: Cancel | undefined;
  /** What has waited for longest, and since when. */
  #oldest: object | undefined;
  #since = 0;
  #saidAt = Number.NEGATIVE_INFINITY;
  #isSaid = false;
  #isAsking = false;

  constructor(settings: WaitingSettings) {
    this.#settings = settings;
    this.#lookLater();
  }

  /** The database is closed. */
  stop(): void {
    this.#cancel?.();
    this.#cancel = undefined;
  }

  #lookLater(): void {
    this.#cancel = this.#settings.clock.scheduleIdle(LOOK_MS, () => {
      this.#look();
      if (this.#cancel !== undefined) this.#lookLater();
    });
  }

  #look(): void {
    const { ipc, clock, isConnected } = this.#settings;
    if (!isConnected()) {
      this.#oldest = undefined;
      this.#isSaid = false;
      return;
    }
    const now = clock.now();
    const oldest = this.#longestWaiting();
    if (oldest !== this.#oldest) {
      if (this.#isSaid) {
        const lasted = ((now - this.#since) / 1_000).toFixed(0);
        loggerOf(ipc.storage).error(`What was waited for is there, after ${lasted} s`);
      }
      this.#oldest = oldest;
      this.#since = now;
      this.#isSaid = false;
    }
    if (oldest === undefined || now - this.#since < LONG_WAIT_MS || now - this.#saidAt < REMINDER_MS) return;
    if (!this.#isAsking) void this.#say(oldest);
  }

  /** A worker waits for the file and for its requests; each process waits for locks that others hold, or other transactions of its own. */
  #longestWaiting(): object | undefined {
    const { ipc, isReady } = this.#settings;
    if (ipc.isMaster) return this.#lockThatWaits();
    const [first] = ipc._requests.values();
    return first ?? this.#lockThatWaits() ?? (isReady() ? undefined : THE_FILE);
  }

  #lockThatWaits(): LockInfo | undefined {
    const { ipc, isOfWorker } = this.#settings;
    return ipc._locks.find(({ granted, request }) => !granted && !isOfWorker(request));
  }

  async #say(oldest: object): Promise<void> {
    this.#isAsking = true;
    const wait = await this.#findOut();
    this.#isAsking = false;
    // It may be over meanwhile.
    const { ipc, clock, isConnected } = this.#settings;
    if (this.#cancel === undefined || !isConnected() || this.#longestWaiting() !== oldest) return;
    this.#saidAt = clock.now();
    this.#isSaid = true;
    loggerOf(ipc.storage).error(describeWait(wait, this.#operations()));
  }

  async #findOut(): Promise<Wait> {
    const { ipc, hasSessions, isAwaited, fetchLocks } = this.#settings;
    const { masterPeerId } = ipc;
    const isMasterThere =
      ipc.isMaster || (ipc.peers.some(({ id }) => id === masterPeerId) && !isAwaited(masterPeerId));
    if (!isMasterThere && hasSessions()) return { kind: 'master' };
    const answer = { kind: 'answer', isConnected: isMasterThere } as const;
    const [first] = ipc.isMaster ? [] : ipc._requests.values();
    if (first === undefined && this.#lockThatWaits() === undefined) {
      const { fileName } = ipc.storage;
      return { kind: 'file', path: fileName && resolve(fileName) };
    }
    if (first !== undefined && first.request.type !== 'lock-request') return answer;
    const lock = oldestLockIn(await fetchLocks().catch(() => ''));
    if (lock === undefined) return answer;
    return { kind: 'lock', lock, isOwn: lock.holder === ipc.id };
  }

  /** How many operations of this process wait, also one that holds a lock. Before the file is open, AceBase keeps them to itself. */
  #operations(): number {
    const { ipc, isOfWorker } = this.#settings;
    const waiting = ipc._locks.filter(({ granted, request }) => !granted && !isOfWorker(request));
    const isOne = ipc._requests.size > 0 ? 1 : 0;
    return Math.max(new Set(waiting.map(({ tid }) => tid)).size, isOne);
  }
}

/** One line: what is waited for, and what to do. @param operations how many wait; 0 while the file is not open */
export function describeWait(wait: Wait, operations: number): string {
  const queue =
    operations === 0
      ? 'the database cannot be opened before'
      : `${operations} ${operations === 1 ? 'operation is' : 'operations are'} queued`;
  switch (wait.kind) {
    case 'master':
      return `Waiting for a master to connect; ${queue}. Start the process with role "master", with the same database name, host, port and token; or see the log of the server, if that runs the master`;
    case 'file':
      return `Waiting for the database file${wait.path === undefined ? '' : ` ${wait.path}`}, which the master creates; ${queue}. Give this process and the master the same folder: storage.path is relative to where a process is started`;
    case 'answer':
      return wait.isConnected
        ? `Waiting for the master, which is connected but does not answer; ${queue}. Check that its process is not stopped or busy, holds no lock itself, and has opened its file`
        : `Waiting for the master; ${queue}. Check that the process with role "master" is running and connected to the same server`;
    case 'lock': {
      const { holder, path, write, heldFor } = wait.lock;
      const what = `lock for ${write ? 'writing' : 'reading'} ("/${path}", for ${Math.floor(heldFor / 1_000)} s)`;
      return wait.isOwn
        ? `Waiting for a lock, while this process itself holds a ${what}; ${queue}. A transaction must not wait for another operation, and should be short`
        : `Waiting for a lock, while ${holder} holds a ${what}; ${queue}. See what that process does: "npx acebase-ipc-server locks" lists all locks`;
    }
  }
}

/** The lock that has been held for longest, in what the server answers; `undefined` if none is, or if it says something else. */
function oldestLockIn(json: string): BlockingLock | undefined {
  try {
    const { held } = JSON.parse(json) as { held?: readonly BlockingLock[] };
    const [oldest] = held ?? [];
    return typeof oldest?.holder === 'string' && typeof oldest.heldFor === 'number' ? oldest : undefined;
  } catch {
    return undefined;
  }
}
