import type { Mutation } from './mutations.js';

/** As `mutations`, of our client: files are below `src/client/core/`. */
export const clientMutations: readonly Mutation[] = [
  {
    name: 'gives a lock back while a transaction of the process uses it',
    file: 'locks.ts',
    from: 'if (!anchor.isUsed && !anchor.isLost) this.#giveBackOrKeep(anchor);',
    to: 'if (!anchor.isLost) this.#giveBackOrKeep(anchor);',
  },
  {
    name: 'tells a new server of none of its locks',
    file: 'client.ts',
    from: 'held: this.#locks.claims(),',
    to: 'held: [],',
  },
  {
    name: 'writes over what was the root, before others know of the next one',
    file: 'allocator.ts',
    from: 'if (this.#mayUseReserve && this.#knownRootMoves === this.#rootMoves) this.#reserve.release(ranges);',
    to: 'if (this.#mayUseReserve) this.#reserve.release(ranges);',
  },
  {
    name: 'lets two transactions write at one time under its lock',
    file: 'slices.ts',
    from: 'const isFree = slice?.isUsed === false && slice',
    to: 'const isFree = slice !== undefined && slice',
  },
  {
    name: 'resumes its session one frame too late',
    file: 'session.ts',
    from: 'return false;\n    this.#sent = count;',
    to: 'return false;\n    this.#sent = Math.min(count + 1, this.#sent);',
  },
  {
    name: 'counts a frame too many of those that came',
    file: 'session.ts',
    from: 'this.#received = isResumed ? (this.#received ?? 0) : 0;',
    to: 'this.#received = isResumed ? (this.#received ?? 0) : 1;',
  },
  {
    name: 'does not ask again what a server that is gone was asked',
    file: 'session.ts',
    from: 'this.#frames = [...unanswered, ...old].filter((frame) => {',
    to: 'this.#frames = [...old].filter((frame) => {',
  },
  {
    name: 'gives space back twice, at two servers',
    file: 'outgoing.ts',
    from: "return subjectOf(message) === 'fst.release' ? 'once' : 'again';",
    to: "return 'again';",
  },
  {
    name: 'sends events to peers that are not back yet',
    file: 'session.ts',
    from: 'return isDispensable && to !== undefined && this.#settings.isAwaited(to);',
    to: 'return isDispensable && to === undefined;',
  },
  {
    name: 'takes for new an event that it has heard',
    file: 'inbox.ts',
    from: 'if (last !== undefined && number <= last) return false;',
    to: 'void last;',
  },
  {
    name: 'reads nothing again after a gap',
    file: 'resync.ts',
    from: 'this.#isStale = true;',
    to: 'this.#isStale = false;',
  },
  {
    name: 'gives up the lock of the last server before the next one has asked',
    file: 'master-locks.ts',
    from: 'this.#former = locks.filter((info) => info.lock !== null && !hasEnded(info));',
    to: 'release(locks.filter((info) => info.lock !== null && !hasEnded(info)));',
  },
  {
    name: 'keeps the lock of a server that is gone',
    file: 'master-locks.ts',
    from: 'release(this.#former);\n    this.#former = [];',
    to: 'this.#former = [];',
  },
  {
    name: 'forgets no peer that stays away',
    file: 'inbox.ts',
    from: 'for (const id of this.#unseen ?? []) this.#gone(id);',
    to: 'void this.#gone;',
  },
  {
    name: 'looks at no line that is silent',
    file: 'connection.ts',
    from: "if (this.#silentFor > this.#patience) this.#drop('the IPC server answers no ping');",
    to: "if (this.#silentFor < 0) this.#drop('the IPC server answers no ping');",
  },
  {
    name: 'tries only once more to connect',
    file: 'connection.ts',
    from: "if (this.#handlers.refused(refusal) === 'later') this.#later();",
    to: 'this.#handlers.refused(refusal);',
  },
  {
    name: 'goes on without a lease',
    file: 'lease.ts',
    from: 'return proved !== undefined && elapsedSince(clock, proved) < length;',
    to: 'return true;',
  },
  {
    name: 'takes any pong for a new lease',
    file: 'connection.ts',
    from: 'this.answered = answered.moment;',
    to: 'this.answered = { at: Number.POSITIVE_INFINITY, wall: Number.POSITIVE_INFINITY, uptime: 0 };',
  },
  {
    name: 'comes back as a master with its old tables',
    file: 'client.ts',
    from: 'await file.reopen();',
    to: 'void file;',
  },
  {
    name: 'uses a lock before it carries out what a commit has left',
    file: 'journal-switch.ts',
    from: 'const found = this.#journal.look();',
    to: 'const found = false as boolean | Promise<boolean>;',
  },
];
