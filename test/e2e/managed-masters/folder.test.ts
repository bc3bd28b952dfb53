import { createHash } from 'node:crypto';
import { readdir, readFile, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { OWNER_FILE } from '../../../src/platform/owner-record.js';
import { AceBaseProcess } from '../../support/acebase-process.js';
import { itInFull } from '../../support/in-full.js';
import { processEnded, SERVES, servingMaster } from '../../support/managed-master.js';
import { ServerProcess } from '../../support/server-process.js';
import { removeDirectory, temporaryDirectory } from '../../support/temporary-directory.js';

const WAITS = 'the master of a database waits until nobody else uses its folder';

async function folder(): Promise<string> {
  const path = await temporaryDirectory('managed');
  onTestFinished(() => removeDirectory(path));
  return path;
}

/** A server with the master of `mydb` in that folder. */
async function server(path: string, more: object = {}): Promise<ServerProcess> {
  const options = { masters: { mydb: { path, journal: 'process' } }, reconnectGrace: 1_000, ...more };
  const started = await ServerProcess.start({ options });
  onTestFinished(async () => void (await started.kill()));
  return started;
}

function worker(port: number, path: string): AceBaseProcess {
  const ipc = { host: 'localhost', port, role: 'worker' } as const;
  const started = new AceBaseProcess({ name: 'worker', database: 'mydb', path, ipc, client: true });
  onTestFinished(async () => void (await started.kill()));
  return started;
}

async function hashOf(path: string): Promise<string> {
  const content = await readFile(join(path, 'mydb.acebase', 'data.db'));
  return createHash('sha256').update(content).digest('hex');
}

describe('two servers with a master for one folder', () => {
  it('are told apart: the second says who has it, touches nothing, and serves when that one is gone', async () => {
    const path = await folder();
    const first = await server(path);
    const master = await servingMaster(first);
    const before = await hashOf(path);
    const second = await server(path);
    expect(await second.line(({ msg }) => msg === WAITS)).toMatchObject({
      level: 'warn',
      database: 'mydb',
      reason: expect.stringContaining(`process ${master}`),
    });
    expect(String((await second.line(({ msg }) => msg === WAITS))['reason'])).toContain(`:${first.port}`);
    expect(await hashOf(path)).toBe(before);
    await first.kill();
    await processEnded(master);
    // Its workers may not have noticed yet.
    await second.line(({ reason }) => String(reason).includes('may go on writing for 1 s'));
    await servingMaster(second);
    const user = worker(second.port, path);
    await user.ready();
    await user.set('a', 1);
    expect(await user.get('a')).toBe(1);
  });

  itInFull('that are started at one time: one serves', async () => {
    const path = await folder();
    const both = await Promise.all([server(path), server(path)]);
    const outcomes = await Promise.all(
      both.map(async (each) => (await each.line(({ msg }) => msg === SERVES || msg === WAITS))['msg']),
    );
    expect(outcomes.toSorted()).toEqual([SERVES, WAITS].toSorted());
  });

  itInFull(
    'one after the other: a master that the first has left behind is ended before the next begins',
    async () => {
      const path = await folder();
      const first = await server(path);
      const master = await servingMaster(first);
      // It does not hear that its server is gone.
      process.kill(master, 'SIGSTOP');
      await first.kill();
      const second = await server(path, { port: first.port });
      await servingMaster(second);
      await processEnded(master);
      expect(second.lines.filter(({ msg }) => msg === WAITS)).toEqual([]);
    },
  );

  itInFull('a server that stops leaves no record', async () => {
    const path = await folder();
    const first = await server(path);
    await servingMaster(first);
    expect(await readdir(join(path, 'mydb.acebase'))).toContain('ipc-owner.json');
    await first.stop();
    expect(
      (await readdir(join(path, 'mydb.acebase'))).filter((name) => name.startsWith('ipc-owner')),
    ).toEqual([]);
  });
});

describe('a master that was started by hand, of another server', () => {
  it('is told who has the folder, and does not open its file', async () => {
    const path = await folder();
    const first = await server(path);
    await servingMaster(first);
    const before = await hashOf(path);
    const other = await ServerProcess.start();
    onTestFinished(async () => void (await other.kill()));
    const ipc = { host: 'localhost', port: other.port, role: 'master' } as const;
    const intruder = new AceBaseProcess({ name: 'intruder', database: 'mydb', path, ipc, client: true });
    onTestFinished(async () => void (await intruder.kill()));
    await intruder.untilComplains(/IPC_CLIENT_FOLDER_IN_USE|in use by process/);
    expect(intruder.complaints).toContain(`:${first.port}`);
    await expect(intruder.set('a', 1)).rejects.toThrow('in use by process');
    expect(await hashOf(path)).toBe(before);
  });

  itInFull('is told so too if that one was started by hand', async () => {
    const path = await folder();
    const master = async (): Promise<AceBaseProcess> => {
      const its = await ServerProcess.start();
      onTestFinished(async () => void (await its.kill()));
      const ipc = { host: 'localhost', port: its.port, role: 'master' } as const;
      const started = new AceBaseProcess({ name: 'master', database: 'mydb', path, ipc, client: true });
      onTestFinished(async () => void (await started.kill()));
      return started;
    };
    const first = await master();
    await first.set('a', 1);
    const before = await hashOf(path);
    const second = await master();
    await second.untilComplains(/in use by process \d+ on .*, a master at the IPC server at localhost:\d+/);
    await expect(second.set('a', 2)).rejects.toThrow('in use by process');
    expect(await hashOf(path)).toBe(before);
    await first.close();
    expect(
      (await readdir(join(path, 'mydb.acebase'))).filter((name) => name.startsWith('ipc-owner')),
    ).toEqual([]);
    const third = await master();
    expect(await third.get('a')).toBe(1);
  });
});

describe('a process with the client and without `storage.ipc`', () => {
  const alone = (path: string): AceBaseProcess => {
    const started = new AceBaseProcess({ name: 'alone', database: 'mydb', path, client: true });
    onTestFinished(async () => void (await started.kill()));
    return started;
  };

  it('is told who has the folder, opens nothing, and has it when those have ended, however, and their workers had the time to', async () => {
    const path = await folder();
    const first = await server(path);
    const master = await servingMaster(first);
    const before = await hashOf(path);
    const intruder = alone(path);
    expect(await intruder.exited).toMatchObject({ code: 1 });
    expect(intruder.complaints).toMatch(
      /IPCError: the database mydb cannot be opened: its folder is in use by/,
    );
    expect(intruder.complaints).toContain("code: 'IPC_CLIENT_FOLDER_IN_USE'");
    expect(intruder.complaints).toContain(`process ${master}`);
    expect(await hashOf(path)).toBe(before);
    await first.kill();
    await processEnded(master);
    const early = alone(path);
    expect(await early.exited).toMatchObject({ code: 1 });
    expect(early.complaints).toMatch(
      /its workers may go on writing, as far as is known until \d+ s from now/,
    );
    const longAgo = Date.now() / 1_000 - 60;
    await utimes(join(path, 'mydb.acebase', OWNER_FILE), longAgo, longAgo);
    const user = alone(path);
    await user.set('a', 1);
    expect(await user.get('a')).toBe(1);
  });

  itInFull('is told so too if a master was started by hand', async () => {
    const path = await folder();
    const its = await ServerProcess.start();
    onTestFinished(async () => void (await its.kill()));
    const ipc = { host: 'localhost', port: its.port, role: 'master' } as const;
    const master = new AceBaseProcess({ name: 'master', database: 'mydb', path, ipc, client: true });
    onTestFinished(async () => void (await master.kill()));
    await master.set('a', 1);
    const intruder = alone(path);
    await intruder.exited;
    expect(intruder.complaints).toContain("code: 'IPC_CLIENT_FOLDER_IN_USE'");
    await master.closeAndEnd();
    expect(await alone(path).get('a')).toBe(1);
  });
});
