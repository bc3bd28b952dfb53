/**
 * The code of an error of Node.js or of the operating system, such as `ENOENT`; `undefined` if it has none.
 *
 * It is not looked at with `instanceof`: a program may run in a context of its own, as tests do under jest, whose `Error` is not
 * that of Node.js.
 */
export function codeOf(error: unknown): string | undefined {
  if (typeof error !== 'object' || error === null || !('code' in error)) return undefined;
  return typeof error.code === 'string' ? error.code : undefined;
}

/** Whether the operating system has refused something: an argument that Node.js does not take is no such error. */
export function isSystemError(error: unknown): error is NodeJS.ErrnoException {
  return typeof error === 'object' && error !== null && 'syscall' in error;
}

/** Whether something may not be done with a file or a folder, by anybody or by this process. */
export function isForbidden(error: unknown): boolean {
  return ['EACCES', 'EPERM', 'EROFS'].includes(codeOf(error) ?? '');
}

/** What an error says. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** The same error with the path in its message, where the system has left it out: of a directory that was opened, and cannot be read. */
export function withPath(error: unknown, path: string): unknown {
  if (codeOf(error) !== 'EISDIR' || messageOf(error).includes(path)) return error;
  return withMessage(error, `${messageOf(error)}: ${path}`);
}

/** The same error, which says something else. What is no object stays as it is. */
export function withMessage(error: unknown, message: string): unknown {
  return typeof error === 'object' && error !== null ? Object.assign(error, { message }) : error;
}
