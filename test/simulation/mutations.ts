/**
 * Faults that are put into the broker on purpose: the simulation must find each. Those that no seed finds, since another rule
 * makes up for them, are left to the unit tests.
 */
export interface Mutation {
  /** What the broker does wrong then. */
  readonly name: string;
  /** Below `src/broker/`. */
  readonly file: string;
  /** Text that stands there exactly once, and what stands there instead. */
  readonly from: string;
  readonly to: string;
  /** In which runs it can be seen, if not in all. */
  readonly only?: 'client' | 'no journal';
}

export const mutations: readonly Mutation[] = [
  {
    name: 'drops one mail of a worker that comes back',
    file: 'peers/outbox.ts',
    from: 'this.#push(link, greeting);\n    for (const payload of mail)',
    to: 'this.#push(link, greeting);\n    for (const payload of mail.slice(1))',
  },
  {
    name: 'takes for read what was sent after the ping, too',
    file: 'peers/outbox.ts',
    from: 'this.#pending = this.#pinged === this.#pending.length ? [] : this.#pending.slice(this.#pinged);',
    to: 'this.#pending = [];',
  },
  {
    name: 'grants locks without the root lock',
    file: 'locks/root-lock.ts',
    from: "return kind === 'write' || (kind === 'read' && !isWrite);",
    to: 'return kind !== undefined || isWrite;',
  },
  {
    name: 'takes a root lock for reading for one for writing',
    file: 'locks/root-lock.ts',
    from: "const kind: LockKind = asked.isWrite ? 'write' : 'read';",
    to: "const kind: LockKind = asked.isWrite || true ? 'write' : 'read';",
  },
  {
    name: 'gives the root lock back while a worker holds a lock',
    file: 'locks/root-lock.ts',
    from: 'else if (granted !== undefined && !isInUse && this.#asked === undefined) {',
    to: 'else if (granted !== undefined && this.#asked === undefined) {',
  },
  {
    name: 'never gives the root lock back',
    file: 'locks/root-lock.ts',
    from: 'for (const lockId of lockIds) this.#release(lockId);',
    to: 'if (lockIds.length > 1) this.#release(0);',
  },
  {
    name: 'lets locks outlive the root lock',
    file: 'locks/lock-manager.ts',
    from: 'return Math.min(clock.now() + limits.lockTimeout, root.expiresAt ?? Number.POSITIVE_INFINITY);',
    to: 'return Math.max(clock.now() + limits.lockTimeout, root.expiresAt ?? 0);',
  },
  {
    name: 'grants a lock for writing beside those of others',
    file: 'locks/lock-manager.ts',
    from: 'if (this.#table.size > 0 || this.#areWritersKeptBack ||',
    to: 'if (this.#areWritersKeptBack ||',
  },
  {
    name: 'begins transactions before a new master has heard what was said to it',
    file: 'locks/lock-service.ts',
    from: 'this.#isMasterOpening = true;',
    to: '',
  },
  {
    name: 'takes no notice of the locks that a client tells a new server of',
    file: 'locks/lock-claims.ts',
    from: 'if (this.#settings.claim(peer, lock)) continue;',
    to: 'if (lock.id > 0) continue;',
  },
  {
    name: 'waits for nobody who was at the last server',
    file: 'locks/lock-claims.ts',
    from: 'this.#endIn(this.#usableUntil - this.#settings.clock.now());',
    to: '',
  },
  {
    name: 'keeps the locks of a worker that is gone',
    file: 'locks/lock-manager.ts',
    from: 'for (const lock of locks) this.#table.release(lock);',
    to: '',
  },
  {
    name: 'grants locks to a worker that is away',
    file: 'locks/lock-service.ts',
    from: 'isAway(worker: Peer): void {\n    this.#manager.suspend(worker);',
    to: 'isAway(worker: Peer): void {\n    void worker;',
  },
  {
    name: 'keeps caches of what a writer that is gone did by halves',
    file: 'file-metadata.ts',
    from: 'this.#invalidateCaches(workerId);\n',
    to: '',
    only: 'no journal',
  },
  {
    name: 'keeps caches of what a master that is gone had not told',
    file: 'file-metadata.ts',
    from: 'else this.#invalidateCaches(MASTER_ID);',
    to: '',
    only: 'no journal',
  },
  {
    name: 'answers twice what a lost master had not answered',
    file: 'requests/coordinator.ts',
    from: 'if (open.payload !== undefined) again.push(open);',
    to: "if (open.payload !== undefined) { again.push(open); this.#settings.delivery.send(open.asker, answerFor(open.request, 'twice')); }",
  },
  {
    name: 'answers nothing that a lost master had not answered',
    file: 'requests/coordinator.ts',
    from: "else this.#fail(open, 'IPC_REQUEST_MASTER_LOST');",
    to: '',
  },
  {
    name: 'sends fst.release to the next master again',
    file: 'requests/request-table.ts',
    from: "const REPEATABLE = new Set(['kit.add',",
    to: "const REPEATABLE = new Set(['fst.release', 'kit.add',",
  },
  {
    name: 'lets a worker back in that must not go on',
    file: 'peers/membership.ts',
    from: "return 'it held a lock when its line broke';",
    to: 'return undefined;',
  },
  {
    name: 'lets a challenger in when the master leaves',
    file: 'mastership.ts',
    from: 'const mayEnter = waits && (isGone ||',
    to: 'const mayEnter = isGone || (waits &&',
  },
  {
    name: 'does not let a master settle',
    file: 'mastership.ts',
    from: 'if (settle === 0)',
    to: 'if (settle > 0)',
  },
  {
    name: 'passes roots on to everybody at once, echoes included',
    file: 'file-metadata.ts',
    from: 'const notification = parseNotification(message);',
    to: "const notification = parseNotification(message); if (notification.type === 'root.update') return false;",
  },
  {
    name: 'does not tell newcomers the root',
    file: 'file-metadata.ts',
    from: 'if (this.#root.current !== undefined && peer.root.believes',
    to: 'if (peer.isMaster && this.#root.current !== undefined && peer.root.believes',
  },
  {
    name: 'does not have the keys written that the last master had told of',
    file: 'file-metadata.ts',
    from: 'if (peer.isMaster) this.#haveKeysWritten(peer);',
    to: '',
  },
  {
    name: 'does not say who has gone',
    file: 'database.ts',
    from: 'this.#delivery.sendInOrder(other, peer.id, departure);',
    to: 'if (peer.isMaster) this.#delivery.sendInOrder(other, peer.id, departure);',
  },
  {
    name: 'notices no line that is silent',
    file: 'peers/membership.ts',
    from: 'if (silence >= timeout) {',
    to: 'if (silence < 0) {',
  },
  {
    name: 'keeps what waits for a new master in the wrong order',
    file: 'requests/request-table.ts',
    from: "item.place = where === 'last' ? this.queue.push(item)",
    to: "item.place = where === 'last' ? this.queue.pushFirst(item)",
  },
  {
    name: 'gives what a disconnected worker holds away while it may be writing',
    file: 'peers/membership.ts',
    from: 'const cancelGrace = clock.schedule(Math.max(0, limits.reconnectGrace - silence), () =>',
    to: 'const cancelGrace = clock.schedule(limits.reconnectGrace / 4, () =>',
  },
  {
    name: 'takes whoever loses its line for one that has been silent for long',
    file: 'database.ts',
    from: 'silence = this.#holdersHeartbeat?.silenceOf(peer) ?? 0,',
    to: 'silence = 11_000,',
  },
  {
    name: 'does not give back what a request took while it waited for its turn',
    file: 'requests/request-table.ts',
    from: 'this.#give(former.lane.overhead);',
    to: '',
  },
  {
    name: 'sends one frame too few to a client that resumes its session',
    file: 'peers/outbox.ts',
    from: 'this.#pending.slice(received - this.#confirmed)',
    to: 'this.#pending.slice(received - this.#confirmed + 1)',
  },
  {
    name: 'says that a frame has arrived everywhere before it was read',
    file: 'peers/delivery.ts',
    from: 'least = Math.min(least, peer.outbox.caughtUpTo);',
    to: 'least = Math.min(this.#count, peer.outbox.caughtUpTo + this.#count);',
  },
  {
    name: 'turns a worker away whose line broke while the server drains',
    file: 'drain.ts',
    from: 'if (peer === undefined) return refusalWhileDraining(request);',
    to: 'if (peer?.isMaster !== true) return refusalWhileDraining(request);',
  },
  {
    name: 'lets in at once who knows nothing of a journal that is in use',
    file: 'journal-switch.ts',
    from: "return this.#isInUse && client?.abilities.has('journal') !== true;",
    to: 'return client?.abilities === undefined && false;',
  },
  {
    name: 'leaves the journal in force beside who knows nothing of it',
    file: 'journal-switch.ts',
    from: 'if (this.#others.size > 0 || this.#isAwaited',
    to: 'if (this.#isAwaited',
  },
  {
    name: 'has nobody read the file again when what a writer has left is carried out',
    file: 'journal-switch.ts',
    from: 'for (const peer of this.#keepers.keys()) this.#settings.delivery.send(peer, REREAD);',
    to: 'void REREAD;',
  },
];
