import { mkdir, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { uptime } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { LocalProcesses, MAX_CONNECTIONS_PER_LOOK, ownWords } from '../../../src/platform/local-processes.js';
import { removeDirectory, temporaryDirectory } from '../../support/temporary-directory.js';
import { VirtualClock } from '../../support/virtual-clock.js';

const SERVER_PORT = 9163;
const LIMITS = { files: 10, tableBytes: 100_000 };

let proc: string;

beforeEach(async () => {
  proc = await temporaryDirectory('proc');
  await mkdir(join(proc, 'net'));
  await writeFile(join(proc, 'net', 'tcp'), '');
  await writeFile(join(proc, 'net', 'tcp6'), '');
  await symlink(String(process.pid), join(proc, 'self'));
});

afterEach(() => removeDirectory(proc));

const hex = (port: number) => port.toString(16).toUpperCase().padStart(4, '0');

/** A line of `/proc/net/tcp`, as the kernel writes it. */
const socketLine = (own: number, other: number, inode: number, address = '0100007F') =>
  `   0: ${address}:${hex(own)} ${address}:${hex(other)} 01 00000000:00000000 00:00000000 00000000  1000        0 ${inode} 1 0000000000000000 20 4 30 10 -1\n`;

async function sockets(table: 'tcp' | 'tcp6', ...lines: string[]) {
  await writeFile(join(proc, 'net', table), `  sl  local_address rem_address   st\n${lines.join('')}`);
}

async function runs(
  pid: number,
  {
    startTime = 100,
    state = 'S',
    name = 'node',
    threads = 1,
    opens: path = '/data/mydb.acebase/data.db',
  } = {},
) {
  const fields = [state, ...Array.from({ length: 16 }, () => '0'), threads, 0, startTime, 0];
  await mkdir(join(proc, String(pid), 'fd'), { recursive: true });
  await writeFile(join(proc, String(pid), 'stat'), `${pid} (a) name)) ${fields.join(' ')}\n`);
  await rm(join(proc, String(pid), 'exe'), { force: true });
  await symlink(`/usr/bin/${name}`, join(proc, String(pid), 'exe'));
  await rm(join(proc, String(pid), 'fd', '3'), { force: true });
  await symlink(path, join(proc, String(pid), 'fd', '3'));
}

const opens = (pid: number, descriptor: number, inode: number) =>
  symlink(`socket:[${inode}]`, join(proc, String(pid), 'fd', String(descriptor)));

/** Asks for the process behind a connection from that port. */
function behind(port: number, more: object, processes: LocalProcesses, file?: string) {
  const ends = {
    localAddress: '127.0.0.1',
    localPort: SERVER_PORT,
    remoteAddress: '127.0.0.1',
    remotePort: port,
    ...more,
  };
  return processes.behind(ends, file);
}

/** A look is over when the next one, for which somebody waits, is on the clock. */
async function lookIsOver(clock: VirtualClock) {
  while (clock.pending === 0) await new Promise((resolve) => setImmediate(resolve));
}

/** Lets a look begin, and waits until it is over. */
async function lookedFor(port: number, more: object = {}, limits = LIMITS) {
  const clock = new VirtualClock();
  const processes = new LocalProcesses(clock, proc, limits);
  const found = behind(port, more, processes);
  clock.advance(1_000);
  behind(port + 1, {}, processes);
  await lookIsOver(clock);
  return found;
}

describe('the process behind a connection', () => {
  it.each(['tcp', 'tcp6'] as const)(
    'is known by its open socket (%s), and has ended when it is gone',
    async (table) => {
      await sockets(table, socketLine(40_000, SERVER_PORT, 7), socketLine(SERVER_PORT, 40_000, 8));
      await runs(1_000_001);
      await opens(1_000_001, 20, 7);
      const found = await lookedFor(40_000);
      expect([found.pid, found.hasEnded()]).toEqual([1_000_001, false]);
      // It was started one second after the machine.
      const [earliest, age = Number.NaN, latest] = [uptime(), found.age, uptime()];
      expect(age).toBeGreaterThanOrEqual(earliest * 1000 - 1_000);
      expect(age).toBeLessThanOrEqual(latest * 1000 - 1_000);
      await rm(join(proc, '1000001'), { recursive: true });
      expect(found.hasEnded()).toBe(true);
    },
  );

  it('is known among many connections, and beside one of the same ports that is over', async () => {
    const others = Array.from({ length: 5_000 }, (_, n) => socketLine(n, SERVER_PORT, n + 100));
    await sockets('tcp', ...others, socketLine(40_000, SERVER_PORT, 7), ...others);
    await sockets('tcp6', socketLine(40_000, SERVER_PORT, 0, '00000000000000000000000001000000'));
    await runs(1_000_001);
    await opens(1_000_001, 20, 7);
    expect((await lookedFor(40_000, {}, { ...LIMITS, tableBytes: 2_000_000 })).pid).toBe(1_000_001);
  });

  it.each([
    ['nobody has waited for it', { state: 'Z' }],
    ['another one has its number', { startTime: 101 }],
  ])('has ended when %s', async (_, now) => {
    await sockets('tcp', socketLine(40_000, SERVER_PORT, 7));
    await runs(1_000_001);
    await opens(1_000_001, 20, 7);
    const found = await lookedFor(40_000);
    await runs(1_000_001, now);
    expect(found.hasEnded()).toBe(true);
  });

  it.each([
    {
      why: 'is another program than those that run AceBase',
      scene: async () => {
        await sockets('tcp', socketLine(40_000, SERVER_PORT, 7));
        await runs(1_000_001, { name: 'nginx' });
        await opens(1_000_001, 20, 7);
      },
    },
    {
      why: 'has no database open, as a proxy has none',
      scene: async () => {
        await sockets('tcp', socketLine(40_000, SERVER_PORT, 7));
        await runs(1_000_001, { opens: '/data/proxy.log' });
        await opens(1_000_001, 20, 7);
      },
    },
    {
      why: 'shares the connection with another one',
      scene: async () => {
        await sockets('tcp', socketLine(40_000, SERVER_PORT, 7));
        for (const pid of [1_000_001, 1_000_002]) {
          await runs(pid);
          await opens(pid, 20, 7);
        }
      },
    },
    {
      why: 'may be one of two, by its ports',
      scene: async () => {
        await sockets('tcp', socketLine(40_000, SERVER_PORT, 7));
        await sockets('tcp6', socketLine(40_000, SERVER_PORT, 9, '00000000000000000000000001000000'));
        await runs(1_000_001);
        await opens(1_000_001, 20, 7);
      },
    },
    {
      why: 'is not on this machine',
      more: { remoteAddress: '10.0.0.1' },
      scene: async () => {
        await sockets('tcp', socketLine(40_000, SERVER_PORT, 7));
        await runs(1_000_001);
        await opens(1_000_001, 20, 7);
      },
    },
    {
      why: 'has too many files open',
      scene: async () => {
        await sockets('tcp', socketLine(40_000, SERVER_PORT, 7));
        await runs(1_000_001);
        await opens(1_000_001, LIMITS.files + 1, 7);
        for (let n = 4; n < LIMITS.files; n++) await opens(1_000_001, n, 100 + n);
        for (let n = 0; n < 3; n++) await opens(1_000_001, n, 100 + n);
      },
    },
    {
      why: 'is on a machine with too many connections',
      scene: async () => {
        const others = Array.from({ length: LIMITS.tableBytes / 100 }, (_, n) => socketLine(n, 80, n + 100));
        await sockets('tcp', socketLine(40_000, SERVER_PORT, 7), ...others);
        await runs(1_000_001);
        await opens(1_000_001, 20, 7);
      },
    },
  ])('is not known, if it $why: it is never said to have ended', async ({ scene, more = {} }) => {
    await scene();
    const found = await lookedFor(40_000, more);
    for (const pid of [1_000_001, 1_000_002])
      await rm(join(proc, String(pid)), { recursive: true, force: true });
    expect(found.hasEnded()).toBe(false);
  });

  it.each([
    { why: '/proc is gone', hide: () => rm(proc, { recursive: true }) },
    {
      why: '/proc is another one, of processes with other numbers',
      hide: async () => {
        await rm(join(proc, 'self'));
        await symlink('1', join(proc, 'self'));
        await rm(join(proc, '1000001'), { recursive: true });
      },
    },
    {
      why: '/proc is another one, and another process has its number there',
      hide: async () => {
        await rm(join(proc, 'self'));
        await symlink('1', join(proc, 'self'));
        await runs(1_000_001, { startTime: 200 });
      },
    },
    {
      why: '/proc hides it',
      // One that runs: only /proc does not have it.
      pid: process.ppid,
      hide: () => rm(join(proc, String(process.ppid)), { recursive: true }),
    },
  ])('has not ended because $why', async ({ pid = 1_000_001, hide }) => {
    await sockets('tcp', socketLine(40_000, SERVER_PORT, 7));
    await runs(pid);
    await opens(pid, 20, 7);
    const found = await lookedFor(40_000);
    expect(found.pid).toBe(pid);
    await hide();
    expect(found.hasEnded()).toBe(false);
  });

  it('has not ended while a thread of it is left, which may be writing', async () => {
    await sockets('tcp', socketLine(40_000, SERVER_PORT, 7));
    await runs(1_000_001);
    await opens(1_000_001, 20, 7);
    const found = await lookedFor(40_000);
    await runs(1_000_001, { state: 'Z', threads: 2 });
    expect(found.hasEnded()).toBe(false);
    await runs(1_000_001, { state: 'Z', threads: 1 });
    expect(found.hasEnded()).toBe(true);
  });

  it('is known when it has opened its database, later than its connection', async () => {
    await sockets('tcp', socketLine(40_000, SERVER_PORT, 7));
    await runs(1_000_001, { opens: '/dev/null' });
    await opens(1_000_001, 20, 7);
    const clock = new VirtualClock();
    const found = behind(40_000, {}, new LocalProcesses(clock, proc));
    clock.advance(1_000);
    await lookIsOver(clock);
    expect(found.pid).toBeUndefined();
    await runs(1_000_001);
    clock.advance(1_000);
    while (found.pid === undefined) await new Promise((resolve) => setImmediate(resolve));
    expect(found.pid).toBe(1_000_001);
  });

  it('has files open under the name that was asked for, and may open them later', async () => {
    const folder = join(proc, 'shop.acebase');
    await mkdir(folder);
    for (const name of ['data.db', 'transaction.db']) await writeFile(join(folder, name), '');
    await sockets('tcp', socketLine(40_000, SERVER_PORT, 7), socketLine(40_001, SERVER_PORT, 8));
    await runs(1_000_001, { opens: join(folder, 'data.db') });
    await opens(1_000_001, 20, 7);
    await opens(1_000_001, 21, 8);
    const clock = new VirtualClock();
    const processes = new LocalProcesses(clock, proc);
    const data = behind(40_000, {}, processes, 'shop.acebase/data.db');
    const log = behind(40_001, {}, processes, 'shop.acebase/transaction.db');
    expect([data.isSought, log.isSought]).toEqual([true, true]);
    clock.advance(1_000);
    while (data.isSought) await new Promise((resolve) => setImmediate(resolve));
    const { ino } = await stat(join(folder, 'data.db'), { bigint: true });
    expect(data.databaseFiles).toMatchObject([{ folder, inode: String(ino) }]);
    expect([log.pid, log.databaseFiles]).toEqual([1_000_001, []]);
    await symlink(join(folder, 'transaction.db'), join(proc, '1000001', 'fd', '4'));
    clock.advance(1_000);
    while (log.databaseFiles.length === 0) await new Promise((resolve) => setImmediate(resolve));
    expect(log.databaseFiles).toMatchObject([{ folder }]);
  });

  it('is known while another process has too many files open, and so is that of the next connection, at once', async () => {
    await sockets('tcp', socketLine(40_000, SERVER_PORT, 7), socketLine(40_001, SERVER_PORT, 8));
    for (const [pid, inode] of [
      [1_000_001, 7],
      [1_000_002, 8],
    ] as const) {
      await runs(pid);
      await opens(pid, 20, inode);
    }
    await runs(1_000_003);
    for (let n = 0; n < LIMITS.files; n++) await opens(1_000_003, 100 + n, 100 + n);
    const clock = new VirtualClock();
    const processes = new LocalProcesses(clock, proc, LIMITS);
    for (const [port, pid] of [
      [40_000, 1_000_001],
      [40_001, 1_000_002],
    ] as const) {
      const found = behind(port, {}, processes);
      clock.advance(1_000);
      while (found.isSought) await new Promise((resolve) => setImmediate(resolve));
      expect(found.pid).toBe(pid);
    }
  });

  it('is not sought where nothing is known of it', () => {
    const processes = new LocalProcesses(new VirtualClock(), proc);
    expect(behind(40_000, { remoteAddress: '10.0.0.1' }, processes).isSought).toBe(false);
  });

  it('is looked for with a bounded number of others at a time', async () => {
    const clock = new VirtualClock();
    const processes = new LocalProcesses(clock, proc);
    const ports = Array.from({ length: MAX_CONNECTIONS_PER_LOOK + 1 }, (_, index) => 40_000 + index);
    await sockets('tcp', ...ports.map((port) => socketLine(port, SERVER_PORT, port)));
    await runs(1_000_001);
    for (const port of ports) await opens(1_000_001, port, port);
    const found = ports.map((port) => behind(port, {}, processes));
    clock.advance(1_000);
    behind(1, {}, processes);
    await lookIsOver(clock);
    await rm(join(proc, '1000001'), { recursive: true });
    expect(found.filter((each) => each.hasEnded())).toHaveLength(MAX_CONNECTIONS_PER_LOOK);
  });
});

describe('a process that says which one it is [PROTOCOL-14.1]', () => {
  const BOOT = '01234567-89ab-cdef-0123-456789abcdef';
  const told = (words: string | undefined) => new LocalProcesses(new VirtualClock(), proc).told(words);

  beforeEach(async () => {
    await mkdir(join(proc, 'sys', 'kernel', 'random'), { recursive: true });
    await writeFile(join(proc, 'sys', 'kernel', 'random', 'boot_id'), `${BOOT}\n`);
    await mkdir(join(proc, String(process.pid), 'ns'), { recursive: true });
    await symlink('pid:[4026531836]', join(proc, 'self', 'ns', 'pid'));
    await runs(4_000_001, { startTime: 777 });
  });

  it('is known at once', () => {
    const process = new LocalProcesses(new VirtualClock()).told(ownWords());
    expect([process.pid, process.hasEnded()]).toEqual([globalThis.process.pid, false]);
    const found = told(`4000001.777.${BOOT}.4026531836`);
    expect([found.pid, found.hasEnded()]).toEqual([4_000_001, false]);
  });

  it.each([
    ['says nothing', undefined],
    ['says something else', '4000001'],
    ['is of another boot, or machine', '4000001.777.11111111-89ab-cdef-0123-456789abcdef.4026531836'],
    ['is numbered in another namespace', `4000001.777.${BOOT}.4026531999`],
    ['has another start than the one of that number', `4000001.778.${BOOT}.4026531836`],
    ['is not there', `4000002.777.${BOOT}.4026531836`],
  ])('is not believed if it %s', (_, words) => {
    const process = told(words);
    expect([process.pid, process.hasEnded()]).toEqual([undefined, false]);
  });
});
