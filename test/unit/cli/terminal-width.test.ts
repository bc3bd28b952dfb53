import { expect, test } from 'vitest';
import { carryOut } from '../../../src/cli/command.js';

test.each([
  [{ isTTY: true, columns: 50 }, true],
  [{ columns: 50 }, false],
  [{ isTTY: true, columns: 0 }, false],
])(
  'what doctor says fits a terminal, and is as wide as it wants to be elsewhere: %j',
  async (terminal, fits) => {
    let text = '';
    const stdout = { ...terminal, write: (words: string) => (text += words) };
    const stderr = { write: () => undefined };
    await carryOut(['doctor', 'mydb', '--url', 'http://localhost:1'], {
      environment: {},
      folder: '/',
      stdout,
      stderr,
    });
    expect(text).toContain('no IPC server');
    expect(text.split('\n').every((line) => line.length <= 50)).toBe(fits);
  },
);
