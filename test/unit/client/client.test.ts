import { expect, it } from 'vitest';
import type { IPCLock } from '../../../src/client/core/host.js';
import { clientLab } from '../../support/client-lab.js';

it('tells a new server which locks it holds, who was there, and how long the last one would have waited', () => {
  const session = { grace: 30_000 };
  const { clock, last, welcome, breaks } = clientLab({ session });
  welcome(false, 1);
  breaks();
  clock.advance(100);
  session.grace = 5_000;
  welcome(false, 2);
  expect(last().sent).toEqual(['locks:{"held":[],"peers":["[master]"]}']);
  expect(last().parameters).toMatchObject({ received: '0', grace: '30000' });
});

it('tells it which run of which server it was at, as long as servers say so', () => {
  const session: { server?: string } = { server: 'the-first' };
  const { clock, last, welcome, breaks } = clientLab({ session });
  const told = (): string | undefined => {
    breaks();
    clock.advance(1_000);
    return last().parameters['server'];
  };
  welcome(false, 1);
  expect(told()).toBe('the-first');
  session.server = 'the-second';
  welcome(false, 2);
  expect(told()).toBe('the-second');
  delete session.server;
  welcome(false, 3);
  expect(told()).toBeUndefined();
});

it('tells it for how long what was given by the last servers may be used: eleven eighths of the lease, and the longest of late', () => {
  const session = { grace: 600_000, lease: 8_000 };
  const { clock, last, welcome, breaks } = clientLab({ session });
  const toldAgain = (since: number): string | undefined => {
    breaks();
    clock.advance(100);
    welcome(false, since);
    return last().parameters['grace'];
  };
  expect(last().parameters['grace']).toBeUndefined();
  welcome(false, 1);
  Object.assign(session, { grace: 1_100, lease: 800 });
  expect(toldAgain(2)).toBe('11000');
  expect(toldAgain(3)).toBe('11000');
  clock.advance(11_000);
  expect(toldAgain(4)).toBe('1100');
});

it('loses its place where the line takes no word as long as that of what it holds: by another way it would come behind the proof of its lease', async () => {
  const { client, clock, last, ipc, welcome, breaks, answerPings, told, settle } = clientLab({
    maxPayload: 1_024,
  });
  welcome(false, 1);
  answerPings();
  ipc.peers.push(...Array.from({ length: 60 }, (_, number) => ({ id: `some-worker-${number}` })));
  breaks();
  clock.advance(100);
  welcome(false, 2);
  await settle();
  expect(last().sent.filter((frame) => frame.startsWith('locks:'))).toEqual([]);
  expect(told).toContainEqual({ kind: 'place lost', reason: undefined });
  expect(client.lease.isHeld).toBe(false);
});

it('lets operations wait for its lease for as long as the server says, and no longer than a lock lasts', async () => {
  for (const [patience, waits] of [
    [20_000, 20_000],
    [1_000_000, 120_000],
  ] as const) {
    const { client, clock, welcome, breaks, answerPings, settle } = clientLab({
      session: { lease: 8_000, patience },
    });
    welcome(false, 1);
    answerPings();
    breaks();
    clock.advance(8_001);
    const failed: string[] = [];
    client.lease.wait()?.catch((error: Error) => failed.push(error.message));
    // To settle takes 100 ms.
    clock.advance(waits - 101);
    await settle();
    expect(failed).toEqual([]);
    await settle();
    expect(failed).toEqual([expect.stringMatching(/^IPC_CLIENT_LEASE_LOST: /)]);
  }
});

it('says as a master where it found the root when it opened its file, and to the next server only that it is open', () => {
  const { clock, client, last, welcome, breaks } = clientLab({ isMaster: true });
  welcome(false, 1);
  client.fileOpened();
  expect(last().sent).toEqual(['ready:{"pageNr":0,"recordNr":7}']);
  breaks();
  clock.advance(100);
  welcome(false, 2);
  expect(last().sent).toContain('ready');
});

it('says as a worker nothing of the root: others may have moved it since it read the file', () => {
  const { client, last, welcome } = clientLab();
  welcome(false, 1);
  client.fileOpened();
  expect(last().sent).toEqual(['ready']);
});

it('says goodbye when it has written what it is writing, and serves nobody meanwhile', async () => {
  let end: () => void = () => undefined;
  const written = new Promise<void>((resolve) => {
    end = resolve;
  });
  const { client, last, asked, welcome, settle } = clientLab({ isMaster: true, written });
  welcome(false, 1);
  client.send({ type: 'bye', from: '[master]' });
  const data = { path: '', tid: 'T', write: true };
  last().events.text(
    JSON.stringify({ type: 'lock-request', id: '1', from: '[server]', to: '[master]', data }),
  );
  await settle();
  expect([last().sent, asked]).toEqual([[], []]);
  end();
  await client.goodbye;
  expect(last().sent).toEqual(['{"type":"bye","from":"[master]"}']);
  expect(client.goodbye).toBeUndefined();
});

it('tells a server nothing of the time before when it comes again as another peer [PROTOCOL-14.6]', async () => {
  const { clock, ipc, last, welcome, breaks, refuses, told } = clientLab();
  welcome(false, 1);
  breaks();
  clock.advance(100);
  refuses();
  await clock.playUntil(100, () => false);
  expect([ipc.id, last().parameters]).toMatchObject(['id-of-the-test-2', { id: 'id-of-the-test-2' }]);
  welcome(false, 1);
  expect(last().sent).toEqual([]);
  expect(told.map(({ kind }) => kind)).toEqual(['connected', 'lost', 'place lost', 'connected', 'came back']);
});

/** A worker that holds a lock. */
async function holder() {
  const lab = clientLab();
  lab.welcome(false, 1);
  lab.client.fileOpened();
  lab.answerPings();
  const locking = lab.client.lock({ path: 'a', tid: 'T', write: true });
  await lab.settle();
  lab.last().events.text(lab.grantOf(119_000));
  return { ...lab, lock: await locking };
}

it('is refused at once what it asks for under a lock that it has lost: it would be answered when it is back, which waits for that', async () => {
  const { clock, ipc, last, breaks, refuses, settle, lock } = await holder();
  breaks();
  clock.advance(100);
  refuses();
  await settle();
  const outcomes: unknown[] = [];
  for (const [id, type] of [
    ['1', 'fst.allocate'],
    ['2', 'index.update'],
    ['3', 'kit.add'],
  ] as const) {
    const request = { type: 'request', id, from: ipc.id, to: '[master]', data: { type } };
    ipc.request(request).catch(({ code }: { code: string }) => outcomes.push([type, code]));
  }
  await settle();
  expect(outcomes).toEqual([
    ['fst.allocate', 'IPC_CLIENT_LEASE_LOST'],
    ['index.update', 'IPC_CLIENT_LEASE_LOST'],
  ]);
  await lock.release('it is over');
  await settle();
  expect(last().parameters).toMatchObject({ id: expect.stringContaining('id-of-the-test') });
});

it('says goodbye when it gives up what it has, so that nobody waits for that, and unlocks nothing: others are to read everything again', async () => {
  const { client, last, settle, lock } = await holder();
  const line = last();
  const said = line.sent.length;
  client.giveUpPlace();
  await settle();
  expect(line.sent).toHaveLength(said);
  void lock.release('it is over');
  await settle();
  expect(line.sent.slice(said)).toEqual(['{"type":"bye","from":"worker"}']);
  expect(line.isClosed).toBe(true);
  line.events.closed({ reason: 'it said goodbye', code: '' });
  await settle();
  expect(last().parameters).toMatchObject({ id: expect.stringContaining('id-of-the-test') });
  expect(last().parameters).not.toHaveProperty('received');
});

it('gives up what it has while it dials: that line would go on with it', async () => {
  const { client, clock, last, breaks, settle, lock } = await holder();
  breaks();
  await clock.playUntil(1_000, () => false);
  const dialled = last();
  expect(dialled.parameters).toHaveProperty('received');
  client.giveUpPlace();
  void lock.release('it is over');
  await settle();
  expect(dialled.isClosed).toBe(true);
  dialled.events.closed({ reason: 'it was ended', code: '' });
  await settle();
  expect(last().parameters).not.toHaveProperty('received');
});

// Others have gone on meanwhile, and heard of what this one did, be it by reading the file. So an event that comes only then is out of the
// order in which things happened, and is told all the same: the simulation held that against it once (seed 32162).
it('tells under its new name the events that it could not tell before it was given up, and nothing of the file', async () => {
  const { clock, client, last, welcome, breaks, refuses } = clientLab();
  welcome(false, 1);
  breaks();
  client.send({ type: 'notification', from: 'worker', data: { type: 'cache.update' } });
  client.send({ type: 'event', from: 'worker', to: 'other', event: 'value', path: 'a', data: 1 });
  clock.advance(100);
  refuses();
  await clock.playUntil(100, () => false);
  welcome(false, 1);
  const [event, ...rest] = last().sent;
  expect(rest).toEqual([]);
  expect(JSON.parse(event?.slice('to:other;'.length) ?? '')).toMatchObject({
    type: 'event',
    from: 'id-of-the-test-2',
    to: 'other',
  });
});

it('as a master whose line is dead, begins no transaction when the lock of the server runs out, until it has heard what workers did', async () => {
  const { client, last, asked, welcome, breaks, answerPings, settle } = clientLab({ isMaster: true });
  welcome(false, 1);
  answerPings();
  const data = { path: '', tid: 'root1', write: true };
  last().events.text(
    JSON.stringify({ type: 'lock-request', id: '1', from: '[server]', to: '[master]', data }),
  );
  await settle();
  const root = asked[0];
  root?.grant();
  const granted: IPCLock[] = [];
  void client.lock({ path: 'a', tid: 't', write: true }).then((lock) => granted.push(lock));
  await settle();
  breaks();
  Object.assign(root?.info.lock ?? {}, { state: 'expired' });
  asked[1]?.grant();
  await settle();
  expect([granted, asked.length]).toEqual([[], 2]);
  welcome(true, 1);
  await settle();
  expect(asked).toHaveLength(2);
  answerPings();
  await settle();
  asked[2]?.grant();
  await settle();
  expect(granted).toHaveLength(1);
});

it('as a master that was not told yet who is there, says so to the next server, and keeps the lock of the last one until that has asked', async () => {
  const { clock, client, ipc, last, asked, welcome, breaks, answerPings, settle } = clientLab({
    isMaster: true,
  });
  const asksForRoot = (id: string) => {
    const data = { path: '', tid: `root${id}`, write: true };
    const request = { type: 'lock-request', id, from: '[server]', to: '[master]', data };
    last().events.text(JSON.stringify(request));
  };
  welcome(false, 1);
  asksForRoot('1');
  await settle();
  asked[0]?.grant();
  breaks();
  client.fileOpened();
  clock.advance(100);
  welcome(false, 2);
  expect(last().sent).toContain('locks:{"held":[],"peers":["[master]","[server]"]}');
  // The answer to what was asked before the claim says nothing of what the server does about it.
  last().events.ponged(last().pings[0] ?? '');
  await settle();
  expect(ipc._locks).toHaveLength(1);
  asksForRoot('2');
  await settle();
  expect(asked[1]?.info.tid).toBe('root1');
  asked[1]?.grant();
  await settle();
  expect(ipc._locks).toEqual([asked[1]?.info]);
  answerPings();
  await settle();
  breaks();
  clock.advance(100);
  welcome(false, 3);
  expect(last().sent).toContain('locks:{"held":[],"peers":["[master]"]}');
});

it('ends its line when it gives up: the server would take it for a master that works', async () => {
  const { client, last, welcome, settle } = clientLab({ isMaster: true });
  client.heldFile = { hasAppeared: true };
  welcome(false, 1);
  await settle();
  expect([client.acceptance.isAccepted, last().isClosed]).toEqual([false, true]);
});

it('says as a master on its next line that its file is open before it asks what the server has to say first', async () => {
  const { clock, client, last, welcome, breaks, answerPings, settle } = clientLab({ isMaster: true });
  welcome(false, 1);
  answerPings();
  await settle();
  breaks();
  client.fileOpened();
  clock.advance(100);
  welcome(true, 1);
  expect(last().said[0]).toBe('ready:{"pageNr":0,"recordNr":7}');
  expect(last().said).toContain('a ping');
});
