import { runInNewContext } from 'node:vm';
import { describe, expect, it } from 'vitest';
import { codeOf, isSystemError, withMessage, withPath } from '../../src/system-error.js';

const own = Object.assign(new Error('none'), { code: 'ENOENT', syscall: 'open' });
/** As a program under jest sees what Node.js throws, and Node.js what such a program does. */
const foreign: unknown = runInNewContext(
  "Object.assign(new Error('none'), { code: 'ENOENT', syscall: 'open' })",
);

describe('the code of an error', () => {
  it.each([
    ['of this context', own],
    ['of another one', foreign],
  ])('%s', (_where, error) => {
    expect([codeOf(error), isSystemError(error)]).toEqual(['ENOENT', true]);
  });

  it.each([undefined, null, 'ENOENT', new Error('none'), { code: 2 }])('is none of %s', (error) => {
    expect([codeOf(error), isSystemError(error)]).toEqual([undefined, false]);
  });

  it('is there where the operating system has refused nothing', () => {
    const refusedByNode = Object.assign(new TypeError('no'), { code: 'ERR_INVALID_ARG_TYPE' });
    expect([codeOf(refusedByNode), isSystemError(refusedByNode)]).toEqual(['ERR_INVALID_ARG_TYPE', false]);
  });
});

it('an error of another context gets the words that it lacks, too', () => {
  const directory: unknown = runInNewContext(
    "Object.assign(new Error('EISDIR: is a directory'), { code: 'EISDIR' })",
  );
  expect(withPath(directory, '/folder')).toMatchObject({
    message: expect.stringMatching(/EISDIR.*: \/folder$/),
  });
  expect(withMessage(foreign, 'other words')).toMatchObject({ message: 'other words', code: 'ENOENT' });
  expect(withMessage('no error', 'other words')).toBe('no error');
});
