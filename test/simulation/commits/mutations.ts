import type { Mutation } from '../mutations.js';

/** As `mutations`, of the order in which the journal does things: files are below `src/client/journal/`. {@link playCommits} must find each. */
export const journalMutations: readonly Mutation[] = [
  {
    name: 'writes to the file what the log has not',
    file: 'journal.ts',
    from: 'log.append({ changes: all, written, notes }, head);',
    to: 'for (const { position, after } of changes.slice(0, 1)) writeFully(file, after, position); log.append({ changes: all, written, notes }, head);',
  },
  {
    name: 'marks a commit before it is in the file',
    file: 'journal.ts',
    from: 'for (const { position, after } of all) {',
    to: 'for (const { position, after } of [...all].reverse()) {',
  },
  {
    name: 'completes nothing that others have left',
    file: 'journal.ts',
    from: ': isNext && isToBeApplied(head);',
    to: ': head.hasNotes && false;',
  },
  {
    name: 'has one log for all processes',
    file: 'journal.ts',
    from: '(place + 1) %',
    to: 'place %',
  },
  {
    name: 'begins a turn of its own without a number of its own',
    file: 'journal.ts',
    from: 'term: term + 1 };',
    to: 'term };',
  },
  {
    name: 'tells nobody that it is about to write',
    file: 'journal.ts',
    from: 'log.claim({ term: turn.term, owner: this.#owner });',
    to: '',
  },
  {
    name: 'takes half a record for a whole one',
    file: 'redo-log.ts',
    from: 'return crc32(body) === head.readUInt32BE(12) ? parse(body) : undefined;',
    to: 'return parse(body);',
  },
  {
    name: 'forgets what is to be done when the next process looks',
    file: 'journal.ts',
    from: '? isNext || head.hasNotes || isInDoubt',
    to: '? isNext || isInDoubt',
  },
];
