import type { Mutation } from './mutations.js';

/** As `mutations`, of our client: files are below `src/client/core/`. */
export const clientMutations: readonly Mutation[] = [
  {
    name: 'writes under a lock for reading',
    file: 'locks.ts',
    from: 'if ((anchor.granted.write || !write) && anchor.granted.expires > least) return anchor;',
    to: 'if (anchor.granted.expires > least) return anchor;',
  },
  {
    name: 'gives a lock back while a transaction of the process uses it',
    file: 'locks.ts',
    from: 'if (anchor.isUsed || anchor.isLost) return;',
    to: 'if (anchor.isLost) return;',
  },
  {
    name: 'writes while others of the process read under the same lock',
    file: 'locks.ts',
    from: 'if (anchor.isSharedBeside(tid)) await this.#becomeOnlyHolder(tid, anchor);',
    to: 'void this.#becomeOnlyHolder;',
  },
  {
    name: 'tells a new server of none of its locks',
    file: 'client.ts',
    from: 'const held = this.#settings.ipc.isMaster ? [] : this.#locks.claims();',
    to: 'const held = this.#locks.claims().slice(0, 0);',
  },
  {
    name: 'goes on with locks that others have by now',
    file: 'locks.ts',
    from: 'if (lock !== null && this.#lost.has(tid)) lock.expires = 0;',
    to: 'void [lock, tid];',
  },
  {
    name: 'comes back before what went on under lost locks has ended',
    file: 'locks.ts',
    from: 'if (this.#lost.size > 0) await new Promise<void>((resolve) => this.#waitingForEnd.push(resolve));',
    to: 'void this.#waitingForEnd;',
  },
  {
    name: 'resumes its session one frame too late',
    file: 'session.ts',
    from: 'if (count < this.#stable || count > this.#sent) return false;\n    this.#sent = count;',
    to: 'if (count < this.#stable || count > this.#sent) return false;\n    this.#sent = Math.min(count + 1, this.#sent);',
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
    name: 'answers anew what it has answered',
    file: 'answer-cache.ts',
    from: 'if (answer !== undefined && !this.#hasRunOut(answer)) return answer;',
    to: "if (answer !== undefined && !this.#hasRunOut(answer)) return 'new';",
  },
  {
    name: 'reads nothing again after a gap',
    file: 'resync.ts',
    from: 'this.#isStale = true;',
    to: 'this.#isStale = false;',
  },
  {
    name: 'takes the root of the file though it was told a newer one',
    file: 'resync.ts',
    from: 'if (address === undefined || this.#isRootTold) return;',
    to: 'if (address === undefined) return;',
  },
  {
    name: 'has space at hand that others were given meanwhile',
    file: 'allocator.ts',
    from: 'const mayTake = !this.#isClosing && this.#settings.isInTouch();',
    to: 'const mayTake = !this.#isClosing;',
  },
  {
    name: 'keeps the space that it has at hand when it says goodbye',
    file: 'allocator.ts',
    from: 'if (ranges.length > 0) this.#settings.giveBack(ranges);',
    to: 'void ranges;',
  },
  {
    name: 'begins transactions of a master before the server has asked for its root lock',
    file: 'client.ts',
    from: 'if (!this.#incoming.isOfWorker(details)) await this.#firstWord.wait();',
    to: '',
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
    name: 'goes on at a new server though others may have given it up',
    file: 'client.ts',
    from: 'if (session?.resumed === false && hadSession && this.#connection.mayBeGivenUp) {',
    to: 'if (session?.resumed === false && hadSession && this.#connection.mayBeGivenUp && !hasSessions) {',
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
    from: "if (this.#silentBeats > SILENT_BEATS) this.#drop('the IPC server answers no ping');",
    to: "if (this.#silentBeats < 0) this.#drop('the IPC server answers no ping');",
  },
  {
    name: 'tries only once more to connect',
    file: 'connection.ts',
    from: "if (this.#handlers.refused(refusal) === 'later') this.#later();",
    to: 'this.#handlers.refused(refusal);',
  },
];
