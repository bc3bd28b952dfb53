/** What `acebase-ipc-server doctor` and `check` found, and how it is told. */

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

/** The findings as text, for people: a line each, and one with what to do where something is wrong. */
export function describeFindings(findings: readonly Finding<string>[]): string {
  const width = Math.max(...findings.map(({ subject }) => subject.length));
  return findings
    .flatMap(({ subject, status, message, remedy }) => [
      `${status.padEnd('skipped'.length)}  ${subject.padEnd(width)}  ${message}`,
      ...(remedy === undefined
        ? []
        : [`${' '.repeat('skipped'.length + 2)}${' '.repeat(width + 2)}→ ${remedy}`]),
    ])
    .join('\n');
}

/** Whether there is an error. */
export function isAnythingWrong(findings: readonly Finding<string>[]): boolean {
  return findings.some(({ status }) => status === 'error');
}
