/** What `acebase-ipc-server doctor` and `check` found, and how it is told. */

import { wrapLine } from '../wrap.js';

/** What `doctor` looks at. */
export type Subject =
  | 'server'
  | 'certificate'
  | 'websocket'
  | 'token'
  | 'master'
  | 'clients'
  | 'status'
  | 'journal'
  | 'clock'
  | 'ws'
  | 'acebase'
  | 'acebase-server';

/** One thing that was looked at, and how it is. */
export interface Finding<S extends string = Subject> {
  readonly subject: S;
  /** `skipped`: it could not be looked at, because of another finding, or need not be. */
  readonly status: 'ok' | 'warning' | 'error' | 'skipped';
  /** How it is, in one sentence. */
  readonly message: string;
  /** What to do about it; only of warnings and errors. */
  readonly remedy?: string;
}

/** All is well. */
export function ok<S extends string>(subject: S, message: string): Finding<S> {
  return { subject, status: 'ok', message };
}

/** It works, and may not for long, or not well. */
export function warning<S extends string>(subject: S, message: string, remedy: string): Finding<S> {
  return { subject, status: 'warning', message, remedy };
}

/** It does not work so. */
export function error<S extends string>(subject: S, message: string, remedy: string): Finding<S> {
  return { subject, status: 'error', message, remedy };
}

/** It was not looked at. */
export function skipped<S extends string>(subject: S, message: string): Finding<S> {
  return { subject, status: 'skipped', message };
}

/**
 * The findings as text, for people: each with what to do where something is wrong; where the same is to be done about several in a row, that
 * stands below the last of them.
 *
 * @param width the longest that a line should be; default: as long as it is
 */
export function describeFindings(
  findings: readonly Finding<string>[],
  width = Number.POSITIVE_INFINITY,
): string {
  const subjects = Math.max(...findings.map(({ subject }) => subject.length));
  const indent = 'skipped'.length + 2 + subjects + 2;
  return findings
    .flatMap(({ subject, status, message, remedy }, index) => {
      const isSaidBelow = remedy === undefined || remedy === findings[index + 1]?.remedy;
      return [
        wrapLine(
          `${status.padEnd('skipped'.length)}  ${subject.padEnd(subjects)}  ${message}`,
          width,
          indent,
        ),
        ...(isSaidBelow ? [] : [wrapLine(`${' '.repeat(indent)}→ ${remedy}`, width, indent + 2)]),
      ];
    })
    .join('\n');
}

/** Whether there is an error. */
export function isAnythingWrong(findings: readonly Finding<string>[]): boolean {
  return findings.some(({ status }) => status === 'error');
}
