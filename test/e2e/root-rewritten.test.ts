import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, expect, it } from 'vitest';
import { someOf } from '../support/in-full.js';
import { removeDirectory, temporaryDirectory } from '../support/temporary-directory.js';
import { eventually } from '../support/waiting.js';
import { RealSubject } from './model/subject.js';

/** Behind `AceBase⚡`, the version and the flags: four bytes for the page, two for the record. */
const ROOT_OFFSET = 12;

let folder: string | undefined;
let master: RealSubject | undefined;

afterEach(async () => {
  await master?.end();
  if (folder !== undefined) await removeDirectory(folder);
});

it.each(
  someOf([
    ['with our client', true],
    ['stock', false],
  ] as const),
)(
  'a real master (%s) writes the root again that it believes in already, if its number comes in quotes [PROTOCOL-7.6]',
  async (_, client) => {
    folder = await temporaryDirectory('root');
    await RealSubject.makeFile(folder);
    master = await RealSubject.start('master', folder, client);
    const file = await open(join(folder, 'mydb.acebase', 'data.db'), 'r+');
    try {
      const rootInFile = async () =>
        (await file.read(Buffer.alloc(6), 0, 6, ROOT_OFFSET)).buffer.readUInt16BE(4);
      const say = (recordNr: number | string) => {
        const data = { type: 'root.update', address: { path: '', pageNr: 0, recordNr } };
        master?.say(JSON.stringify({ type: 'notification', from: 'peerA', data }));
      };
      say(7);
      // Our client leaves it to the writer to write it.
      if (!client) await eventually(async () => (await rootInFile()) === 7);
      // A writer whose line broke has moved it, and nobody else knows.
      await file.write(Buffer.from([0, 0, 0, 0, 0, 9]), 0, 6, ROOT_OFFSET);
      expect(await rootInFile()).toBe(9);
      say('7');
      say(7);
      await eventually(async () => (await rootInFile()) === 7);
      for (const echo of client ? ['7'] : [7, '7', 7]) {
        expect(JSON.parse((await master.next()) ?? '').data.address.recordNr).toBe(echo);
      }
    } finally {
      await file.close();
    }
  },
);
