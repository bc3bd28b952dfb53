import { describe, expect, it } from 'vitest';
import type { IPCLock } from '../../../src/client/core/host.js';
import { IPCError } from '../../../src/errors.js';
import { type ClientLabSettings, clientLab } from '../../support/client-lab.js';

const LEASE_MS = 8_000;

/** A process that takes part, and has its file open. */
async function begin(settings: ClientLabSettings) {
  const lab = clientLab({ ...settings, session: { lease: LEASE_MS, ...settings.session } });
  lab.welcome(false, 1);
  lab.answerPings();
  lab.client.fileOpened();
  lab.answerPings();
  await lab.settle();
  const { client, told, clock, last, asked, settle } = lab;
  return {
    ...lab,
    kinds: () => told.map(({ kind }) => kind),
    /** What becomes of a lock that a transaction asks for. */
    outcome(tid: string): { lock?: IPCLock; error?: { code?: string } } {
      const outcome: { lock?: IPCLock; error?: { code?: string } } = {};
      client.lock({ path: 'a', tid, write: true }).then(
        (lock) => Object.assign(outcome, { lock }),
        (error: Error) => Object.assign(outcome, { error }),
      );
      return outcome;
    },
    /** The server asks the master for the lock of all workers. */
    async asksForRoot(id: string) {
      const data = { path: '', tid: `root${id}`, write: true };
      const request = { type: 'lock-request', id, from: '[server]', to: '[master]', data };
      last().events.text(JSON.stringify(request));
      await settle();
    },
    grant: (tid: string) => asked.findLast(({ info }) => info.tid === tid)?.grant(),
    /** Its line breaks, and the server refuses it when it comes again. */
    async isRefused(code: string, away = 12_000) {
      lab.breaks();
      await clock.playUntil(away, () => false);
      last().events.refused({ status: 500, code, message: 'the test', remedy: undefined });
      await settle();
    },
  };
}

describe('a master that was given up [PROTOCOL-14.13]', () => {
  it('comes again as one that has just been started, reads everything again, and says so', async () => {
    const { client, last, events, kinds, told, isRefused, welcome, settle } = await begin({ isMaster: true });
    await isRefused('IPC_REFUSED_OLD_MASTER');
    expect([kinds().at(-1), client.isReady, client.acceptance.isAccepted]).toEqual([
      'place lost',
      false,
      false,
    ]);
    expect(last().parameters).not.toHaveProperty('received');
    expect(last().parameters).toMatchObject({ id: '[master]' });
    welcome(false, 2);
    await settle();
    expect(events).toEqual(['reopened']);
    expect(last().sent).toEqual(['ready:{"pageNr":0,"recordNr":7}']);
    expect(kinds().slice(-2)).toEqual(['connected', 'came back']);
    const { milliseconds } = told.at(-1) as { milliseconds: number };
    expect(milliseconds).toBeGreaterThanOrEqual(12_000);
  });

  // Nobody ended that transaction, and it was waited for: nothing worked any more (seed 950009).
  it('comes again though a transaction had just been granted its lock, and it read under that what it had missed', async () => {
    const it = await begin({ isMaster: true });
    const { reading, breaks, clock, answerPings, kinds, outcome, grant, isRefused, welcome, settle } = it;
    breaks();
    await clock.playUntil(100, () => false);
    welcome(false, 2);
    answerPings();
    await settle();
    let fail: (error: Error) => void = () => undefined;
    reading.until = new Promise((_, reject) => {
      fail = reject;
    });
    const own = outcome('own');
    await settle();
    answerPings();
    await settle();
    grant('own');
    await settle();
    expect(own).toEqual({});
    await isRefused('IPC_REFUSED_OLD_MASTER');
    fail(new Error('the lease is lost'));
    await settle();
    expect(own.error).toMatchObject({ message: 'the lease is lost' });
    welcome(false, 3);
    await settle();
    expect(kinds().slice(-2)).toEqual(['connected', 'came back']);
  });

  // Refused, the server would take it for one that ends, and it would begin transactions of its own beside that of the worker.
  it('grants the lock of the workers as it comes back, before it may read its file again', async () => {
    let reopen: () => void = () => undefined;
    const reopened = () =>
      new Promise<void>((resolve) => {
        reopen = resolve;
      });
    const it = await begin({ isMaster: true, reopened });
    const { ipc, reading, kinds, asksForRoot, grant, isRefused, welcome, settle } = it;
    await isRefused('IPC_REFUSED_OLD_MASTER');
    welcome(false, 2);
    reading.until = Promise.reject(new Error('the lease is lost'));
    reading.until.catch(() => undefined);
    await asksForRoot('1');
    grant('root1');
    await settle();
    expect(ipc._locks.map(({ tid, granted }) => [tid, granted])).toEqual([['root1', true]]);
    reading.until = undefined;
    reopen();
    await settle();
    expect(kinds().slice(-2)).toEqual(['connected', 'came back']);
    expect(ipc._locks.map(({ tid, granted }) => [tid, granted])).toEqual([['root1', true]]);
  });

  it('does not go on where it cannot read what it has missed under the lock of the workers', async () => {
    const it = await begin({ isMaster: true });
    const { breaks, clock, answerPings, reading, told, asksForRoot, grant, welcome, settle } = it;
    breaks();
    await clock.playUntil(100, () => false);
    welcome(false, 2);
    answerPings();
    await settle();
    reading.until = Promise.reject(new Error('EIO: i/o error, read'));
    reading.until.catch(() => undefined);
    await asksForRoot('1');
    grant('root1');
    await settle();
    expect(told.at(-1)).toMatchObject({ kind: 'place lost', reason: expect.stringContaining('EIO') });
  });

  it('reads nothing, and begins nothing, before the server has accepted it', async () => {
    const { client, events, asked, outcome, isRefused, welcome, answerPings, last, settle } = await begin({
      isMaster: true,
    });
    await isRefused('IPC_REFUSED_OLD_MASTER');
    last().events.opened();
    const session = {
      resumed: false,
      since: 2,
      received: 0,
      grace: 11_000,
      lease: LEASE_MS,
      accepted: false,
    };
    last().events.text(`welcome:${JSON.stringify({ maxPayload: 1_000, session })}`);
    const own = outcome('own');
    await settle();
    answerPings();
    await settle();
    expect([events, asked, client.isAway]).toEqual([[], [], true]);
    last().events.text('accepted');
    await settle();
    answerPings();
    await settle();
    asked[0]?.grant();
    await settle();
    expect([events, own.lock === undefined, client.isAway]).toEqual([['reopened'], false, false]);
    void welcome;
  });

  it('gives the root lock before it has read its tables again: workers may hold locks', async () => {
    let reopen: () => void = () => undefined;
    const reopened = () =>
      new Promise<void>((resolve) => {
        reopen = resolve;
      });
    const lab = await begin({ isMaster: true, reopened });
    const { client, last, outcome, asked, isRefused, welcome, answerPings, settle, asksForRoot, grant } = lab;
    const answer = (id: string): void =>
      client.send({ type: 'lock-result', id, from: '[master]', to: '[server]', ok: true, data: { id: 1 } });
    await isRefused('IPC_REFUSED_OLD_MASTER');
    answer('old');
    const own = outcome('own');
    welcome(false, 2);
    await asksForRoot('1');
    grant('root1');
    answer('1');
    await settle();
    const results = last().sent.filter((text) => text.includes('"lock-result"'));
    expect([results.length, results[0]?.includes('"id":"1"')]).toEqual([1, true]);
    answerPings();
    await settle();
    expect([asked.map(({ info }) => info.tid), own]).toEqual([['root1'], {}]);
    reopen();
    await settle();
    answerPings();
    await settle();
    expect(asked.map(({ info }) => info.tid)).toEqual(['root1', 'own']);
  });

  it('fails what held a lock, with a code, and lets wait what held none', async () => {
    const lab = await begin({ isMaster: true });
    const { outcome, grant, events, ipc, isRefused, welcome, answerPings, settle } = lab;
    const holding = outcome('holding');
    await settle();
    grant('holding');
    await settle();
    const waiting = outcome('waiting');
    await settle();
    const lost = isRefused('IPC_REFUSED_OLD_MASTER');
    await lost;
    expect(events).toContain('revokes holding');
    expect(holding.lock?.state).toBe('expired');
    const more = outcome('holding');
    await settle();
    expect(more.error?.code).toBe('IPC_CLIENT_LEASE_LOST');
    await expect(holding.lock?.moveToParent()).rejects.toMatchObject({ code: 'IPC_CLIENT_LEASE_LOST' });
    // What waits is granted AceBase's lock meanwhile, and must not use it.
    grant('waiting');
    await settle();
    expect(waiting).toEqual({});
    await holding.lock?.release();
    await settle();
    welcome(false, 2);
    await settle();
    answerPings();
    await settle();
    grant('waiting');
    await settle();
    expect(waiting.lock).toBeDefined();
    expect(ipc._locks.map(({ tid }) => tid)).toEqual(['waiting']);
    // That one is over: its id is free.
    const again = outcome('holding');
    await settle();
    grant('holding');
    await settle();
    expect(again.lock).toBeDefined();
  });

  it('waits for what goes on under a lost lock, but not for code of the user, which may never end', async () => {
    const lab = await begin({ isMaster: true });
    const { outcome, grant, client, kinds, last, isRefused, welcome, settle } = lab;
    outcome('holding');
    await settle();
    grant('holding');
    await settle();
    const { parameters } = last();
    await isRefused('IPC_REFUSED_OLD_MASTER');
    expect(last().parameters).not.toBe(parameters);
    expect(last().parameters).toHaveProperty('received');
    client.lost.entersUserCode('holding');
    await settle();
    expect(last().parameters).not.toHaveProperty('received');
    welcome(false, 2);
    await settle();
    expect(kinds().at(-1)).toBe('came back');
    client.lost.leavesUserCode('holding');
    const more = outcome('holding');
    await settle();
    expect(more.error?.code).toBe('IPC_CLIENT_LEASE_LOST');
  });

  it('gives back what the server holds, and answers nothing that it was asked before', async () => {
    const lab = await begin({ isMaster: true });
    const { ipc, grant, last, events, asksForRoot, isRefused, welcome, settle } = lab;
    await asksForRoot('1');
    grant('root1');
    await settle();
    await asksForRoot('2');
    await isRefused('IPC_REFUSED_OLD_MASTER');
    expect([ipc._locks.filter(({ granted }) => granted), events]).toEqual([[], ['revokes root2']]);
    welcome(false, 2);
    await settle();
    expect(last().sent).toEqual(['ready:{"pageNr":0,"recordNr":7}']);
  });

  it('says again what it did, and nothing of its tables: another one may have made them anew', async () => {
    const { client, last, isRefused, welcome, settle } = await begin({ isMaster: true });
    const say = (data: object): void => client.send({ type: 'notification', from: '[master]', data });
    say({ type: 'kit.new_key', key: 'k', index: 0 });
    client.send({ type: 'event', from: '[master]', to: 'worker', event: 'value', path: 'a', data: 1 });
    say({ type: 'root.update' });
    client.indexUpdated('a.idx');
    await isRefused('IPC_REFUSED_OLD_MASTER');
    welcome(false, 2);
    await settle();
    const types = last().sent.map((text) => /"type":"([a-z-]+)"/.exec(text)?.[1]);
    expect(types).toEqual(['event', undefined]);
  });

  // The server waited for that for good, and gave nobody a lock.
  it('comes again if it cannot write a root that it is to write: it is asked for that anew, or another one is', async () => {
    const { header, last, told, kinds, clock, welcome, settle } = await begin({ isMaster: true });
    header.failure = new Error('EIO');
    const address = { path: '', pageNr: 0, recordNr: '9' };
    const data = { type: 'root.update', address };
    last().events.text(JSON.stringify({ type: 'notification', from: '[server]', data }));
    await settle();
    expect(kinds()).not.toContain('place lost');
    await clock.playUntil(2_000, () => false);
    await settle();
    expect(told.find(({ kind }) => kind === 'place lost')).toMatchObject({
      reason: expect.stringMatching(/^it could not write where the root .*: EIO$/),
    });
    expect(last().parameters).not.toHaveProperty('received');
    welcome(false, 1);
    await settle();
    expect(kinds().at(-1)).toBe('came back');
  });

  it('gives up with the code of the server if another one has its place, and stays there', async () => {
    const { client, kinds, last, outcome, isRefused, settle } = await begin({ isMaster: true });
    await isRefused('IPC_REFUSED_SECOND_MASTER');
    expect(kinds().at(-1)).toBe('place lost');
    const waiting = outcome('waiting');
    last().events.refused({
      status: 500,
      code: 'IPC_REFUSED_SECOND_MASTER',
      message: 'the test',
      remedy: undefined,
    });
    await settle();
    expect([kinds().at(-1), waiting.error?.code, client.acceptance.refusal?.code]).toEqual([
      'gave up',
      'IPC_REFUSED_SECOND_MASTER',
      'IPC_REFUSED_SECOND_MASTER',
    ]);
  });

  it('gives up, and says why, if it cannot read its file again', async () => {
    const reopened = () => Promise.reject(new Error('another file has its name by now'));
    const { told, events, isRefused, welcome, settle } = await begin({ isMaster: true, reopened });
    await isRefused('IPC_REFUSED_OLD_MASTER');
    welcome(false, 2);
    await settle();
    const { reason } = told.at(-1) as { reason: string };
    expect([told.at(-1)?.kind, reason, events]).toEqual([
      'gave up',
      expect.stringContaining('another file has its name by now'),
      ['closed'],
    ]);
  });

  it('is given up again while it comes back, and comes back all the same', async () => {
    const reads: (() => void)[] = [];
    const reopened = () => new Promise<void>((resolve) => void reads.push(resolve));
    const { last, kinds, isRefused, welcome, settle } = await begin({ isMaster: true, reopened });
    await isRefused('IPC_REFUSED_OLD_MASTER');
    welcome(false, 2);
    await settle();
    await isRefused('IPC_REFUSED_OLD_MASTER');
    reads[0]?.();
    await settle();
    expect(kinds()).not.toContain('came back');
    welcome(false, 3);
    await settle();
    reads[1]?.();
    await settle();
    expect(kinds().filter((kind) => kind === 'came back')).toHaveLength(1);
    expect(last().sent).toEqual(['ready:{"pageNr":0,"recordNr":7}']);
  });

  it('reads everything once, though its line breaks meanwhile and its new session is resumed', async () => {
    const reads: (() => void)[] = [];
    const reopened = () => new Promise<void>((resolve) => void reads.push(resolve));
    const { clock, kinds, isRefused, welcome, breaks, settle } = await begin({ isMaster: true, reopened });
    await isRefused('IPC_REFUSED_OLD_MASTER');
    welcome(false, 2);
    await settle();
    breaks();
    await clock.playUntil(100, () => false);
    welcome(true, 2);
    await settle();
    expect(reads).toHaveLength(1);
    reads[0]?.();
    await settle();
    expect(kinds().filter((kind) => kind === 'came back')).toHaveLength(1);
  });

  it('gives up if it was opening its file just then: AceBase cannot begin that again', async () => {
    const lab = clientLab({ isMaster: true, session: { lease: LEASE_MS } });
    lab.welcome(false, 1);
    lab.breaks();
    await lab.clock.playUntil(12_000, () => false);
    lab.last().events.refused({
      status: 500,
      code: 'IPC_REFUSED_OLD_MASTER',
      message: 'the test',
      remedy: undefined,
    });
    await lab.settle();
    expect(lab.told.at(-1)?.kind).toBe('gave up');
  });

  it('and says so once, though its folder cannot be had by then either', async () => {
    const lab = clientLab({ isMaster: true, session: { lease: LEASE_MS } });
    lab.welcome(false, 1);
    lab.breaks();
    await lab.clock.playUntil(12_000, () => false);
    lab
      .last()
      .events.refused({ status: 500, code: 'IPC_REFUSED_OLD_MASTER', message: '', remedy: undefined });
    await lab.settle();
    lab.client.cannotOpen(new IPCError('IPC_CLIENT_FOLDER_IN_USE'));
    expect(lab.told.filter(({ kind }) => kind === 'gave up')).toHaveLength(1);
  });

  it('is closed while it is away: what waits for its being back, fails', async () => {
    const { client, isRefused, outcome, settle } = await begin({ isMaster: true });
    await isRefused('IPC_REFUSED_OLD_MASTER');
    const waiting = outcome('t1');
    await settle();
    client.send({ type: 'bye', from: '[master]' });
    await settle();
    expect(waiting.error).toMatchObject({ code: 'IPC_CLIENT_CLOSED' });
  });

  it.each(['gives up', 'leaves'])(
    '%s while a transaction waits to hear the server first: that fails',
    async (how) => {
      const { client, clock, last, breaks, welcome, outcome, settle } = await begin({ isMaster: true });
      breaks();
      await clock.playUntil(200, () => false);
      welcome(false, 2);
      await settle();
      const waiting = outcome('t1');
      await settle();
      const refusal = { code: 'IPC_REFUSED_OTHER_FILE', message: 'the test' };
      if (how === 'leaves') client.send({ type: 'bye', from: '[master]' });
      else last().events.text(`refused:${JSON.stringify(refusal)}`);
      await settle();
      expect(waiting.error).toBeDefined();
    },
  );

  it('ends the index first that it is making: what is written meanwhile would be missing in it', async () => {
    let end: () => void = () => undefined;
    const built = new Promise<void>((resolve) => {
      end = resolve;
    });
    const { outcome, last, isRefused, settle } = await begin({ isMaster: true, built });
    await isRefused('IPC_REFUSED_OLD_MASTER');
    const scan = outcome('scan');
    await settle();
    expect([scan.error?.code, 'received' in last().parameters]).toEqual(['IPC_CLIENT_LEASE_LOST', true]);
    end();
    await settle();
    expect(last().parameters).not.toHaveProperty('received');
  });
});

it('a worker that was given up says when it is back, and for how long it was not heard', async () => {
  const { told, isRefused, welcome, settle } = await begin({});
  await isRefused('IPC_REFUSED_PEER_GONE', 20_000);
  welcome(false, 1);
  await settle();
  const { kind, milliseconds } = told.at(-1) as { kind: string; milliseconds: number };
  expect([kind, milliseconds >= 20_000]).toEqual(['came back', true]);
});

/** The server says that the lock is back. */
async function unlocked({ last, settle }: Awaited<ReturnType<typeof begin>>): Promise<void> {
  const frame = last().sent.findLast((text) => text.includes('"unlock-request"')) ?? '';
  const { id } = JSON.parse(frame.slice(frame.indexOf(';') + 1)) as { id: string };
  const result = { type: 'unlock-result', id, from: '[master]', to: 'worker', ok: true, data: { id: 7 } };
  last().events.text(JSON.stringify(result));
  await settle();
}

describe('a worker that comes to a server which does not know it, and was out of touch for longer than the last one waits', () => {
  /** A worker whose transaction holds a lock; or has given it back, and the server has said so, or has not. */
  async function away(milliseconds: number, lockIs: 'held' | 'on its way back' | 'back') {
    const lab = await begin({});
    const { client, clock, last, settle, breaks, welcome, grantOf, answerPings } = lab;
    const locking = client.lock({ path: 'a', tid: 'T', write: true });
    await settle();
    last().events.text(grantOf(119_000));
    const lock = await locking;
    if (lockIs !== 'held') await lock.release();
    if (lockIs === 'back') await unlocked(lab);
    answerPings();
    breaks();
    await clock.playUntil(milliseconds, () => false);
    welcome(false, 2);
    await settle();
    return { ...lab, lock };
  }

  it('does not go on with its lock: the last server may have given that to others before it was lost itself', async () => {
    const { kinds, lock, last, client } = await away(11_000, 'held');
    expect([kinds().at(-1), lock.expires, client.lease.isLost]).toEqual(['place lost', 0, true]);
    expect(last().sent).toEqual([]);
  });

  it('does not tell what it has done, if nobody has heard that it gave its lock back: others may have moved the root since', async () => {
    const { kinds, last } = await away(180_000, 'on its way back');
    // That server need not wait for what it held.
    const said = last().sent.map((text) => (JSON.parse(text) as { readonly type: string }).type);
    expect([kinds().at(-1), said]).toEqual(['place lost', ['bye']]);
  });

  it('goes on if it holds none: it reads everything again', async () => {
    const { kinds, last } = await away(60_000, 'back');
    expect(kinds().at(-1)).toBe('connected');
    expect(last().sent[0]).toBe('locks:{"held":[],"peers":["[master]"]}');
  });

  it('goes on with its lock, if the last server cannot have given it up by then', async () => {
    const { kinds, last, lock } = await away(8_500, 'held');
    expect([kinds().at(-1), lock.expires > 0]).toEqual(['connected', true]);
    expect(last().sent[0]).toContain('"tid":"T"');
  });
});
