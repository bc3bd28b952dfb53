import { fileURLToPath } from 'node:url';
import { expect, it, onTestFinished } from 'vitest';
import { AceBaseProcess } from '../../support/acebase-process.js';
import { servingMaster } from '../../support/managed-master.js';
import { ServerProcess } from '../../support/server-process.js';
import { removeDirectory, temporaryDirectory } from '../../support/temporary-directory.js';

const OTHER_MACHINE = fileURLToPath(new URL('../../support/other-machine.cjs', import.meta.url));

/** A server with the master of `mydb` in that folder, and its worker; on another machine, as far as processes can be looked at. */
async function site(path: string, isElsewhere: boolean) {
  const options = { masters: { mydb: { path } }, reconnectGrace: 1_000 };
  const env = isElsewhere ? { NODE_OPTIONS: `--require ${OTHER_MACHINE}` } : {};
  const server = await ServerProcess.start({ options, env });
  onTestFinished(async () => void (await server.kill()));
  const worker = (): AceBaseProcess => {
    const ipc = { host: 'localhost', port: server.port } as const;
    const started = new AceBaseProcess({ name: 'worker', database: 'mydb', path, ipc, client: true, env });
    onTestFinished(async () => void (await started.kill()));
    return started;
  };
  return { server, worker };
}

/** Stops a server and its master. @returns has them go on */
function stop(server: ServerProcess, master: number): () => void {
  for (const pid of [server.pid, master]) process.kill(pid, 'SIGSTOP');
  return () => {
    for (const pid of [server.pid, master]) process.kill(pid, 'SIGCONT');
  };
}

it.each([
  ['goes on there', false],
  ['is gone again', true],
])(
  'a server that was stopped while another one took its folder, which %s, gives nothing that it gave before',
  async (_which, isGone) => {
    const path = await temporaryDirectory('stopped');
    onTestFinished(() => removeDirectory(path));
    const one = await site(path, false);
    const master = await servingMaster(one.server);
    const holder = one.worker();
    await holder.ready();
    await holder.hold('held');
    const goOn = stop(one.server, master);
    const other = await site(path, true);
    await servingMaster(other.server);
    const writer = other.worker();
    await writer.ready();
    await writer.set('other', 1);
    if (isGone) {
      await writer.close();
      await other.server.kill();
    }
    const written = holder.letGo('too late');
    written.catch(() => undefined);
    goOn();
    await expect(written).rejects.toThrow(/IPC_CLIENT_|lock/);
    const reader = isGone ? holder : writer;
    await reader.set('reader', 2);
    expect(await reader.get('')).toEqual({ other: 1, reader: 2 });
  },
);
