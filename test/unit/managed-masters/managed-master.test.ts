import { describe, expect, it } from 'vitest';
import type { LogFields, Logger } from '../../../src/broker/ports.js';
import type { ChildEnd, ChildHandlers } from '../../../src/managed-masters/child-port.js';
import { ManagedMaster } from '../../../src/managed-masters/managed-master.js';
import type { FromChild, ToChild } from '../../../src/managed-masters/messages.js';
import { promisesSettle, VirtualClock } from '../../support/virtual-clock.js';

const KILLED: ChildEnd = { code: null, signal: 'SIGKILL' };
const ENDED = 'the master of a database ended, and is started again';
const FAILED = 'the master of a database could not be started, and is tried again';

/** One process of the master, as a test plays it. */
class PlayedChild {
  readonly sent: ToChild[] = [];
  isKilled = false;
  hasEnded = false;

  constructor(
    readonly pid: number,
    readonly handlers: ChildHandlers,
  ) {}

  says(...messages: FromChild[]): void {
    for (const message of messages) this.handlers.message(message);
  }

  serves(): void {
    this.says({ kind: 'opening' }, { kind: 'serves' });
  }

  ends(end: ChildEnd = KILLED): void {
    this.hasEnded = true;
    this.handlers.ended(end);
  }
}

function lab() {
  const clock = new VirtualClock();
  const children: PlayedChild[] = [];
  const log: { readonly level: string; readonly fields: LogFields; readonly message: string }[] = [];
  const say = (level: string) => (fields: LogFields, message: string) => {
    log.push({ level, fields, message });
  };
  const logger: Logger = {
    trace: say('trace'),
    debug: say('debug'),
    info: say('info'),
    warn: say('warn'),
    error: say('error'),
  };
  /** What was told of its folder. */
  const tenure: string[] = [];
  /** Whether each process might make the file. */
  const created: boolean[] = [];
  const master = new ManagedMaster({
    database: 'mydb',
    path: '/data',
    clock,
    logger,
    spawn: (handlers, mayCreate) => {
      created.push(mayCreate);
      expect(children.filter(({ hasEnded }) => !hasEnded)).toEqual([]);
      const child = new PlayedChild(100 + children.length, handlers);
      children.push(child);
      return {
        pid: child.pid,
        send: (message) => child.sent.push(message),
        kill: () => {
          child.isKilled = true;
        },
      };
    },
    taken: (former) => tenure.push(`taken from ${former}`),
    kept: (uptime) => tenure.push(`kept at ${uptime}`),
    lost: () => tenure.push('lost'),
  });
  /** The last process that was started. */
  const child = (): PlayedChild => {
    const last = children.at(-1);
    if (last === undefined) throw new Error('nothing was started');
    return last;
  };
  /** When the next process is started, in milliseconds from now. */
  const nextStart = (): number => {
    const [count, since] = [children.length, clock.now()];
    clock.advanceUntil(60_000, () => children.length > count);
    return clock.now() - since;
  };
  const lines = (message: string) => log.filter((line) => line.message === message);
  return { clock, children, created, child, nextStart, log, lines, master, tenure };
}

/** A master that has served for so long. */
function serving(milliseconds = 60_000) {
  const all = lab();
  all.master.start();
  all.child().serves();
  all.clock.advance(milliseconds);
  return all;
}

describe('a managed master', () => {
  it('starts one process, and says what it does', () => {
    const { master, child, children, clock, log } = lab();
    expect(master.report).toMatchObject({ state: 'idle', pid: undefined, restarts: 0 });
    master.start();
    master.start();
    expect(children).toHaveLength(1);
    expect(master.report).toMatchObject({ state: 'starting', pid: 100 });
    child().says({ kind: 'opening' });
    expect(master.report.state).toBe('opening');
    clock.advance(300);
    child().says({ kind: 'serves' }, { kind: 'vitals', rss: 3, heapUsed: 2, eventLoopDelayP99: 1 });
    expect(master.report).toMatchObject({ state: 'serving', restarts: 0, lastReason: undefined });
    expect(master.report.vitals).toMatchObject({ rss: 3, heapUsed: 2, eventLoopDelayP99: 1 });
    const fields = { database: 'mydb', masterPid: 100, path: '/data' };
    expect(log).toEqual([
      { level: 'info', fields, message: 'starting the master of a database' },
      { level: 'info', fields: { ...fields, afterMs: 300 }, message: 'managed master is ready' },
    ]);
  });

  it('passes on what its process tells of the folder, and tells it whether workers may use that yet', () => {
    const { master, child, tenure } = lab();
    master.start();
    child().says({ kind: 'waits', reason: 'it is in use' }, { kind: 'taken' }, { kind: 'kept', uptime: 7 });
    child().serves();
    expect(tenure).toEqual(['lost', 'taken from undefined', 'kept at 7']);
    void master.close(1_000, false);
    expect(child().sent).toEqual([{ kind: 'close', mayBeUsed: false }]);
  });

  it('has a file made as long as none has served: one that is gone then is missed, and not made anew', () => {
    const { created, child, nextStart, master } = lab();
    master.start();
    child().ends();
    nextStart();
    child().serves();
    child().ends();
    nextStart();
    expect(created).toEqual([true, true, false]);
  });

  it('starts the next one at once when it ends, and says why it ended', () => {
    const { master, child, children, clock, lines } = serving();
    child().ends();
    clock.advance(0);
    expect(children).toHaveLength(2);
    expect(master.report).toMatchObject({
      state: 'starting',
      restarts: 1,
      lastReason: 'it was ended by SIGKILL',
    });
    expect(lines(ENDED)).toEqual([
      {
        level: 'warn',
        fields: {
          database: 'mydb',
          masterPid: 100,
          exitCode: undefined,
          signal: 'SIGKILL',
          reason: 'it was ended by SIGKILL',
          nextStartInMs: 0,
        },
        message: ENDED,
      },
    ]);
  });

  it('waits longer and longer for processes that end early, and not once one has served', () => {
    const { child, nextStart, clock, master } = serving();
    const waits = Array.from({ length: 11 }, () => {
      child().ends();
      return nextStart();
    });
    expect(waits).toEqual([0, 250, 500, 1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000, 30_000]);
    expect(master.report.restarts).toBe(11);
    child().serves();
    clock.advance(9_999);
    child().ends();
    // Workers had been served, and wait.
    expect(nextStart()).toBe(1_000);
    child().ends();
    expect(nextStart()).toBe(30_000);
    child().serves();
    clock.advance(10_000);
    child().ends();
    expect(nextStart()).toBe(0);
  });

  it('is failed while it waits', () => {
    const { master, child } = serving();
    child().ends();
    expect(master.report).toMatchObject({ state: 'failed', pid: undefined });
  });

  it('logs a failure to start once for each reason, then each tenth time or once a minute', () => {
    const { master, child, nextStart, lines } = lab();
    master.start();
    const fail = (code: string | undefined, reason: string): void => {
      child().says({ kind: 'opening' }, { kind: 'cannot', code, reason });
      child().ends({ code: 1, signal: null });
      nextStart();
    };
    for (let turn = 0; turn < 7; turn++) fail('IPC_MASTER_NO_FILE', 'no file');
    expect(lines(FAILED)).toHaveLength(1);
    expect(lines(FAILED)[0]).toMatchObject({
      level: 'error',
      fields: {
        exitCode: 1,
        code: 'IPC_MASTER_NO_FILE',
        reason: 'no file',
        remedy: expect.stringMatching(/^Check `path`/),
        nextStartInMs: 0,
      },
    });
    for (let turn = 0; turn < 4; turn++) fail('IPC_MASTER_NO_FILE', 'no file');
    // A minute is over.
    expect(lines(FAILED).at(-1)?.fields).toMatchObject({ reason: 'no file', repeated: expect.any(Number) });
    const before = lines(FAILED).length;
    fail(undefined, 'EACCES');
    expect(lines(FAILED)).toHaveLength(before + 1);
    expect(lines(FAILED).at(-1)?.fields).not.toHaveProperty('code');
  });

  it('says why a process could not be started at all', () => {
    const { master, child } = lab();
    master.start();
    child().ends({ code: null, signal: null, error: 'spawn EAGAIN' });
    expect(master.report.lastReason).toBe('its process could not be started: spawn EAGAIN');
  });

  it('kills a process that does not come back to the server, for any of its files', () => {
    const { master, child, clock, lines } = serving();
    master.connected('mydb_data');
    child().says({ kind: 'kept', uptime: 1 });
    master.departed('mydb_data', 100);
    clock.advance(2_999);
    master.connected('mydb_data');
    clock.advance(10_000);
    expect(child().isKilled).toBe(false);
    child().says({ kind: 'kept', uptime: 2 });
    master.departed('mydb_data', 100);
    master.departed('mydb_transaction', 100);
    master.connected('mydb_data');
    clock.advance(3_000);
    expect(child().isKilled).toBe(true);
    child().ends();
    const reason = 'it did not connect again after the server had given it up';
    expect(lines(ENDED).at(-1)?.fields).toMatchObject({ signal: 'SIGKILL', reason });
  });

  it('kills one at once that is not heard either, unless it was the server that heard nothing', () => {
    const { master, child, clock } = serving();
    child().says({ kind: 'kept', uptime: 1 });
    clock.advance(11_000);
    master.departed('mydb_data', 100);
    child().says({ kind: 'kept', uptime: 2 });
    clock.advance(100);
    expect(child().isKilled).toBe(false);
    master.connected('mydb_data');
    clock.advance(11_000);
    master.departed('mydb_data', 100);
    clock.advance(99);
    expect(child().isKilled).toBe(false);
    clock.advance(1);
    expect(child().isKilled).toBe(true);
  });

  it('says since when it is as it is, what comes next, and how often that was lately', () => {
    const { master, child, clock } = serving();
    const now = clock.now();
    expect(master.report).toMatchObject({ state: 'serving', since: now - 60_000, unservedSince: undefined });
    child().ends();
    clock.advance(0);
    child().says({ kind: 'cannot', code: 'IPC_MASTER_NO_FILE', reason: 'no file' });
    child().ends({ code: 1, signal: null });
    expect(master.report).toMatchObject({
      state: 'failed',
      since: now,
      unservedSince: now,
      nextStartAt: now + 250,
      lastReason: 'no file',
      lastCode: 'IPC_MASTER_NO_FILE',
      recentRestarts: [now],
    });
    clock.advance(250);
    child().says({ kind: 'waits', reason: 'another server has it' });
    expect(master.report).toMatchObject({
      state: 'waiting',
      since: now + 250,
      unservedSince: now,
      nextStartAt: undefined,
      lastReason: 'another server has it',
    });
    clock.advance(1_000);
    child().serves();
    // What it has waited for is over; why the last one ended is still true.
    expect(master.report).toMatchObject({
      since: now + 1_250,
      unservedSince: undefined,
      lastReason: 'no file',
    });
    expect(master.report.recentRestarts).toEqual([now, now + 250]);
    clock.advance(600_000);
    expect(master.report).toMatchObject({ restarts: 2, recentRestarts: [] });
  });

  it('does not blame the next process for the last one', () => {
    const { master, child, clock } = serving();
    master.departed('mydb_data', 100);
    child().ends();
    clock.advance(0);
    expect(child().pid).toBe(101);
    // The server lets go of the last one a moment later.
    master.departed('mydb_data', 100);
    clock.advance(10_000);
    expect(child().isKilled).toBe(false);
  });

  it('says that a process takes long to open its folder, after a while and then once a minute; not while it waits for others', () => {
    const { master, child, clock, lines } = lab();
    const slow =
      'the master of a database is still opening its folder: the disk does not answer, or a file there is not a plain file';
    const advance = (seconds: number) => {
      for (let second = 0; second < seconds; second++) {
        clock.advance(1_000);
        child().says({ kind: 'vitals', rss: 1, heapUsed: 1, eventLoopDelayP99: 1 });
      }
    };
    master.start();
    child().says({ kind: 'waits', reason: 'another server has it' });
    advance(95);
    child().says({ kind: 'opening' });
    advance(9);
    expect(lines(slow)).toEqual([]);
    advance(1);
    expect(lines(slow)).toEqual([
      expect.objectContaining({
        level: 'warn',
        fields: { database: 'mydb', masterPid: 100, path: '/data', afterMs: 10_000 },
      }),
    ]);
    advance(60);
    expect(lines(slow)).toHaveLength(2);
    child().says({ kind: 'serves' });
    advance(120);
    expect(lines(slow)).toHaveLength(2);
  });

  it('kills a process that hangs before it serves, and lets one work that says how it is', () => {
    const { master, child, clock } = lab();
    master.start();
    child().says({ kind: 'opening' });
    for (let turn = 0; turn < 60; turn++) {
      clock.advance(2_000);
      child().says({ kind: 'vitals', rss: 1, heapUsed: 1, eventLoopDelayP99: 1 });
    }
    expect(child().isKilled).toBe(false);
    clock.advance(20_000);
    expect(child().isKilled).toBe(true);
  });
});

describe('a managed master that is closed', () => {
  const isClosed = async (closed: Promise<void>): Promise<boolean> => {
    let isDone = false;
    void closed.then(() => {
      isDone = true;
    });
    await promisesSettle();
    return isDone;
  };

  it('asks its process to close, waits for its end, and starts no other', async () => {
    const { master, child, children, clock, log } = serving();
    const closed = master.close();
    expect(child().sent).toEqual([{ kind: 'close', mayBeUsed: true }]);
    expect(master.report.state).toBe('closing');
    master.departed('mydb_data', 100);
    child().says({ kind: 'closed', problem: undefined });
    expect(await isClosed(closed)).toBe(false);
    child().ends({ code: 0, signal: null });
    expect(await isClosed(closed)).toBe(true);
    expect(master.report).toMatchObject({ state: 'closed', pid: undefined });
    expect(clock.pending).toBe(0);
    clock.advance(100_000);
    expect(children).toHaveLength(1);
    expect(log.filter(({ level }) => level !== 'info')).toEqual([]);
  });

  it('kills one that takes too long, and says so; of two times the shorter counts', async () => {
    const { master, child, clock, log } = serving();
    const closed = master.close();
    clock.advance(100);
    void master.close(400);
    clock.advance(399);
    expect(child().isKilled).toBe(false);
    clock.advance(1);
    expect(child().isKilled).toBe(true);
    child().ends();
    expect(await isClosed(closed)).toBe(true);
    expect(clock.pending).toBe(0);
    expect(log.at(-1)).toMatchObject({
      level: 'warn',
      fields: { signal: 'SIGKILL', reason: 'it did not close its database in time' },
      message: 'the master of a database ended without having closed it',
    });
  });

  it('does not wait for ever for one that even the system cannot end', async () => {
    const { master, clock } = serving();
    const closed = master.close();
    clock.advance(3_999);
    expect(await isClosed(closed)).toBe(false);
    clock.advance(1);
    expect(await isClosed(closed)).toBe(true);
  });

  it('says what its process could not close', async () => {
    const { master, child, log } = serving();
    const closed = master.close();
    child().says({ kind: 'closed', problem: 'its locks were not given back in time' });
    child().ends({ code: 0, signal: null });
    expect(await isClosed(closed)).toBe(true);
    expect(log.at(-1)?.fields).toMatchObject({ reason: 'its locks were not given back in time' });
  });

  it('is closed at once where there is no process', async () => {
    expect(await isClosed(lab().master.close())).toBe(true);
    const { master, child, children, clock } = serving();
    child().ends();
    expect(await isClosed(master.close())).toBe(true);
    clock.advance(100_000);
    expect(children).toHaveLength(1);
    master.start();
    expect(children).toHaveLength(1);
  });
});
