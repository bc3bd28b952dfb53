/** `acebase-ipc-server check`: whether the files of a database are sound, and their repair. */

import { join } from 'node:path';
import { IPCError } from '../../errors.js';
import type { FileUsers } from '../../platform/file-users.js';
import { userAtOnce } from '../../platform/folder-watch.js';
import { messageOf } from '../../system-error.js';
import { describeFindings, isAnythingWrong, ok, warning } from '../doctor/findings.js';
import { type AceBaseModules, findAceBase } from './acebase-modules.js';
import { type DatabasePlace, databaseFiles, examineDatabase, folderIn } from './examination.js';
import { type CheckFinding, judge } from './judgement.js';
import { isThere } from './permission.js';
import { copyDatabase, repairDatabase } from './repair.js';
import { takeFolder } from './taken-folder.js';

/** What it is asked. */
export interface CheckWords extends DatabasePlace {
  readonly repair: boolean;
  readonly json: boolean;
}

/** What it works with. */
export interface CheckSurroundings {
  /** Where AceBase is looked for. */
  readonly folder: string;
  /** Who has files open. */
  usersOf(paths: readonly string[]): FileUsers;
  /** As ISO 8601. */
  now(): string;
  /** What it waits for, in words. */
  say(line: string): void;
}

/** What it found, and did. */
export interface CheckResult {
  /** Whether no finding is an error; after a repair, of those after it. */
  readonly isSound: boolean;
  readonly findings: readonly CheckFinding[];
  /** Only with `--repair`. */
  readonly repair?: {
    /** Where the copy of all files is that was made first; `null` if there was nothing to repair. */
    readonly copy: string | null;
    readonly done: readonly string[];
    readonly findings: readonly CheckFinding[];
  };
}

/**
 * Checks a database that nobody writes to. Without `repair`, no file is changed.
 *
 * @throws IPCError `IPC_CHECK_…`
 */
export async function check(words: CheckWords, surroundings: CheckSurroundings): Promise<CheckResult> {
  const modules = findAceBase(surroundings.folder);
  if (!isThere(folderIn(words)))
    throw new IPCError('IPC_CHECK_NO_DATABASE', `there is no folder ${folderIn(words)}`);
  const users = refuseUsers(words, surroundings);
  if (words.repair) return await repaired(words, modules, surroundings);
  const findings = [noted(words) ?? users, ...judge(await examineDatabase(words, modules))];
  return { isSound: !isAnythingWrong(findings), findings };
}

async function repaired(
  words: CheckWords,
  modules: AceBaseModules,
  surroundings: CheckSurroundings,
): Promise<CheckResult> {
  const folder = await takeFolder(folderIn(words), (line) => surroundings.say(line));
  let isChanged = false;
  try {
    const look = async (): Promise<readonly CheckFinding[]> => [
      refuseUsers(words, surroundings),
      ...judge(await examineDatabase(words, modules)),
    ];
    const findings = await look();
    const toRepair = findings.filter(
      ({ subject, status }) => subject !== 'users' && (status === 'error' || status === 'warning'),
    );
    if (toRepair.length === 0)
      return { isSound: !isAnythingWrong(findings), findings, repair: { copy: null, done: [], findings } };
    const guard = (): void => {
      refuseUsers(words, surroundings);
      folder.assertHeld();
    };
    guard();
    const copy = await copyDatabase(words, surroundings.now());
    isChanged = true;
    const done = await repairDatabase(words, modules, guard);
    isChanged = done.length > 0;
    const after = isThere(join(folderIn(words), 'data.db')) ? await look() : [];
    return { isSound: !isAnythingWrong(after), findings, repair: { copy, done, findings: after } };
  } finally {
    folder.release(isChanged);
  }
}

/** The result for people. @param width the longest that a line should be; default: as long as it is */
export function describeCheck({ findings, repair }: CheckResult, width?: number): string {
  const found = describeFindings(findings, width);
  if (repair === undefined) return found;
  if (repair.copy === null) return `${found}\n\nThere is nothing to repair.`;
  const done = repair.done.length === 0 ? ['nothing could be repaired'] : repair.done;
  return [
    found,
    '',
    `The files as they were are in ${repair.copy}`,
    ...done.map((line) => `repair: ${line}`),
    ...(repair.findings.length === 0
      ? []
      : ['', 'Checked again:', '', describeFindings(repair.findings, width)]),
  ].join('\n');
}

const REMEDY = 'Make sure that all processes of the database are stopped (docs/OPERATIONS.md, "Check").';

/** Whether somebody has the folder as its record says, who may run where this process does not see it. */
function noted(place: DatabasePlace): CheckFinding | undefined {
  try {
    const user = userAtOnce(folderIn(place), { isOnlyLook: true });
    return user === undefined ? undefined : warning('users', user, REMEDY);
  } catch (error) {
    return warning('users', `it cannot be seen who has the folder: ${messageOf(error)}`, REMEDY);
  }
}

/** @throws IPCError `IPC_CHECK_IN_USE` */
function refuseUsers(place: DatabasePlace, { usersOf }: CheckSurroundings): CheckFinding {
  const { users: all, unseen } = usersOf(databaseFiles(place));
  // What is repaired is open here.
  const users = all.filter(({ pid }) => pid !== process.pid);
  if (users.length > 0) {
    const named = users.map(({ pid, command }) => `process ${pid} (${command.slice(0, 80)})`).join(', ');
    throw new IPCError('IPC_CHECK_IN_USE', `${folderIn(place)} is open in ${named}`);
  }
  if (unseen === undefined)
    return warning('users', 'this system does not tell whether a process has the files open', REMEDY);
  if (unseen > 0) {
    const message = `no process that this user can look into has the files open; it cannot look into ${unseen} others`;
    return warning('users', message, `${REMEDY} Or run it as root.`);
  }
  return ok('users', 'no process of this machine has the files open');
}
