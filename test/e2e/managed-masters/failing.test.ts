import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import type { MasterOptions, ServerOptions } from '../../../src/index.js';
import { AceBaseProcess } from '../../support/acebase-process.js';
import { commandHere } from '../../support/command.js';
import { itInFull } from '../../support/in-full.js';
import { SERVES } from '../../support/managed-master.js';
import { serve } from '../../support/served.js';
import { statusOf } from '../../support/status.js';
import { removeDirectory, temporaryDirectory } from '../../support/temporary-directory.js';
import { within } from '../../support/waiting.js';

const FAILED = 'the master of a database could not be started, and is tried again';

async function folder(): Promise<string> {
  const path = await temporaryDirectory('managed');
  onTestFinished(() => removeDirectory(path));
  return path;
}

/** A server in this process with the master of `mydb`, whether that serves or not. */
async function served(
  master: MasterOptions,
  options: Pick<ServerOptions, 'reconnectGrace' | 'token' | 'adminToken'> = {},
) {
  const all = await serve({ stopTimeout: 5_000, masters: { mydb: master }, ...options });
  const line = (msg: string) => {
    const describe = () => all.log.lines.map((it) => JSON.stringify(it)).join('\n');
    return within(
      60_000,
      describe,
      all.log.line((it) => it['msg'] === msg),
    );
  };
  return { ...all, line };
}

async function tokenFile(path: string): Promise<string> {
  const file = join(path, 'tokens.json');
  await writeFile(file, JSON.stringify({ mydb: 'sesame' }), { mode: 0o600 });
  return file;
}

describe('a managed master that cannot open its file', () => {
  it.each<[string, (path: string) => Promise<MasterOptions>, RegExp]>([
    [
      'since the path leads to a file',
      async (path) => {
        await writeFile(join(path, 'file'), '');
        return { path: join(path, 'file', 'data') };
      },
      /ENOTDIR|not a directory/,
    ],
    [
      'since the file is none of AceBase',
      async (path) => {
        await mkdir(join(path, 'mydb.acebase'));
        await writeFile(join(path, 'mydb.acebase/data.db'), 'x'.repeat(200_000));
        return { path };
      },
      /^\/.*\/mydb\.acebase\/data\.db is not a database file that this acebase can read, .* run acebase-ipc-server check mydb --path \/\S+$/,
    ],
    [
      'since the file has lost its end',
      async (path) => {
        await mkdir(join(path, 'mydb.acebase'));
        await writeFile(join(path, 'mydb.acebase/data.db'), Buffer.alloc(100_000, 'AceBase⚡'));
        return { path };
      },
      /^\/.*\/mydb\.acebase\/data\.db is damaged: its end is missing\. Put a backup back$/,
    ],
    [
      'since the file is a directory',
      async (path) => {
        await mkdir(join(path, 'mydb.acebase/data.db'), { recursive: true });
        return { path };
      },
      /^\/.*\/mydb\.acebase\/data\.db is not a plain file$/,
    ],
    [
      'since the record of who uses it is a directory',
      async (path) => {
        await mkdir(join(path, 'mydb.acebase/ipc-owner.json'), { recursive: true });
        return { path };
      },
      /^EISDIR: .*, read: \/.*\/mydb\.acebase\/ipc-owner\.json$/,
    ],
  ])('says why, and is tried again: %s', async (_, prepare, reason) => {
    const { log, line, server } = await served(await prepare(await folder()));
    expect(await line(FAILED)).toMatchObject({
      level: 'error',
      database: 'mydb',
      exitCode: 1,
      reason: expect.stringMatching(reason),
      nextStartInMs: 0,
    });
    const started = (): number =>
      log.lines.filter(({ msg }) => msg === 'starting the master of a database').length;
    await log.line(() => started() >= 2);
    // The server itself is well.
    expect(server.isReady).toBe(true);
    await server.stop();
    expect(log.lines.filter(({ msg }) => msg === FAILED)).toHaveLength(1);
  });

  itInFull(
    'makes no file if it is not to, tells those whom it concerns, and opens one that appears',
    async () => {
      const path = await folder();
      const { line, port } = await served(
        { path, create: false },
        { token: { mydb: 'sesame', other: 'elsewhere' }, adminToken: 'everything' },
      );
      expect(await line(FAILED)).toMatchObject({
        code: 'IPC_MASTER_NO_FILE',
        reason: expect.stringContaining(join(path, 'mydb.acebase/data.db')),
        remedy: expect.stringMatching(/^Check `path`/),
      });
      await expect(readFile(join(path, 'mydb.acebase/data.db'))).rejects.toThrow('ENOENT');
      // Nobody ever connected to that database.
      for (const token of ['everything', 'sesame']) {
        const { databases, masters } = await statusOf(port, token);
        expect([databases, masters]).toMatchObject([
          [],
          [{ database: 'mydb', lastReason: expect.stringContaining('data.db') }],
        ]);
      }
      const stranger = JSON.stringify(await statusOf(port, 'elsewhere'));
      expect(stranger).not.toContain('mydb');
      const asking = ['--port', String(port), '--token-file', await tokenFile(path)];
      const doctor = await commandHere(['doctor', 'mydb', ...asking], { folder: path });
      expect([doctor.code, doctor.stdout]).toEqual([
        1,
        expect.stringMatching(
          /error +master +mydb: the server runs the master itself: .*there is no database file/,
        ),
      ]);
      const list = await commandHere(['databases', ...asking]);
      expect(list.stdout).toMatch(/^nobody is connected\nmydb: the server runs the master itself/);
      const maker = new AceBaseProcess({ name: 'maker', database: 'mydb', path });
      onTestFinished(async () => void (await maker.kill()));
      await maker.ready();
      await maker.set('a', 1);
      await maker.closeAndEnd();
      await line(SERVES);
    },
  );
});

describe('a managed master that hangs', () => {
  it('is given up, killed, and replaced', async () => {
    const path = await folder();
    const { line, log, port } = await served({ path }, { reconnectGrace: 2_000 });
    const pid = Number((await line(SERVES))['masterPid']);
    const ipc = { host: 'localhost', port, role: 'worker' } as const;
    const worker = new AceBaseProcess({ name: 'worker', database: 'mydb', path, ipc, client: true });
    onTestFinished(async () => void (await worker.kill()));
    await worker.ready();
    process.kill(pid, 'SIGSTOP');
    // It is waited for: else nobody would miss it before `heartbeatTimeout`.
    const written = worker.set('a', 1).catch((error: Error) => error);
    const ended = await line('the master of a database ended, and is started again');
    expect(ended).toMatchObject({
      masterPid: pid,
      signal: 'SIGKILL',
      reason: 'it did not connect again after the server had given it up',
    });
    await log.line(({ msg, masterPid }) => msg === SERVES && masterPid !== pid);
    await written;
    await worker.set('a', 2);
    expect(await worker.get('a')).toBe(2);
  });
});

itInFull('a server in code has workers sent away, then its master closed, when it is stopped', async () => {
  const path = await folder();
  const { line, log, server, port } = await served({ path });
  await line(SERVES);
  const ipc = { host: 'localhost', port, role: 'worker' } as const;
  const worker = new AceBaseProcess({ name: 'worker', database: 'mydb', path, ipc, client: true });
  onTestFinished(async () => void (await worker.kill()));
  await worker.ready();
  await worker.set('a', 1);
  await server.stop();
  const left = log.lines.filter(({ msg }) => msg === 'peer disconnected');
  expect(left.map(({ cause }) => cause)).toEqual(['told to come back to the next server', 'said goodbye']);
  expect(log.complaints).toEqual([]);
  const again = new AceBaseProcess({ name: 'fresh open', database: 'mydb', path });
  onTestFinished(async () => void (await again.kill()));
  await again.ready();
  expect(await again.get('a')).toBe(1);
});
