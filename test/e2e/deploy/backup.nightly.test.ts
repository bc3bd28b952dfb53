import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, it, onTestFinished } from 'vitest';
import { AceBaseProcess } from '../../support/acebase-process.js';
import { Cluster } from '../../support/cluster.js';
import { exampleEnvironment } from '../../support/example.js';
import { removeDirectory, temporaryDirectory } from '../../support/temporary-directory.js';
import { WriteLoad } from '../../support/write-load.js';

const script = fileURLToPath(new URL('../../../deploy/backup/backup.cjs', import.meta.url));

let cluster: Cluster | undefined;

afterEach(() => cluster?.end());

/** Runs the backup as its first lines say. */
function backUp(target: string, port: number, path: string): Promise<string> {
  const env = exampleEnvironment({ DB_NAME: 'mydb', DB_PATH: path, ACEBASE_IPC_PORT: String(port) });
  return new Promise((resolve, reject) => {
    execFile(process.execPath, [script, target], { env }, (error, stdout, stderr) => {
      if (error === null) resolve(stdout);
      else reject(new Error(stderr));
    });
  });
}

describe.each([{ client: true }, { client: false }])(
  'a backup while the cluster writes ($client)',
  ({ client }) => {
    it('has everything that was acknowledged before, and can be opened and written; it is never written over', async () => {
      cluster = await Cluster.start();
      const [master, ...workers] = await cluster.form(2, { client });
      await master.set('items', { first: { n: 0 } });
      const target = await temporaryDirectory('backup');
      onTestFinished(() => removeDirectory(target));
      const load = new WriteLoad(workers);
      await load.progress(30);
      const before = load.acknowledged;
      expect(await backUp(target, cluster.server.port, cluster.path)).toMatch(/^copied mydb\.acebase to /m);
      await load.progress(10);
      await load.stop();

      const copy = new AceBaseProcess({ name: 'copy', database: 'mydb', path: target });
      onTestFinished(() => void copy.kill());
      await copy.ready();
      const items = await copy.get<Record<string, { n: number }>>('items');
      expect([...before].filter(([path, n]) => items[path.replace('items/', '')]?.n !== n)).toEqual([]);
      // Nothing in it is half done.
      expect(Object.values(items).filter((item) => typeof item.n !== 'number')).toEqual([]);
      await copy.set('items/later', { n: 1 });
      expect(await copy.get('items/later')).toEqual({ n: 1 });

      await expect(backUp(target, cluster.server.port, cluster.path)).rejects.toThrow(
        /mydb\.acebase exists already: name another folder for each copy/,
      );
      await master.set('items/last', { n: 2 });
      await cluster.close();
    });
  },
);
