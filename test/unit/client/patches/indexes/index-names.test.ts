import { basename } from 'node:path';
import { AceBase } from 'acebase';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { install, uninstall } from '../../../../../src/client/install.js';
import { indexFileOf } from '../../../../../src/client/patches/indexes/index-names.js';
import { removeDirectory, temporaryDirectory } from '../../../../support/temporary-directory.js';

const SPELLINGS = [
  { spelt: '/people', known: 'people' },
  { spelt: '//people/old/', known: 'people/old' },
  { spelt: 'teams/$team/people', known: 'teams/*/people' },
  { spelt: 'lists[02]/people', known: 'lists[2]/people' },
  { spelt: '/lists[2][3]/', known: 'lists[2][3]' },
];

let folder: string;
let database: AceBase;

async function open(): Promise<void> {
  database = new AceBase('mydb', { logLevel: 'error', storage: { path: folder } });
  await database.ready();
}

beforeEach(async () => {
  folder = await temporaryDirectory('index-names');
});

afterEach(async () => {
  await database.close();
  await removeDirectory(folder);
  uninstall();
});

describe.each(SPELLINGS)('an index on $spelt', ({ spelt, known }) => {
  it('has the file by which the client knows it', async () => {
    await open();
    const { fileName } = await database.indexes.create(spelt, 'age');
    expect(indexFileOf({ settings: { path: folder } }, spelt, 'age')).toBe(basename(fileName));
  });

  it('is not made anew where it is there by another spelling', async () => {
    install();
    await open();
    const index = await database.indexes.create(known, 'age');
    expect(await database.indexes.create(spelt, 'age')).toBe(index);
  });
});
