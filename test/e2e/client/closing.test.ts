import { AceBase } from 'acebase';
import { afterEach, expect, it } from 'vitest';
import { install, uninstall } from '../../../src/client/install.js';
import { EmbeddedServer } from '../../support/embedded-server.js';
import { removeDirectory, temporaryDirectory } from '../../support/temporary-directory.js';

/** AceBase's table of keys, as a worker's request for a key reaches it. */
interface Keys {
  readonly api: { readonly storage: { readonly KIT: { getOrAdd(key: string): number } } };
}

const ends: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

// What AceBase does not wait for found the log, or the file, closed: that ended the process.
it.each(['off', 'process', 'power'] as const)(
  'a master is closed when the keys are in the file that workers have just asked for, with the journal `%s`',
  async (journal) => {
    install({ journal });
    ends.push(uninstall);
    const path = await temporaryDirectory('closing');
    ends.push(() => removeDirectory(path));
    const server = await EmbeddedServer.start({});
    ends.push(() => server.kill());
    const open = async (): Promise<AceBase & Keys> => {
      const ipc = { host: 'localhost', port: server.port, role: 'master' } as const;
      const master = new AceBase('mydb', { logLevel: 'error', storage: { path, ipc } });
      await master.ready();
      await master.ref('a').set(1);
      return master as AceBase & Keys;
    };
    const failures: unknown[] = [];
    const note = (error: unknown) => failures.push(error);
    process.on('unhandledRejection', note);
    ends.push(() => process.off('unhandledRejection', note));
    const keysOf = ({ api: { storage } }: Keys) =>
      Array.from({ length: 60 }, (_, key) => storage.KIT.getOrAdd(`key-${key}`));
    const first = await open();
    const given = keysOf(first);
    await first.close();
    const next = await open();
    expect(keysOf(next)).toEqual(given);
    await next.close();
    await server.kill();
    expect(failures).toEqual([]);
  },
);
