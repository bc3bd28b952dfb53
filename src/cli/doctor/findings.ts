/** What `acebase-ipc-server doctor` found, and how it is told. */

/** What was looked at. */
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
export interface Finding {
  readonly subject: Subject;
  /** `skipped`: it could not be looked at, because of another finding, or need not be. */
  readonly status: 'ok' | 'warning' | 'error' | 'skipped';
  /** How it is, in one sentence. */
  readonly message: string;
  /** What to do about it; only of warnings and errors. */
  readonly remedy?: string;
}

/** All is well. */
export function ok(subject: Subject, message: string): Finding {
  return { subject, status: 'ok', message };
}

/** It works, and may not for long, or not well. */
export function warning(subject: Subject, message: string, remedy: string): Finding {
  return { subject, status: 'warning', message, remedy };
}

/** A worker would not work so. */
export function error(subject: Subject, message: string, remedy: string): Finding {
  return { subject, status: 'error', message, remedy };
}

/** It was not looked at. */
export function skipped(subject: Subject, message: string): Finding {
  return { subject, status: 'skipped', message };
}

/** The findings as text, for people: a line each, and one with what to do where something is wrong. */
export function describeFindings(findings: readonly Finding[]): string {
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

/** Whether anything keeps a worker from working. */
export function isAnythingWrong(findings: readonly Finding[]): boolean {
  return findings.some(({ status }) => status === 'error');
}
