import { describe, expect, it } from 'vitest';
import type { RemoteIPCPeer } from '../../../src/client/acebase.js';
import { isRoleLeftOut, withRole } from '../../../src/client/ipc-settings.js';
import { judgeManaged } from '../../../src/client/managed-settings.js';
import { IPCError } from '../../../src/errors.js';
import { clientLab } from '../../support/client-lab.js';

const facts = { log: false, lockTimeout: 120_000 };

function judge(ipc: object, settings: object, given: Parameters<typeof judgeManaged>[1]) {
  const complaints: string[] = [];
  const logger = { warn: () => undefined, error: (text: string) => complaints.push(text) };
  const storage = { name: 'mydb', settings: { path: '.', type: 'data', ...settings }, logger };
  // As AceBase makes it of what it is given.
  const config = Object.assign({ dbname: 'mydb_data' }, withRole(ipc));
  const peer = { config, storage, dbname: 'mydb_data' } as unknown as RemoteIPCPeer;
  const problem = judgeManaged(peer, given);
  return { problem: problem && [problem.code, problem.message], complaints };
}

describe('a role that is left out', () => {
  it('is that of a worker, and known to be left out', () => {
    const given = { port: 9163, token: 't' };
    const config = withRole(given) as { role: string };
    expect(config).toMatchObject({ port: 9163, token: 't', role: 'worker' });
    expect(isRoleLeftOut({ ...config })).toBe(true);
    expect(given).toEqual({ port: 9163, token: 't' });
    expect(withRole({ url: 'ws://host', role: undefined })).toMatchObject({ role: 'worker' });
  });

  it.each([
    [{ port: 1, role: 'master' }],
    [{ port: 1, role: 'worker' }],
    [{ host: 'x' }],
    ['socket'],
    [null],
  ])('is not what %j is', (given) => expect(withRole(given)).toBe(given));

  it('needs a server that runs the master', () => {
    expect(judge({ port: 1 }, {}, facts).problem).toBeUndefined();
    expect(judge({ port: 1 }, {}, undefined).problem).toEqual([
      'IPC_CLIENT_NO_ROLE',
      "storage.ipc has no role, and the server does not run the master of mydb. Start it with --master mydb, or give role: 'master' to one process and 'worker' to all others",
    ]);
    expect(judge({ port: 1, role: 'worker' }, {}, undefined).problem).toBeUndefined();
  });
});

describe('settings of a worker whose server runs the master', () => {
  const worker = { port: 1, role: 'worker' };

  it('must have a transaction log where that has one, and only there', () => {
    expect(judge(worker, { transactions: { log: true } }, facts).problem).toEqual([
      'IPC_CLIENT_STORAGE_DIFFERS',
      'storage.transactions.log is true here, and false at the master that the server runs: give both the same',
    ]);
    expect(judge(worker, {}, { ...facts, log: true }).problem?.[0]).toBe('IPC_CLIENT_STORAGE_DIFFERS');
    expect(judge(worker, { transactions: { log: true } }, { ...facts, log: true }).problem).toBeUndefined();
    expect(judge(worker, { type: 'transaction' }, { ...facts, log: true }).problem).toBeUndefined();
  });

  it('should have its lock timeout', () => {
    expect(judge(worker, { lockTimeout: 60 }, facts)).toEqual({
      problem: undefined,
      complaints: [
        expect.stringMatching(/^storage\.lockTimeout of mydb_data is 60 here, and 120 at the master/),
      ],
    });
    expect(judge(worker, { lockTimeout: 60 }, { ...facts, lockTimeout: 60_000 }).complaints).toEqual([]);
    expect(judge(worker, {}, facts).complaints).toEqual([]);
  });
});

describe('the first welcome', () => {
  const problem = new IPCError('IPC_CLIENT_NO_ROLE', 'there is no role');

  it('is judged once, of a worker', () => {
    const judged: unknown[] = [];
    const judge = (given: unknown) => {
      judged.push(given);
      return undefined;
    };
    const { clock, welcome, breaks } = clientLab({ session: { managed: facts }, judge });
    welcome(false, 1);
    breaks();
    clock.advance(100);
    welcome(false, 2);
    expect(judged).toEqual([facts]);
    const master = clientLab({ isMaster: true, judge });
    master.welcome(false, 1);
    expect(judged).toEqual([facts]);
  });

  it('ends a process that cannot take part, in words', async () => {
    const { client, told, welcome, settle } = clientLab({ judge: () => problem });
    welcome(false, 1);
    await settle();
    expect(told).toEqual([{ kind: 'gave up', code: 'IPC_CLIENT_NO_ROLE', reason: 'there is no role' }]);
    await expect(client.acceptance.wait()).rejects.toMatchObject({ code: 'IPC_CLIENT_NO_ROLE' });
  });
});
