import { mkdtemp } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { isInFull } from '../../support/in-full.js';
import { removeDirectory, temporaryDirectory } from '../../support/temporary-directory.js';
import { half } from './half.js';
import { playCommits } from './run.js';

const SEEDS = isInFull ? 80 : 20;

let folder: string;
beforeEach(async () => {
  folder = await temporaryDirectory('commits');
});
afterEach(() => removeDirectory(folder));

/** The first seed that breaks a rule. */
async function firstFault(isJournaled: boolean): Promise<string | undefined> {
  for (let seed = 1; seed <= SEEDS; seed++) {
    const fault = await playCommits(seed, { folder: await mkdtemp(join(folder, 'run-')), isJournaled });
    if (fault !== undefined) return `${fault}, with seed ${seed}`;
  }
  return undefined;
}

it(`a commit in several steps is whole or nothing with the journal, whoever ends where, by ${SEEDS} seeds`, async () => {
  expect(await firstFault(true)).toBeUndefined();
});

it('without it, half of one is found soon', async () => {
  expect(await firstFault(false)).toMatch(/^half a commit: /);
});

it('half of a write is its first half', () => {
  const [before, after] = [Buffer.from('aaaaaaaa'), Buffer.from('aabbbbaa')];
  expect(half(before, after).toString()).toBe('aabbaaaa');
  expect(half(Buffer.from('aa'), after).toString()).toBe('aabbb');
  expect(half(after, after)).toBe(after);
});
