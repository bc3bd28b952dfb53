import { describe, expect, it, vi } from 'vitest';
import { IPCError } from '../../../src/errors.js';
import { clientLab } from '../../support/client-lab.js';

const LEASE_MS = 8_000;
const master = { isMaster: true, session: { lease: LEASE_MS } };
const saidBye = (sent: readonly string[]): boolean => sent.some((text) => text.includes('"type":"bye"'));

/** A promise that ends when the test says so. */
function open(): { ended: Promise<void>; end: () => void } {
  let end: () => void = () => undefined;
  const ended = new Promise<void>((resolve) => {
    end = resolve;
  });
  return { ended, end };
}

/** The server asks a master for the lock of all workers, and is granted it. */
async function givesRoot({ last, settle, asked }: ReturnType<typeof clientLab>): Promise<void> {
  const data = { path: '', tid: 'root1', write: true };
  last().events.text(
    JSON.stringify({ type: 'lock-request', id: '1', from: '[server]', to: '[master]', data }),
  );
  await settle();
  asked[0]?.grant();
}

describe('what waits for the lease', () => {
  const scene = async () => {
    const lab = clientLab(master);
    lab.welcome(false, 1);
    lab.answerPings();
    lab.client.fileOpened();
    lab.answerPings();
    const order: string[] = [];
    const waits = (): void =>
      lab.client.lease.whenHeld(
        () => order.push('went on'),
        () => order.push('failed'),
      );
    await lab.settle();
    return { ...lab, order, waits };
  };

  it('does not go on when the process says goodbye: another master may have its place', async () => {
    const { clock, client, last, order, waits, settle } = await scene();
    await clock.playUntil(LEASE_MS + 500, () => false);
    waits();
    client.send({ type: 'bye', from: '[master]' });
    await settle();
    expect([saidBye(last().sent), order]).toEqual([true, ['failed']]);
    waits();
    expect(order).toEqual(['failed', 'failed']);
  });

  it('does not go on when the process is closed while its line is away', async () => {
    const { clock, client, breaks, order, waits, settle } = await scene();
    breaks();
    await clock.playUntil(LEASE_MS + 500, () => false);
    waits();
    const preparation = client.prepareToExit();
    await clock.playUntil(3_100, () => false);
    await preparation;
    client.send({ type: 'bye', from: '[master]' });
    await settle();
    expect(order).toEqual(['failed']);
  });

  it('goes on as ever if the lease is held', async () => {
    const { client, order, waits } = await scene();
    client.send({ type: 'bye', from: '[master]' });
    waits();
    expect(order).toEqual(['went on']);
  });
});

describe('a goodbye that waits until all is written', () => {
  it('is said in the name that the process has by then', async () => {
    const { ended, end } = open();
    const { clock, client, ipc, last, told, welcome, breaks, refuses, settle } = clientLab({
      written: ended,
    });
    welcome(false, 1);
    client.send({ type: 'bye', from: ipc.id });
    breaks();
    clock.advance(100);
    refuses();
    await settle();
    welcome(false, 1);
    end();
    await client.goodbye;
    await settle();
    expect([told.at(-1)?.kind, saidBye(last().sent)]).toEqual(['left', true]);
  });

  it('is that of a master, too, that others may have replaced while it was stopped', async () => {
    const { ended, end } = open();
    const { clock, client, last, welcome, breaks, answerPings, settle } = clientLab({
      ...master,
      written: ended,
    });
    welcome(false, 1);
    answerPings();
    client.fileOpened();
    await settle();
    clock.stopped = 13_000;
    breaks();
    clock.advance(100);
    welcome(false, 2);
    await settle();
    expect([client.lease.isLost, saidBye(last().sent)]).toEqual([true, false]);
    end();
    await settle();
    expect([last().isClosed, saidBye(last().sent)]).toEqual([true, true]);
  });
});

it('a master that is closed while its server is gone waits for no worker, and begins no transaction beside one', async () => {
  const lab = clientLab(master);
  const { clock, client, ipc, asked, welcome, breaks, answerPings, settle } = lab;
  welcome(false, 1);
  answerPings();
  client.fileOpened();
  answerPings();
  await givesRoot(lab);
  const own = client.lock({ path: '', tid: 'own', write: true }).then(
    () => 'granted',
    (error: Error) => error.message,
  );
  await settle();
  breaks();
  const preparation = client.prepareToExit();
  await clock.playUntil(3_100, () => false);
  await preparation;
  expect(ipc._locks.map(({ tid }) => tid)).toEqual(['own']);
  asked[1]?.grant();
  expect(await own).toMatch(/exiting/);
  expect(ipc._locks).toEqual([]);
});

it('a worker that is closed while there is no server waits for what it has asked for as long as that waits for it', async () => {
  const { clock, client, ipc, welcome, breaks, settle } = clientLab({ session: { grace: 11_000 } });
  welcome(false, 1);
  client.fileOpened();
  const waiting = client.lock({ path: '', tid: 'T', write: true }).catch((error: Error) => error.message);
  await settle();
  void client.prepareToExit();
  breaks();
  await clock.playUntil(10_900, () => false);
  expect(ipc._locks).toHaveLength(1);
  await clock.playUntil(200, () => false);
  expect(await waiting).toContain('was not there any more');
  expect([ipc._locks, ipc._requests.size]).toEqual([[], 0]);
  client.send({ type: 'bye', from: ipc.id });
  expect(clock.pending).toBe(0);
});

it('and from when the line breaks, if that is later', async () => {
  const { clock, client, ipc, welcome, breaks, settle } = clientLab({ session: { grace: 11_000 } });
  welcome(false, 1);
  client.fileOpened();
  client.lock({ path: '', tid: 'T', write: true }).catch(() => undefined);
  await settle();
  void client.prepareToExit();
  await clock.playUntil(10_900, () => false);
  breaks();
  await clock.playUntil(200, () => false);
  expect(ipc._locks).toHaveLength(1);
});

it('a worker that has said goodbye keeps its process no longer', async () => {
  const { clock, client, ipc, welcome, last } = clientLab({ session: { grace: 11_000 } });
  welcome(false, 1);
  client.fileOpened();
  await client.prepareToExit();
  client.send({ type: 'bye', from: ipc.id });
  last().events.closed({ reason: 'bye', code: '' });
  // The server has so long to end the line, for which no process is kept.
  clock.advance(3_000);
  expect(clock.pending).toBe(0);
});

it('a master that is closed wants its turn at once: the server would keep the lock of the workers while they use it', () => {
  const { client, last, welcome, answerPings } = clientLab({ ...master, session: { turns: true } });
  welcome(false, 1);
  answerPings();
  client.fileOpened();
  answerPings();
  void client.prepareToExit();
  expect(last().sent.at(-1)).toBe('turn:wanted');
});

it('a master that is closed, and finds its line dead only then, waits for its server no longer than for a moment', async () => {
  const lab = clientLab(master);
  const { clock, client, ipc, welcome, breaks, answerPings, settle } = lab;
  welcome(false, 1);
  answerPings();
  client.fileOpened();
  answerPings();
  await givesRoot(lab);
  await client.prepareToExit();
  await settle();
  expect(ipc._locks).toHaveLength(1);
  breaks();
  await clock.playUntil(3_100, () => false);
  expect(ipc._locks).toEqual([]);
});

it('a master that is closed before its server has said its first word waits for that no longer than for a moment, if it breaks', async () => {
  const { clock, client, welcome, breaks } = clientLab({ ...master });
  welcome(false, 1);
  client.fileOpened();
  const prepared = vi.fn();
  void client.prepareToExit()?.then(prepared);
  breaks();
  await clock.playUntil(2_900, () => false);
  expect(prepared).not.toHaveBeenCalled();
  await clock.playUntil(200, () => false);
  expect(prepared).toHaveBeenCalledOnce();
});

it('a master that is closed before it could open its file waits for nothing once it has given up', async () => {
  const { client, welcome, settle } = clientLab({ ...master });
  welcome(false, 1);
  let isPrepared = false;
  void client.prepareToExit()?.then(() => {
    isPrepared = true;
  });
  await settle();
  expect(isPrepared).toBe(false);
  client.cannotOpen(new IPCError('IPC_CLIENT_FOLDER_IN_USE'));
  await settle();
  expect(isPrepared).toBe(true);
});

it('says whether the server may hear its goodbye', async () => {
  const { client, told, welcome, breaks } = clientLab({ ...master });
  welcome(false, 1);
  breaks();
  client.send({ type: 'bye', from: '[master]' });
  expect(told.at(-1)).toEqual({ kind: 'left', isTold: false });
});

it('but not that of one that it has given up, or that is about to come again', async () => {
  const { client, last, told, clock, welcome, breaks, settle } = clientLab({ ...master });
  welcome(false, 1);
  client.fileOpened();
  breaks();
  await clock.playUntil(12_000, () => false);
  last().events.refused({ status: 500, code: 'IPC_REFUSED_OLD_MASTER', message: '', remedy: undefined });
  await settle();
  client.send({ type: 'bye', from: '[master]' });
  expect(told.at(-1)).toEqual({ kind: 'left', isTold: false });
});

it('a master that is closed makes the index first that it is making', async () => {
  const { ended, end } = open();
  const { client, welcome, answerPings, settle } = clientLab({ ...master, built: ended });
  welcome(false, 1);
  answerPings();
  client.fileOpened();
  answerPings();
  let isReady = false;
  void client.prepareToExit()?.then(() => {
    isReady = true;
  });
  await settle();
  answerPings();
  await settle();
  expect(isReady).toBe(false);
  end();
  await settle();
  expect(isReady).toBe(true);
});

it('leaves no timer behind that keeps a process from ending when its line is ended after the goodbye', async () => {
  const { clock, client, welcome, breaks, answerPings, settle } = clientLab(master);
  welcome(false, 1);
  answerPings();
  client.fileOpened();
  answerPings();
  await client.prepareToExit();
  client.send({ type: 'bye', from: '[master]' });
  await settle();
  const schedule = vi.spyOn(clock, 'schedule');
  breaks();
  expect(schedule).not.toHaveBeenCalled();
});
