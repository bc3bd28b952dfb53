import { expect, it } from 'vitest';
import { Random } from '../torture/random.js';
import type { Change } from './disk.js';
import { diskAfterPowerCut, type Synced } from './power-cut.js';

const write = (file: string, position: number, text: string): Change => ({
  kind: 'write',
  file,
  position,
  bytes: Buffer.from(text),
});
const synced = (file: string, until: number): Synced => ({ kind: 'synced', file, until });

/** What the files may be in one power cut or another, as JSON. */
function outcomes(...events: (Change | Synced)[]): Set<string> {
  const found = Array.from({ length: 200 }, (_, seed) => {
    const { files } = diskAfterPowerCut(events, new Random(seed));
    return JSON.stringify(
      Object.fromEntries([...files].map(([file, bytes]) => [file, bytes.toString('latin1')])),
    );
  });
  return new Set(found);
}

const sets = (...files: object[]) => new Set(files.map((it) => JSON.stringify(it)));

it('a write that was synced is there; one that came later may be', () => {
  const found = outcomes(
    { kind: 'create', file: 'a' },
    write('a', 0, 'old'),
    synced('a', 2),
    write('a', 0, 'new'),
  );
  expect(found).toEqual(sets({ a: 'old' }, { a: 'new' }));
});

it('a write that came while a file was synced may be lost', () => {
  const found = outcomes(
    { kind: 'create', file: 'a' },
    write('a', 0, 'old'),
    write('a', 0, 'new'),
    synced('a', 2),
  );
  expect(found).toEqual(sets({ a: 'old' }, { a: 'new' }));
});

it('pages of a write are lost each by itself, and the later one of two may be there alone', () => {
  const found = outcomes({ kind: 'create', file: 'a' }, synced('a', 1), write('a', 4_095, 'xy'));
  const page = '\0'.repeat(4_095);
  expect(found).toEqual(sets({ a: '' }, { a: `${page}x` }, { a: `${page}\0y` }, { a: `${page}xy` }));
});

it('names are there in their order; that of a file that was synced is', () => {
  const found = outcomes(
    { kind: 'create', file: 'a' },
    { kind: 'create', file: 'b' },
    synced('b', 2),
    { kind: 'rename', file: 'b', to: 'c' },
    { kind: 'remove', file: 'a' },
  );
  expect(found).toEqual(sets({ a: '', b: '' }, { a: '', c: '' }, { c: '' }));
});

it('a folder that was synced has the names that were given until then', () => {
  const found = outcomes(
    { kind: 'create', file: 'folder/a' },
    { kind: 'remove', file: 'folder/a' },
    synced('folder', 1),
  );
  expect(found).toEqual(sets({ 'folder/a': '' }, {}));
});
