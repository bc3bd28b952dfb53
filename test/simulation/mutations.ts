/** Faults that are put into the broker on purpose: the simulation must find each. */
export interface Mutation {
  /** What the broker does wrong then. */
  readonly name: string;
  /** Below `src/broker/`. */
  readonly file: string;
  /** Text that stands there exactly once, and what stands there instead. */
  readonly from: string;
  readonly to: string;
}

export const mutations: readonly Mutation[] = [
  {
    name: 'drops one mail of a worker that comes back',
    file: 'outbox.ts',
    from: 'this.#push(link, greeting);\n    for (const payload of mail)',
    to: 'this.#push(link, greeting);\n    for (const payload of mail.slice(1))',
  },
  {
    name: 'takes for read what was sent after the ping, too',
    file: 'outbox.ts',
    from: 'this.#pending = this.#pinged === this.#pending.length ? [] : this.#pending.slice(this.#pinged);',
    to: 'this.#pending = [];',
  },
  {
    name: 'lets a new master grant over the locks of the last one',
    file: 'lock-gate.ts',
    from: 'if (orphan.tid !== request.tid && (request.isWrite || orphan.isWrite)) return true;',
    to: 'if (orphan.tid === request.id) return true;',
  },
  {
    name: 'passes an unlock of another epoch on to the master',
    file: 'lock-changes.ts',
    from: "return isMasters ? { to: 'master' } : { to: 'server', orphan };\n  }\n\n  /** A lock is to be moved",
    to: "return { to: 'master' };\n  }\n\n  /** A lock is to be moved",
  },
  {
    name: 'forgets one of two orphans of one number, once its lock was moved',
    file: 'lock-changes.ts',
    from: 'return this.#heldBy(open) ?? this.orphanOf(open);',
    to: 'return this.#heldBy(open);',
  },
  {
    name: 'keeps the locks of a worker that is gone',
    file: 'master-desk.ts',
    from: 'for (const { id } of held) this.#returns.giveBack(id);',
    to: '',
  },
  {
    name: 'keeps a lock that is granted to a worker that is gone',
    file: 'master-desk.ts',
    from: 'if (this.#ledger.lockWith(lock.id) === undefined) this.#returns.giveBack(lock.id);',
    to: '',
  },
  {
    name: 'keeps caches of what a writer that is gone did by halves',
    file: 'master-desk.ts',
    from: 'this.#returns.invalidateCaches(worker);',
    to: '',
  },
  {
    name: 'leaves a root in the file that nobody else knows',
    file: 'master-desk.ts',
    from: 'news.haveRootWritten();',
    to: '',
  },
  {
    name: 'answers twice what a lost master had not answered',
    file: 'master-desk.ts',
    from: 'if (open.payload !== undefined) again.push(mailOf(open, open.payload));',
    to: "if (open.payload !== undefined) { again.push(mailOf(open, open.payload)); this.#reply(open.asker, open.request, 'IPC_REQUEST_MASTER_LOST'); }",
  },
  {
    name: 'answers nothing that a lost master had not answered',
    file: 'master-desk.ts',
    from: 'else this.#answerLost(open);',
    to: '',
  },
  {
    name: 'sends fst.release to the next master again',
    file: 'requests.ts',
    from: "new Set(['kit.add',",
    to: "new Set(['fst.release', 'kit.add',",
  },
  {
    name: 'takes a master that comes back for a new one',
    file: 'master-desk.ts',
    from: 'if (isKnown || !this.#settings.limits.lockRecovery) {',
    to: 'if (isKnown || this.#settings.limits.lockRecovery) {',
  },
  {
    name: 'lets an old master in again that is slow to notice',
    file: 'limits.ts',
    from: 'OLD_MASTER_RETURN_MS = 11_000',
    to: 'OLD_MASTER_RETURN_MS = 100',
  },
  {
    name: 'lets a worker back in that must not go on',
    file: 'absences.ts',
    from: "worker.returnProblem ??= 'it held a lock when its line broke';",
    to: 'worker.returnProblem = undefined;',
  },
  {
    name: 'lets a challenger in when the master leaves',
    file: 'master-seat.ts',
    from: '    this.#refuse(this.#challenge.challenger, master);\n    this.#endChallenge();',
    to: '    const { challenger } = this.#challenge;\n    this.#endChallenge();\n    challenger.admit();',
  },
  {
    name: 'does not let a master settle',
    file: 'master-seat.ts',
    from: 'if (settle === 0)',
    to: 'if (settle > 0)',
  },
  {
    name: 'passes roots on to everybody at once, echoes included',
    file: 'file-news.ts',
    from: 'const notification = parseNotification(message);',
    to: "const notification = parseNotification(message); if (notification.type === 'root.update') return false;",
  },
  {
    name: 'tells a root before the file is open',
    file: 'file-news.ts',
    from: 'master !== sender && master.hasFileOpen',
    to: 'master !== sender',
  },
  {
    name: 'does not tell newcomers the root',
    file: 'file-news.ts',
    from: 'if (this.#root.current !== undefined && peer.root.believes',
    to: 'if (peer.isMaster && this.#root.current !== undefined && peer.root.believes',
  },
  {
    name: 'does not tell newcomers the keys',
    file: 'file-news.ts',
    from: '      this.repeatKeys(peer);\n    }',
    to: '    }',
  },
  {
    name: 'does not tell of a key that the last master had no time to tell of',
    file: 'file-news.ts',
    from: 'if (index === undefined || this.#keys.isAnnounced(index, key)) return;',
    to: 'if (index !== undefined || this.#keys.isAnnounced(-1, key)) return;',
  },
  {
    name: 'does not have the keys written that the last master had told of',
    file: 'file-news.ts',
    from: 'if (peer.isMaster) this.#haveKeysWritten(peer);',
    to: '',
  },
  {
    name: 'does not introduce those who come back',
    file: 'database.ts',
    from: 'introduce(peer, {',
    to: 'if (peer.line === 1) introduce(peer, {',
  },
  {
    name: 'does not say who has gone',
    file: 'database.ts',
    from: 'this.#delivery.sendInOrder(other, peer.id, departure);',
    to: 'if (peer.isMaster) this.#delivery.sendInOrder(other, peer.id, departure);',
  },
  {
    name: 'believes a bye in the name of somebody else',
    file: 'switch.ts',
    from: 'const type = messageTypeFrom(message, sender.idBytes);\n    if (type === undefined) return this.#refuseForeign(sender);\n    const { peers,',
    to: "const type = messageTypeFrom(message, sender.idBytes) ?? (asciiText(message, 0, 13) === '{\"type\":\"bye' ? 'bye' : undefined);\n    if (type === undefined) return this.#refuseForeign(sender);\n    if (type === 'bye' && messageTypeFrom(message, sender.idBytes) === undefined) { for (const other of this.#settings.peers.values()) if (other !== sender) this.#settings.delivery.send(other, message); return true; }\n    const { peers,",
  },
  {
    name: 'notices no line that is silent',
    file: 'heartbeat.ts',
    from: 'if (peer.silentBeats * heartbeatInterval >= heartbeatTimeout) this.#silent(peer);',
    to: 'if (peer.silentBeats * heartbeatInterval < 0) this.#silent(peer);',
  },
  {
    name: 'closes at a goodbye of the master before it has answered',
    file: 'farewells.ts',
    from: 'master.outbox.ping(token);',
    to: 'this.#end(master);',
  },
  {
    name: 'keeps what waits for a new master in the wrong order',
    file: 'mailbox.ts',
    from: 'const mail = this.#mail;\n    this.#replace([]);\n    return mail;',
    to: 'const mail = this.#mail;\n    this.#replace([]);\n    return mail.reverse();',
  },
  {
    name: 'sends one frame too few to a client that resumes its session',
    file: 'outbox.ts',
    from: 'this.#pending.slice(received - this.#confirmed)',
    to: 'this.#pending.slice(received - this.#confirmed + 1)',
  },
  {
    name: 'counts a claim of locks among the frames of a session',
    file: 'stability.ts',
    from: "if (session === undefined || envelopeOf(frame) === 'claim') return;",
    to: 'if (session === undefined) return;',
  },
  {
    name: 'takes no notice of the locks that a client tells a new server of',
    file: 'older-locks.ts',
    from: 'ledger.claim(worker, { id, tid, isWrite: write }, clock.now(), message, epoch);',
    to: 'void [ledger, clock, message, id, tid, write, epoch];',
  },
  {
    name: 'says that a frame has arrived everywhere before it was read',
    file: 'stability.ts',
    from: 'least = Math.min(least, peer.outbox.caughtUpTo);',
    to: 'least = Math.min(this.#count, peer.outbox.caughtUpTo + this.#count);',
  },
];
