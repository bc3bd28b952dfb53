import { readdir, readFile } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { exampleFile } from '../../support/example.js';

describe('examples', () => {
  it('have equal copies of the files that they share, so that each folder is complete', async () => {
    const original = exampleFile('pm2-dedicated-master');
    for (const folder of ['pm2-elected-master', 'cloud', 'embedded']) {
      const files = await readdir(exampleFile(folder));
      for (const file of [
        'quiet.js',
        'end-with-connection.js',
        'release-clients.js',
        'until-no-master.js',
        'ipc-settings.js',
        'ipc.json',
      ]) {
        if (!files.includes(file)) continue;
        const copy = await readFile(exampleFile(folder, file), 'utf8');
        expect(copy, `${folder}/${file}`).toBe(await readFile(`${original}/${file}`, 'utf8'));
      }
    }
  });
});
