/** What an examination means, in words. */

import { error, type Finding, ok, skipped, warning } from '../doctor/findings.js';
import type { Examination, FileReport } from './examination.js';
import type { IndexReport } from './stored-indexes.js';
import type { WalkFault, WalkReport } from './walk.js';

/** What `check` looks at. */
export type CheckSubject = 'users' | 'journal' | 'structure' | 'space' | 'index' | 'left-overs';

/** One thing that was looked at, and how it is. */
export type CheckFinding = Finding<CheckSubject>;

const REPAIR = 'Run it again with --repair.';
const RESTORE =
  'Put a backup back (the whole folder). Without one, export what can still be read, and import that into a new database.';
const BEYOND = 'This cannot be repaired. ';

/** Faults that are told one by one; of more, there is the number. */
const TOLD_FAULTS = 5;

/** All that was found. What is wrong, and harms nobody, is a warning. */
export function judge(examination: Examination): readonly CheckFinding[] {
  const isDataWhole = examination.files.every(
    ({ type, walk }) => type !== 'data' || (walk !== undefined && isWholeTree(walk)),
  );
  return [
    ...examination.files.flatMap((file) => [...judgeJournal(file), ...judgeFile(file)]),
    ...judgeMarks(examination),
    ...examination.indexes.map((index) => judgeIndex(index, isDataWhole)),
    ...judgeLeftOvers(examination),
  ];
}

/** Whether space can be taken back: what no node has must be known for certain. */
export function isWholeTree({ faults }: WalkReport): boolean {
  return faults.every(({ kind }) => kind === 'not-free' || kind === 'free-table');
}

function judgeJournal({ file, pending }: FileReport): CheckFinding[] {
  if (pending === undefined) return [ok('journal', `${file}: no write was cut short`)];
  const findings: CheckFinding[] = [];
  if (pending.changes.length > 0) {
    const message = `${file}: the last write was committed, and is not in the file; below, it counts as if it was`;
    const remedy =
      'Nothing to do: the next process that opens it with the client of this package writes it. If one without it may come first, run this again with --repair.';
    findings.push(warning('journal', message, remedy));
  }
  const { indexes = [], mutation } = pending.notes ?? {};
  if (indexes.length > 0) {
    const names = indexes.map((index) => index.file).join(', ');
    const message = `${file}: these indexes may lack the last write: ${names}`;
    findings.push(
      warning('journal', message, `The client of this package makes them anew when it opens it. ${REPAIR}`),
    );
  }
  if (mutation !== undefined) {
    const message = `${file}: the last write is not in the transaction log yet`;
    findings.push(
      warning('journal', message, 'Open the database with the client of this package: it adds it.'),
    );
  }
  return findings;
}

function judgeFile({ file, isCutShort, unreadable, walk, missingBytes }: FileReport): CheckFinding[] {
  if (isCutShort)
    return [
      error(
        'structure',
        `${file}: its making was cut short; there is nothing in it, and it never opens`,
        REPAIR,
      ),
    ];
  if (unreadable !== undefined) return [error('structure', `${file}: ${unreadable}`, BEYOND + RESTORE)];
  if (walk === undefined) return [];
  return [...judgeStructure(file, walk, missingBytes), ...judgeSpace(file, walk)];
}

function judgeStructure(file: string, walk: WalkReport, missingBytes: number): CheckFinding[] {
  const ofTree = walk.faults.filter(({ kind }) => ['unreadable', 'outside', 'shared'].includes(kind));
  const ofTable = walk.faults.filter(({ kind }) => kind === 'not-free' || kind === 'free-table');
  const findings = [
    ...told(file, ofTree, BEYOND + RESTORE),
    ...told(
      file,
      ofTable,
      isWholeTree(walk)
        ? REPAIR
        : 'It can be repaired when the rest is whole: which records are free follows from that.',
    ),
  ];
  if (missingBytes > 0) {
    const message = `${file}: it is ${count(missingBytes, 'byte')} shorter than its table of free space says`;
    findings.push(error('structure', message, isWholeTree(walk) ? REPAIR : BEYOND + RESTORE));
  }
  if (findings.length > 0) return findings;
  return [
    ok(
      'structure',
      `${file}: ${count(walk.nodes, 'node')} in ${count(walk.used, 'record')}, all can be read`,
    ),
  ];
}

function told(file: string, faults: readonly WalkFault[], remedy: string): CheckFinding[] {
  const findings = faults
    .slice(0, TOLD_FAULTS)
    .map(({ message }) => error<CheckSubject>('structure', `${file}: ${message}`, remedy));
  const more = faults.length - findings.length;
  return more === 0
    ? findings
    : [...findings, error('structure', `${file}: and ${more} more like these`, remedy)];
}

function judgeSpace(file: string, walk: WalkReport): CheckFinding[] {
  const { leaked, free } = walk;
  if (!isWholeTree(walk)) {
    return [skipped('space', `${file}: which records nobody has cannot be known, as not all could be read`)];
  }
  if (leaked === 0) return [ok('space', `${file}: ${count(free, 'record')} free, none lost`)];
  const message = `${file}: ${count(leaked, 'record')} ${leaked === 1 ? 'is' : 'are'} neither used nor free; ${free} free`;
  return [warning('space', message, `Nothing is wrong but that this space is not used. ${REPAIR}`)];
}

function judgeMarks({ marks }: Examination): CheckFinding[] {
  return marks.map(({ file, mark }) => {
    if (mark === undefined) {
      return warning('left-overs', `${file}: a mark beside it was cut short; it stands for nothing`, REPAIR);
    }
    const message = mark.isNew
      ? `${file}: its making was cut short, and nobody was told that it is there`
      : `${file}: it was being made, and may not be as the data is`;
    const what = mark.isNew ? 'removes what is left of it' : 'makes it anew';
    return warning(
      'index',
      message,
      `The client of this package ${what} when it opens the database. ${REPAIR}`,
    );
  });
}

function judgeIndex(index: IndexReport, isDataWhole: boolean): CheckFinding {
  const { file, entries, missing, extra, examples, unsure, unreadable, notCompared } = index;
  const repair = isDataWhole
    ? REPAIR
    : 'It can be repaired when the data is whole: an index is made of that.';
  if (unreadable !== undefined) {
    const isKnown = index.type !== '';
    const remedy = isKnown
      ? REPAIR
      : `${BEYOND}Delete the file, and have your program create the index again.`;
    return error('index', `${file}: it cannot be used: ${unreadable}`, remedy);
  }
  const name = `${file}: ${nameOf(index)}`;
  if (notCompared !== undefined)
    return skipped('index', `${name} cannot be compared, as what it indexes cannot be read: ${notCompared}`);
  if (missing + extra > 0) {
    const lacks =
      missing === 0 ? [] : [`lacks ${count(missing, 'entry', 'entries')}, ${eg(examples.missing)}`];
    const has =
      extra === 0 ? [] : [`has ${count(extra, 'stale entry', 'stale entries')}, ${eg(examples.extra)}`];
    return error('index', `${name} ${[...lacks, ...has].join('; ')}`, repair);
  }
  if (unsure > 0) {
    const message = `${name} differs by ${count(unsure, 'entry', 'entries')} from one that is made with AceBase's own settings`;
    const remedy =
      'All is well if it was made with a `config`, which its file does not tell. If not, delete the file, and have your program create the index again.';
    return warning('index', message, remedy);
  }
  return ok('index', `${name} has ${count(entries, 'entry', 'entries')}, as the data is`);
}

function eg(examples: readonly string[]): string {
  return `e.g. ${examples.join(', ')}`;
}

function nameOf({ path, key, type }: IndexReport): string {
  return `the ${type === 'normal' ? '' : `${type} `}index of ${key} in /${path}`;
}

function judgeLeftOvers({ leftOvers }: Examination): CheckFinding[] {
  if (leftOvers.length === 0) return [ok('left-overs', 'no file was left over')];
  const message = `${count(leftOvers.length, 'file')} left over: ${leftOvers.join(', ')}`;
  return [warning('left-overs', message, `Nothing uses them. ${REPAIR}`)];
}

function count(number: number, one: string, many = `${one}s`): string {
  return `${number.toLocaleString('en')} ${number === 1 ? one : many}`;
}
