import { spawn } from 'node:child_process';
import { once } from 'node:events';
import fsSync, { readdirSync, writeFileSync } from 'node:fs';
import fs, {
  cp,
  mkdir,
  readdir,
  readFile,
  readlink,
  rename,
  rm,
  stat,
  symlink,
  utimes,
  writeFile,
} from 'node:fs/promises';
import { syncBuiltinESMExports } from 'node:module';
import { hostname } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest';
import { FolderOwner } from '../../../src/platform/folder-owner.js';
import { FolderWatch, userAtOnce } from '../../../src/platform/folder-watch.js';
import { ownWords, stateOfProcess } from '../../../src/platform/local-processes.js';
import {
  ageOf,
  type FolderServer,
  OWNER_FILE,
  type OwnerRecord,
  RENEWAL_MS,
  replaceRecord,
} from '../../../src/platform/owner-record.js';
import { removeDirectory, temporaryDirectory } from '../../support/temporary-directory.js';
import { VirtualClock } from '../../support/virtual-clock.js';
import { eventually } from '../../support/waiting.js';

const GRACE = 11_000;
/** 1.1 of that, and two renewals. */
const STANDS_FOR = 17_100;

let folder: string;
let clock: VirtualClock;

beforeEach(async () => {
  folder = await temporaryDirectory('owner');
  clock = new VirtualClock();
});

afterEach(async () => {
  openWith(open);
  await removeDirectory(folder);
});

const { open } = fs;

/** Has files opened with something else. */
function openWith(other: typeof fs.open): void {
  Object.assign(fs, { open: other });
  syncBuiltinESMExports();
}

/** Has the disk hang. @returns lets it go on */
function hangingDisk(): () => Promise<void> {
  let goOn: () => void = () => undefined;
  const answer = new Promise<void>((resolve) => {
    goOn = resolve;
  });
  const calls: Promise<unknown>[] = [];
  openWith((...details) => {
    const call = answer.then(() => open(...details));
    calls.push(call);
    return call;
  });
  return async () => {
    goOn();
    await Promise.allSettled(calls);
  };
}

/** What a process of another machine says of itself. */
const elsewhere = (pid: number) => `${pid}.5.00000000-0000-0000-0000-000000000000.1`;
/** One of this machine that has ended: no process has such a number. */
const ended = (): string => (ownWords() ?? '').replace(/^\d+/, '4194305');

const serverAt = (url: string, id = '') => ({ id, process: null, urls: [url] });

/** What the process of that number says of itself. */
async function wordsOf(pid: number | undefined): Promise<string> {
  const text = await readFile(`/proc/${pid}/stat`, 'latin1');
  const startTime = text.slice(text.lastIndexOf(')') + 2).split(' ')[19];
  return (ownWords() ?? '').replace(/^\d+\.\d+/, `${pid}.${startTime}`);
}

function owner(
  name = 'one',
  more: Partial<FolderServer> = {},
  grace = GRACE,
  isManaged = true,
  isKept?: () => void,
  database?: string,
) {
  const state = { mayRenew: true };
  const losses: string[] = [];
  const tenure: string[] = [];
  const server = { id: name, process: ownWords() ?? null, urls: [`http://${name}:9163`], ...more };
  const settings = {
    folder,
    server,
    isManaged,
    grace,
    ...(isManaged ? {} : { workersGrace: 0 }),
    ...(database !== undefined && { database }),
    clock,
    taken: (former: string | undefined) => void tenure.push(`from ${former}`),
    kept: (uptime: number) => {
      tenure.push(`kept at ${uptime}`);
      isKept?.();
    },
    lost: (why: string) => losses.push(`${name}: ${why}`),
  };
  const its = new FolderOwner({ ...settings, mayRenew: () => state.mayRenew });
  const owned = {
    obstacle: () => its.claim(),
    claim: async () => (await its.claim())?.reason,
    release: (mayBeUsed?: boolean) => its.release(mayBeUsed),
    suspend: () => its.suspend(),
    resume: () => its.resume(),
  };
  return { losses, tenure, state, owner: owned };
}

async function record(): Promise<OwnerRecord> {
  return JSON.parse(await readFile(join(folder, OWNER_FILE), 'utf8')) as OwnerRecord;
}

/** Leaves a record there, as somebody else would. */
async function left(changes: {
  readonly process?: string | null;
  readonly server?: string | null;
  readonly serverId?: string;
  readonly url?: string;
  readonly host?: string;
  readonly isManaged?: boolean;
  readonly grace?: number;
  readonly hasLeft?: boolean;
  readonly database?: string;
  beat?: number;
}) {
  const { process = ended(), server = ended(), serverId = 'other', beat = 0 } = changes;
  const {
    url = 'http://other:9163',
    host = 'far',
    isManaged = true,
    grace = GRACE,
    hasLeft = false,
  } = changes;
  const whole: Omit<OwnerRecord, 'file'> = {
    version: 1,
    isManaged,
    id: 'other',
    process,
    pid: 7,
    host,
    server: { id: serverId, process: server, urls: [url] },
    standsFor: STANDS_FOR,
    grace,
    beat,
    hasLeft,
    ...(changes.database !== undefined && { database: changes.database }),
  };
  await writeFile(join(folder, OWNER_FILE), '');
  const { dev, ino } = await stat(join(folder, OWNER_FILE));
  await writeFile(join(folder, OWNER_FILE), JSON.stringify({ ...whole, file: `${dev}:${ino}` }));
}

/** Lets the next renewal happen, and waits for what it reads and writes. */
async function renewal(isOver: () => boolean | Promise<boolean>): Promise<void> {
  clock.advance(2_500);
  await eventually(isOver, { interval: 5 });
}

const IN_USE = 'its folder is in use by process 7 on far, the master of the IPC server at http://other:9163';

describe('the folder of a managed master', () => {
  it('is taken, kept, and given back', async () => {
    const { owner: one, losses, tenure } = owner();
    expect(await one.claim()).toBeUndefined();
    expect(await record()).toMatchObject({ version: 1, pid: process.pid, standsFor: STANDS_FOR, beat: 0 });
    await renewal(() => tenure.length === 3);
    await renewal(() => tenure.length === 4);
    expect((await record()).beat).toBe(2);
    await one.release();
    expect(await readdir(folder)).toEqual([]);
    expect([losses, clock.pending]).toEqual([[], 0]);
  });

  it('is refused to a second server that runs on this machine, which is told whose it is', async () => {
    const one = owner();
    await one.owner.claim();
    const two = owner('two');
    expect(await two.owner.claim()).toMatch(
      /^its folder is in use by process \d+ on .+, the master of the IPC server at http:\/\/one:9163$/,
    );
    clock.advance(100_000);
    expect(await two.owner.claim()).toBeDefined();
    await one.owner.release();
    expect(await two.owner.claim()).toBeUndefined();
    await two.owner.release();
  });

  it('is free at once for the next process of the same server, and for the next server at the same place', async () => {
    await left({ serverId: 'one' });
    const one = owner();
    expect(await one.owner.claim()).toBeUndefined();
    expect(one.tenure).toEqual(['from one', `kept at ${clock.uptime()}`]);
    await left({ url: 'http://next:9163', host: hostname() });
    const next = owner('next');
    expect(await next.owner.claim()).toBeUndefined();
    expect(next.tenure[0]).toBe('from other');
    expect((await record()).server.id).toBe('next');
    expect(await readdir(folder)).toEqual([OWNER_FILE]);
    await next.owner.release();
    expect(await readdir(folder)).toEqual([]);
  });

  it('is free for another server when the workers of the one that has ended must have noticed that; and what they may come back to, is told', async () => {
    await left({});
    const { owner: next, tenure } = owner('next');
    expect(await next.claim()).toBe(
      'the IPC server at http://other:9163 on far has ended, and its workers may go on writing for 11 s',
    );
    clock.advance(GRACE - 1);
    expect(await next.claim()).toBeDefined();
    clock.advance(1);
    expect(await next.claim()).toBeUndefined();
    expect(tenure).toEqual(['from other', `kept at ${clock.uptime()}`]);
    await next.release();
    expect((await record()).server.id).toBe('next');
  });

  it.each(['localhost:9163', 'http://127.0.0.1:9163', 'https://[::1]:9163', 'ws://0.0.0.0:9163'])(
    'is free at once where the former server was, however its address is written: %s',
    async (url) => {
      await left({ url, host: hostname(), isManaged: false, grace: 120_000 });
      const urls = ['http://127.0.0.1:9163', 'http://[::1]:9163'];
      const { owner: next } = owner('next', { urls });
      expect(await next.claim()).toBeUndefined();
      await next.release();
      await left({ url: url.replace('9163', '9164'), host: hostname(), isManaged: false, grace: 120_000 });
      expect(await owner('next', { urls }).owner.claim()).toMatch(/ may go on writing for 120 s$/);
    },
  );

  it('is free for another server when the workers of a master that was started by hand have ended what they had begun', async () => {
    await left({ isManaged: false, grace: 120_000 });
    const { owner: next } = owner('next');
    expect(await next.claim()).toBe(
      'the master of the IPC server at http://other:9163 on far has ended, and its workers may go on writing for 120 s',
    );
    clock.advance(120_000);
    expect(await next.claim()).toBeUndefined();
    await next.release();
  });

  it('is free as late where it cannot be seen that such a master has ended', async () => {
    await left({ process: elsewhere(7), server: elsewhere(6), isManaged: false, grace: 120_000 });
    const { owner: next } = owner('next');
    expect(await next.claim()).toContain('its folder is in use by');
    clock.advance(124_999);
    expect(await next.claim()).toContain('its folder is in use by');
    clock.advance(1);
    expect(await next.claim()).toBeUndefined();
    next.release();
  });

  it('keeps its record when it is given back while workers may be in the midst of something', async () => {
    const { owner: one, losses } = owner();
    await one.claim();
    await one.release(true);
    expect(await record()).toMatchObject({ server: { id: 'one' }, grace: GRACE });
    expect([losses, clock.pending]).toEqual([[], 0]);
  });

  it('tells of each renewal when it was begun', async () => {
    const { owner: one, tenure } = owner();
    await one.claim();
    const claimedAt = clock.uptime();
    await renewal(() => tenure.length === 3);
    expect(tenure).toEqual(['from undefined', `kept at ${claimedAt}`, `kept at ${claimedAt + RENEWAL_MS}`]);
    await one.release();
  });

  it('is not free for the master of another database of the same server, which has it under another name', async () => {
    await owner().owner.claim();
    expect(await owner().owner.claim()).toBe('its folder is that of another database of this server, too');
  });

  it('says what is in the way where that is no record', async () => {
    await symlink('nowhere', join(folder, OWNER_FILE));
    await expect(owner().owner.claim()).rejects.toThrow(`${OWNER_FILE} is in the way, and cannot be read`);
  });

  it('is taken after a while where a record lacks what it is read for', async () => {
    await writeFile(join(folder, OWNER_FILE), '{"version":1,"id":"x","server":{"id":"y"}}');
    const { owner: next } = owner();
    expect(await next.claim()).toContain('a record that cannot be read');
    clock.advance(STANDS_FOR);
    expect(await next.claim()).toBeUndefined();
  });

  it('is kept by a record that is written over: on a full disk, there is no room for another one', async () => {
    const { owner: own, losses } = owner();
    await own.claim();
    const { ino } = await stat(join(folder, OWNER_FILE));
    await renewal(async () => (await record()).beat === 1);
    expect([(await stat(join(folder, OWNER_FILE))).ino, await readdir(folder)]).toEqual([ino, [OWNER_FILE]]);
    await rm(join(folder, OWNER_FILE));
    await renewal(() => losses.length > 0);
    expect(losses).toEqual(['one: its folder, or the record of who uses it, was removed']);
  });

  it('is free when a master has ended that its server has left behind: it is killed', async () => {
    const program = join(folder, 'managed-master.cjs');
    await writeFile(program, 'setInterval(() => 0, 1000)');
    const child = spawn(process.execPath, [program], { stdio: 'ignore' });
    onTestFinished(() => void child.kill('SIGKILL'));
    const exited = once(child, 'exit');
    await once(child, 'spawn');
    const words = await wordsOf(child.pid);
    await left({ process: words, url: 'http://one:9163', host: hostname() });
    const claimed = owner().owner.claim();
    await eventually(() => {
      clock.advance(20);
      return child.signalCode === 'SIGKILL';
    });
    await exited;
    const isClaimed = claimed.then((obstacle) => obstacle === undefined);
    let isOver = false;
    void isClaimed.then(() => {
      isOver = true;
    });
    await eventually(() => {
      clock.advance(20);
      return isOver;
    });
    expect(await isClaimed).toBe(true);
  });

  // Whoever may write in the folder could have a server that runs as root kill what he likes.
  it('is in use by what a record names that is no master of a server: that is not killed', async () => {
    const child = spawn(process.execPath, ['-e', 'setInterval(() => 0, 1000)', 'managed-master'], {
      stdio: 'ignore',
    });
    onTestFinished(() => void child.kill('SIGKILL'));
    await once(child, 'spawn');
    await left({ process: await wordsOf(child.pid), url: 'http://one:9163', host: hostname() });
    expect(await owner().owner.obstacle()).toMatchObject({ isInUse: true });
    expect(await stateOfProcess(await wordsOf(child.pid))).toBe('runs');
  });

  it('is free after a while where the master has ended, and the process of its server goes on without another one', async () => {
    await left({ server: ownWords() ?? null });
    const { owner: one } = owner();
    expect(await one.claim()).toBe(IN_USE);
    clock.advance(STANDS_FOR);
    expect(await one.claim()).toBeUndefined();
  });

  it('of another machine is free when its record has stood still for long enough', async () => {
    await left({ process: elsewhere(7), server: elsewhere(6) });
    const { owner: one } = owner();
    expect(await one.claim()).toBe(IN_USE);
    clock.advance(STANDS_FOR - 1);
    expect(await one.claim()).toBe(IN_USE);
    await left({ process: elsewhere(7), server: elsewhere(6), beat: 1 });
    clock.advance(1);
    expect(await one.claim()).toBe(IN_USE);
    clock.advance(STANDS_FOR);
    expect(await one.claim()).toBeUndefined();
  });

  it('is free later where the record is not whole', async () => {
    await writeFile(join(folder, OWNER_FILE), '{"version":1,');
    const { owner: one } = owner();
    expect(await one.claim()).toMatch(/^it has a record that cannot be read: .*ipc-owner\.json$/);
    clock.advance(STANDS_FOR);
    expect(await one.claim()).toBeUndefined();
  });

  it('is taken by one of two that try at one time', async () => {
    for (let turn = 0; turn < 20; turn++) {
      await left({ serverId: 'a' });
      const all = [owner('a'), owner('a'), owner('a')];
      const obstacles = await Promise.all(all.map((each) => each.owner.claim()));
      expect(obstacles.filter((obstacle) => obstacle === undefined)).toHaveLength(1);
      expect(await readdir(folder)).toEqual([OWNER_FILE]);
      await Promise.all(all.map((each) => each.owner.release()));
      await rm(join(folder, OWNER_FILE), { force: true });
    }
  });

  it('is lost if somebody else has a record there, or removes it', async () => {
    const one = owner();
    await one.owner.claim();
    await left({});
    await renewal(() => one.losses.length > 0);
    // It is not its own to give back.
    await one.owner.release();
    expect((await record()).id).toBe('other');
    await rm(join(folder, OWNER_FILE));
    const two = owner('two');
    await two.owner.claim();
    await rm(join(folder, OWNER_FILE));
    await renewal(() => two.losses.length > 0);
  });

  it('is lost if it cannot be renewed for as long as others wait', async () => {
    const { owner: one, losses } = owner();
    await one.claim();
    await rm(join(folder, OWNER_FILE));
    // Nothing can be read there.
    await mkdir(join(folder, OWNER_FILE));
    // The next renewal, and the deadline.
    for (let turn = 0; turn < 5; turn++) await renewal(() => clock.pending === 2);
    clock.advance(2_499);
    expect(losses).toEqual([]);
    clock.advance(1);
    expect(losses).toEqual([
      expect.stringMatching(/^one: it could not be noted in time that its folder is in use: EISDIR/),
    ]);
    expect(clock.pending).toBe(0);
  });

  it('is kept by who need not be waited for: it is renewed before anybody could take it', async () => {
    const { owner: one, losses } = owner('one', {}, 0);
    await one.claim();
    clock.advance(RENEWAL_MS - 1);
    expect(losses).toEqual([]);
    await one.release();
  });

  it('is lost in time where a renewal hangs, and once', async () => {
    const { owner: one, losses } = owner();
    await one.claim();
    const letGo = hangingDisk();
    clock.advance(4_000 + GRACE - 1);
    expect(losses).toEqual([]);
    clock.advance(1);
    expect(losses).toEqual([
      'one: it could not be noted in time that its folder is in use: the process was stopped or busy, or the disk does not answer',
    ]);
    await left({});
    await letGo();
    await one.release();
    expect([losses.length, clock.pending, (await record()).id]).toEqual([1, 0, 'other']);
  });

  it('is lost at once when a renewal has hung on its way to the disk, and others have taken it meanwhile', async () => {
    const { owner: one, losses } = owner();
    await one.claim();
    openWith(async (...details) => {
      const handle = await open(...details);
      const write: unknown = handle.write.bind(handle);
      handle.write = async (...what: unknown[]) => {
        await rm(join(folder, OWNER_FILE));
        await left({});
        return Reflect.apply(write as () => never, undefined, what);
      };
      return handle;
    });
    await renewal(() => losses.length > 0);
    expect(losses).toEqual(['one: its folder was taken by another process']);
    expect((await record()).id).toBe('other');
  });

  it('is free at once when there is room again on a disk that was full', async () => {
    openWith(async (...details) => {
      const handle = await open(...details);
      handle.writeFile = async () => {
        throw Object.assign(new Error('ENOSPC: no space left on device, write'), { code: 'ENOSPC' });
      };
      return handle;
    });
    await expect(owner().owner.claim()).rejects.toThrow('ENOSPC');
    expect(await readdir(folder)).toEqual([]);
    openWith(open);
    expect(await owner().owner.claim()).toBeUndefined();
  });
});

describe('the folder of a master that no server runs', () => {
  const byHand = (name: string, kept?: () => void) => owner(name, {}, 20_000, false, kept);
  /** 1.1 of that, and two renewals. */
  const HAND_STANDS_FOR = 27_000;

  it('is taken at once from one that was at the same run of the server, which judges of both', async () => {
    const [first, second] = [byHand('one'), byHand('one')];
    await first.owner.claim();
    expect(await record()).toMatchObject({ isManaged: false, grace: 0, standsFor: HAND_STANDS_FOR });
    expect(await second.owner.claim()).toBeUndefined();
    await renewal(() => first.losses.length > 0);
    expect(first.losses).toEqual(['one: its folder was taken by another process']);
    await second.owner.release();
    expect(await readdir(folder)).toEqual([]);
  });

  // The server lets in one master of each name, and knows nothing of their folders: by ipc.dbname, or a symbolic link.
  it('is not taken from one that is at the same run of the server by another name', async () => {
    const [first, second] = ['one_data', 'two_data'].map((name) =>
      owner('one', {}, 20_000, false, undefined, name),
    );
    await first?.owner.claim();
    expect(await second?.owner.obstacle()).toMatchObject({ isInUse: false });
    await renewal(async () => (await record()).beat === 1);
    expect(await second?.owner.obstacle()).toMatchObject({ isInUse: true });
    expect(first?.losses).toEqual([]);
    first?.owner.release();
  });

  it('nor as soon as that has ended: its workers go on at the server under the other name', async () => {
    const more = { host: hostname(), isManaged: false, grace: 120_000, url: 'http://one:9163' };
    await left({ ...more, database: 'one_data' });
    const byName = (name: string) => owner('one', {}, 20_000, false, undefined, name).owner;
    const next = byName('two_data');
    expect(await next.claim()).toMatch(/ may go on writing for 120 s$/);
    clock.advance(120_000);
    expect(await next.claim()).toBeUndefined();
    next.release();
    await left({ ...more, database: 'one_data' });
    expect(await byName('one_data').claim()).toBeUndefined();
  });

  it('is taken from no other one while that renews its record, wherever it says that its server is', async () => {
    const first = byHand('one');
    await first.owner.claim();
    const words = new RegExp(
      `^its folder is in use by process ${process.pid} on .+, a master at the IPC server at`,
    );
    // The same address may be another server's, in another network.
    const others = [
      byHand('two'),
      owner('managed'),
      owner('run-2', { urls: ['http://one:9163'] }, 20_000, false),
    ];
    for (const { owner: other } of others) {
      const obstacle = await other.obstacle();
      expect([obstacle?.reason, obstacle?.isInUse]).toEqual([expect.stringMatching(words), false]);
    }
    await renewal(async () => (await record()).beat === 1);
    for (const { owner: other } of others) expect(await other.obstacle()).toMatchObject({ isInUse: true });
    await first.owner.release();
    for (const { owner: other } of others.slice(0, 1)) expect(await other.claim()).toBeUndefined();
  });

  it('is free when the one that had it has been given up, and goes on without renewing its record', async () => {
    const [first, second] = [byHand('one'), byHand('two')];
    await first.owner.claim();
    await renewal(async () => (await record()).beat === 1);
    first.state.mayRenew = false;
    expect(await second.owner.claim()).toBeDefined();
    for (let waited = 0; waited < HAND_STANDS_FOR - 250; waited += 250) {
      clock.advance(250);
      expect(await second.owner.claim()).toBeDefined();
    }
    clock.advance(250);
    expect(await second.owner.claim()).toBeUndefined();
    first.state.mayRenew = true;
    await renewal(() => first.losses.length > 0);
    expect(first.losses).toEqual(['one: its folder was taken by another process']);
    await second.owner.release();
  });

  it('is not renewed while its master has lost its place, and goes on where nobody has taken it', async () => {
    const { owner: one, losses, tenure } = byHand('one');
    await one.claim();
    one.suspend();
    clock.advance(5_000);
    expect((await record()).beat).toBe(0);
    expect(await one.resume()).toBe(true);
    expect((await record()).beat).toBe(1);
    expect(tenure.at(-1)).toBe(`kept at ${clock.uptime()}`);
    await renewal(async () => (await record()).beat === 2);
    one.suspend();
    await left({});
    expect(await one.resume()).toBe(false);
    await rm(join(folder, OWNER_FILE));
    expect(await one.resume()).toBe(false);
    clock.advance(5_000);
    expect(losses).toEqual([]);
    await one.release();
  });

  it('is not kept by a renewal that hung when its master lost its place', async () => {
    const { owner: one, losses, tenure } = byHand('one');
    await one.claim();
    const goOn = hangingDisk();
    clock.advance(2_500);
    openWith(open);
    one.suspend();
    clock.advance(5_000);
    expect(await one.resume()).toBe(true);
    const kept = [...tenure];
    await goOn();
    await eventually(async () => (await record()).beat > 0, { interval: 5 });
    expect([tenure, losses, clock.pending]).toEqual([kept, [], 1]);
    one.release();
    expect(clock.pending).toBe(0);
  });

  it('keeps its record when it is given back while the workers of the server that had it before may come back', async () => {
    await left({ url: 'http://elsewhere:9163' });
    const { owner: one } = byHand('one');
    await one.claim();
    clock.advance(GRACE);
    expect(await one.claim()).toBeUndefined();
    one.release();
    expect(await record()).toMatchObject({ server: { id: 'one' }, hasLeft: true });
  });

  it('says still that its master has left when a renewal ends that was under way', async () => {
    const { owner: one } = byHand('one');
    await one.claim();
    let goOn: () => void = () => undefined;
    const answer = new Promise<void>((resolve) => {
      goOn = resolve;
    });
    const isClosed = new Promise<void>((resolve) => {
      openWith(async (...details) => {
        await answer;
        const file = await open(...details);
        const close = file.close.bind(file);
        return Object.assign(file, { close: () => close().finally(resolve) });
      });
    });
    clock.advance(RENEWAL_MS);
    one.release(true);
    expect(await record()).toMatchObject({ hasLeft: true });
    goOn();
    await isClosed;
    expect(await record()).toMatchObject({ hasLeft: true });
  });

  it('and when that was on its way to the file already', async () => {
    const { owner: one } = byHand('one');
    await one.claim();
    let isOver: () => void = () => undefined;
    const over = new Promise<void>((resolve) => {
      isOver = resolve;
    });
    openWith(async (...details) => {
      const file = await open(...details);
      const [write, close] = [file.write.bind(file), file.close.bind(file)];
      return Object.assign(file, {
        write: (text: string, position: number) => {
          one.release(true);
          return write(text, position);
        },
        close: () => close().finally(isOver),
      });
    });
    clock.advance(RENEWAL_MS);
    await over;
    await eventually(async () => (await record()).hasLeft === true, { interval: 5 });
  });

  it('is renewed whatever is done when it is kept', async () => {
    const { owner: one } = byHand('one', () => {
      throw new Error('what the program does then');
    });
    await expect(one.claim()).rejects.toThrow('what the program does then');
    await expect(one.resume()).rejects.toThrow('what the program does then');
    expect(clock.pending).toBe(1);
    one.release();
  });

  it('is left as it was where its record cannot be closed: there may be no room for it', async () => {
    openWith(async (...details) => {
      const file = await open(...details);
      const { close } = file;
      file.close = async () => {
        await close.call(file);
        throw Object.assign(new Error('ENOSPC: no space left on device'), { code: 'ENOSPC' });
      };
      return file;
    });
    await expect(byHand('one').owner.claim()).rejects.toMatchObject({ code: 'ENOSPC' });
    expect(await readdir(folder)).toEqual([]);
  });

  it('is renewed soon when its master is in touch again', async () => {
    const { owner: one, state, tenure } = byHand('one');
    await one.claim();
    state.mayRenew = false;
    clock.advance(5_000);
    expect((await record()).beat).toBe(0);
    state.mayRenew = true;
    clock.advance(250);
    await eventually(() => tenure.length === 3, { interval: 5 });
    expect(tenure[2]).toBe(`kept at ${clock.uptime()}`);
    await one.release();
  });

  it('is taken for in use where a record of another machine is renewed, and is free where it stands still', async () => {
    const { owner: one } = byHand('one');
    const far = { process: elsewhere(7), server: elsewhere(6) };
    await left(far);
    expect(await one.obstacle()).toEqual({ reason: IN_USE, isInUse: false });
    clock.advance(STANDS_FOR - 1);
    await left({ ...far, beat: 1 });
    expect(await one.obstacle()).toEqual({ reason: IN_USE, isInUse: true });
    clock.advance(STANDS_FOR);
    expect(await one.obstacle()).toBeUndefined();
    await one.release();
  });

  it('is not taken from a managed master whose server runs, or which its server has left behind', async () => {
    const words = await wordsOf(process.ppid);
    await left({ process: words, server: words });
    expect(await byHand('one').owner.obstacle()).toEqual({ reason: IN_USE, isInUse: true });
    await left({ process: words });
    expect(await byHand('one').owner.obstacle()).toEqual({ reason: IN_USE, isInUse: true });
  });

  it('is not taken for free where the system does not say which processes run', async () => {
    const proc = await temporaryDirectory('proc');
    onTestFinished(() => removeDirectory(proc));
    await symlink('4026531836', join(proc, 'self'));
    // Without a boot, nothing is known of anybody.
    await left({ server: ownWords() ?? null });
    const settings = { server: serverAt('http://one:9163'), isManaged: false, grace: 20_000, clock };
    const nothing = () => undefined;
    const one = new FolderOwner({
      ...settings,
      folder,
      procPath: proc,
      taken: nothing,
      kept: nothing,
      lost: nothing,
    });
    expect(await one.claim()).toMatchObject({ isInUse: false });
  });

  it('is kept for as long as its process lives, however long the disk hangs', async () => {
    const { owner: one, losses } = byHand('one');
    await one.claim();
    const letGo = hangingDisk();
    clock.advance(60_000);
    expect(losses).toEqual([]);
    await letGo();
    await eventually(async () => (await record()).beat > 0);
    one.release();
    expect([losses, clock.pending]).toEqual([[], 0]);
  });

  it("is free at once when its process has ended: what workers do then is their server's", async () => {
    await left({ isManaged: false, grace: 0 });
    expect(await byHand('two').owner.claim()).toBeUndefined();
  });
});

describe('a master that is started again by its server', () => {
  it('leaves the folder to nobody meanwhile: its record is there until the next one is', async () => {
    await left({ serverId: 'one', server: ownWords() ?? null });
    const letGo = hangingDisk();
    const next = owner('one');
    const claim = next.owner.claim();
    await Promise.resolve();
    expect((await record()).id).toBe('other');
    const other = new FolderWatch(folder, clock);
    expect(other.isInUseAt(serverAt('http://other:9163', 'one'))).toBe(true);
    await letGo();
    expect(await claim).toBeUndefined();
    expect([await readdir(folder), (await record()).server.id]).toEqual([[OWNER_FILE], 'one']);
    await next.owner.release();
  });

  it('leaves the old record there if the new one cannot be written, and says which file it is, in the same words each time', async () => {
    await left({ serverId: 'one', server: ownWords() ?? null });
    openWith(async (path, flags) => {
      if (flags === 'wx') throw Object.assign(new Error(`ENOSPC: ${String(path)}`), { code: 'ENOSPC' });
      return await open(path, flags);
    });
    const next = owner('one');
    for (let times = 0; times < 2; times++)
      await expect(next.owner.claim()).rejects.toThrow(`ENOSPC: ${join(folder, OWNER_FILE)}`);
    expect((await record()).id).toBe('other');
  });
});

it('a process of another user that has got the number of one in the record is not taken for that one', async () => {
  const proc = await temporaryDirectory('proc');
  onTestFinished(() => removeDirectory(proc));
  const copied = async (name: string): Promise<void> => {
    await mkdir(dirname(join(proc, name)), { recursive: true });
    await writeFile(join(proc, name), await readFile(join('/proc', name)));
  };
  await copied('sys/kernel/random/boot_id');
  await mkdir(join(proc, `${process.pid}/ns`), { recursive: true });
  await symlink(String(process.pid), join(proc, 'self'));
  await symlink(await readlink('/proc/self/ns/pid'), join(proc, 'self/ns/pid'));
  // This test runs, and there is nothing to see of it.
  expect(stateOfProcess(ownWords(), proc)).toBe('unknown');
  await copied(`${process.pid}/stat`);
  expect(stateOfProcess(ownWords(), proc)).toBe('runs');
  // Of another namespace: the same number is another process there.
  await rm(join(proc, 'self'));
  await symlink('1', join(proc, 'self'));
  await mkdir(join(proc, '1'), { recursive: true });
  await symlink(join(proc, `${process.pid}/ns`), join(proc, '1/ns'));
  expect([stateOfProcess(ownWords(), proc), ownWords(proc)]).toEqual(['unknown', undefined]);
});

describe('a record that is replaced', () => {
  const [path, made] = [() => join(folder, OWNER_FILE), () => join(folder, 'made')];

  it('stays if it is not the one that was judged: somebody else has made it since', async () => {
    await writeFile(path(), 'another one');
    await writeFile(made(), 'the next one');
    expect(replaceRecord(path(), (text) => text === 'the one that was judged', made())).toBe(false);
    expect([await readFile(path(), 'utf8'), await readdir(folder)]).toEqual([
      'another one',
      [OWNER_FILE, 'made'],
    ]);
    expect(replaceRecord(path(), (text) => text === 'another one', made())).toBe(true);
    expect([await readFile(path(), 'utf8'), await readdir(folder)]).toEqual(['the next one', [OWNER_FILE]]);
    expect([replaceRecord(path(), () => true), replaceRecord(path(), () => true)]).toEqual([true, false]);
    expect(await readdir(folder)).toEqual([]);
  });

  it('is replaced by one of those that mean it, and looked at again by that one', async () => {
    await writeFile(path(), 'first');
    const other = vi.fn(() => replaceRecord(path(), () => true));
    let looks = 0;
    const isMeant = (): boolean => {
      looks += 1;
      if (looks === 1) return true;
      expect(other()).toBe(false);
      writeFileSync(path(), 'second');
      return false;
    };
    expect(replaceRecord(path(), isMeant)).toBe(false);
    expect([await readFile(path(), 'utf8'), await readdir(folder)]).toEqual(['second', [OWNER_FILE]]);
    expect(other).toHaveBeenCalledOnce();
  });

  it('is replaced, too, where a process was killed that was about to: a minute later', async () => {
    await writeFile(path(), 'first');
    let turn = '';
    replaceRecord(path(), () => {
      turn = readdirSync(folder).find((name) => name !== OWNER_FILE) ?? turn;
      return turn === '';
    });
    await writeFile(join(folder, turn), '');
    const replace = (): boolean => replaceRecord(path(), () => true);
    expect([replace(), replace(), await readdir(folder)]).toEqual([false, false, [OWNER_FILE, turn]]);
    const then = Date.now() / 1_000 - 61;
    await utimes(join(folder, turn), then, then);
    expect([replace(), replace(), await readdir(folder)]).toEqual([false, true, []]);
  });

  it('and at once where it is seen that it has ended', async () => {
    await writeFile(path(), 'first');
    let turn = '';
    replaceRecord(path(), () => {
      turn = readdirSync(folder).find((name) => name !== OWNER_FILE) ?? turn;
      return turn === '';
    });
    await writeFile(join(folder, turn), ended());
    const replace = (): boolean => replaceRecord(path(), () => true);
    expect([replace(), replace(), await readdir(folder)]).toEqual([false, true, []]);
  });

  it('has no age when the clock was set back since, and one from then on', async () => {
    await writeFile(path(), 'first');
    const then = Date.now() / 1_000 + 3_600;
    await utimes(path(), then, then);
    expect(ageOf(path())).toBe(0);
    expect((await stat(path())).mtimeMs).toBeLessThanOrEqual(Date.now() + 1_000);
  });

  it('leaves nothing that keeps others out where there was no room to say who replaces it', async () => {
    await writeFile(path(), 'first');
    const { writeSync } = fsSync;
    const full = () => {
      throw Object.assign(new Error('ENOSPC'), { code: 'ENOSPC' });
    };
    Object.assign(fsSync, { writeSync: full });
    syncBuiltinESMExports();
    try {
      expect(replaceRecord(path(), () => true)).toBe(true);
    } finally {
      Object.assign(fsSync, { writeSync });
      syncBuiltinESMExports();
    }
    expect(await readdir(folder)).toEqual([]);
  });
});

describe('a folder that was copied with its record', () => {
  it('is in use by nobody', async () => {
    const { owner: one } = owner();
    await one.claim();
    const [copy, original] = [await temporaryDirectory('copied'), folder];
    onTestFinished(() => removeDirectory(copy));
    await cp(join(original, OWNER_FILE), join(copy, OWNER_FILE));
    folder = copy;
    expect(new FolderWatch(copy, clock).isInUseAt(serverAt('http://one:9163'))).toBe(false);
    expect(userAtOnce(copy)).toBeUndefined();
    const two = owner('two');
    expect(await two.owner.claim()).toBeUndefined();
    await two.owner.release();
    folder = original;
    expect((await record()).server.id).toBe('one');
    await one.release();
  });

  it('is free at once when those have ended that are in the record', async () => {
    await left({});
    await cp(join(folder, OWNER_FILE), join(folder, 'copy'));
    await rename(join(folder, 'copy'), join(folder, OWNER_FILE));
    expect(await owner().owner.claim()).toBeUndefined();
  });
});

describe('a record that somebody else has written to', () => {
  it('is lost if another file with the same text is in its place, and nobody is let in before that', async () => {
    const [one, two] = [owner(), owner('two')];
    await one.owner.claim();
    const path = join(folder, OWNER_FILE);
    await cp(path, join(folder, 'new'));
    await rename(join(folder, 'new'), path);
    expect(await two.owner.claim()).toContain('its folder is in use by');
    await renewal(() => one.losses.length > 0);
    expect(one.losses).toEqual([`one: the record of who uses its folder was replaced: ${path}`]);
    // Its next process has it at once; it does not run in the one that this one is in.
    await left({ serverId: 'one', process: ended(), server: ownWords() ?? null });
    expect(await owner().owner.claim()).toBeUndefined();
    expect(await two.owner.obstacle()).toMatchObject({ isInUse: true });
  });

  it('is its own still, in the other file, of a master that no server runs: that goes on with the files that it has', async () => {
    const one = owner('one', {}, 20_000, false);
    await one.owner.claim();
    const path = join(folder, OWNER_FILE);
    await cp(path, join(folder, 'new'));
    await rename(join(folder, 'new'), path);
    await renewal(() => one.tenure.length === 3);
    const [{ dev, ino }, its] = [await stat(path), await stat(folder)];
    expect(await record()).toMatchObject({ file: `${dev}:${ino}`, folder: `${its.dev}:${its.ino}`, beat: 1 });
    await renewal(() => one.tenure.length === 4);
    expect(one.losses).toEqual([]);
    await one.owner.release();
  });

  it.each([
    ['empty', ''],
    ['cut short', '{ not json'],
    ['too long', 'x'.repeat(3_000)],
  ])('is written anew if it is no record any more, but %s', async (_how, text) => {
    const { owner: one, losses, tenure } = owner();
    await one.claim();
    await writeFile(join(folder, OWNER_FILE), text);
    await renewal(() => tenure.length === 3);
    expect(await record()).toMatchObject({ beat: 1, server: { id: 'one' } });
    expect((await stat(join(folder, OWNER_FILE))).size).toBe(1_024);
    await renewal(() => tenure.length === 4);
    expect(losses).toEqual([]);
    await one.release();
    expect(await readdir(folder)).toEqual([]);
  });

  it('is written anew, too, if that was done while it was renewed', async () => {
    const { owner: one, losses, tenure } = owner();
    await one.claim();
    openWith(async (...details) => {
      const handle = await open(...details);
      const { close } = handle;
      handle.close = async () => {
        await close.call(handle);
        await writeFile(join(folder, OWNER_FILE), '');
      };
      return handle;
    });
    // The next renewal, and the deadline.
    await renewal(
      async () => (await readFile(join(folder, OWNER_FILE), 'utf8')) === '' && clock.pending === 2,
    );
    openWith(open);
    await renewal(() => tenure.length === 3);
    expect([losses, (await record()).server.id]).toEqual([[], 'one']);
    await one.release();
  });

  it('is lost if another file that is no record is in its place', async () => {
    const { owner: one, losses } = owner();
    await one.claim();
    const path = join(folder, OWNER_FILE);
    await writeFile(join(folder, 'new'), '');
    await rename(join(folder, 'new'), path);
    await renewal(() => losses.length > 0);
    expect(losses).toEqual([`one: the record of who uses its folder was overwritten: ${path}`]);
  });
});

describe('a record that is made', () => {
  const { link } = fs;
  const linkWith = (other: typeof fs.link): void => {
    Object.assign(fs, { link: other });
    syncBuiltinESMExports();
  };
  afterEach(() => linkWith(link));
  const failing = (code: string) => async () => {
    throw Object.assign(new Error(code), { code });
  };

  it('is whole when it has its name: who is killed before keeps nobody waiting', async () => {
    const never = new Promise<void>(() => undefined);
    linkWith(() => never);
    void owner().owner.claim();
    await eventually(async () => (await readdir(folder)).length === 1);
    expect(await readdir(folder)).toEqual([expect.stringMatching(/^ipc-owner\.json\./)]);
    linkWith(link);
    const two = owner('two');
    expect(await two.owner.claim()).toBeUndefined();
    expect(await readdir(folder)).toHaveLength(2);
    await two.owner.release();
  });

  it.each(['EPERM', 'ENOTSUP', 'ENOSYS', 'EMLINK'])(
    'is made in its place where there are no links: %s',
    async (code) => {
      linkWith(failing(code));
      const one = owner();
      expect(await one.owner.claim()).toBeUndefined();
      expect(await readdir(folder)).toEqual([OWNER_FILE]);
      expect(await owner('two').owner.claim()).toContain('its folder is in use by');
      await renewal(async () => (await record()).beat === 1);
      expect(one.losses).toEqual([]);
      await one.owner.release();
    },
  );

  it('is its own where a server of files was asked twice, and says that there is one', async () => {
    linkWith(async (...paths) => {
      await link(...paths);
      await failing('EEXIST')();
    });
    expect(await owner().owner.claim()).toBeUndefined();
    expect(await readdir(folder)).toEqual([OWNER_FILE]);
  });

  it('is no longer beside what killed processes have left', async () => {
    const names = ['old', 'new'].map((name) => `${OWNER_FILE}.${name}`);
    for (const name of names) await writeFile(join(folder, name), '');
    const then = Date.now() / 1_000 - 61;
    await utimes(join(folder, names[0] ?? ''), then, then);
    expect(await owner().owner.claim()).toBeUndefined();
    expect((await readdir(folder)).sort()).toEqual([OWNER_FILE, names[1]]);
  });
});

describe('a look at a folder', () => {
  it('tells whether another process has it', async () => {
    const watch = new FolderWatch(folder, clock);
    const isInUse = () => watch.isInUseAt(serverAt('http://other:9163'));
    expect(isInUse()).toBe(false);
    await left({});
    expect(isInUse()).toBe(false);
    await left({ process: elsewhere(7), server: elsewhere(6) });
    expect(isInUse()).toBe(true);
    expect(watch.isInUseAt(serverAt('http://another:9163'))).toBe(false);
    clock.advance(STANDS_FOR - 1);
    expect(isInUse()).toBe(true);
    clock.advance(1);
    expect(isInUse()).toBe(false);
    const child = spawn(process.execPath, ['-e', 'setInterval(() => 0, 1000)'], { stdio: 'ignore' });
    onTestFinished(() => void child.kill('SIGKILL'));
    await once(child, 'spawn');
    const words = await wordsOf(child.pid);
    await left({ process: words, server: words });
    expect(isInUse()).toBe(true);
  });
});

describe('one look at a folder, by who takes it from nobody', () => {
  /** The record is so many milliseconds old. */
  const aged = (milliseconds: number) => {
    const then = (Date.now() - milliseconds) / 1_000;
    return utimes(join(folder, OWNER_FILE), then, then);
  };

  it('tells who has it, and takes a record for nothing when those who had it have ended', async () => {
    expect(userAtOnce(folder)).toBeUndefined();
    const words = await wordsOf(process.ppid);
    await left({ process: words, server: words });
    await aged(3_600_000);
    expect(userAtOnce(folder)).toBe(IN_USE);
    await left({ process: words });
    expect(userAtOnce(folder)).toBe(IN_USE);
    await left({ isManaged: false, grace: 120_000 });
    await aged(130_000);
    expect(userAtOnce(folder)).toBeUndefined();
    expect(await readdir(folder)).toEqual([OWNER_FILE]);
  });

  it('waits for workers when those who had it have ended: a lock may outlive both', async () => {
    await left({ grace: 11_000 });
    await aged(11_300);
    const ended = 'the IPC server at http://other:9163 on far has ended, and its workers may go on writing';
    expect(userAtOnce(folder)).toBe(`${ended}, as far as is known until 5 s from now`);
    expect(userAtOnce(folder, { isOnlyLook: true })).toContain('its workers may go on writing');
    await aged(17_000);
    expect(userAtOnce(folder)).toBeUndefined();
    await left({ grace: 11_000, hasLeft: true });
    await aged(10_000);
    expect(userAtOnce(folder)).toMatch(/until [12] s from now/);
    await aged(12_000);
    expect(userAtOnce(folder)).toBeUndefined();
    // Whoever repaired it has no workers.
    await left({ grace: 0, hasLeft: true });
    expect(userAtOnce(folder)).toBeUndefined();
  });

  it('takes it for in use where processes cannot be looked at, until the record is older than it stands for', async () => {
    await left({ process: elsewhere(7), server: elsewhere(6) });
    expect(userAtOnce(folder)).toBe(`${IN_USE}, as far as is known until 18 s from now`);
    await aged(STANDS_FOR - 4_500);
    expect(userAtOnce(folder)).toBe(`${IN_USE}, as far as is known until 5 s from now`);
    expect(await readdir(folder)).toEqual([OWNER_FILE]);
    await aged(STANDS_FOR + 1_000);
    expect(userAtOnce(folder)).toBeUndefined();
    // Whoever goes on nevertheless finds that out.
    expect(await readdir(folder)).toEqual([]);
  });

  it('does the same of a record that is not whole', async () => {
    await writeFile(join(folder, OWNER_FILE), '');
    expect(userAtOnce(folder)).toMatch(
      /^it has a record that cannot be read: .*, as far as is known until 27 s/,
    );
    await aged(28_000);
    expect(userAtOnce(folder)).toBeUndefined();
    expect(await readdir(folder)).toEqual([]);
  });
});
