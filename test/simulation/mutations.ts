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
    name: 'lets a new master grant over the locks of the last one',
    file: 'locks/lock-gate.ts',
    from: 'if (orphan.tid !== request.tid && (request.isWrite || orphan.isWrite)) return true;',
    to: 'if (orphan.tid === request.id) return true;',
  },
  {
    name: 'passes an unlock of another epoch on to the master',
    file: 'locks/lock-changes.ts',
    from: "return isMasters ? { to: 'master' } : { to: 'server', orphan };\n  }\n\n  /** A lock is to be moved",
    to: "return { to: 'master' };\n  }\n\n  /** A lock is to be moved",
  },
  {
    name: 'forgets one of two orphans of one number, once its lock was moved',
    file: 'locks/lock-changes.ts',
    from: 'return this.#heldBy(open) ?? this.orphanOf(open);',
    to: 'return this.#heldBy(open);',
  },
  {
    name: 'keeps the locks of a worker that is gone',
    file: 'masters/master-desk.ts',
    from: 'for (const { id } of held) this.#returns.giveBack(id);',
    to: '',
  },
  {
    name: 'keeps a lock that is granted to a worker that is gone',
    file: 'masters/master-desk.ts',
    from: 'if (this.#ledger.lockWith(lock.id) === undefined) this.#returns.giveBack(lock.id);',
    to: '',
  },
  {
    name: 'keeps caches of what a writer that is gone did by halves',
    file: 'masters/master-desk.ts',
    from: 'this.#returns.invalidateCaches(worker);',
    to: '',
  },
  {
    name: 'leaves a root in the file that nobody else knows',
    file: 'masters/master-desk.ts',
    from: 'this.#settings.news.haveRootWritten();',
    to: '',
  },
  {
    name: 'answers twice what a lost master had not answered',
    file: 'masters/master-desk.ts',
    from: 'if (open.payload !== undefined) again.push(mailOf(open, open.payload));',
    to: "if (open.payload !== undefined) { again.push(mailOf(open, open.payload)); this.#reply(open.asker, open.request, 'IPC_REQUEST_MASTER_LOST'); }",
  },
  {
    name: 'answers nothing that a lost master had not answered',
    file: 'masters/master-desk.ts',
    from: 'else this.#answerLost(open);',
    to: '',
  },
  {
    name: 'sends fst.release to the next master again',
    file: 'masters/requests.ts',
    from: "new Set(['kit.add',",
    to: "new Set(['fst.release', 'kit.add',",
  },
  {
    name: 'takes a master that comes back for a new one',
    file: 'masters/master-desk.ts',
    from: 'if (isNew || this.proof.isDispensable || !this.#settings.limits.lockRecovery) {',
    to: 'if (isNew || this.proof.isDispensable || this.#settings.limits.lockRecovery) {',
  },
  {
    name: 'lets a worker back in that must not go on',
    file: 'peers/absences.ts',
    from: "worker.returnProblem ??= 'it held a lock when its line broke';",
    to: 'worker.returnProblem = undefined;',
  },
  {
    name: 'lets a challenger in when the master leaves',
    file: 'masters/master-seat.ts',
    from: '    else this.#refuseChallenger();\n    return challenger.waits ? challenger : undefined;',
    to: '    else this.#endChallenge();\n    return challenger;',
  },
  {
    name: 'does not let a master settle',
    file: 'masters/master-seat.ts',
    from: 'if (settle === 0)',
    to: 'if (settle > 0)',
  },
  {
    name: 'passes roots on to everybody at once, echoes included',
    file: 'file/file-news.ts',
    from: 'const notification = parseNotification(message);',
    to: "const notification = parseNotification(message); if (notification.type === 'root.update') return false;",
  },
  {
    name: 'does not tell newcomers the root',
    file: 'file/file-news.ts',
    from: 'if (this.#root.current !== undefined && peer.root.believes',
    to: 'if (peer.isMaster && this.#root.current !== undefined && peer.root.believes',
  },
  {
    name: 'does not have the keys written that the last master had told of',
    file: 'file/file-news.ts',
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
    file: 'peers/heartbeat.ts',
    from: 'if (peer.silentBeats * heartbeatInterval >= heartbeatTimeout) this.#host.silent(peer);',
    to: 'if (peer.silentBeats * heartbeatInterval < 0) this.#host.silent(peer);',
  },
  {
    name: 'keeps what waits for a new master in the wrong order',
    file: 'masters/mailbox.ts',
    from: 'for (const item of mail) this.#remove(item);\n    return mail;',
    to: 'for (const item of mail) this.#remove(item);\n    return mail.reverse();',
  },
  {
    name: 'sends one frame too few to a client that resumes its session',
    file: 'peers/outbox.ts',
    from: 'this.#pending.slice(received - this.#confirmed)',
    to: 'this.#pending.slice(received - this.#confirmed + 1)',
  },
  {
    name: 'takes no notice of the locks that a client tells a new server of',
    file: 'locks/older-locks.ts',
    from: 'ledger.claim(worker, { id, tid, isWrite: write }, clock.now(), message, epoch);',
    to: 'void [ledger, clock, message, id, tid, write, epoch];',
  },
  {
    name: 'says that a frame has arrived everywhere before it was read',
    file: 'peers/stability.ts',
    from: 'least = Math.min(least, peer.outbox.caughtUpTo);',
    to: 'least = Math.min(this.#count, peer.outbox.caughtUpTo + this.#count);',
  },
  {
    name: 'turns a worker away whose line broke while the server drains',
    file: 'peers/dismissal.ts',
    from: "if (peer === undefined) return 'IPC_REFUSED_DRAINING';",
    to: "if (peer?.isMaster !== true) return 'IPC_REFUSED_DRAINING';",
  },
];
